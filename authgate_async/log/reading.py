"""A log's lines in order, each checked for itself and against the one before it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from authgate_async.errors import LogCorruptError, LogUnavailableError, UsageError
from authgate_async.log.growth import End
from authgate_async.log.lines import MAX_LINE, Fault, Line, read_line
from authgate_async.log.records import Checkpoint, decode_record
from authgate_async.log.storage import LOG_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["last_checkpoint", "log_file", "opened", "take", "true_lines"]

_CHECKPOINT = b'{"kind":"checkpoint",'
_TORN = (
    "if its writer still runs, verify again; if it was killed, opening the log for writing cuts "
    "the rest of this line, which was never acknowledged"
)


def log_file(path: Path) -> Path:
    """Return the file of a log, given that or its folder; raises `UsageError` if there is none."""
    file = path / LOG_NAME if path.is_dir() else path
    if not file.is_file():
        raise UsageError(f"there is no log at {file}; name the folder that holds its {LOG_NAME}")
    return file


@contextmanager
def opened(file: Path) -> Iterator[BinaryIO]:
    """Open a log for reading; raises `LogUnavailableError` if it cannot be read."""
    try:
        with file.open("rb") as stream:
            yield stream
    except OSError as error:
        raise LogUnavailableError(
            f"the log {file} cannot be read: {error.strerror}; see to its permissions"
        ) from error


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


def true_lines(file: Path, wait: Callable[[], None] | None = None) -> Iterator[Line]:
    """Yield the lines of a log, up to a torn last one; then `wait` for more, if it is given.

    Raises:
        LogCorruptError: A line is damaged or out of its place.
        LogUnavailableError: The log cannot be read.
    """
    end = End()
    with opened(file) as stream:
        while True:
            place = stream.tell() if wait else 0
            try:
                line = take(stream, end)
            except Fault as fault:
                if fault.remedy != _TORN:
                    raise LogCorruptError(
                        f"{file}: record {end.count}: {fault.problem}; "
                        "find out what was changed with `authgate audit verify`"
                    ) from fault
                line = None
            if line is not None:
                yield line
                end.follow(line)
            elif wait is None:
                return
            else:
                wait()
                stream.seek(place)


def last_checkpoint(file: Path) -> tuple[int, str]:
    """Return the index of a log's last checkpoint, and the note; raises as `true_lines`.

    Raises:
        UsageError: There is none.
    """
    found = None
    for line in true_lines(file):
        if line.record.startswith(_CHECKPOINT):
            found = line
    if found is None:
        raise UsageError(f"{file} has no checkpoint: nothing in it was ever acknowledged")
    try:
        record = decode_record(found.record)
    except Fault as fault:
        raise LogCorruptError(f"{file}: record {found.number}: {fault.problem}") from fault
    return found.number, record.note if isinstance(record, Checkpoint) else ""
