"""Dense numbers for the records of each run.

Only the writer sees the order in which records of different actors arrive, so it alone can number
them; and it refuses what would make the log fail its own verification.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from authgate_async.errors import UsageError
from authgate_async.log.records import Intent, Outcome, Record, Rejected, RunClosed, RunOpened

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Numbering", "Places"]


class _Place(NamedTuple):
    """Where an open run stands: its next number, and its steps so far."""

    next: int
    steps: int


Places = dict[str, _Place | None]
"""Where runs stand after a group; None for one that it closes."""


class Numbering:
    """Numbers the records of open runs, group by group; numbers count once `keep` was called."""

    def __init__(self) -> None:
        self._open: dict[str, _Place] = {}
        self._staged: Places = {}

    def number(self, group: Sequence[Record]) -> tuple[list[Record], Places]:
        """Return the records with their numbers, and what to `stage` if the group is to be written.

        Raises `UsageError` if one is of a run that is not open, or opens one that is.
        """
        mine: Places = {}
        return [self._number(record, mine) for record in group], mine

    def stage(self, places: Places) -> None:
        """Let the groups that follow build on this one."""
        self._staged.update(places)

    def keep(self) -> None:
        """What was staged is written."""
        for run, place in self._staged.items():
            if place is None:
                self._open.pop(run, None)
            else:
                self._open[run] = place
        self._staged = {}

    def drop(self) -> None:
        """What was staged and not kept was not written."""
        self._staged = {}

    def _number(self, record: Record, mine: Places) -> Record:
        if not isinstance(record, RunOpened | Intent | Rejected | Outcome | RunClosed):
            return record
        run = record.run
        place = self._find(run, mine)
        if isinstance(record, RunOpened):
            if place is not None:
                raise UsageError(f"run `{run}` is open already; give each run an id of its own")
            place = _Place(0, 0)
        elif place is None:
            raise UsageError(f"run `{run}` is not open; record its opening first")
        if isinstance(record, RunClosed):
            mine[run] = None
            return msgspec.structs.replace(record, run_seq=place.next, steps=place.steps)
        step = isinstance(record, Intent | Rejected)
        mine[run] = _Place(place.next + 1, place.steps + step)
        return msgspec.structs.replace(record, run_seq=place.next)

    def _find(self, run: str, mine: Places) -> _Place | None:
        for places in (mine, self._staged):
            if run in places:
                return places[run]
        return self._open.get(run)
