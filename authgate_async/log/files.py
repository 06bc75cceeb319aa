"""Small steps on files and folders that the log's own files are made of."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from authgate_async.log.lines import MAX_LINE

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["last_lines", "make_folder", "sync_folder", "write_all"]

_PRIVATE_FOLDER = 0o700


def make_folder(folder: Path) -> None:
    """Make a folder for the user alone, and its name durable, if it is not there."""
    if not folder.is_dir():
        folder.mkdir(_PRIVATE_FOLDER, parents=True, exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """Go on after a short write; an interrupted one is tried again by Python (PEP 475)."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def last_lines(descriptor: int) -> tuple[bytes, bytes]:
    """Return a file's last whole line, empty if there is none, and what stands behind it."""
    size = os.fstat(descriptor).st_size
    tail = os.pread(descriptor, min(size, 2 * MAX_LINE), max(0, size - 2 * MAX_LINE))
    end = tail.rfind(b"\n") + 1
    return tail[tail.rfind(b"\n", 0, max(0, end - 1)) + 1 : end], tail[end:]
