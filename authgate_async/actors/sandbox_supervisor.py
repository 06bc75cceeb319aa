"""The sandbox supervisor: redeems permits, has the permitted calls run, and records how they ended.

Nothing starts without a permit that the kernel took back, and every call that started gets an
outcome, also when it is cancelled.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import anyio
import msgspec
from anyio import CapacityLimiter, to_thread

from authgate_async.actors.crew import Crew
from authgate_async.actors.recording import record
from authgate_async.launchers.protocol import Call, Ended, Folder
from authgate_async.log.records import Outcome, Refusal
from authgate_async.messages import Finished
from authgate_async.wire import Redeemed, Redemption, SignedVerdict, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from authgate_async.actors.envelope import Envelope
    from authgate_async.actors.mailbox import Inbox
    from authgate_async.actors.reference import Ref
    from authgate_async.backends import Kernel
    from authgate_async.launchers.protocol import Launcher, Level, Limits
    from authgate_async.messages import Append, Execute
    from authgate_async.oplog import Logger
    from authgate_async.tools.definition import Tool
    from authgate_async.tools.toolset import ToolSet

__all__ = ["SandboxSupervisor"]

BATCH = 512
"""Permits redeemed in one kernel call at most."""

_redeemed = msgspec.msgpack.Decoder(list[Redeemed]).decode
_signed = msgspec.msgpack.Decoder(SignedVerdict).decode
_verdict = msgspec.msgpack.Decoder(Verdict).decode
_encode = msgspec.msgpack.Encoder().encode


class SandboxSupervisor:
    """The actor; at most `size` calls are under way.

    `folders` says where resources lie, `limits` what a call of each tool may use; `now` is in
    microseconds since the Unix epoch.
    """

    def __init__(
        self,
        *,
        kernel: Kernel,
        tools: ToolSet,
        launchers: Mapping[Level, Launcher],
        folders: Mapping[tuple[str, str], str],
        limits: Mapping[str, Limits],
        log: Ref[Append],
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
        self._log = log
        self._now = now
        self._oplog = oplog
        self._size = size
        self._record_timeout = record_timeout
        self._thread = CapacityLimiter(1)

    async def run(self, inbox: Inbox[Execute]) -> None:
        """Serve until the mailbox is drained and the last call has ended."""
        async with Crew(self._size, on_crash=self._crashed) as crew:
            while batch := await inbox.batch(BATCH):
                for envelope, redeemed in zip(batch, await self._redeem(batch), strict=True):
                    if redeemed.code:
                        await crew.start(self._refuse, envelope, redeemed)
                    else:
                        scope = await crew.start(self._execute, envelope)
                        envelope.on_abandoned(scope.cancel)

    async def _redeem(self, batch: list[Envelope[Execute]]) -> list[Redeemed]:
        redemptions = [
            Redemption(message.permit, message.tool, message.args)
            for message in (envelope.message for envelope in batch)
        ]
        return _redeemed(
            await to_thread.run_sync(
                self._kernel.redeem, _encode(redemptions), self._now(), limiter=self._thread
            )
        )

    async def _execute(self, envelope: Envelope[Execute]) -> None:
        with envelope:
            verdict = _verdict(_signed(envelope.message.permit).verdict)
            tool = self._tools[envelope.message.tool]
            launcher = self._launchers[tool.level]
            try:
                ended = await launcher.launch(self._call(envelope.message, verdict, tool))
            except anyio.get_cancelled_exc_class():
                with anyio.CancelScope(shield=True):
                    ended = Ended("cancelled", error="the call was cancelled")
                    await self._record(envelope.message, verdict, ended, launcher.layers)
                raise
            problem = await self._record(envelope.message, verdict, ended, launcher.layers)
            error = f"the outcome could not be recorded: {problem}" if problem else ended.error
            envelope.reply(Finished(ended.cause, ended.result, error))

    def _call(self, message: Execute, verdict: Verdict, tool: Tool) -> Call:
        folders = tuple(
            Folder(request.rtype, request.name, path, request.scope, request.right)
            for request in verdict.requests
            if (path := self._folders.get((request.rtype, request.name))) is not None
        )
        return Call(verdict.action_id, tool.ref, message.args, folders, self._limits[tool.name])

    async def _record(
        self, message: Execute, verdict: Verdict, ended: Ended, layers: tuple[str, ...]
    ) -> str:
        outcome = Outcome(
            action_digest=verdict.action_digest.hex(),
            action_id=verdict.action_id,
            capped=ended.capped,
            cause=ended.cause,
            cpu_us=ended.usage.cpu_us,
            error=ended.error,
            layers=layers,
            memory_bytes=ended.usage.memory_bytes,
            result_digest=sha256(ended.result).hexdigest(),
            run=message.run,
            seq=message.seq,
            stderr_digest=sha256(ended.stderr).hexdigest(),
            stdout_digest=sha256(ended.stdout).hexdigest(),
            time=self._now(),
            wall_us=ended.usage.wall_us,
        )
        (problem,) = await record(self._log, ((outcome,),), timeout=self._record_timeout)
        if ended.cause != "returned":
            self._tell(message, verdict.action_id, "call failed", ended.cause, ended.error)
        return problem

    async def _refuse(self, envelope: Envelope[Execute], redeemed: Redeemed) -> None:
        with envelope:
            message = envelope.message
            refusal = Refusal(
                action_id=_action_id(message.permit),
                code=redeemed.code,
                permit_digest=sha256(message.permit).hexdigest(),
                sentence=redeemed.sentence,
                time=self._now(),
            )
            await record(self._log, ((refusal,),), timeout=self._record_timeout)
            self._tell(message, refusal.action_id, "refused", redeemed.code, redeemed.sentence)
            envelope.reply(Finished(None, error=redeemed.sentence, refusal=redeemed.code))

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

    def _crashed(self, error: Exception) -> None:
        self._oplog.error("sandbox supervisor bug", error=f"{type(error).__name__}: {error}")


def _action_id(permit: bytes) -> str:
    """The action that a refused permit claims to be for, or nothing if it is no permit."""
    try:
        return _verdict(_signed(permit).verdict).action_id
    except (msgspec.MsgspecError, ValueError):
        return ""
