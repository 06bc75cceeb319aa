"""The files of a log: each is named by the index of its first record, from its first byte on.

Where retention removed one, the `sum` of each of its records is kept in its place, 32 bytes each.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from authgate_async.errors import LogUnavailableError, UsageError
from authgate_async.log.lines import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from authgate_async.log.growth import End

__all__ = [
    "HASHES",
    "LINES",
    "HashPart",
    "LinePart",
    "LogFiles",
    "Part",
    "firsts",
    "name_of",
    "readable",
]

LINES = ".jsonl"
HASHES = ".hashes"

_NAME = re.compile(r"log(?:-([0-9]{16}))?(\.jsonl|\.hashes)")
_HASH = 32
_AT_ONCE = 2**11 * _HASH
_DELETED = (
    "look for the file in a copy of the log and put it back; if there is none, keep what is left "
    "as evidence"
)
_TAKEN = "what was read of it was never acknowledged, if a new writer did that; begin again"


def name_of(first: int, suffix: str = LINES) -> str:
    """Return the name of the file whose first record has this index."""
    return f"log-{first:016}{suffix}" if first else f"log{suffix}"


def firsts(folder: Path, *suffixes: str) -> list[int]:
    """Return the indices at which files of a log begin, ascending; by default any kind of them."""
    found = set()
    for path in folder.iterdir():
        match = _NAME.fullmatch(path.name)
        if match and match[2] in (suffixes or (LINES, HASHES)):
            found.add(int(match[1] or 0))
    return sorted(found)


class LinePart(NamedTuple):
    """A file of records, open for reading."""

    first: int
    path: Path
    stream: BinaryIO


class HashPart(NamedTuple):
    """What is left of a file that was removed."""

    first: int
    path: Path
    stream: BinaryIO

    def sums(self) -> Iterator[str]:
        """Yield the `sum` of each record that was in the file."""
        while data := self.stream.read(_AT_ONCE):
            torn = len(data) % _HASH
            for at in range(0, len(data) - torn, _HASH):
                yield data[at : at + _HASH].hex()
            if torn:
                raise Fault(f"{self.path.name} ends in the middle of a hash", _DELETED)


Part = LinePart | HashPart


class LogFiles:
    """A log on disk, named by its folder or its first file; any other file is read as a whole log.

    Raises `UsageError` if there is none.
    """

    def __init__(self, path: Path) -> None:
        self._folder: Path | None = path if path.is_dir() else None
        if path.name == name_of(0) and path.is_file():
            self._folder = path.parent
        self.path = self._folder or path
        there = firsts(self._folder) if self._folder else path.is_file()
        if not there:
            raise UsageError(
                f"there is no log at {path}; name the folder that holds its {name_of(0)}"
            )

    def parts(self, end: End, wait: Callable[[], None] | None = None) -> Iterator[Part]:
        """Open file after file, each where `end` stands; the caller reads on, and moves `end`.

        A file may be given again, if there may be more in it than there was. With `wait`, that is
        called when nothing more is there, and the log is looked at again, without an end.

        Raises:
            Fault: A file is missing where others follow.
            LogUnavailableError: A file cannot be read.
        """
        others = True
        while (part := self._open(end.count)) is not None:
            with part.stream:
                others = yield from self._again(part, end, wait)
            if end.count == part.first or self._folder is None:
                break
        if others and self._follows(end.count):
            raise Fault("the file that should begin here is gone, and others follow", _DELETED)

    def _again(
        self, part: Part, end: End, wait: Callable[[], None] | None
    ) -> Generator[Part, None, bool]:
        """Give a file until nothing more can come in it; return whether others were there then."""
        while True:
            yield part
            if isinstance(part, HashPart) or (end.count != part.first and self._there(end.count)):
                return True
            if wait is None or self._follows(end.count):
                break
            if not os.fstat(part.stream.fileno()).st_nlink:
                raise Fault("the file was taken away while it was read", _TAKEN)
            wait()
        if not self._follows(end.count):
            return False
        # Where another follows, a file is complete: only what is read now is all of it.
        yield part
        return True

    def _path(self, first: int, suffix: str) -> Path:
        return self._folder / name_of(first, suffix) if self._folder else self.path

    def _there(self, first: int) -> bool:
        return bool(self._folder) and any(self._path(first, s).exists() for s in (LINES, HASHES))

    def _follows(self, first: int) -> bool:
        return self._folder is not None and any(each > first for each in firsts(self._folder))

    def _open(self, first: int) -> Part | None:
        lines = self._opened(self._path(first, LINES))
        if lines is not None:
            return LinePart(first, self._path(first, LINES), lines)
        # Looked for second: when a file is removed, its hashes are there before.
        hashes = self._opened(self._path(first, HASHES))
        return None if hashes is None else HashPart(first, self._path(first, HASHES), hashes)

    def _opened(self, path: Path) -> BinaryIO | None:
        with readable(path):
            try:
                return path.open("rb")
            except FileNotFoundError:
                return None


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Tell of a log that cannot be read: raises `LogUnavailableError`."""
    try:
        yield
    except OSError as error:
        raise LogUnavailableError(
            f"the log {path} cannot be read: {error.strerror}; see to its permissions"
        ) from error
