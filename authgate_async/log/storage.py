"""The bytes of a log on disk: one process at a time, whole lines only.

A write that fails leaves nothing half-written: the file is cut back to where it was. Where even
that fails, it is tried again before the next write. Where somebody else changed the file, the
storage is broken and takes nothing more until it is opened again.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, BinaryIO

from authgate_async.errors import LogCorruptError, LogUnavailableError
from authgate_async.log.closed import check_torn, is_unbegun, keep_hashes, last_sum
from authgate_async.log.files import last_lines, make_folder, sync_folder, write_all
from authgate_async.log.lines import FIRST, Fault, line_start, read_line
from authgate_async.log.segments import LINES, firsts, name_of

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["LOCK_NAME", "Storage"]

LOCK_NAME = "lock"

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_PRIVATE_FILE = 0o600
_KEPT = 3
"""Descriptors that are always held: those of the lock, the folder and the file."""
_MOVE = "move it away, or name another folder for the log"
_MEND = "see that the folder can be written and that its disk has space"


class Storage:
    """The last file of a log, locked, with whole lines only; `cut_bytes` of others were cut.

    `first` is the index of its first record, `size` its length. With `sync`, a write is on the disk
    when it returns. The folder and its files are made private to the user if they are not there.

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
        self.first = self.size = 0
        try:
            self._lock()
            self._place = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._descriptors.append(self._place)
            self.first, dropped = self._last_file()
            self._file = self._open(name_of(self.first), os.O_APPEND)
            self.cut_bytes = dropped + self._cut()
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
            write_all(self._file, data)
            if self._sync:
                os.fsync(self._file)
        except OSError as error:
            self._roll_back()
            raise self._unavailable("cannot be written", error) from error
        except BaseException:
            self._roll_back()
            raise
        self.size += len(data)

    def begin(self, first: int) -> None:
        """Go on in another file, whose first record has this index; the one before is closed.

        Its name is durable when this returns. Raises `LogUnavailableError`, and stays where it was.
        """
        try:
            file = self._open(name_of(first), os.O_APPEND)
            if os.fstat(file).st_size:
                raise FileExistsError(errno.EEXIST, f"{name_of(first)} is there already")
            self._sync_names()
        except OSError as error:
            self._forget(name_of(first))
            raise self._unavailable("cannot be written", error) from error
        os.close(self._descriptors.pop(self._descriptors.index(self._file)))
        self._file, self.first, self.size = file, first, 0

    def _forget(self, name: str) -> None:
        """Undo that a file was begun; if that cannot be, the next opening drops it."""
        for descriptor in self._descriptors[_KEPT:]:
            os.close(descriptor)
        del self._descriptors[_KEPT:]
        with suppress(OSError):
            if not (self._folder / name).stat().st_size:
                (self._folder / name).unlink()

    def removable(self, before: float) -> list[tuple[int, int]]:
        """Return the oldest closed files, as first record and end, last written before a time.

        The time is in seconds since the Unix epoch. What is removed already is not among them.
        """
        found = []
        for first, end in pairwise(firsts(self._folder)):
            path = self._folder / name_of(first)
            if not path.exists():
                continue
            if path.stat().st_mtime > before:
                break
            found.append((first, end))
        return found

    def keep_hashes(self, first: int, end: int) -> None:
        """Make the sums of a closed file's records durable, beside it.

        Raises `Fault` if its lines are not whole, chained, and up to `end`, and `OSError`.
        """
        keep_hashes(self._folder, first, end)

    def remove(self, first: int) -> None:
        """Remove a closed file; raises `OSError`."""
        (self._folder / name_of(first)).unlink()
        self._sync_names()

    def close(self) -> None:
        """Give the log free; more than once does no harm."""
        while self._descriptors:
            os.close(self._descriptors.pop())

    def _lock(self) -> None:
        make_folder(self._folder)
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

    def _last_file(self) -> tuple[int, int]:
        """Return where the last file begins, and the length of one that was dropped behind it."""
        known, lines = firsts(self._folder), firsts(self._folder, LINES)
        if not known:
            return 0, 0
        if not lines or lines[-1] < known[-1]:
            raise self.corrupt(f"its last file {name_of(known[-1])} is gone")
        last = lines[-1]
        if not last or not self._is_unbegun(last, known):
            return last, 0
        if not lines[:-1] or lines[-2] != known[-2]:
            raise self.corrupt(f"the file before {name_of(last)} is gone")
        path = self._folder / name_of(last)
        size = path.stat().st_size
        path.unlink()
        return lines[-2], size

    def _is_unbegun(self, last: int, known: list[int]) -> bool:
        try:
            before = last_sum(self._folder, known[-2]) if known[:-1] else ""
            return is_unbegun(self._folder / name_of(last), last, before)
        except Fault as fault:
            raise self.corrupt(f"{name_of(last)} is damaged: {fault.problem}") from fault

    def _cut(self) -> int:
        """Cut a last line that was never finished, and return its length."""
        size = os.fstat(self._file).st_size
        whole, torn = last_lines(self._file)
        count, head = self._last(whole)
        self.size = size - len(torn)
        if torn:
            try:
                check_torn(torn, line_start(count, head))
            except Fault as fault:
                raise self.corrupt(fault.problem) from fault
            os.ftruncate(self._file, self.size)
        if self._sync:
            os.fsync(self._file)
        self._sync_names()
        return len(torn)

    def _sync_names(self) -> None:
        if self._sync:
            sync_folder(self._folder)

    def _last(self, raw: bytes) -> tuple[int, str]:
        if not raw:
            return 0, FIRST
        try:
            line = read_line(raw)
        except Fault as fault:
            raise self.corrupt(f"its last line is damaged: {fault.problem}") from fault
        return line.number + 1, line.sum

    def _check_untouched(self) -> None:
        if os.fstat(self._file).st_size != self.size or not self._is_in_its_place():
            self._broken = (
                f"the log {self._folder} was changed, moved or deleted by somebody else while "
                "open; keep others away from it, check it with `authgate audit verify`, and restart"
            )
            raise LogUnavailableError(self._broken)

    def _is_in_its_place(self) -> bool:
        """Whether the name still leads to the file: what is written into another is not the log."""
        try:
            there = os.stat(name_of(self.first), dir_fd=self._place, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(there, os.fstat(self._file))

    def _roll_back(self) -> None:
        """Cut what a write left behind; what was acknowledged lies before it and is on the disk."""
        if self._broken:
            return
        self._uncut = ""
        try:
            os.ftruncate(self._file, self.size)
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
        for path in (self._folder / name_of(self.first), self._folder / LOCK_NAME):
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
