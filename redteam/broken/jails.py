"""Jails without one of their layers."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from unittest import mock

from authgate_async import assembly
from authgate_async.launchers import spawning
from authgate_async.launchers.process import ProcessLauncher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

__all__ = ["keeps_the_environment", "no_jail", "without"]

_PATHS = "sys.path[:] = a[4:]; "


def without(*calls: str) -> Callable[[], AbstractContextManager[object]]:
    """Have templates start with these system calls answered, and not done."""
    return partial(
        _starting_with, f"from redteam.bodies.layers import leave_off; leave_off(*{calls!r})"
    )


def _starting_with(words: str) -> AbstractContextManager[object]:
    program = spawning._PROGRAM.replace(_PATHS, f"{_PATHS}{words}; ")
    return mock.patch.object(spawning, "_PROGRAM", program)


@contextmanager
def keeps_the_environment() -> Iterator[None]:
    """Leave out that a template starts with an empty environment, and empties it."""
    kept = "import os; type(os.environ).clear = lambda self: None"
    with _starting_with(kept), mock.patch.object(spawning, "_EAGER", None):
        yield


class _Open(ProcessLauncher):
    """The level `process` under the name of a jail."""

    level: Any = "jail"

    def __init__(self, *, tools: object, processes: int | None) -> None:
        del tools
        super().__init__(processes=processes)


def no_jail() -> AbstractContextManager[object]:
    """Replace the launcher of jails by that of processes."""
    return mock.patch.object(assembly, "JailLauncher", _Open)
