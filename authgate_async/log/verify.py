"""Reading a log that is not trusted, from its first byte to its last."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from authgate_async.errors import UsageError
from authgate_async.log.lines import Fault
from authgate_async.log.notes import read_note
from authgate_async.log.rules import Rules
from authgate_async.log.scanning import Lines
from authgate_async.log.segments import HASHES, HashPart, LogFiles, name_of, readable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from authgate_async.log.lines import Line
    from authgate_async.log.records import Record
    from authgate_async.log.segments import LinePart, Part

__all__ = ["Bad", "Report", "verify"]

_RESTORE = "trust nothing from here on; restore the log from a copy, or keep it as evidence"
_DELETED = "they were deleted; look for the file in a copy of the log and put it back"
_LONGEST = 300
_ROLLED_BACK = (
    "the log was put back to an earlier state, or replaced: look for the longer one, or see that "
    "the checkpoint is of this log"
)


class Bad(msgspec.Struct, frozen=True):
    """The first thing that is wrong: the record's index, where its line begins, and what to do.

    `offset` counts from the beginning of `file`.
    """

    index: int
    offset: int
    problem: str
    remedy: str
    file: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. All counts are of the records before `bad`.

    `open_runs` have no closing record; `without_outcome` are permits of closed runs that were never
    used, or whose outcome is missing. `covered` are under the last `checkpoint` that verifies, a
    signed note; it is none of them itself, and what follows it was never acknowledged: it can be
    cut off without a trace. `sealed` says that the last record is a seal that verifies;
    of a log that is not, the end may have been cut off. `key` is the public key in hex that the
    last session was checked against, `key_given` whether the caller knew it: where only the log
    itself names it, anybody may have written the whole log. `removed` are the records that are gone
    by retention, as the log says under its signature: the first of each row, and the first that is
    there again. They count in `records`.
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
    removed: tuple[tuple[int, int], ...] = ()
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
    files, rules, anchor = LogFiles(path), Rules(public_key), _Anchor(against)
    reader = _Reader(rules, anchor, see)
    bad = None
    try:
        with readable(path):
            anchor.check(rules)
            for part in files.parts(rules.end):
                reader.read(part)
        anchor.must_be_met(rules)
    except Fault as fault:
        bad = reader.bad(fault)
    if bad is None:
        bad = _untold(rules.removals.untold)
    if not rules.end.count and bad is None:
        bad = Bad(0, 0, "the log is empty", _RESTORE)
    return _report(rules, files.path, bad, key_given=public_key is not None)


class _Reader:
    """Takes a log part by part; knows where it stands."""

    def __init__(
        self, rules: Rules, anchor: _Anchor, see: Callable[[Line, Record], None] | None
    ) -> None:
        self._rules, self._anchor, self._see = rules, anchor, see
        self._file, self._offset = "", 0

    def read(self, part: Part) -> None:
        """Take all that is there of a part; raises `Fault`."""
        self._file = str(part.path)
        if isinstance(part, HashPart):
            self._offset = 0
            self._rules.skip(self._anchor.checked(part.sums(), self._rules))
        else:
            self._lines(part)

    def _lines(self, part: LinePart) -> None:
        rules, anchor, see = self._rules, self._anchor, self._see
        if rules.end.count == part.first:
            self._offset = 0
            if part.first:
                rules.begin_file()
        lines = Lines(part.stream, rules, see, anchor.size)
        try:
            lines.read(partial(anchor.check, rules))
        finally:
            self._offset = lines.offset

    def bad(self, fault: Fault) -> Bad:
        """Return where a fault is."""
        problem, remedy = _printable(fault.problem), fault.remedy or _RESTORE
        return Bad(self._rules.end.count, self._offset, problem, remedy, self._file)


def _untold(row: tuple[int, int] | None) -> Bad | None:
    if row is None:
        return None
    first, end = row
    problem = f"records {first} to {end - 1} are gone, and no signed record says so"
    return Bad(first, 0, problem, _DELETED, name_of(first, HASHES))


def _report(rules: Rules, path: Path, bad: Bad | None, *, key_given: bool) -> Report:
    return Report(
        path=str(path),
        records=rules.end.count,
        covered=rules.covered,
        checkpoint=rules.checkpoint,
        sessions=rules.sessions,
        runs=rules.runs.count,
        open_runs=rules.runs.unclosed,
        without_outcome=rules.runs.without_outcome,
        sealed=rules.sealed and bad is None,
        key=rules.key.hex(),
        key_given=key_given,
        removed=rules.removals.rows,
        bad=bad,
    )


class _Anchor:
    """A checkpoint that was kept elsewhere, if any."""

    def __init__(self, text: str | None) -> None:
        self._text = text or ""
        try:
            self.size = read_note(text).size if text is not None else None
        except Fault as fault:
            raise UsageError(f"{fault.problem}; give one that this log once had") from fault

    def check(self, rules: Rules) -> None:
        """Where the log has the checkpoint's size, it must have its root, name and key."""
        if rules.end.count != self.size or not rules.key:
            return
        try:
            rules.end.check(self._text, rules.key)
        except Fault as fault:
            raise self._other(fault) from fault

    def checked(self, sums: Iterator[str], rules: Rules) -> Iterator[str]:
        """Pass on the sums of records that are gone, and check where the size is among them.

        Its key is not: what said which one that was is gone.
        """
        for each in sums:
            yield each
            if rules.end.count == self.size:
                try:
                    rules.end.check_root(self._text)
                except Fault as fault:
                    raise self._other(fault) from fault

    def _other(self, fault: Fault) -> Fault:
        return Fault(f"this is not the log of the checkpoint given: {fault.problem}", _ROLLED_BACK)

    def must_be_met(self, rules: Rules) -> None:
        """The log must be that long."""
        if self.size is not None and rules.end.count < self.size:
            problem = f"the log ends, and the checkpoint given is over {self.size} records"
            raise Fault(problem, _ROLLED_BACK)


def _printable(problem: str) -> str:
    """Spell out what could move a terminal's cursor: a forger chose some of these words."""
    shown = problem[:_LONGEST] + ("…" if len(problem) > _LONGEST else "")
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in shown)
