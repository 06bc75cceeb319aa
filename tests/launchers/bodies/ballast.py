"""Tools whose module holds memory."""

from __future__ import annotations

import errno
import json
import mmap
from typing import Any

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


OWN = mmap.mmap(-1, 2**16, flags=mmap.MAP_PRIVATE)
OWN[:] = b"kept" * 2**14


class GivingUp:
    """Gives memory up, as allocators do that count on zeros afterwards."""

    def invoke(self, args: bytes, folders: tuple[Any, ...]) -> bytes:
        """Return the errno that it gets, and what is there afterwards."""
        del args, folders
        try:
            OWN.madvise(mmap.MADV_DONTNEED)
        except OSError as error:
            return json.dumps([errno.errorcode[error.errno or 0], OWN[:4].decode()]).encode()
        return json.dumps(["", OWN[:4].decode()]).encode()


light, whole, giving_up = Light(), Whole(), GivingUp()
