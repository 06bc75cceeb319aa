"""The sandbox supervisor: redeems permits, has the permitted calls run, and records how they ended.

Nothing starts without a permit that the kernel took back, and every call that started gets an
outcome, also when it is cancelled.
"""

from __future__ import annotations

import time
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, cast

import anyio
import anyio.lowlevel
import msgspec
from anyio import CapacityLimiter, to_thread

from authgate_async.actors.crew import acquire, alone
from authgate_async.actors.outcomes import Recorder
from authgate_async.actors.running import Permit
from authgate_async.errors import AuthgateError
from authgate_async.launchers.protocol import Call, Ended, Folder, Usage, cleared
from authgate_async.log.records import Outcome, Refusal
from authgate_async.log.sealing import Place
from authgate_async.messages import Execute, Finished, Settle
from authgate_async.wire import Redeemed, Redemption, SignedVerdict, Verdict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from typing import TypeVarTuple, Unpack

    from anyio.abc import TaskGroup

    from authgate_async.actors.envelope import Envelope
    from authgate_async.actors.mailbox import Inbox
    from authgate_async.actors.reference import Ref
    from authgate_async.actors.running import Running
    from authgate_async.backends import Kernel
    from authgate_async.launchers.protocol import Clear, Launcher, LayerName, Level, Limits
    from authgate_async.log.keeping import Keeper
    from authgate_async.messages import Append, SupervisorMessage
    from authgate_async.oplog import Logger
    from authgate_async.tools.toolset import ToolSet

    Ts = TypeVarTuple("Ts")

__all__ = ["SandboxSupervisor"]

BATCH = 512
"""Permits redeemed in one kernel call at most."""

_redeemed = msgspec.msgpack.Decoder(list[Redeemed]).decode
_signed = msgspec.msgpack.Decoder(SignedVerdict).decode
_verdict = msgspec.msgpack.Decoder(Verdict).decode
_encode = msgspec.msgpack.Encoder().encode


class _RefusedError(Exception):
    """A permit was refused; its call must not start."""

    def __init__(self, redeemed: Redeemed) -> None:
        self.redeemed = redeemed


def _timed(ended: Ended, seconds: float) -> Ended:
    """Add the time that a call took, where its launcher was not asked any more."""
    if ended.usage.wall_us:
        return ended
    return msgspec.structs.replace(ended, usage=Usage(wall_us=max(1, int(seconds * 1_000_000))))


def _read(permit: bytes) -> tuple[Permit, Verdict] | None:
    """Read what nobody has looked at yet; None if it is no permit."""
    try:
        signed = _signed(permit).verdict
        verdict = _verdict(signed)
    except (msgspec.MsgspecError, ValueError):
        return None
    return Permit(signed, verdict), verdict


def _check(redeemed: Redeemed) -> None:
    if redeemed.code:
        raise _RefusedError(redeemed)


class SandboxSupervisor:
    """The actor; at most `size` calls are under way.

    Others wait in tasks of their own, so that it hears at once of those that are cancelled.
    `folders` says where resources lie, `limits` what a call of each tool may use, `keeper` what is
    recorded of it; `running` knows the permits of the calls that run; `now` is in microseconds
    since the Unix epoch.
    """

    def __init__(
        self,
        *,
        kernel: Kernel,
        tools: ToolSet,
        launchers: Mapping[Level, Launcher],
        folders: Mapping[tuple[str, str], str],
        limits: Mapping[str, Limits],
        keeper: Keeper,
        log: Ref[Append],
        running: Running,
        now: Callable[[], int],
        oplog: Logger,
        size: int,
        record_timeout: float,
    ) -> None:
        self._kernel = kernel
        self._tools = tools
        self._launchers = launchers
        self._folders = folders
        self._limits = limits
        self._keeper = keeper
        self._now = now
        self._oplog = oplog
        self._places = anyio.Semaphore(size)
        self._recorder = Recorder(kernel, log, record_timeout, self._crashed)
        self._running = running
        self._thread = CapacityLimiter(1)

    async def run(self, inbox: Inbox[SupervisorMessage]) -> None:
        """Serve until the mailbox is drained and the last call has ended and is recorded."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._recorder.run)
            try:
                async with anyio.create_task_group() as calls:
                    while batch := await inbox.batch(BATCH):
                        await self._serve(batch, calls)
            finally:
                self._recorder.close()

    async def _serve(self, batch: list[Envelope[SupervisorMessage]], group: TaskGroup) -> None:
        """Begin with all of these; waits for nothing but the kernel."""
        at_once: list[Envelope[Execute]] = []
        for envelope in batch:
            if isinstance(envelope.message, Settle):
                self._recorder.settle(cast("Envelope[Settle]", envelope))
                continue
            call = cast("Envelope[Execute]", envelope)
            self._recorder.expect(call.message.run)
            if self._has_place(call):
                at_once.append(call)
            else:
                self._go(call, group, self._queue, call)
        if at_once:
            await self._start(at_once, group)

    def _has_place(self, envelope: Envelope[Execute]) -> bool:
        """Take a place for a call that can start in it at once; else its permit is redeemed later.

        A place is enough for an inline call only.
        """
        tool = self._tools.get(envelope.message.tool)
        if tool is not None and tool.level != "inline":
            return False
        try:
            self._places.acquire_nowait()
        except anyio.WouldBlock:
            return False
        return True

    def _go(
        self,
        envelope: Envelope[Execute],
        group: TaskGroup,
        function: Callable[[Unpack[Ts]], Awaitable[None]],
        *args: *Ts,
    ) -> None:
        """Let a call go on in a task, which is cancelled when nobody waits for it any more."""
        task = group.create_task(alone(self._crashed, function, *args))
        envelope.on_abandoned(task.cancel)

    async def _redeem(self, batch: list[Envelope[Execute]]) -> list[Redeemed]:
        redemptions = [
            Redemption(message.permit, message.tool, message.args, message.salt)
            for message in (envelope.message for envelope in batch)
        ]
        return _redeemed(
            await to_thread.run_sync(
                self._kernel.redeem, _encode(redemptions), self._now(), limiter=self._thread
            )
        )

    async def _start(self, envelopes: list[Envelope[Execute]], group: TaskGroup) -> None:
        """Redeem together what has its places, and start it."""
        read = [_read(envelope.message.permit) for envelope in envelopes]
        for found in read:
            if found is not None:
                self._running.add(found[0])
        try:
            answers = await self._redeem(envelopes)
        except BaseException:
            for found in filter(None, read):
                self._running.discard(found[0])
            raise
        for envelope, found, redeemed in zip(envelopes, read, answers, strict=True):
            if found is None:
                self._refuse(envelope, redeemed)
            elif (call := self._redeemed(envelope, *found, redeemed)) is not None:
                self._begin(envelope, call, found[0], group)
                continue
            self._places.release()

    def _redeemed(
        self, envelope: Envelope[Execute], permit: Permit, verdict: Verdict, redeemed: Redeemed
    ) -> Call | None:
        """Return the call that may start now, unless the permit is refused."""
        permit.note(redeemed)
        try:
            _check(redeemed)
            return self._call(envelope.message, verdict)
        except _RefusedError as error:
            self._running.discard(permit)
            self._refuse(envelope, error.redeemed)
            if redeemed.budgeted:
                self._recorder.charge(permit.returned())
        return None

    def _begin(
        self, envelope: Envelope[Execute], call: Call, permit: Permit, group: TaskGroup
    ) -> None:
        launcher = self._launchers["inline"]
        ended = None if permit.withdrawn else launcher.launch_now(call)
        if ended is not None:
            self._places.release()
            self._running.discard(permit)
            self._record(envelope, call, permit, ended, launcher.layers)
            return
        # The permit is spent; thousands of calls may wait, so let go of its bytes.
        envelope.message = msgspec.structs.replace(envelope.message, permit=b"")
        self._go(envelope, group, self._launch, envelope, call, permit, cleared, cleared)

    async def _queue(self, envelope: Envelope[Execute]) -> None:
        """Launch a call whose permit is redeemed when its place is there, and not before."""
        found = _read(envelope.message.permit)
        if found is None:
            self._refuse(envelope, (await self._redeem([envelope]))[0])
            return
        permit, verdict = found
        try:
            call = self._call(envelope.message, verdict)
        except _RefusedError as error:
            self._refuse(envelope, error.redeemed)
            return
        place, clear = partial(acquire, self._places), partial(self._clear, envelope, permit)
        await self._launch(envelope, call, permit, place, clear)

    async def _clear(self, envelope: Envelope[Execute], permit: Permit) -> None:
        # Before it is redeemed: what is withdrawn from then on must find it here.
        self._running.add(permit)
        (redeemed,) = await self._redeem([envelope])
        _check(redeemed)
        permit.note(redeemed)

    async def _launch(
        self, envelope: Envelope[Execute], call: Call, permit: Permit, place: Clear, clear: Clear
    ) -> None:
        """Run a call to its end when it has its `place`, and record that."""
        launcher = self._launchers[self._tools[envelope.message.tool].level]
        placed = False
        began: float | None = None

        async def clear_and_note() -> None:
            nonlocal began
            await clear()
            if permit.withdrawn:
                await anyio.lowlevel.checkpoint()  # ends here: its scope is cancelled
            began = time.monotonic()  # a loop's own clock may stand still for milliseconds

        ended: Ended | None = Ended("cancelled", error="the call was cancelled")
        try:
            with permit.scope:
                await place()
                placed = True
                ended = await launcher.launch(call, clear_and_note)
            if permit.scope.cancelled_caught:
                ended = Ended("revoked", error=permit.withdrawn)
        except _RefusedError as error:
            ended = None
            self._refuse(envelope, error.redeemed)
        except AuthgateError as error:
            ended = Ended("sandbox_died", error=str(error))
        except Exception as error:
            sentence = f"a bug of ours, please report it: {type(error).__name__}: {error}"
            ended = Ended("sandbox_died", error=sentence)
            raise
        finally:
            self._running.discard(permit)
            if placed:
                self._places.release()
            if ended is not None and began is not None:
                ended = _timed(ended, time.monotonic() - began)
                self._record(envelope, call, permit, ended, launcher.layers)
            elif ended is not None:
                self._recorder.charge(permit.returned())
                self._recorder.add(envelope, None, Finished(ended.cause, error=ended.error))

    def _call(self, message: Execute, verdict: Verdict) -> Call:
        """Return the call that a permit is for."""
        if (verdict.action_id, verdict.actor) != (f"{message.run}:{message.seq}", message.agent):
            sentence = "the permit is for another run or agent than the one it came with"
            raise _RefusedError(Redeemed("permit_mismatch", sentence))
        folders = tuple(
            [
                Folder(request.rtype, request.name, path, request.scope, request.right)
                for request in verdict.requests
                if (path := self._folders.get((request.rtype, request.name))) is not None
            ]
        )
        tool = self._tools[message.tool]
        limits = self._limits[tool.name]
        return Call(
            verdict.action_id, tool.ref, message.args, folders, limits, programs=tool.programs
        )

    def _record(
        self,
        envelope: Envelope[Execute],
        call: Call,
        permit: Permit,
        ended: Ended,
        layers: tuple[LayerName, ...],
    ) -> None:
        message = envelope.message
        digest = permit.action_digest.hex()
        place = Place("outcome", message.run, message.seq, digest)
        outcome = Outcome(
            action_digest=digest,
            action_id=call.action_id,
            capped=ended.capped,
            cause=ended.cause,
            cpu_us=ended.usage.cpu_us,
            layers=layers,
            memory_bytes=ended.usage.memory_bytes,
            run=message.run,
            seq=message.seq,
            time=self._now(),
            wall_us=ended.usage.wall_us,
            **self._keeper.outputs(message.tool, ended, place),
        )
        answer = Finished(ended.cause, ended.result, ended.error)
        if permit.budgeted:
            self._recorder.charge(permit.settlement(ended, self._tools[message.tool].cost))
        self._recorder.add(envelope, outcome, answer)
        if ended.cause != "returned":
            told = self._keeper.error(message.tool, ended)
            self._tell(message, call.action_id, "call failed", ended.cause, told)

    def _refuse(self, envelope: Envelope[Execute], redeemed: Redeemed) -> None:
        message = envelope.message
        refusal = Refusal(
            action_id=_action_id(message.permit),
            code=redeemed.code,
            permit_digest=sha256(message.permit).hexdigest(),
            sentence=redeemed.sentence,
            time=self._now(),
        )
        answer = Finished(None, error=redeemed.sentence, refusal=redeemed.code)
        self._recorder.add(envelope, refusal, answer)
        self._tell(message, refusal.action_id, "refused", redeemed.code, redeemed.sentence)

    def _tell(self, message: Execute, action_id: str, event: str, code: str, error: str) -> None:
        self._oplog.warning(
            event,
            run_id=message.run,
            agent=message.agent,
            step=message.seq,
            action_id=action_id,
            tool=message.tool,
            code=code,
            error=error,
        )

    def _crashed(self, error: BaseException) -> None:
        self._oplog.error("sandbox supervisor bug", error=f"{type(error).__name__}: {error}")


def _action_id(permit: bytes) -> str:
    """The action that a refused permit claims to be for, or nothing if it is no permit."""
    try:
        return _verdict(_signed(permit).verdict).action_id
    except (msgspec.MsgspecError, ValueError):
        return ""
