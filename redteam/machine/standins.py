"""Has a runtime of the machine meet templates that are tasks of its own loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from authgate_async.errors import SandboxUnavailableError
from authgate_async.launchers import jail
from authgate_async.launchers.jail import JailLauncher
from authgate_async.launchers.process import ProcessLauncher
from redteam.machine.jails import Jails
from redteam.machine.table import Fate, Table
from redteam.machine.wardens import Wardens

if TYPE_CHECKING:
    import anyio
    import pytest

    from redteam.machine.table import Process
    from redteam.machine.world import World

__all__ = ["FATES", "play"]

CALLS = 4
"""Calls after which a template makes way for a new one."""

CELLS = 1
"""With few of them calls have to wait for one."""

FATES = (
    *[
        Fate(level, "hello", what)
        for level in ("jail", "process")
        for what in ("template", "stuck")
    ],
    *[Fate("jail", "arm", what) for what in ("template", "call", "stuck")],
    *[Fate("process", "order", what) for what in ("template", "stuck")],
    *[Fate("process", "begin", what) for what in ("template", "call")],
    *[Fate("jail", "order", what) for what in ("template", "call")],
    *[
        Fate(level, point, what)
        for level in ("jail", "process")
        for point in ("half", "result")
        for what in ("template", "call")
    ],
    Fate("jail", "report", "template"),
    *[Fate("process", "report", what) for what in ("template", "call")],
)
"""Where one may die. Whoever has reported, and only then dies, has died behind its call."""


def play(patch: pytest.MonkeyPatch, seed: int, world: World, group: anyio.abc.TaskGroup) -> Table:
    """Put a table of processes in the place of the system's; whoever is executed is a task."""
    table = Table(seed, group)

    def begin(command: list[str], control: int) -> Process:
        jailed = any("cells.template" in word for word in command)
        template = (Jails if jailed else Wardens)(table, world, control)
        table.templates.append(template)
        return template.process

    def ungrouped() -> NoReturn:
        raise SandboxUnavailableError("a control group holds no tasks of a loop")

    table.play(patch, begin)
    patch.setattr(jail, "settle", ungrouped)
    for launcher, options in (
        (JailLauncher, {"armed": CELLS, "calls_per_template": CALLS}),
        (ProcessLauncher, {"calls_per_template": CALLS}),
    ):
        defaults = launcher.__init__.__kwdefaults__ or {}
        patch.setattr(launcher.__init__, "__kwdefaults__", {**defaults, **options})
    return table
