"""Reading a log that is not trusted, from its first byte to its last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from authgate_async.errors import UsageError
from authgate_async.log.lines import Fault
from authgate_async.log.notes import read_note
from authgate_async.log.reading import log_file, opened, take
from authgate_async.log.records import decode_record
from authgate_async.log.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from authgate_async.log.lines import Line
    from authgate_async.log.records import Record

__all__ = ["Bad", "Report", "verify"]

_RESTORE = "trust nothing from here on; restore the log from a copy, or keep it as evidence"
_LONGEST = 300
_ROLLED_BACK = (
    "the log was put back to an earlier state, or replaced: look for the longer one, or see that "
    "the checkpoint is of this log"
)


class Bad(msgspec.Struct, frozen=True):
    """The first thing that is wrong: the record's index, where its line begins, and what to do."""

    index: int
    offset: int
    problem: str
    remedy: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. All counts are of the records before `bad`.

    `open_runs` have no closing record; `without_outcome` are permits of closed runs that were never
    used, or whose outcome is missing. `covered` are under the last `checkpoint` that verifies, a
    signed note; it is none of them itself, and what follows it was never acknowledged: it can be
    cut off without a trace. `sealed` says that the last record is a seal that verifies;
    of a log that is not, the end may have been cut off. `key` is the public key in hex that the
    last session was checked against, `key_given` whether the caller knew it: where only the log
    itself names it, anybody may have written the whole log.
    """

    path: str
    records: int
    covered: int
    checkpoint: str
    sessions: int
    runs: int
    open_runs: int
    without_outcome: int
    sealed: bool
    key: str
    key_given: bool
    bad: Bad | None

    @property
    def ok(self) -> bool:
        """Whether every record that is there holds; `sealed` tells whether any might be missing."""
        return self.bad is None


def verify(
    path: Path,
    public_key: bytes | None = None,
    *,
    against: str | None = None,
    see: Callable[[Line, Record], None] | None = None,
) -> Report:
    """Check a log, given its folder or its file, and report the first thing that is wrong.

    Streams: memory grows with the open runs and with the grants of one session, not with the log.
    `public_key` is the Ed25519 key (32 bytes) that must have signed; by default it is the one that
    the log names. `against` is a checkpoint that the log must contain: one that was kept elsewhere
    finds a log that was rolled back. `see` gets each record that holds.

    Raises:
        UsageError: There is no log at `path`, or `against` is no checkpoint.
        LogUnavailableError: It cannot be read.
    """
    file = log_file(path)
    rules, anchor = Rules(public_key), _Anchor(against)
    offset, bad = 0, None
    with opened(file) as stream:
        try:
            anchor.check(rules)
            while line := take(stream, rules.end):
                record = decode_record(line.record)
                rules.check(line, record)
                offset = stream.tell()
                anchor.check(rules)
                if see is not None:
                    see(line, record)
            anchor.must_be_met(rules)
        except Fault as fault:
            bad = Bad(rules.end.count, offset, _printable(fault.problem), fault.remedy or _RESTORE)
    if not offset and bad is None:
        bad = Bad(0, 0, "the log is empty", _RESTORE)
    return _report(rules, file, bad, key_given=public_key is not None)


def _report(rules: Rules, file: Path, bad: Bad | None, *, key_given: bool) -> Report:
    return Report(
        path=str(file),
        records=rules.end.count,
        covered=rules.covered,
        checkpoint=rules.checkpoint,
        sessions=rules.sessions,
        runs=rules.runs,
        open_runs=rules.open_runs,
        without_outcome=rules.without_outcome,
        sealed=rules.sealed and bad is None,
        key=rules.key.hex(),
        key_given=key_given,
        bad=bad,
    )


class _Anchor:
    """A checkpoint that was kept elsewhere, if any."""

    def __init__(self, text: str | None) -> None:
        self._text = text or ""
        try:
            self._size = read_note(text).size if text is not None else None
        except Fault as fault:
            raise UsageError(f"{fault.problem}; give one that this log once had") from fault

    def check(self, rules: Rules) -> None:
        """Where the log has the checkpoint's size, it must have its root, name and key."""
        if rules.end.count != self._size or not rules.key:
            return
        try:
            rules.end.check(self._text, rules.key)
        except Fault as fault:
            problem = f"this is not the log of the checkpoint given: {fault.problem}"
            raise Fault(problem, _ROLLED_BACK) from fault

    def must_be_met(self, rules: Rules) -> None:
        """The log must be that long."""
        if self._size is not None and rules.end.count < self._size:
            problem = f"the log ends, and the checkpoint given is over {self._size} records"
            raise Fault(problem, _ROLLED_BACK)


def _printable(problem: str) -> str:
    """Spell out what could move a terminal's cursor: a forger chose some of these words."""
    shown = problem[:_LONGEST] + ("…" if len(problem) > _LONGEST else "")
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in shown)
