"""A log's lines in order, each checked for itself and against the one before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from authgate_async.errors import LogCorruptError, UsageError
from authgate_async.log.growth import End
from authgate_async.log.lines import MAX_LINE, Fault, Line, read_line
from authgate_async.log.records import CHECKPOINT_START, Checkpoint, decode_record
from authgate_async.log.segments import HashPart, LogFiles, readable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from authgate_async.log.segments import LinePart

__all__ = ["all_sums", "last_checkpoint", "take", "true_lines"]

_TORN = (
    "if its writer still runs, verify again; if it was killed, opening the log for writing cuts "
    "the rest of this line, which was never acknowledged"
)


def take(stream: BinaryIO, end: End) -> Line | None:
    """Read the line that must come at this end, without going on behind it; None after the last.

    Raises `Fault` for any other line.
    """
    raw = stream.readline(MAX_LINE + 1)
    if not raw:
        return None
    if not raw.endswith(b"\n"):
        if len(raw) > MAX_LINE:
            raise Fault(f"the line is longer than {MAX_LINE} bytes")
        raise Fault("the log ends in the middle of a line", _TORN)
    line = read_line(raw)
    end.check_place(line)
    return line


def true_lines(log: Path, wait: Callable[[], None] | None = None) -> Iterator[Line]:
    """Yield the lines of a log, up to a torn last one; then `wait` for more, if it is given.

    What retention removed is passed over.

    Raises:
        UsageError: There is no log.
        LogCorruptError: A line is damaged or out of its place, or a file is gone.
        LogUnavailableError: The log cannot be read.
    """
    return (line for _, line in all_sums(log, wait) if line is not None)


def all_sums(
    log: Path, wait: Callable[[], None] | None = None
) -> Iterator[tuple[str, Line | None]]:
    """Yield the sum of each record with its line, None for what was removed; as `true_lines`."""
    files, end = LogFiles(log), End()
    place = files.path
    try:
        with readable(files.path):
            for part in files.parts(end, wait):
                place = part.path
                if isinstance(part, HashPart):
                    yield from _removed(part, end)
                else:
                    yield from _lines(part, end)
    except Fault as fault:
        remedy = fault.remedy or "find out what was changed with `authgate audit verify`"
        raise LogCorruptError(f"{place}: record {end.count}: {fault.problem}; {remedy}") from fault


def _removed(part: HashPart, end: End) -> Iterator[tuple[str, None]]:
    for each in part.sums():
        yield each, None
        end.skip(each)


def _lines(part: LinePart, end: End) -> Iterator[tuple[str, Line]]:
    """Yield what is there of a file; a torn line stays to be read again."""
    while True:
        place = part.stream.tell()
        try:
            line = take(part.stream, end)
        except Fault as fault:
            if fault.remedy != _TORN:
                raise
            part.stream.seek(place)
            return
        if line is None:
            return
        yield line.sum, line
        end.follow(line)


def last_checkpoint(log: Path) -> tuple[int, str]:
    """Return the index of a log's last checkpoint, and the note; raises as `true_lines`.

    Raises:
        UsageError: There is none.
    """
    found = None
    for line in true_lines(log):
        if line.record.startswith(CHECKPOINT_START):
            found = line
    if found is None:
        raise UsageError(f"{log} has no checkpoint: nothing in it was ever acknowledged")
    try:
        record = decode_record(found.record)
    except Fault as fault:
        raise LogCorruptError(f"{log}: record {found.number}: {fault.problem}") from fault
    return found.number, record.note if isinstance(record, Checkpoint) else ""
