"""The runs of a log that may have further records, as its check knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate_async.log.lines import Fault
from authgate_async.log.numbering import MAX_LATE
from authgate_async.log.records import ApprovalAsked, Intent, Outcome, Rejected, RunClosed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authgate_async.log.records import RunCarried, RunOpened

__all__ = ["OfRun", "OpenRun", "OpenRuns", "Step"]

Step = Intent | ApprovalAsked | Rejected
OfRun = Step | Outcome | RunClosed


class OpenRun:
    """An open run: what its next records must agree with. `pending` is by action digest."""

    def __init__(self, agent: str) -> None:
        self.agent = agent
        self.next = 1
        self.steps = 0
        self.closed = False
        self.last_step = -1
        self.pending: dict[str, tuple[str, int]] = {}

    @classmethod
    def of(cls, record: RunCarried) -> OpenRun:
        """Return the run where it was carried over."""
        run = cls(record.agent)
        run.next, run.steps, run.closed = record.next, record.steps, bool(record.closed)
        run.last_step = record.next_seq - 1
        run.pending = {digest: (action_id, seq) for digest, action_id, seq, _ in record.due}
        return run

    def check(self, record: Step, *, nobody: bool = False) -> None:
        """Raise `Fault` unless the run may take this step; `nobody` if its verdict names none."""
        if record.agent != self.agent and not nobody:
            raise Fault(f"its agent is not that of run `{record.run}`")
        if record.seq <= self.last_step:
            raise Fault(f"step {record.seq} of run `{record.run}` comes twice or too late")

    def settle(self, record: Outcome) -> None:
        """Take the outcome of a permit; raises `Fault` if there was none."""
        found = self.pending.pop(record.action_digest, None)
        if found != (record.action_id, record.seq):
            raise Fault(f"the outcome of `{record.action_id}` has no permitted intent before it")

    def agrees(self, other: OpenRun) -> bool:
        """Whether what was carried over is true of this run."""
        mine, its = (
            (run.agent, run.next, run.steps, run.closed, run.last_step) for run in (self, other)
        )
        return mine == its and other.pending.items() == self.pending.items()


class OpenRuns:
    """Runs of this session, open, or closed and owing an outcome, and those of one before.

    What is let go of stays counted.
    """

    def __init__(self) -> None:
        self.count = 0
        """How many runs were opened."""
        self._open: dict[str, OpenRun] = {}
        self._late: dict[str, OpenRun] = {}
        self._lost: dict[str, OpenRun] = {}
        self._unclosed = 0
        self._without_outcome = 0

    @property
    def without_outcome(self) -> int:
        """How many permits of closed runs have no outcome."""
        late = [*self._late.values(), *(run for run in self._lost.values() if run.closed)]
        return self._without_outcome + sum(len(run.pending) for run in late)

    @property
    def unclosed(self) -> int:
        """How many runs have no closing record."""
        lost = sum(not run.closed for run in self._lost.values())
        return self._unclosed + len(self._open) + lost

    @property
    def in_session(self) -> Mapping[str, OpenRun]:
        """Those of this session."""
        return self._open | self._late

    def get(self, name: str) -> OpenRun | None:
        """Return a run that is open in this session."""
        return self._open.get(name)

    def find(self, record: OfRun) -> OpenRun | None:
        """Return a record's run; one of a session before is there for what interrupts it only."""
        match record:
            case Outcome(cause="interrupted"):
                found = self._lost.get(record.run)
            case RunClosed(status="interrupted"):
                found = self._open.get(record.run) or self._lost.get(record.run)
            case Outcome():
                found = self._open.get(record.run) or self._late.get(record.run)
            case _:
                found = self._open.get(record.run)
        over = found is not None and found.closed and not isinstance(record, Outcome)
        return None if over else found

    def begin(self, record: RunOpened) -> None:
        """Open a run; raises `Fault`."""
        if record.run in self._open or record.run in self._late:
            raise Fault(f"run `{record.run}` is open already")
        if lost := self._lost.pop(record.run, None):
            self._forget(lost)
        if record.run_seq:
            raise Fault("the opening of a run has a `run_seq` other than 0")
        self._open[record.run] = OpenRun(record.agent)
        self.count += 1

    def settle(self, run: OpenRun, record: Outcome) -> None:
        """Take an outcome, which may be the last that a closed run owes; raises `Fault`."""
        run.settle(record)
        if run.closed and not run.pending:
            self._late.pop(record.run, None)
            self._lost.pop(record.run, None)

    def close(self, run: OpenRun, record: RunClosed) -> None:
        """Close a run, which may owe outcomes; raises `Fault`."""
        if record.steps != run.steps:
            raise Fault(f"run `{record.run}` has {run.steps} steps, not {record.steps}")
        run.closed = True
        if self._open.pop(record.run, None) is not None and run.pending:
            self._late[record.run] = run
        elif not run.pending:
            self._lost.pop(record.run, None)
        # The writer forgets earlier; twice as many, since it counts only at the end of a batch.
        for late in (self._late, self._lost):
            if len(late) > 2 * MAX_LATE:
                self._forget(late.pop(next(iter(late))))

    def end_session(self) -> None:
        """Runs live in one process: what is left of them can only be said to be interrupted."""
        self._lost |= self._open | self._late
        self._open.clear()
        self._late.clear()

    def let_go(self) -> None:
        """Nothing more is heard of any of them."""
        for run in (*self._lost.values(), *self._open.values(), *self._late.values()):
            self._forget(run)
        self._lost, self._open, self._late = {}, {}, {}

    def take_up(self, runs: Mapping[str, OpenRun]) -> None:
        """Go on with those that were carried over records that are gone."""
        self._open = {name: run for name, run in runs.items() if not run.closed}
        self._late = {name: run for name, run in runs.items() if run.closed}

    def _forget(self, run: OpenRun) -> None:
        if run.closed:
            self._without_outcome += len(run.pending)
        else:
            self._unclosed += 1
