"""Tools that take what they should refuse, where no jail holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest import mock

from redteam.bodies.buying import ORDER, READ, order_anything, read_anything
from redteam.bodies.looking import LOOK, fooled_in_process

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = ["looks_before_it_reads", "reads_anything", "takes_any_type"]


def reads_anything() -> AbstractContextManager[object]:
    """Leave out how a path is judged and opened: links are followed."""
    return mock.patch.dict(READ, process=read_anything)


def looks_before_it_reads() -> AbstractContextManager[object]:
    """Leave out that what is judged is what was opened."""
    return mock.patch.dict(LOOK, process=fooled_in_process)


def takes_any_type() -> AbstractContextManager[object]:
    """Leave out the types of a tool's arguments."""
    return mock.patch.dict(ORDER, process=order_anything)
