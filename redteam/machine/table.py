"""The operating system's table of processes, played on the loop: what a template is a task of.

It stands in for three things only: what starts a template, what its pidfd tells, and the signal
that is sent there. Sockets, pipes and files are real. A process takes a number of turns for each
thing that it does, drawn from the seed, and dies at whichever turn it is killed.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import anyio
import anyio.lowlevel

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import pytest

    from redteam.machine.world import Call, World

__all__ = ["Fate", "Level", "Mortal", "Process", "Table", "Template", "first"]

Level = Literal["jail", "process"]

PID = 2**22
"""Linux has no process with this number, or a higher one."""

CALLS = ("cell", "warden", "body")
"""Processes that are there for one call each."""

TURNS = (0, 0, 1, 2, 3, 8, 40)
"""How many turns a process may take for something."""

STUCK = 25
"""Seconds that one is stuck: longer than a template may take for anything."""


class Fate(NamedTuple):
    """What happens to whoever of a level comes to a point of its life first.

    A template falls there, or the process of one call, or the template is stuck.
    """

    level: Level
    point: str
    what: Literal["template", "call", "stuck"]


class Mortal(Protocol):
    """What the machine may kill."""

    fallen: bool

    def mark(self) -> None:
        """From here on whatever is lost with it is lost through the machine."""
        ...

    def fell(self) -> None:
        """Kill it, after that."""
        ...


@dataclass(eq=False)
class Process:
    """A task that passes for a process; `fallen` says that the machine has killed it."""

    pid: int
    name: str

    def __post_init__(self) -> None:
        self.code = self.signal = 0
        self.fallen = self.reaped = False
        self.call: Call | None = None
        self.child: Process | None = None
        self.dead = anyio.Event()
        self._scope = anyio.CancelScope()
        self.pidfd, self._end = os.pipe()

    async def live(self, body: Callable[[Process], Awaitable[int]]) -> None:
        """Do it all, or what it comes to before it is killed."""
        try:
            with self._scope:
                self.code = await body(self)
            self.signal = signal.SIGKILL if self._scope.cancelled_caught else 0
        finally:
            os.close(self._end)
            self.dead.set()

    def kill(self) -> None:
        """It dies at its next turn."""
        self._scope.cancel()

    def mark(self) -> None:
        """From here on it may end as if killed."""
        self.fallen = True

    def fell(self) -> None:
        """Kill it, and remember that nobody else did."""
        self.mark()
        self.kill()

    def wait(self) -> int:
        """Reap it."""
        self.reaped = True
        return self.code


class Table:
    """All processes; `play` makes it the system's own. `story` says what became of them."""

    def __init__(self, seed: int, group: anyio.abc.TaskGroup) -> None:
        self.doomed: set[Fate] = set()
        self.stuck = 0
        """How many are. Whoever waits until all is at rest waits for them."""
        self.processes: list[Process] = []
        self.templates: list[Template] = []
        self.story: list[str] = []
        self._draw = random.Random(seed)  # noqa: S311 - to be drawn again
        self._group = group
        self._pids = count(PID)
        self._of: dict[int, Process] = {}

    def play(self, patch: pytest.MonkeyPatch, begin: Callable[[list[str], int], Process]) -> None:
        """From now on `begin` starts what is executed, with a copy of the descriptor it gets."""

        def popen(command: list[str], *, pass_fds: tuple[int], **_: object) -> Process:
            return begin(command, os.dup(pass_fds[0]))

        patch.setattr(subprocess, "Popen", popen)
        patch.setattr(os, "pidfd_open", self._pidfd)
        patch.setattr(signal, "pidfd_send_signal", self._signal)

    def start(self, name: str, body: Callable[[Process], Awaitable[int]]) -> Process:
        """Start a process; it is alone with what it is handed."""
        process = Process(next(self._pids), name)
        self.processes.append(process)
        self._of[os.fstat(process.pidfd).st_ino] = process
        self._group.start_soon(self._live, process, body)
        return process

    async def _live(self, process: Process, body: Callable[[Process], Awaitable[int]]) -> None:
        self.tell(process, "begins")
        await process.live(body)
        self.tell(process, f"ends with {process.signal or process.code}")

    def tell(self, process: Process, what: str) -> None:
        """Add to the story."""
        self.story.append(f"{process.pid - PID} {process.name} {what}")

    def mortals(self) -> list[Mortal]:
        """Return who may be killed: every template that lives, and every process of calls."""
        alive = [process for process in self.processes if not process.dead.is_set()]
        templates = [one for one in self.templates if one.process in alive]
        return [*templates, *[process for process in alive if process.name in CALLS]]

    async def turns(self) -> None:
        """Take a few turns."""
        for _ in range(self._draw.choice(TURNS)):
            await anyio.lowlevel.checkpoint()

    async def point(self, level: Level, name: str, template: Mortal, process: Process) -> None:
        """Come to a point of a life, and meet what was meant for it."""
        self.tell(process, name)
        if Fate(level, name, "template") in self.doomed:
            self.doomed.discard(Fate(level, name, "template"))
            template.fell()
        if Fate(level, name, "call") in self.doomed:
            self.doomed.discard(Fate(level, name, "call"))
            process.fell()
        if Fate(level, name, "stuck") in self.doomed:
            self.doomed.discard(Fate(level, name, "stuck"))
            await self._stick(template)
        await anyio.lowlevel.checkpoint()
        await self.turns()

    async def _stick(self, template: Mortal) -> None:
        template.mark()  # the runtime may end it now, and what runs in it
        self.stuck += 1
        try:
            await anyio.sleep(STUCK)
        finally:
            self.stuck -= 1

    def after(self, process: Process, do: Callable[[], None]) -> None:
        """Do something a few turns after the end of a process."""

        async def follow() -> None:
            await process.dead.wait()
            await self.turns()
            do()

        self._group.start_soon(follow)

    def coin(self) -> bool:
        """One or the other."""
        return self._draw.random() < 0.5

    def close(self) -> list[str]:
        """Forget them all; return the names of those that live."""
        for process in self.processes:
            os.close(process.pidfd)
        return [process.name for process in self.processes if not process.dead.is_set()]

    # What the runtime asks the system.

    def _pidfd(self, pid: int) -> int:
        return os.dup(self.processes[pid - PID].pidfd)

    def _signal(self, pidfd: int, number: int, *_: Any) -> None:
        process = self._of[os.fstat(pidfd).st_ino]
        if process.reaped:
            raise ProcessLookupError
        if number == signal.SIGKILL:
            process.kill()


class Template:
    """What passes for one; `process` is that which was executed."""

    level: Level
    process: Process

    def __init__(self, table: Table, world: World, control: int) -> None:
        self.fallen = self.ready = False
        self._table, self._world = table, world
        self._control = socket.socket(fileno=control)
        self._control.settimeout(0)

    def mark(self) -> None:
        """Before it is ready, whoever waits for it has nothing to run in."""
        self.fallen = True
        if not self.ready:
            self._world.strike_level(self.level)

    def fell(self) -> None:
        """Kill it."""
        self.mark()
        self.process.kill()


async def first(*waits: Callable[[], Awaitable[object]]) -> int:
    """Return which of these is over first; the others are waited for no more."""
    over: list[int] = []
    async with anyio.create_task_group() as group:

        async def wait(number: int, one: Callable[[], Awaitable[object]]) -> None:
            await one()
            over.append(number)
            group.cancel_scope.cancel()

        for number, one in enumerate(waits):
            group.start_soon(wait, number, one)
    return over[0]
