"""Dense numbers for the records of each run.

Only the writer sees the order in which records of different actors arrive, so it alone can number
them; and it refuses what would make the log fail its own verification.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from authgate_async.errors import UsageError
from authgate_async.log.records import (
    ApprovalAsked,
    Intent,
    Outcome,
    Record,
    Rejected,
    RunClosed,
    RunOpened,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MAX_LATE", "Numbering", "Place", "Places"]

MAX_LATE = 65_536
"""How many closed runs are remembered for the outcomes that they still owe."""


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where a run stands: its next number, its steps, its permits without an outcome."""

    next: int = 0
    steps: int = 0
    due: int = 0
    closed: bool = False


_OF_A_RUN = (ApprovalAsked, Intent, Outcome, RunClosed, RunOpened, Rejected)

Places = dict[str, Place | None]
"""Where runs stand after a group; None for one that is over."""


class Numbering:
    """Numbers the records of open runs, group by group; numbers count once `keep` was called."""

    def __init__(self) -> None:
        self._open: dict[str, Place] = {}
        self._late: dict[str, Place] = {}
        self._staged: Places = {}

    def number(self, group: Sequence[Record]) -> tuple[list[Record], Places]:
        """Return the records with their numbers, and what to `stage` if the group is to be written.

        Raises `UsageError` if one is of a run that is not open, opens one that is, or is an outcome
        that no permit is waiting for. Only such an outcome may follow its run's closing record.
        """
        mine: Places = {}
        return [self._number(record, mine) for record in group], mine

    def stage(self, places: Places) -> None:
        """Let the groups that follow build on this one."""
        self._staged.update(places)

    def keep(self) -> None:
        """What was staged is written."""
        for run, place in self._staged.items():
            self._open.pop(run, None)
            self._late.pop(run, None)
            if place is not None:
                (self._late if place.closed else self._open)[run] = place
        while len(self._late) > MAX_LATE:
            del self._late[next(iter(self._late))]
        self._staged = {}

    def drop(self) -> None:
        """What was staged and not kept was not written."""
        self._staged = {}

    def _number(self, record: Record, mine: Places) -> Record:
        if not isinstance(record, _OF_A_RUN):
            return record
        place = self._find(record.run, mine)
        if isinstance(record, RunOpened):
            if place is not None:
                raise UsageError(f"run `{record.run}` is open already; give each run its own id")
            place = Place()
        elif place is None or (place.closed and not isinstance(record, Outcome)):
            raise UsageError(f"run `{record.run}` is not open; record its opening first")
        if isinstance(record, Outcome) and not place.due:
            raise UsageError(f"run `{record.run}` owes no outcome; record the intent first")
        after = _after(place, record)
        mine[record.run] = None if after.closed and not after.due else after
        if isinstance(record, RunClosed):
            return msgspec.structs.replace(record, run_seq=place.next, steps=place.steps)
        return msgspec.structs.replace(record, run_seq=place.next)

    def _find(self, run: str, mine: Places) -> Place | None:
        if run in mine:
            return mine[run]
        if run in self._staged:
            return self._staged[run]
        return self._open.get(run) or self._late.get(run)


def _after(place: Place, record: Record) -> Place:
    match record:
        case Intent():
            return Place(place.next + 1, place.steps + 1, place.due + record.permitted)
        case Rejected():
            return Place(place.next + 1, place.steps + 1, place.due)
        case Outcome():
            return Place(place.next + 1, place.steps, place.due - 1, place.closed)
        case _:
            return Place(place.next + 1, place.steps, place.due, isinstance(record, RunClosed))
