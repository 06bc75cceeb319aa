"""One run: ask the planner, propose each step to the gate, have the permitted ones executed.

The driver runs in its caller's task and holds nothing that outlives the run.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

import anyio
import msgspec

from authgate_async.actions import action_of, statement_of
from authgate_async.actors.recording import record
from authgate_async.errors import ArgumentError, AuthgateError, ClosedError
from authgate_async.launchers.sentences import describe
from authgate_async.log.records import RunClosed, RunOpened
from authgate_async.messages import (
    Decided,
    Execute,
    Finished,
    Forgo,
    Plan,
    PlanRequest,
    Propose,
    Settle,
    Settled,
)
from authgate_async.planners.protocol import Step, StepResult, Task

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate_async.actors.reference import Ref
    from authgate_async.log.keeping import Keeper
    from authgate_async.messages import (
        Append,
        GateMessage,
        SupervisorMessage,
    )
    from authgate_async.oplog import Logger
    from authgate_async.tools.toolset import ToolSet

    Sign = Callable[[bytes], bytes]
    """Ed25519 over the bytes it is given."""

__all__ = ["Run", "RunDriver", "RunResult", "Status", "Timeouts"]

Status = Literal["done", "denied", "failed", "interrupted"]


class RunResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one task.

    `done`: every step was permitted and ran (a tool may still have failed: see its step's `error`).
    `denied`: the last step was denied, later ones did not run. `failed`: the planner or the runtime
        could not go on; `error` says why. `interrupted`: the runtime was shut down, or the caller
        cancelled.
    """

    run: str
    task: str
    agent: str
    status: Status
    steps: tuple[StepResult, ...] = ()
    error: str = ""


class Timeouts(msgspec.Struct, frozen=True):
    """How long a run waits for each actor, in seconds; `execute` includes a queue for processes.

    The gate has `decide`, and `approve` more, in which a human may approve a call.
    """

    plan: float = 120.0
    decide: float = 60.0
    approve: float = 900.0
    execute: float = 3600.0
    record: float = 60.0


_PLANNER_SAID = "the planner failed; what it said may have arguments that are kept off the log"

MAX_STEPS = 1_000
"""Steps of one run: a planner that never ends is ended."""


class RunDriver:
    """Drives runs through the actors; one serves any number at once."""

    def __init__(
        self,
        *,
        planner: Ref[PlanRequest],
        gate: Ref[GateMessage],
        supervisor: Ref[SupervisorMessage],
        log: Ref[Append],
        tools: ToolSet,
        now: Callable[[], int],
        keeper: Keeper,
        oplog: Logger,
        timeouts: Timeouts,
    ) -> None:
        self._planner = planner
        self._gate = gate
        self._supervisor = supervisor
        self._log = log
        self._tools = tools
        self._now = now
        self._keeper = keeper
        self._oplog = oplog
        self._timeouts = timeouts

    def open(self, task: Task, kind: str, sign: Sign | None = None) -> Run:
        """Begin a run; nothing happens before it is driven. `sign` is for an agent with a key."""
        name = secrets.token_hex(8)
        opening = RunOpened(
            run=name,
            task=task.id,
            agent=task.agent,
            intent_digest=self._keeper.intent_digest(name, task.intent),
            time=self._now(),
        )
        return Run(task, kind, sign, opening)

    async def drive(self, run: Run) -> None:
        """Take a run to its end and record that.

        Raises on cancellation, and what `sign` or a bug of ours raises; that ends the run too.
        """
        try:
            await self._steps(run)
        except ClosedError as error:
            run.end("interrupted", str(error))
        except AuthgateError as error:
            run.end("failed", str(error))
        except anyio.get_cancelled_exc_class():
            run.end("interrupted", "the run was cancelled")
            raise
        except Exception as error:
            run.end("failed", describe(error))
            run.told = type(error).__name__  # its words are not ours, and may be a key's
            raise
        finally:
            # Whenever a cancellation comes, the end is recorded; the asks in it have deadlines.
            with anyio.CancelScope(shield=True):
                await self._close(run)

    async def _steps(self, run: Run) -> None:
        while True:
            plan = await self._planner.ask(
                PlanRequest(run.id, run.task, tuple(run.results)),
                Plan,
                timeout=self._timeouts.plan,
            )
            if plan.error:
                run.end("failed", plan.error)
                if self._keeper.hides:
                    run.told = _PLANNER_SAID
                return
            if not plan.steps:
                return
            if len(run.results) + len(plan.steps) > MAX_STEPS:
                run.end("failed", f"the run has more than {MAX_STEPS} steps; split the task")
                return
            for step in plan.steps:
                if not await self._step(run, step):
                    return

    async def _step(self, run: Run, step: Step) -> bool:
        """Propose one step, and have it executed if it is permitted; False ends the run."""
        proposal = run.proposal(step)
        if run.sign is not None:
            proposal = self._proven(proposal, run.sign)
        limit = self._timeouts.decide + self._timeouts.approve
        decided = await self._gate.ask(proposal, Decided, timeout=limit)
        if not run.decided(step, decided):
            return False
        agent, seq = run.task.agent, len(run.results)
        execution = self._supervisor.ask(
            Execute(run.id, seq, agent, decided.permit, step.tool, decided.args, decided.salt),
            Finished,
            timeout=self._timeouts.execute,
            untaken=run.was_not_taken,
        )
        # Thousands may wait for their calls: hold on to none of the bytes that are theirs by then.
        action_id, warnings = decided.action_id, decided.warnings
        run.executing = decided.nonce
        del proposal, decided
        finished = await execution
        run.executing = b""
        return run.finished(step, action_id, warnings, finished)

    def _proven(self, proposal: Propose, sign: Sign) -> Propose:
        """Sign the action that the gate will make of this; what it turns away stays unsigned."""
        tool = self._tools.get(proposal.tool)
        if tool is None:
            return proposal
        try:
            bound = tool.bind(proposal.args)
        except ArgumentError:
            return proposal
        proof = sign(statement_of(action_of(proposal, bound)))
        return msgspec.structs.replace(proposal, proof=proof)

    async def _close(self, run: Run) -> None:
        owing = False
        if run.executing:
            # Nobody waits for the call any more, so it is being ended: its outcome comes first.
            try:
                await self._supervisor.ask(Settle(run.id), Settled, timeout=self._timeouts.record)
            except AuthgateError:
                owing = True
        if nonce := run.executing or run.untaken:
            # The call may not have started; if it did, this gives nothing back.
            with suppress(AuthgateError), anyio.move_on_after(self._timeouts.record):
                await self._gate.tell(Forgo(nonce))
        closing = RunClosed(run=run.id, status=run.status, time=self._now())
        # The gate may have recorded the opening, and its answer was lost: the log leaves it out.
        group = (closing,) if run.opening is None else (run.opening, closing)
        (problem,) = await record(self._log, (group,), timeout=self._timeouts.record, owing=owing)
        if problem:
            run.end("failed", f"the end of the run could not be recorded: {problem}")
        self._oplog.info(
            "run closed",
            run_id=run.id,
            agent=run.task.agent,
            status=run.status,
            steps=len(run.results),
            error=run.told or run.error,
        )


class Run:
    """What is known of one run so far; made by `RunDriver.open`."""

    __slots__ = (
        "error",
        "executing",
        "id",
        "kind",
        "opening",
        "results",
        "sign",
        "status",
        "task",
        "told",
        "untaken",
    )

    def __init__(self, task: Task, kind: str, sign: Sign | None, opening: RunOpened) -> None:
        self.id = opening.run
        self.sign = sign
        self.task = task
        self.kind = kind
        self.results: list[StepResult] = []
        self.status: Status = "done"
        self.error = ""
        self.told = ""
        """What the operator is told in the place of `error`."""
        self.executing = b""
        """The nonce of the permit of the call that is under way; empty if none is."""
        self.untaken = b""
        """That of a call that was cancelled before the supervisor heard of it."""
        self.opening: RunOpened | None = opening

    def was_not_taken(self) -> None:
        """Note that the supervisor never heard of the call, so that nothing of it is under way."""
        self.executing, self.untaken = b"", self.executing

    def end(self, status: Status, error: str = "") -> None:
        """Fix how the run ends."""
        self.status = status
        self.error = error

    def proposal(self, step: Step) -> Propose:
        """Return what to ask the gate; the first one carries the opening record."""
        return Propose(
            self.id,
            len(self.results),
            self.task.agent,
            self.kind,
            step.tool,
            step.args,
            self.opening,
        )

    def decided(self, step: Step, decided: Decided) -> bool:
        """Note a decision; False if it is a denial, which ends the run."""
        if decided.opened:
            self.opening = None
        if decided.permit:
            return True
        result = StepResult(
            seq=len(self.results),
            tool=step.tool,
            action_id=decided.action_id,
            permitted=False,
            codes=decided.codes,
            sentences=decided.sentences,
            warnings=decided.warnings,
        )
        self.results.append(result)
        self.end("denied")
        return False

    def finished(
        self, step: Step, action_id: str, warnings: tuple[str, ...], finished: Finished
    ) -> bool:
        """Note how a permitted call ended; False if its permit was refused, which ends the run."""
        result = StepResult(
            seq=len(self.results),
            tool=step.tool,
            action_id=action_id,
            permitted=True,
            codes=(finished.refusal,) if finished.refusal else (),
            warnings=warnings,
            cause=finished.cause or "",
            value=msgspec.json.decode(finished.result) if finished.result else None,
            error=finished.error,
        )
        self.results.append(result)
        if finished.refusal:
            self.end("failed", finished.error)
        return not finished.refusal

    def result(self) -> RunResult:
        """Return what the caller gets."""
        return RunResult(
            run=self.id,
            task=self.task.id,
            agent=self.task.agent,
            status=self.status,
            steps=tuple(self.results),
            error=self.error,
        )
