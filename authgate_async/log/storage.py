"""The bytes of a log on disk: one process at a time, whole lines only.

A write that fails leaves nothing half-written: the file is cut back to where it was. Where even
that fails, it is tried again before the next write. Where somebody else changed the file, the
storage is broken and takes nothing more until it is opened again.
"""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO

from authgate_async.errors import LogCorruptError, LogUnavailableError
from authgate_async.log.lines import FIRST, MAX_LINE, Fault, line_start, read_line

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["LOCK_NAME", "LOG_NAME", "Storage"]

LOG_NAME = "log.jsonl"
LOCK_NAME = "lock"

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_PRIVATE_FILE = 0o600
_PRIVATE_FOLDER = 0o700
_MOVE = "move it away, or name another folder for the log"
_MEND = "see that the folder can be written and that its disk has space"


class Storage:
    """An open log file, locked, with whole lines only; `cut_bytes` of a torn one were cut.

    With `sync`, a write is on the disk when it returns. The folder and its files are made private
    to the user if they are not there.

    Raises:
        LogUnavailableError: The folder is in use, or cannot be written (see its `__cause__`).
        LogCorruptError: The last line is not one of a log; nothing was changed.
    """

    def __init__(self, folder: Path, *, sync: bool) -> None:
        self._folder = folder
        self._sync = sync
        self._broken = ""
        self._uncut = ""
        self._descriptors: list[int] = []
        try:
            self._lock()
            self._file = self._open(LOG_NAME, os.O_APPEND)
            self.cut_bytes = self._cut()
        except OSError as error:
            self.close()
            raise self._unavailable("cannot be opened", error) from error
        except BaseException:
            self.close()
            raise

    def write(self, data: bytes) -> None:
        """Append all of `data`, or nothing: then raises `LogUnavailableError`."""
        if self._broken:
            raise LogUnavailableError(self._broken)
        if self._uncut:
            self._roll_back()
        if self._uncut:
            raise LogUnavailableError(self._uncut)
        try:
            self._check_untouched()
            _write_all(self._file, data)
            if self._sync:
                os.fsync(self._file)
        except OSError as error:
            self._roll_back()
            raise self._unavailable("cannot be written", error) from error
        except BaseException:
            self._roll_back()
            raise
        self._length += len(data)

    def close(self) -> None:
        """Give the log free; more than once does no harm."""
        while self._descriptors:
            os.close(self._descriptors.pop())

    def _lock(self) -> None:
        _make_folder(self._folder)
        try:
            fcntl.flock(self._open(LOCK_NAME), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LogUnavailableError(
                f"the log {self._folder} is in use by another process; "
                "give each process a folder of its own, or end the other one"
            ) from error

    def _open(self, name: str, flags: int = 0) -> int:
        descriptor = os.open(self._folder / name, _FLAGS | flags, _PRIVATE_FILE)
        self._descriptors.append(descriptor)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise LogUnavailableError(f"{self._folder / name} is not a file; move it away")
        return descriptor

    def reader(self) -> BinaryIO:
        """Open what is there for reading; closing it leaves the log open."""
        return os.fdopen(os.dup(self._file), "rb")

    def corrupt(self, why: str) -> LogCorruptError:
        """Return the error of a log that nothing can be appended to."""
        return LogCorruptError(
            f"the log {self._folder} cannot be continued: {why}; "
            "find the place with `authgate audit verify`, and start a new log in another folder"
        )

    def _cut(self) -> int:
        """Cut a last line that was never finished, and return its length."""
        size = os.fstat(self._file).st_size
        tail = os.pread(self._file, min(size, 2 * MAX_LINE), max(0, size - 2 * MAX_LINE))
        end = tail.rfind(b"\n") + 1
        count, head = self._last(tail[tail.rfind(b"\n", 0, max(0, end - 1)) + 1 : end])
        torn = tail[end:]
        self._length = size - len(torn)
        if torn:
            self._check_torn(torn, line_start(count, head))
            os.ftruncate(self._file, self._length)
        if self._sync:
            os.fsync(self._file)
            _sync_folder(self._folder)
        return len(torn)

    def _last(self, raw: bytes) -> tuple[int, str]:
        if not raw:
            return 0, FIRST
        try:
            line = read_line(raw)
        except Fault as fault:
            raise self.corrupt(f"its last line is damaged: {fault.problem}") from fault
        return line.number + 1, line.sum

    def _check_torn(self, torn: bytes, start: bytes) -> None:
        """Cut only what this program began to write; a crash may have left zeros in its place."""
        written = torn.rstrip(b"\0")[: len(start)]
        if len(torn) > MAX_LINE or not start.startswith(written):
            raise self.corrupt("it ends in something that is not the beginning of a record")

    def _check_untouched(self) -> None:
        found = os.fstat(self._file)
        if found.st_size != self._length or not found.st_nlink:
            self._broken = (
                f"the log {self._folder} was changed or deleted by somebody else while open; keep "
                "others away from it, check it with `authgate audit verify`, and restart"
            )
            raise LogUnavailableError(self._broken)

    def _roll_back(self) -> None:
        """Cut what a write left behind; what was acknowledged lies before it and is on the disk."""
        if self._broken:
            return
        self._uncut = ""
        try:
            os.ftruncate(self._file, self._length)
            if self._sync:
                os.fsync(self._file)
        except OSError as error:
            self._uncut = (
                f"the log {self._folder} failed in the middle of a write, and what it left cannot "
                f"be cut ({error.strerror}); mend the disk, it is tried again"
            )

    def _unavailable(self, what: str, error: OSError) -> LogUnavailableError:
        found = ""
        with suppress(OSError):  # what may not be looked at is no more than the error says
            found = self._in_the_way()
        why = f"{found}; {_MOVE}" if found else f"{error.strerror}; {_MEND}"
        return LogUnavailableError(f"the log {self._folder} {what}: {why}")

    def _in_the_way(self) -> str:
        """Say what stands where the folder, or a file in it, should be."""
        above = next((path for path in (self._folder, *self._folder.parents) if _there(path)), None)
        if above is not None and not above.is_dir():
            return f"{above} is no folder"
        for path in (self._folder / LOG_NAME, self._folder / LOCK_NAME):
            if path.is_symlink():
                return f"{path} is a link"
            if path.is_dir():
                return f"{path} is a folder"
        return ""


def _there(path: Path) -> bool:
    try:
        path.lstat()
    except OSError:
        return False
    return True


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(_PRIVATE_FOLDER, parents=True, exist_ok=True)
        _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    """Go on after a short write; an interrupted one is tried again by Python (PEP 475)."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
