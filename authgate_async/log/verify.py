"""Reading a log that is not trusted, from its first byte to its last."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import msgspec

from authgate_async.errors import LogUnavailableError, UsageError
from authgate_async.log.lines import MAX_LINE, Fault, read_line
from authgate_async.log.records import decode_record
from authgate_async.log.rules import Rules
from authgate_async.log.storage import LOG_NAME

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Bad", "Report", "verify"]

_RESTORE = "trust nothing from here on; restore the log from a copy, or keep it as evidence"
_LONGEST = 300
_TORN = (
    "if its writer still runs, verify again; if it was killed, opening the log for writing cuts "
    "the rest of this line, which was never acknowledged"
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


def verify(path: Path, public_key: bytes | None = None) -> Report:
    """Check a log, given its folder or its file, and report the first thing that is wrong.

    Streams: memory grows with the open runs and with the grants of one session, not with the log.
    `public_key` is the Ed25519 key (32 bytes) that must have signed; by default it is the one that
    the log names.

    Raises:
        UsageError: There is no log at `path`.
        LogUnavailableError: It cannot be read.
    """
    file = path / LOG_NAME if path.is_dir() else path
    if not file.is_file():
        raise UsageError(f"there is no log at {file}; name the folder that holds its {LOG_NAME}")
    try:
        with file.open("rb") as stream:
            return _read(stream, file, public_key)
    except OSError as error:
        raise LogUnavailableError(
            f"the log {file} cannot be read: {error.strerror}; see to its permissions"
        ) from error


def _read(stream: BinaryIO, file: Path, key: bytes | None) -> Report:
    rules = Rules(key)
    offset, bad = 0, None
    try:
        while raw := stream.readline(MAX_LINE + 1):
            _take(raw, rules)
            offset += len(raw)
    except Fault as fault:
        bad = Bad(rules.end.count, offset, _printable(fault.problem), fault.remedy or _RESTORE)
    if not offset and bad is None:
        bad = Bad(0, 0, "the log is empty", _RESTORE)
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
        key_given=key is not None,
        bad=bad,
    )


def _printable(problem: str) -> str:
    """Spell out what could move a terminal's cursor: a forger chose some of these words."""
    shown = problem[:_LONGEST] + ("…" if len(problem) > _LONGEST else "")
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in shown)


def _take(raw: bytes, rules: Rules) -> None:
    """Check the line that must be the next one."""
    if not raw.endswith(b"\n"):
        if len(raw) > MAX_LINE:
            raise Fault(f"the line is longer than {MAX_LINE} bytes")
        raise Fault("the log ends in the middle of a line", _TORN)
    line = read_line(raw)
    rules.end.check_place(line)
    rules.check(line, decode_record(line.record))
