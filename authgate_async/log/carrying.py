"""Reading what a file of the log begins with: the runs and grants that are carried over.

Where the records before are there, it must say what they say. Where they were removed, it is what
is known of them, and under the checkpoint that follows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate_async.log.in_force import InForce
from authgate_async.log.lines import Fault
from authgate_async.log.open_runs import OpenRun
from authgate_async.log.records import (
    GrantsCarried,
    Record,
    RecordsRemoved,
    RunCarried,
    SegmentOpened,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authgate_async.log.growth import End
    from authgate_async.log.records import Held

__all__ = ["Carried", "Removals"]


class Carried:
    """What the file that is read began with; `runs` and `grants` are what it has told so far."""

    def __init__(self, runs: int = 0, grants: int = 0) -> None:
        self.runs: dict[str, OpenRun] = {}
        self.grants = InForce()
        self._last = ""
        self._runs_due = runs
        self._grants_due = grants

    @classmethod
    def begin(cls, record: SegmentOpened, end: End) -> Carried:
        """Take the first record of a file that begins at `end`; raises `Fault`."""
        if record.nodes != end.tree.nodes.hex() or record.origin != end.origin:
            raise Fault("the file begins with another tree than that of the records before it")
        return cls(record.runs, record.grants)

    @property
    def whole(self) -> bool:
        """Whether nothing more is due."""
        return not self._runs_due and not self._grants_due

    def take(self, record: Record) -> None:
        """Take the next record behind it; raises `Fault` if it is not the one that is due."""
        match record:
            case RunCarried() if self._runs_due and record.run not in self.runs:
                self._runs_due -= 1
                self.runs[record.run] = OpenRun.of(record)
            case GrantsCarried() if (
                not self._runs_due and 0 < len(record.grants) <= self._grants_due
            ):
                self._take_grants(record.grants)
            case _:
                raise Fault("the runs and grants that the file carries over are not all there")

    def _take_grants(self, grants: tuple[Held, ...]) -> None:
        for grant in grants:
            if self.grants and grant[0] <= self._last:
                raise Fault("the grants that the file carries over are not in order")
            self._last = grant[0]
            self.grants.enter(grant)
        self._grants_due -= len(grants)

    def check(self, runs: Mapping[str, OpenRun], grants: InForce) -> None:
        """Raise `Fault` unless it says of the session's open runs and grants what is known."""
        for name, run in self.runs.items():
            if name not in runs or not runs[name].agrees(run):
                raise Fault(f"run `{name}` was not left as the file carries it over")
        for name, run in runs.items():
            if not run.closed and name not in self.runs:
                raise Fault(f"run `{name}` is open, and the file does not carry it over")
        if self.grants.rows() != grants.rows():
            raise Fault("the grants that the file carries over are not those in force")


class Removals:
    """Which records are gone, and up to where the log says that retention removed them."""

    def __init__(self) -> None:
        self._gone: list[tuple[int, int]] = []
        self._told = 0
        self._telling = 0

    def gone(self, first: int, end: int) -> None:
        """A file is gone, and its sums are there."""
        self._gone.append((first, end))

    def tell(self, record: RecordsRemoved, end: End) -> None:
        """Take what the log says; it counts once it is signed. Raises `Fault`."""
        if record.end > end.count:
            raise Fault("it names records that are not before it")
        self._telling = max(self._telling, record.end)

    def signed(self) -> None:
        """A checkpoint is over all that was told."""
        self._told = self._telling

    @property
    def rows(self) -> tuple[tuple[int, int], ...]:
        """What is gone, neighbours together."""
        rows: list[tuple[int, int]] = []
        for first, end in self._gone:
            begin = rows.pop()[0] if rows and rows[-1][1] == first else first
            rows.append((begin, end))
        return tuple(rows)

    @property
    def untold(self) -> tuple[int, int] | None:
        """The first file that is gone and that no signed record is about."""
        return next((row for row in self._gone if row[1] > self._told), None)
