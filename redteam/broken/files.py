"""A file tool that keeps to no folder, where no jail holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest import mock

from redteam.bodies.buying import READ, read_anything

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = ["reads_anything"]


def reads_anything() -> AbstractContextManager[object]:
    """Leave out how a path is judged and opened: links are followed."""
    return mock.patch.dict(READ, process=read_anything)
