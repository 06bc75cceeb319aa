"""The harmless call that follows each snippet."""

from __future__ import annotations

from typing import Any


class _Calm:
    """What a launcher finds under the name of a tool."""

    def invoke(self, args: bytes, folders: tuple[Any, ...]) -> bytes:
        """Do nothing wrong."""
        del args, folders
        return b'"calm"'


calm = _Calm()
