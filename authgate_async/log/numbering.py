"""Dense numbers for the records of each run.

Only the writer sees the order in which records of different actors arrive, so it alone can number
them; and it refuses what would make the log fail its own verification.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from authgate_async.errors import UsageError
from authgate_async.log.records import (
    ApprovalAsked,
    Intent,
    Outcome,
    Record,
    Refusal,
    Rejected,
    RunCarried,
    RunClosed,
    RunOpened,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["MAX_LATE", "NOT_USED", "Due", "Numbering", "Place", "Places"]

MAX_LATE = 65_536
"""How many closed runs are remembered whose outcomes may still come."""

NOT_USED = frozenset({"permit_expired", "permit_stale"})
"""Refusals after which a permit can never have started anything."""

Due = tuple[str, str, int, Literal[0, 1]]
"""A permit without an outcome: action digest, action id, `seq`, and 1 if it was never used."""


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where a run stands: its next number, its steps, its permits without an outcome."""

    next: int = 0
    steps: int = 0
    due: tuple[Due, ...] = ()
    closed: bool = False
    agent: str = ""
    next_seq: int = 0


_OF_A_RUN = (ApprovalAsked, Intent, Outcome, RunClosed, RunOpened, Rejected)

Places = dict[str, Place | None]
"""Where runs stand after a group; None for one that is over."""


class Numbering:
    """Numbers the records of open runs, group by group; numbers count once `keep` was called."""

    def __init__(self) -> None:
        self._open: dict[str, Place] = {}
        self._late: dict[str, Place] = {}
        self._staged: Places = {}
        self.owing: set[str] = set()
        """Runs that owe outcomes when they are closed. What others have not got never comes."""

    def number(self, group: Sequence[Record]) -> tuple[list[Record], Places]:
        """Return the records with their numbers, and what to `stage` if the group is to be written.

        Raises `UsageError` if one is of a run that is not open, opens one that is, or is an outcome
        that no permit is waiting for. Only an outcome of a run that is `owing` may follow its run's
        closing record.
        """
        mine: Places = {}
        return [self._number(record, mine) for record in group], mine

    def began(self, opening: RunOpened) -> bool:
        """Whether this run is open already."""
        place = self._find(opening.run, {})
        return place is not None and not place.closed and place.agent == opening.agent

    def stage(self, places: Places) -> None:
        """Let the groups that follow build on this one."""
        self._staged.update(places)

    def keep(self) -> None:
        """What was staged is written."""
        for run, place in self._staged.items():
            self._open.pop(run, None)
            self._late.pop(run, None)
            if place is None:
                self.owing.discard(run)
            else:
                (self._late if place.closed else self._open)[run] = place
        while len(self._late) > MAX_LATE:
            oldest = next(iter(self._late))
            del self._late[oldest]
            self.owing.discard(oldest)
        self._staged = {}

    def drop(self) -> None:
        """What was staged and not kept was not written."""
        self._staged = {}

    def carried(self) -> Iterator[RunCarried]:
        """Yield where each run stands, as it is written where a file of the log begins."""
        for run, place in (*self._open.items(), *self._late.items()):
            yield RunCarried(
                agent=place.agent,
                closed=1 if place.closed else 0,
                due=place.due,
                next=place.next,
                next_seq=place.next_seq,
                run=run,
                steps=place.steps,
            )

    def _number(self, record: Record, mine: Places) -> Record:
        if not isinstance(record, _OF_A_RUN):
            if isinstance(record, Refusal) and record.code in NOT_USED:
                self._refused(record.action_id, mine)
            return record
        place = self._find(record.run, mine)
        if isinstance(record, RunOpened):
            if place is not None:
                raise UsageError(f"run `{record.run}` is open already; give each run its own id")
            place = Place()
        elif place is None or (place.closed and not isinstance(record, Outcome)):
            raise UsageError(f"run `{record.run}` is not open; record its opening first")
        if isinstance(record, Outcome) and not _owed(place, record):
            raise UsageError(f"run `{record.run}` owes no outcome; record the intent first")
        after = _after(place, record)
        ends = isinstance(record, RunClosed) and record.run not in self.owing
        mine[record.run] = None if ends or (after.closed and not after.due) else after
        if isinstance(record, RunClosed):
            return msgspec.structs.replace(record, run_seq=place.next, steps=place.steps)
        return msgspec.structs.replace(record, run_seq=place.next)

    def _refused(self, action: str, mine: Places) -> None:
        """Note that a permit was never used; its run owes the outcome as before."""
        run = action.rpartition(":")[0]
        if (place := self._find(run, mine)) is not None:
            due = tuple((*d[:3], 1) if d[1] == action else d for d in place.due)
            mine[run] = msgspec.structs.replace(place, due=due)

    def _find(self, run: str, mine: Places) -> Place | None:
        if run in mine:
            return mine[run]
        if run in self._staged:
            return self._staged[run]
        return self._open.get(run) or self._late.get(run)


def _owed(place: Place, outcome: Outcome) -> bool:
    return any(due[0] == outcome.action_digest for due in place.due)


def _after(place: Place, record: Record) -> Place:
    next_, steps, due, closed, agent, next_seq = msgspec.structs.astuple(place)
    match record:
        case Intent():
            if record.permitted:
                due = (*due, (record.action_digest, record.action_id, record.seq, 0))
            return Place(next_ + 1, steps + 1, due, closed, agent, record.seq + 1)
        case Rejected():
            return Place(next_ + 1, steps + 1, due, closed, agent, record.seq + 1)
        case Outcome():
            left = tuple([each for each in due if each[0] != record.action_digest])
            return Place(next_ + 1, steps, left, closed, agent, next_seq)
        case RunOpened():
            return Place(next_ + 1, steps, due, closed, record.agent, next_seq)
        case _:
            return Place(next_ + 1, steps, due, isinstance(record, RunClosed), agent, next_seq)
