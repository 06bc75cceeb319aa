"""That a log holds all records of one run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate_async.log.numbering import NOT_USED
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
    from authgate_async.log.lines import Line
    from authgate_async.log.verify import Report

__all__ = ["RunStory"]


class RunStory:
    """Collects the indices of a run's records, in a log that is being verified.

    That their numbers have no gap is for verification to see; here it is that the end is there.
    Refusals of the run's permits are among them.
    """

    def __init__(self, run: str) -> None:
        self._run = run
        self._open = 0
        self._due: set[str] = set()
        self._earlier = 0
        self.records: list[int] = []

    def take(self, line: Line, record: Record) -> None:
        """Take the next record of the log."""
        if isinstance(record, Refusal):
            if record.action_id.rpartition(":")[0] == self._run:
                self.records.append(line.number)
                if record.code in NOT_USED:
                    self._due.discard(record.action_id)
        elif isinstance(record, RunCarried):
            self._take_up(record)
        elif (
            isinstance(record, RunOpened | Intent | ApprovalAsked | Rejected | Outcome | RunClosed)
            and record.run == self._run
        ):
            self.records.append(line.number)
            self._follow(record)

    def _take_up(self, record: RunCarried) -> None:
        """Go on with a run whose records so far were removed."""
        if record.run == self._run and not self.records:
            self._earlier = record.next
            self._open = 1 - record.closed
            self._due = {action_id for _, action_id, _, unused in record.due if not unused}

    def _follow(self, record: Record) -> None:
        match record:
            case RunOpened():
                self._open += 1
            case RunClosed():
                self._open -= 1
            case Intent(permitted=1):
                self._due.add(record.action_id)
            case Outcome():
                self._due.discard(record.action_id)
            case _:
                pass

    def lacks(self, report: Report) -> list[str]:
        """Return what may be missing, a sentence each; `report` is that of the verification."""
        removed = ", ".join(f"{first} to {end - 1}" for first, end in report.removed)
        if not self.records:
            gone = f", unless it is among records {removed}, which were removed" if removed else ""
            return [f"the log has no record of it{gone}; see the ids with `authgate audit show`"]
        found = []
        if self._earlier:
            found.append(
                f"its first {self._earlier} are among records {removed}, which were removed"
            )
        if self._open:
            found.append("it has no closing record: it still runs, or the log was cut")
        if self._due and not report.sealed:
            missing = ", ".join(sorted(self._due))
            found.append(f"no outcome of {missing}: not there yet, never due, or cut off")
        if self.records[-1] >= report.covered:
            found.append("its last record is under no checkpoint")
        return found
