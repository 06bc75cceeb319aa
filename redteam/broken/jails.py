"""Jails without one of their layers."""

from __future__ import annotations

import tempfile
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

__all__ = [
    "keeps_the_environment",
    "no_jail",
    "sharing",
    "shows_too_much",
    "without",
    "without_own",
]

_PATHS = "sys.path[:] = a[4:]; "


def without(*calls: str) -> Callable[[], AbstractContextManager[object]]:
    """Have templates start with these system calls answered, and not done."""
    return partial(
        _starting_with, f"from redteam.bodies.layers import leave_off; leave_off(*{calls!r})"
    )


def sharing(namespace: str) -> Callable[[], AbstractContextManager[object]]:
    """Have templates share a namespace of this kind with the machine, and not look whether."""
    return partial(
        _starting_with,
        "from redteam.bodies.layers import divide_but_for; "
        "from authgate_async.launchers.cells import template as t; "
        f"t._namespaces = set; t._native.jail_divide = lambda: divide_but_for({namespace!r})",
    )


def without_own(namespace: str) -> Callable[[], AbstractContextManager[object]]:
    """Have the calls of a template share a namespace of this kind with each other."""
    return partial(
        _starting_with,
        f"from redteam.bodies.layers import leave_off; leave_off(namespace={namespace!r})",
    )


def _starting_with(words: str) -> AbstractContextManager[object]:
    program = spawning._PROGRAM.replace(_PATHS, f"{_PATHS}{words}; ")
    return mock.patch.object(spawning, "_PROGRAM", program)


@contextmanager
def shows_too_much() -> Iterator[None]:
    """Have the root of a jail show the folder in which the world of the engineers lies."""
    find = "from authgate_async.launchers.cells import shown; paths = shown.paths; "
    with tempfile.TemporaryDirectory(prefix="redteam-shown-") as place:
        words = f"{find}shown.paths = lambda: [*paths(), {place!r}]"
        with _starting_with(words), mock.patch.object(tempfile, "tempdir", place):
            yield


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
