"""What is asked of a log's files that are not written to: are they whole, what are their sums."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from authgate_async.log.files import last_lines, sync_folder
from authgate_async.log.lines import MAX_LINE, Fault, Line, line_start, read_line
from authgate_async.log.records import CHECKPOINT_START
from authgate_async.log.segments import HASHES, name_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["check_torn", "is_unbegun", "keep_hashes", "last_sum"]

_HASH = 32
_TEMPORARY = "hashes.new"
_PRIVATE_FILE = 0o600
_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW


def check_torn(torn: bytes, start: bytes) -> None:
    """Raise `Fault` unless this is what a crash leaves of a line that begins with `start`.

    It may have left zeros in place of the rest.
    """
    written = torn.rstrip(b"\0")[: len(start)]
    if len(torn) > MAX_LINE or not start.startswith(written):
        raise Fault("it ends in something that is not the beginning of a record")


def is_unbegun(path: Path, first: int, before: str) -> bool:
    """Tell whether a last file has no checkpoint yet: then nothing in it was acknowledged.

    `before` is the last sum of the file before it, empty if that is not known. Raises `Fault` if
    what stands there is not what its writer began with.
    """
    lines = _lines(path, first, before)
    return not any(line.record.startswith(CHECKPOINT_START) for line in lines)


def _lines(path: Path, first: int, before: str) -> Iterator[Line]:
    """Yield the whole lines of a file; one that is torn is the last, and is checked only."""
    with path.open("rb") as stream:
        while raw := stream.readline(MAX_LINE + 1):
            if not raw.endswith(b"\n"):
                check_torn(raw, line_start(first, before))
                return
            line = read_line(raw)
            if line.number != first or line.prev != (before or line.prev):
                raise Fault(f"record {first} does not follow the one before it")
            yield line
            first, before = first + 1, line.sum


def last_sum(folder: Path, first: int) -> str:
    """Return the sum of the last record of a closed file, or of what is kept of it."""
    path = folder / name_of(first)
    with (path if path.exists() else folder / name_of(first, HASHES)).open("rb") as stream:
        if not path.exists():
            stream.seek(-_HASH, os.SEEK_END)
            return stream.read().hex()
        whole, _ = last_lines(stream.fileno())
        return read_line(whole).sum


def keep_hashes(folder: Path, first: int, end: int) -> None:
    """Write the sums of a closed file's records beside it, durably and whole or not at all.

    Raises:
        Fault: Its lines are not whole and chained, or do not lead up to record `end`.
        OSError: They cannot be read or written.
    """
    new = folder / _TEMPORARY
    count = first
    with os.fdopen(os.open(new, _NEW, _PRIVATE_FILE), "wb") as stream:
        for line in _lines(folder / name_of(first), first, ""):
            stream.write(bytes.fromhex(line.sum))
            count += 1
        stream.flush()
        os.fsync(stream.fileno())
    if count != end:
        raise Fault(f"it ends at record {count} and the next file begins at {end}")
    new.rename(folder / name_of(first, HASHES))
    sync_folder(folder)
