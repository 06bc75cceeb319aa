"""The runtime: starts the actors, hands them work, and ends them in order."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self
from unicodedata import category

import anyio
import msgspec

from authgate_async import oplog
from authgate_async.agents import Agent
from authgate_async.assembly import Parts, Settings, assemble
from authgate_async.authority import Authority
from authgate_async.batch import Batch, Tasks
from authgate_async.errors import (
    AuthgateError,
    ClosedError,
    TaskError,
    UsageError,
)
from authgate_async.log.rotation import Rotation
from authgate_async.messages import Applied, Apply, Pending, Waits
from authgate_async.planners.protocol import Task
from authgate_async.planners.rule_planner import RulePlanner
from authgate_async.policy.model import Policy
from authgate_async.runs import RunDriver, RunResult, Timeouts
from authgate_async.wire import MAX_NAME, Approve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from authgate_async.actors.mailbox import MailboxStats
    from authgate_async.approvals import WaitingCall
    from authgate_async.backends import Backend
    from authgate_async.log.writer import Durability
    from authgate_async.planners.protocol import Planner
    from authgate_async.runs import Sign
    from authgate_async.tools.definition import Tool
    from authgate_async.wire import Action, Change, Verdict

__all__ = ["Runtime"]

APPLY_SECONDS = 60.0

_task = msgspec.msgpack.Decoder(Task).decode
_encode = msgspec.msgpack.Encoder().encode


def _check_name(agent: str) -> None:
    """Refuse a name that no principal can have, before it gets into a record."""
    if not agent:
        raise TaskError("the task names no agent; say who is to act")
    if len(agent.encode()) > MAX_NAME or any(category(c) == "Cc" for c in agent):
        shown = ascii(agent[:MAX_NAME])
        raise TaskError(
            f"{shown} cannot be an agent; use up to {MAX_NAME} bytes and no control characters"
        )


def _clock() -> int:
    return time.time_ns() // 1000


class Runtime(Authority):
    """Agents act through it, and only as far as they were granted.

    Use it as `async with Runtime(...) as rt`. Leaving the block takes no new work, lets what is in
    flight finish for `grace` seconds, cancels the rest, and closes the log.

    Args:
        policy: who there is and what they may; none means that nothing is permitted until it is
            granted.
        planner: turns intents into steps (default: `RulePlanner`).
        tools: further tools, beside those that the policy turns on (without a policy: the built-in
            ones).
        backend: which kernel decides: `rust` (default), `python`, or `auto`.
        log: the folder of the log (default `authgate-log`); None keeps none, for tests.
        durability: when a record counts as written: `fsync` (default), `os`, `memory`.
        rotation: when the log begins another file and removes old ones (default: the policy's).
        key: the signing key, a file made by `authgate keygen` or a seed of 32 bytes; by default a
            new one for this runtime.
        auditor: the public key that sealed arguments and outputs are encrypted to, a `.pub` file
            made by `authgate keygen --auditor`, or 32 bytes; needed where a tool seals anything.
        max_processes: tool processes at once (default: the policy's, or twice the cores plus two).
        max_calls: tool calls under way at once, inline ones included.
        grace: seconds (default: the policy's).
        approvals: a folder of this user's own, from which the files are taken that `authgate
            approvals sign` puts there (default: none; `approve` takes approvals in any case).
        now: the clock, in microseconds since the Unix epoch.

    Raises on entering:
        PolicyError, KeyFileError, BackendMissingError, LogUnavailableError, LogCorruptError,
        SandboxUnavailableError.
    """

    def __init__(
        self,
        policy: Policy | None = None,
        *,
        planner: Planner | None = None,
        tools: Sequence[Tool] = (),
        backend: Backend = "rust",
        log: Path | str | None = Path("authgate-log"),
        durability: Durability = "fsync",
        rotation: Rotation | None = None,
        key: Path | str | bytes | None = None,
        auditor: Path | str | bytes | None = None,
        max_processes: int | None = None,
        max_calls: int = 10_000,
        grace: float | None = None,
        approvals: Path | str | None = None,
        now: Callable[[], int] = _clock,
    ) -> None:
        policy = policy or Policy()
        self._settings = Settings(
            policy=policy,
            planner=planner or RulePlanner(),
            tools=tuple(tools),
            backend=backend,
            log=None if log is None else Path(log),
            durability=durability,
            rotation=Rotation(**policy.log) if rotation is None else rotation,
            key=key,
            auditor=auditor,
            max_processes=(
                policy.limits.max_processes or None if max_processes is None else max_processes
            ),
            max_calls=max_calls,
            grace=policy.limits.grace_ms / 1000 if grace is None else grace,
            approvals=None if approvals is None else Path(approvals),
            now=now,
            oplog=oplog.get_logger(),
        )
        super().__init__((person.kind, person.name) for person in policy.principals)
        self._parts: Parts | None = None
        self._stack = AsyncExitStack()
        self._closing = False
        self._active: set[anyio.CancelScope] = set()
        self._batches: set[Batch] = set()
        self._tasks = 0

    async def __aenter__(self) -> Self:
        if self._parts is not None:
            raise UsageError("a runtime is entered once; make a new one")
        if self._closing:
            raise ClosedError("the runtime was shut down before it began")
        async with AsyncExitStack() as stack:
            parts = await assemble(self._settings, stack)
            self._group = await stack.enter_async_context(anyio.create_task_group())
            self._idle = anyio.Event()
            self._stack = stack.pop_all()
        self._parts = parts  # last: from now on a request to stop finds the group
        self._driver = RunDriver(
            planner=parts.planner,
            gate=parts.gate,
            supervisor=parts.supervisor,
            log=parts.log,
            tools=parts.tools,
            keeper=parts.keeper,
            now=self._settings.now,
            oplog=self._settings.oplog,
            timeouts=Timeouts(approve=self._settings.policy.limits.approval_ms / 1000),
        )
        if parts.spool is not None:
            self._group.start_soon(parts.spool.serve, self.approve, self._settings.oplog)
        return self

    async def __aexit__(self, *exc_info: object) -> bool | None:
        self._drain()
        with anyio.CancelScope(shield=True):
            if exc_info[0] is None:
                with anyio.move_on_after(self._settings.grace):
                    await self._quiet()
            self._cancel()
            await self._quiet()
            self._group.cancel_scope.cancel()
            await self._required(closing=True).supervisor_of_all.stop_all()
        return await self._stack.__aexit__(*exc_info)  # type: ignore[arg-type]

    # Work.

    async def run(
        self, task: Task | str, *, agent: str = "", kind: str = "", sign: Sign | None = None
    ) -> RunResult:
        """Run one task, or an intent for `agent`, to its end.

        `kind` is `human` or `machine` (default: what the name is enrolled as, else machine). `sign`
        signs each action for a principal that is enrolled with a key; `Agent` does that for you.

        Raises:
            TaskError: the task is malformed.
            ClosedError: the runtime is shutting down.
            Exception: whatever `sign` raises; the run is recorded as failed.
        """
        if isinstance(task, str):
            task = Task(agent=agent, intent=task)
        return await self._run(self._checked(task), kind, sign)

    def run_batch(self, tasks: Tasks, *, concurrency: int | None = None) -> Batch:
        """Run many tasks; iterate over the results as they finish.

        `Batch` tells their order. `concurrency` bounds the agents that act at once (default: the
        policy's). A task that is malformed or fails gives a result with the status `failed`; it
        hurts no other.

        Raises:
            ClosedError: the runtime is shutting down.
            UsageError: `concurrency` is below 1.
        """
        self._required()
        bound = self._settings.policy.limits.concurrency if concurrency is None else concurrency
        batch = Batch(tasks, self._run_in_batch, self._group, bound)
        batch.on_end(self._batches.discard)
        self._batches.add(batch)
        return batch

    def agent(self, name: str, *, kind: str = "", key: Path | str | bytes | None = None) -> Agent:
        """Return a handle on one agent; `key` is its own key, if it is enrolled with one."""
        return Agent(self, name, kind=kind, key=key)

    async def decide(self, actions: Sequence[Action]) -> list[Verdict]:
        """Return the kernel's verdicts; nothing runs, nothing is recorded, no permit gets out."""
        return await self._required().decide(actions, self._settings.now())

    async def waiting(self) -> tuple[WaitingCall, ...]:
        """Return the calls that wait for an approval, the one whose time ends first first.

        `approvals.sign_approval` signs one, and `approve` takes that.
        """
        gate = self._required(closing=True).gate
        waits = await gate.ask(Pending(), Waits, timeout=APPLY_SECONDS)
        return waits.calls

    # The end, and a look inside.

    def shutdown(self) -> None:
        """Begin to end: take no new work, and cancel what is in flight after the grace.

        Called again, cancel it now. Returns at once either way.
        """
        if self._closing:
            self._cancel()
            return
        self._drain()
        if self._parts is not None:
            self._group.start_soon(self._cancel_after_grace)

    @property
    def public_key(self) -> bytes:
        """The Ed25519 public key that verdicts and log are signed with."""
        return self._required().kernel.public_key

    def stats(self) -> dict[str, MailboxStats]:
        """Return the figures of each actor's mailbox, by the actor's name."""
        parts = self._required(closing=True)
        actors = (parts.planner, parts.gate, parts.supervisor, parts.withdrawals, parts.log)
        return {ref.name: ref.stats() for ref in actors}

    async def _run(self, task: Task, kind: str, sign: Sign | None) -> RunResult:
        self._required()
        run = self._driver.open(task, kind or self._kind_of(task.agent), sign)
        with anyio.CancelScope() as scope:
            self._active.add(scope)
            try:
                await self._driver.drive(run)
            finally:
                self._active.discard(scope)
                if not self._active:
                    self._idle.set()
        return run.result()

    async def _run_in_batch(self, task: Task) -> RunResult:
        name, agent = getattr(task, "id", ""), getattr(task, "agent", "")
        try:
            task = self._checked(task)  # thousands may be under way: the caller's own is let go
            return await self._run(task, "", None)
        except AuthgateError as error:
            sentence = str(error)
        except Exception as error:  # noqa: BLE001 - a bug that one task meets is not the others' end
            sentence = f"a bug of ours, please report it: {type(error).__name__}: {error}"
            self._settings.oplog.error("bug", error=sentence)
        return RunResult(run="", task=str(name), agent=str(agent), status="failed", error=sentence)

    def _checked(self, task: Task) -> Task:
        try:
            task = _task(_encode(task))
        except (
            msgspec.MsgspecError,
            TypeError,
            ValueError,
            OverflowError,
            RecursionError,
        ) as error:
            raise TaskError(
                f"this is no task: {error}; give it an agent, and an intent or steps"
            ) from None
        _check_name(task.agent)
        if not task.id:
            self._tasks += 1
            task = msgspec.structs.replace(task, id=f"task-{self._tasks}")
        return task

    async def _apply(self, changes: Sequence[Change], by: str = "operator") -> Applied:
        # What waits at the end may still be approved, as what runs may finish.
        approving = all(isinstance(change, Approve) for change in changes)
        gate = self._required(closing=approving).gate
        return await gate.ask(Apply(tuple(changes), by), Applied, timeout=APPLY_SECONDS)

    def _required(self, *, closing: bool = False) -> Parts:
        if self._parts is None:
            raise UsageError("the runtime is not running; use `async with Runtime(...) as rt`")
        if self._closing and not closing:
            raise ClosedError("the runtime is shutting down and takes nothing new; start a new one")
        return self._parts

    def _drain(self) -> None:
        self._closing = True
        for batch in tuple(self._batches):
            batch.drain()

    def _cancel(self) -> None:
        for scope in tuple(self._active):
            scope.cancel()

    async def _cancel_after_grace(self) -> None:
        await anyio.sleep(self._settings.grace)
        self._cancel()

    async def _quiet(self) -> None:
        """Wait until no run is in flight."""
        while self._active:
            self._idle = anyio.Event()
            await self._idle.wait()
