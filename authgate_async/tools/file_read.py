"""Reading one text file inside a granted folder.

The path is judged twice: as text, by rules that are the same on every platform, and by opening it
one component at a time relative to the folder's own descriptor, following no link. Between the two
there is nothing to race: what is read is the descriptor that was judged.

A hard link is not refused: it is a file of the folder as much as of any other place, and only
somebody who may write in the folder and read the file could have made it.
"""

from __future__ import annotations

import errno
import os
import stat
import unicodedata
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from authgate_async.launchers.protocol import Limits
from authgate_async.tools.definition import tool
from authgate_async.tools.folders import Folders, ToolFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["MAX_BYTES", "file_read", "split_path"]

MAX_BYTES = 256 * 2**10
"""Size of the largest file that is read."""

_MAX_PATH = 4096
_MAX_COMPONENT = 255
_MAX_DEPTH = 64

# Devices on Windows, in every folder and with every extension. Source: Microsoft, "Naming Files,
# Paths, and Namespaces"; superscript digits count as digits there, which NFKC takes care of.
_RESERVED = frozenset(
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$"]
    + [f"{port}{digit}" for port in ("COM", "LPT") for digit in range(10)]
)

# A folder that may be passed through but not listed can be opened with O_PATH only.
_THROUGH = getattr(os, "O_PATH", os.O_RDONLY)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_DIRECTORY = getattr(os, "O_DIRECTORY", 0)
_CLOSE = getattr(os, "O_CLOEXEC", 0)
# Opening a FIFO without a writer would wait for one, and a terminal could become ours.
_NO_WAIT = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)

_SENTENCES = {
    errno.ENOENT: "is not there",
    errno.ELOOP: "is a symbolic link; links are not followed",
    errno.ENOTDIR: "is not a folder, or is a symbolic link; links are not followed",
    errno.EACCES: "may not be read",
    errno.EPERM: "may not be read",
    errno.ENXIO: "is not a regular file",
    errno.ENODEV: "is not a regular file",
}


@tool(
    resource="file:{root}",
    scope="{path}",
    right="read",
    # A control character takes six bytes of JSON.
    limits=Limits(result_bytes=6 * MAX_BYTES + 1024),
)
def file_read(path: str, folders: Folders, root: str = "workspace") -> str:
    """Read a UTF-8 text file of at most 256 KiB by its path inside `root`, such as `notes/a.md`.

    Raises:
        ToolFailure: the path has anything but plain names joined by `/`, leads through a link, or
            is not such a file.
    """
    parts = split_path(path)
    with _opened(folders.path_of("file", root), parts) as descriptor:
        data = _read(descriptor, path)
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ToolFailure(f"{path!a} is not UTF-8 text") from None


def split_path(path: str) -> list[str]:
    """Return the names that lead to a file, judged by the same rules on every platform.

    Raises:
        ToolFailure: a name is not plain; the sentence says which and why.
    """
    if not path or len(path) > _MAX_PATH:
        raise ToolFailure(f"a path has 1 to {_MAX_PATH} characters")
    parts = path.split("/")
    if len(parts) > _MAX_DEPTH:
        raise ToolFailure(f"the path has more than {_MAX_DEPTH} parts")
    for part in parts:
        fault = next((why for is_wrong, why in _FAULTS if is_wrong(part)), "")
        if fault:
            msg = f"path {ascii(path)[:200]}: {ascii(part)[:200]} {fault}"
            raise ToolFailure(msg)
    return parts


def _is_device(part: str) -> bool:
    return _folded(part).partition(".")[0].rstrip(" ") in _RESERVED


def _folded(part: str) -> str:
    return unicodedata.normalize("NFKC", part).upper()


def _has_control(part: str) -> bool:
    return any(unicodedata.category(char) in ("Cc", "Cs") for char in part)


# What is wrong with one name between slashes; the first that applies is told.
_FAULTS: tuple[tuple[Callable[[str], bool], str], ...] = (
    (_has_control, "has a control character or half a character"),
    (lambda part: "\\" in part, "has a backslash; write plain names joined by /"),
    (lambda part: ":" in part, "has a colon; drives and streams are not read"),
    (
        lambda part: not _folded(part).strip(". "),
        "is no name; leave out `.`, `..` and needless slashes",
    ),
    (lambda part: part.endswith((".", " ")), "ends with a dot or a space"),
    (_is_device, "is the name of a device on Windows"),
    (lambda part: len(part.encode()) > _MAX_COMPONENT, f"is longer than {_MAX_COMPONENT} bytes"),
)


@contextmanager
def _opened(root: str, parts: list[str]) -> Iterator[int]:
    """Open a file below `root`, one name at a time, and close everything again."""
    if os.open not in os.supports_dir_fd or not _NO_LINK:
        raise ToolFailure("this platform cannot open a file without following links")
    with ExitStack() as stack:
        here = _open(stack, root, _THROUGH | _DIRECTORY, None)
        for part in parts[:-1]:
            here = _open(stack, part, _THROUGH | _DIRECTORY | _NO_LINK, here)
        yield _open(stack, parts[-1], os.O_RDONLY | _NO_LINK | _NO_WAIT, here)


def _open(stack: ExitStack, name: str, flags: int, folder: int | None) -> int:
    try:
        descriptor = os.open(name, flags | _CLOSE, dir_fd=folder)
    except OSError as error:
        what = "the granted folder" if folder is None else ascii(name)
        why = _SENTENCES.get(error.errno or 0, "cannot be opened")
        raise ToolFailure(f"{what} {why}") from None
    stack.callback(os.close, descriptor)
    return descriptor


def _read(descriptor: int, path: str) -> bytes:
    """Read a regular file whole or not at all, even if it grows meanwhile."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise ToolFailure(f"{path!a} is not a regular file")
    with open(descriptor, "rb", closefd=False) as file:
        data = file.read(MAX_BYTES + 1)
    if max(status.st_size, len(data)) > MAX_BYTES:
        raise ToolFailure(f"{path!a} is larger than {MAX_BYTES} bytes")
    return data
