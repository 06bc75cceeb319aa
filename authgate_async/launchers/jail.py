"""The `jail` level: each call alone on the machine, with what its permit names and nothing else.

Held, all of it or the level is not to be had: user, pid, mount, network, IPC and UTS namespaces; a
private root that shows this machine's libraries, programs and Python, read-only, a scratch folder
that goes away, and the files and folders of the permit, as they were granted; Landlock rules for
the same; a filter of system calls, an allow-list for Python and a deny-list for programs; no new
privileges, no capability, hard limits, an empty environment, no descriptor but the call's own; the
wall-clock deadline, the caps on output and result; and the end of every process of the call,
before the call has ended.

What a machine may lack is told by `authgate doctor`, stands in `layers` where it is enforced, and
where a policy requires it, is an error at the start.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Self

import anyio
import anyio.to_thread
import msgspec

from authgate_async.errors import ClosedError, SandboxUnavailableError, UsageError
from authgate_async.launchers.cells.messages import Plan
from authgate_async.launchers.cells.pool import Pool, Switchboard
from authgate_async.launchers.cgroups import settle
from authgate_async.launchers.outcome import ended
from authgate_async.launchers.process import require_platform
from authgate_async.launchers.protocol import LAYERS, Limits, cleared
from authgate_async.launchers.remedies import remedy
from authgate_async.launchers.sentences import plain
from authgate_async.launchers.spawning import start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from authgate_async.launchers.cells.jailed import Jailed
    from authgate_async.launchers.cgroups import Group, Home
    from authgate_async.launchers.protocol import Call, Clear, Ended, LayerName, Level, ToolRef
    from authgate_async.launchers.spawning import TemplateProcess

__all__ = ["JAIL_LAYERS", "JailLauncher"]

JAIL_LAYERS = LAYERS[:20]
"""What every jail has."""

_TEMPLATE = "authgate_async.launchers.cells.template"

_GRACE_SECONDS = 5.0
"""How long the end of a killed call is waited for before its template is killed too."""

_ATTEMPTS = 3
"""Templates that are tried for one call."""

_CALLS_PER_TEMPLATE = 5000
"""A new template now and then: all calls of one share an address layout."""

_SCOPED = 6
"""The version of Landlock that keeps signals and abstract sockets inside."""


class JailLauncher:
    """Runs each call in a cell that was armed before the call came.

    `tools` are those that calls may name; another one makes a new template. Calls that may start
    programs have a template of their own, which the first of them starts. `processes` bounds the
    calls that run at once (default: twice the cores, plus 2), `armed` the cells that wait (default:
    one for each core and two more). Further calls wait in order, and their deadline does not run
    while they wait.
    """

    level: Level = "jail"

    def __init__(
        self,
        *,
        tools: Iterable[ToolRef] = (),
        processes: int | None = None,
        armed: int | None = None,
        calls_per_template: int = _CALLS_PER_TEMPLATE,
    ) -> None:
        cores = os.cpu_count() or 1
        self._processes = 2 * cores + 2 if processes is None else processes
        self._armed = min(cores + 2, self._processes) if armed is None else armed
        if min(self._processes, self._armed, calls_per_template) < 1:
            raise UsageError("`processes`, `armed` and `calls_per_template` must be at least 1")
        self._tools = frozenset(tools)
        self._calls_per_template = calls_per_template
        self._current: dict[bool, Pool] = {}
        self._pools: list[Pool] = []
        self._templates: dict[TemplateProcess, Group | None] = {}
        self._entered = False
        self._home: Home | None = None
        self.lacking: dict[LayerName, str] = {}
        """Why a layer is not to be had on this machine, where a sentence can tell."""
        self.layers: tuple[LayerName, ...] = JAIL_LAYERS
        """What holds a call on this machine; complete once the launcher was entered."""

    async def __aenter__(self) -> Self:
        """Start a template and see a first cell armed.

        Raises:
            SandboxUnavailableError: this machine does not give what a jail is made of; the
                sentence names the step and what to do.
        """
        require_platform()
        self._board = Switchboard()
        self._slots = anyio.Semaphore(self._processes, fast_acquire=True)
        self._starting = anyio.Lock()
        self._changed = anyio.Event()
        self._tasks = await anyio.create_task_group().__aenter__()
        self._entered = True
        self._tasks.start_soon(self._board.run)
        self._tasks.start_soon(self._board.sweep)
        try:
            await self._first()
        except BaseException:
            await self.__aexit__(*sys.exc_info())
            raise
        return self

    async def _first(self) -> None:
        try:
            self._home = await anyio.to_thread.run_sync(settle)
        except SandboxUnavailableError as error:
            self.lacking["cgroup"] = str(error)
        try:
            pool = await self._ready(programs=False)
            armed = await pool.take()
            if armed is None:
                raise _unarmed(pool)
        except SandboxUnavailableError as error:
            help_ = await anyio.to_thread.run_sync(remedy, str(error))
            raise SandboxUnavailableError(f"{error}; {help_}") from error
        pool.give_back(armed)
        self.layers = (*JAIL_LAYERS, *_further(pool.template.facts, grouped=self._home is not None))

    async def __aexit__(self, *exc_info: object) -> None:
        """End every call that still runs, and the templates; no process is left."""
        self._entered = False
        with anyio.CancelScope(shield=True):
            for pool in self._pools:
                for jailed in pool.calls.values():
                    jailed.end("cancelled")
            await self._until(lambda: not any(pool.calls for pool in self._pools))
            for template in self._templates:
                template.kill()
            await self._until(lambda: not self._templates)
        self._tasks.cancel_scope.cancel()
        await self._tasks.__aexit__(None, None, None)
        self._board.close()

    def launch_now(self, call: Call) -> None:
        """Return None: a process has to be waited for."""

    async def launch(self, call: Call, clear: Clear = cleared) -> Ended:
        """Run one call to its end; never raises for what the tool did.

        Raises:
            ClosedError: the launcher was left, or never entered.
            SandboxUnavailableError: no cell can be armed.
        """
        self._require_entered()
        await self._slots.acquire()
        kept = False
        try:
            await clear()
            self._require_entered()
            pool, jailed = await self._begin(call)
            try:
                return await self._follow(call, pool, jailed)
            finally:
                kept = not jailed.over.is_set()
                if kept:
                    self._tasks.start_soon(self._finish, pool, jailed)
                else:
                    self._release(pool, jailed)
        except OSError as error:
            raise SandboxUnavailableError(f"no call can be started: {plain(str(error))}") from error
        finally:
            if not kept:
                self._slots.release()

    async def _begin(self, call: Call) -> tuple[Pool, Jailed]:
        # What was armed may be dead, all of it at once, where a machine runs out of memory.
        for _ in range(_ATTEMPTS + self._armed):
            pool = await self._ready(call.tool, programs=call.programs)
            armed = await pool.take()
            jailed = None if armed is None else pool.begin(armed, call)
            if jailed is not None:
                return pool, jailed
        raise _unarmed(pool)

    async def _follow(self, call: Call, pool: Pool, jailed: Jailed) -> Ended:
        """See a call to its end, or to the end of its time."""
        begun = monotonic()  # a loop's own clock may stand still for milliseconds
        try:
            with anyio.move_on_after(call.limits.wall_ms / 1000) as scope:
                await pool.tell_template(jailed, call)
                await jailed.over.wait()
        except BaseException:
            jailed.end("cancelled")
            await _confirm(jailed, pool)
            raise
        if scope.cancelled_caught:
            jailed.end("deadline")
        ran = monotonic() - begun
        await _confirm(jailed, pool)
        return ended(call, jailed, int(ran * 1_000_000))

    async def _finish(self, pool: Pool, jailed: Jailed) -> None:
        """Wait for what could not be killed in time; its place stays taken."""
        with anyio.CancelScope(shield=True):
            await jailed.over.wait()
        self._release(pool, jailed)
        self._slots.release()

    def _release(self, pool: Pool, jailed: Jailed) -> None:
        pool.release(jailed)
        self._changed.set()

    async def _ready(self, tool: ToolRef | None = None, *, programs: bool) -> Pool:
        pool = self._usable(tool, programs=programs)
        if pool is not None:
            return pool
        async with self._starting:
            usable = self._usable(tool, programs=programs)
            return usable or await self._start(tool, programs=programs)

    def _usable(self, tool: ToolRef | None, *, programs: bool) -> Pool | None:
        pool = self._current.get(programs)
        if pool is None or pool.template.dead or pool.retired or pool.failure:
            return None
        if tool is not None and tool not in pool.tools:
            return None
        if pool.template.calls > self._calls_per_template:
            pool.retire()
            return None
        return pool

    async def _start(self, tool: ToolRef | None, *, programs: bool) -> Pool:
        """Start a template, with one tool more; if that keeps it from starting, nothing changes."""
        tools = self._tools if tool is None else self._tools | {tool}
        group = None if self._home is None else await anyio.to_thread.run_sync(self._home.group)
        path = str(group.path) if group else ""
        plan = Plan(tuple(tools), self._armed, Limits().scratch_bytes, programs, path)
        encoded = msgspec.msgpack.encode(plan)
        keep = partial(self._adopt, group)
        try:
            template = await start(_TEMPLATE, scratch=False, keep=keep, plan=encoded)
        except BaseException:
            if group is not None and group not in self._templates.values():
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(group.remove)
            raise
        if programs in self._current:
            self._current[programs].retire()
        self._tools = tools
        self._pools = [pool for pool in self._pools if pool.calls or not pool.template.dead]
        pool = self._current[programs] = Pool(template, plan.tools, self._board, group)
        self._pools.append(pool)
        return pool

    def _adopt(self, group: Group | None, template: TemplateProcess) -> None:
        self._templates[template] = group
        self._tasks.start_soon(self._keep, template, group)

    async def _until(self, quiet: Callable[[], bool]) -> None:
        with anyio.move_on_after(_GRACE_SECONDS):
            while not quiet():
                self._changed = anyio.Event()
                await self._changed.wait()

    async def _keep(self, template: TemplateProcess, group: Group | None) -> None:
        with anyio.CancelScope(shield=True):
            await template.reap()
            if group is not None:
                await anyio.to_thread.run_sync(group.remove)
        del self._templates[template]
        self._changed.set()

    def _require_entered(self) -> None:
        if not self._entered:
            raise ClosedError("the launcher is closed: use it inside `async with`")


def _unarmed(pool: Pool) -> SandboxUnavailableError:
    why = pool.failure or "its template dies as soon as it is started"
    return SandboxUnavailableError(f"a jail cannot be made: {why}")


async def _confirm(jailed: Jailed, pool: Pool) -> None:
    """Wait for the proof that the whole tree is gone, whatever is cancelled meanwhile."""
    if jailed.over.is_set():
        return
    with anyio.CancelScope(shield=True):
        with anyio.move_on_after(_GRACE_SECONDS):
            await jailed.over.wait()
        if not jailed.over.is_set():
            pool.kill()
            with anyio.move_on_after(_GRACE_SECONDS):
                await jailed.over.wait()


def _further(facts: bytes, *, grouped: bool) -> tuple[LayerName, ...]:
    """Return the layers that not every machine has, from what the template found."""
    bounds_tasks, abi = facts
    found: dict[LayerName, bool] = {
        "tasks": bool(bounds_tasks) or grouped,
        "landlock_scope": abi >= _SCOPED,
        "cgroup": grouped,
    }
    return tuple([name for name, there in found.items() if there])
