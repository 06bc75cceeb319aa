"""Tools whose module holds memory."""

from __future__ import annotations

import errno
import json
import mmap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

BALLAST = b"0123456789abcdef" * 2**22
"""64 MiB."""


class Light:
    """Looks at none of it."""

    def invoke(self, args: bytes, folders: tuple[Any, ...]) -> bytes:
        """Return its size."""
        del args, folders
        return json.dumps(len(BALLAST)).encode()


class Whole:
    """Looks at all of it."""

    def invoke(self, args: bytes, folders: tuple[Any, ...]) -> bytes:
        """Return how often a letter is there."""
        del args, folders
        return json.dumps(BALLAST.count(b"f")).encode()


OWN = mmap.mmap(-1, 2**20, flags=mmap.MAP_PRIVATE)
OWN[:] = b"kept" * 2**18


class GivingUp:
    """Gives memory up, and has it grow, as allocators do."""

    def invoke(self, args: bytes, folders: tuple[Any, ...]) -> bytes:
        """Return, for memory of the template and new memory: two answers, and what is there."""
        del args, folders
        new = mmap.mmap(-1, 2**20, flags=mmap.MAP_PRIVATE)
        new[:4] = b"kept"
        return json.dumps([_tried(OWN), _tried(new)]).encode()


def _tried(memory: mmap.mmap) -> list[str]:
    ways = (lambda: memory.madvise(mmap.MADV_DONTNEED), lambda: memory.resize(2**22))
    return [*map(_answer, ways), memory[:4].decode().strip("\0")]


def _answer(way: Callable[[], None]) -> str:
    try:
        way()
    except (OSError, SystemError) as error:
        return errno.errorcode[getattr(error, "errno", 0) or errno.EINVAL]
    return "done"


light, whole, giving_up = Light(), Whole(), GivingUp()
