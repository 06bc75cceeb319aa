"""That a log holds all records of one run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate_async.log.records import (
    ApprovalAsked,
    Intent,
    Outcome,
    Record,
    Refusal,
    Rejected,
    RunClosed,
    RunOpened,
)
from authgate_async.log.recovery import NOT_USED

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
        self.records: list[int] = []

    def take(self, line: Line, record: Record) -> None:
        """Take the next record of the log."""
        if isinstance(record, Refusal):
            if record.action_id.rpartition(":")[0] == self._run:
                self.records.append(line.number)
                if record.code in NOT_USED:
                    self._due.discard(record.action_id)
        elif (
            isinstance(record, RunOpened | Intent | ApprovalAsked | Rejected | Outcome | RunClosed)
            and record.run == self._run
        ):
            self.records.append(line.number)
            self._follow(record)

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
        if not self.records:
            return ["the log has no record of it; see the ids with `authgate audit show`"]
        found = []
        if self._open:
            found.append("it has no closing record: it still runs, or the log was cut")
        if self._due and not report.sealed:
            missing = ", ".join(sorted(self._due))
            found.append(f"no outcome of {missing}: not there yet, never due, or cut off")
        if self.records[-1] >= report.covered:
            found.append("its last record is under no checkpoint")
        return found
