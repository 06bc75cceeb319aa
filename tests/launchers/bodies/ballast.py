"""Tools whose module holds much memory."""

from __future__ import annotations

import json
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


light, whole = Light(), Whole()
