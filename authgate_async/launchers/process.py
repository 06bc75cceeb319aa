"""The `process` level: each call in a fresh process that is held to its limits and leaves no trace.

Held: wall-clock deadline, caps on output and result, CPU time, address space, file size and open
files of each process, number of processes of the call, no new privileges, for root no capabilities
but those about files, an empty environment, a private working folder that goes away, and the end of
the whole process tree, however it forked, before the call has ended.

Not held, for this level is no jail: a body runs as the same user. It reads and writes every file
that this user may, uses the network, sees other processes and can signal them. A body that kills
both its warden and the template in one stroke can leave a process behind; one that kills the
runtime ends everything.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from time import monotonic
from typing import TYPE_CHECKING, Self

import anyio
import msgspec

from authgate_async.errors import ClosedError, SandboxUnavailableError, UsageError
from authgate_async.launchers.frames import Order
from authgate_async.launchers.outcome import ended
from authgate_async.launchers.protocol import LAYERS, cleared
from authgate_async.launchers.sentences import plain
from authgate_async.launchers.spawning import START_SECONDS, start
from authgate_async.launchers.watching import Watched

if TYPE_CHECKING:
    from collections.abc import Collection

    from authgate_async.launchers.protocol import Call, Clear, Ended, Level
    from authgate_async.launchers.spawning import TemplateProcess

__all__ = ["ProcessLauncher", "require_platform"]

_TEMPLATE = "authgate_async.launchers.template"

_GRACE_SECONDS = 0.5
"""How long an outcome waits for the proof that the tree is gone; then the proof is waited for
elsewhere, and the place of the call stays taken until it comes."""

_CANCEL_SECONDS = 5.0
"""The same for a cancellation, which may go on only when nothing runs."""

_ATTEMPTS = 3
"""Templates that are tried for one call."""

_CALLS_PER_TEMPLATE = 1000
"""A new template now and then: all calls of one share an address layout."""


class ProcessLauncher:
    """Runs each call in a process forked from a warm template, which starts at the first call.

    `processes` bounds the calls that run at once (default: twice the cores, plus 2); further ones
    wait in order, and their deadline does not run while they wait.
    """

    level: Level = "process"
    layers = LAYERS[:12]

    def __init__(
        self, *, processes: int | None = None, calls_per_template: int = _CALLS_PER_TEMPLATE
    ) -> None:
        if processes is None:
            processes = 2 * (os.cpu_count() or 1) + 2
        if processes < 1 or calls_per_template < 1:
            raise UsageError("`processes` and `calls_per_template` must be at least 1")
        self._processes = processes
        self._calls_per_template = calls_per_template
        self._template: TemplateProcess | None = None
        self._templates: set[TemplateProcess] = set()
        self._running: set[Watched] = set()
        self._entered = False

    async def __aenter__(self) -> Self:
        """Check that this machine has what the level needs; the template starts at the first call.

        Raises:
            SandboxUnavailableError: not Linux, or the native extension is not built.
            UsageError: this already runs inside a call.
        """
        require_platform()
        self._slots = anyio.Semaphore(self._processes, fast_acquire=True)
        self._starting = anyio.Lock()
        self._changed = anyio.Event()
        self._tasks = await anyio.create_task_group().__aenter__()
        self._entered = True
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """End every call that still runs, then the template; no process is left."""
        self._entered = False
        with anyio.CancelScope(shield=True):
            for watched in self._running:
                watched.end("cancelled")
            await self._until_empty(self._running)
            for template in self._templates:
                template.retire()
            await self._until_empty(self._templates)
            for template in self._templates:
                template.kill()
        self._tasks.cancel_scope.cancel()
        await self._tasks.__aexit__(None, None, None)

    def launch_now(self, call: Call) -> None:
        """Return None: a process has to be waited for."""

    async def launch(self, call: Call, clear: Clear = cleared) -> Ended:
        """Run one call to its end; never raises for what the tool did.

        The deadline runs from the start of the body; before it the tool has 10 s to be loaded.

        Raises:
            ClosedError: the launcher was left, or never entered.
            SandboxUnavailableError: no process can be started.
        """
        self._require_entered()
        await self._slots.acquire()
        try:
            await clear()
            self._require_entered()
            watched = Watched(call)
        except BaseException as error:
            self._slots.release()
            if isinstance(error, OSError):
                raise _unavailable(error) from error
            raise
        self._running.add(watched)
        return await self._attend(call, watched)

    async def _attend(self, call: Call, watched: Watched) -> Ended:
        template = None
        try:
            template = await self._hand_over(call, watched)
            wall_us = await self._follow(call, watched, template)
            watched.drain()
            return ended(call, watched, wall_us)
        except OSError as error:
            raise _unavailable(error) from error
        finally:
            watched.end("cancelled")
            if template is None or watched.over:
                self._done(watched)
            else:
                self._tasks.start_soon(self._finish, watched, template)

    async def _hand_over(self, call: Call, watched: Watched) -> TemplateProcess:
        order = msgspec.msgpack.encode(Order(call.tool, call.limits))
        for _ in range(_ATTEMPTS):
            template = await self._ready()
            with anyio.move_on_after(START_SECONDS):
                if await template.send(order, watched.child_fds()):
                    watched.sent()
                    return template
            template.kill()
        raise SandboxUnavailableError(
            "the template process dies as soon as it is started; run `authgate doctor`"
        )

    async def _follow(self, call: Call, watched: Watched, template: TemplateProcess) -> int:
        """See the call to its end, or to the end of its time; return its microseconds."""
        begun = None
        try:
            with anyio.CancelScope(deadline=anyio.current_time() + START_SECONDS) as scope:
                while not watched.over and watched.cause is None:
                    await watched.step()
                    if begun is None and watched.started:
                        begun = monotonic()  # a loop's own clock may stand still for milliseconds
                        scope.deadline = anyio.current_time() + call.limits.wall_ms / 1000
        except BaseException:
            watched.end("cancelled")
            await _confirm(watched, _CANCEL_SECONDS)
            raise
        if scope.cancelled_caught and begun is None:
            template.kill()
        if scope.cancelled_caught:
            watched.end("deadline" if begun is not None else "sandbox_died")
        ran = 0.0 if begun is None else monotonic() - begun
        await _confirm(watched, _GRACE_SECONDS)
        return int(ran * 1_000_000)

    async def _finish(self, watched: Watched, template: TemplateProcess) -> None:
        """See to the end of a tree that did not end in its grace."""
        try:
            template.wake()
            await _confirm(watched, _CANCEL_SECONDS)
            if not watched.over:
                template.kill()
                await _confirm(watched, _CANCEL_SECONDS)
        finally:
            self._done(watched)

    def _done(self, watched: Watched) -> None:
        watched.close()
        self._running.discard(watched)
        self._slots.release()
        self._changed.set()

    async def _ready(self) -> TemplateProcess:
        template = self._usable()
        if template is not None:
            return template
        async with self._starting:
            return self._usable() or await self._start()

    def _usable(self) -> TemplateProcess | None:
        template = self._template
        if template is None or template.dead:
            return None
        if template.calls >= self._calls_per_template:
            template.retire()
            return None
        return template

    async def _start(self) -> TemplateProcess:
        self._template = await start(_TEMPLATE, scratch=True, keep=self._adopt)
        return self._template

    def _adopt(self, template: TemplateProcess) -> None:
        self._templates.add(template)
        self._tasks.start_soon(self._keep, template)

    async def _keep(self, template: TemplateProcess) -> None:
        await template.reap()
        self._templates.discard(template)
        self._changed.set()

    async def _until_empty(self, things: Collection[object]) -> None:
        with anyio.move_on_after(_CANCEL_SECONDS):
            while things:
                self._changed = anyio.Event()
                await self._changed.wait()

    def _require_entered(self) -> None:
        if not self._entered:
            raise ClosedError("the launcher is closed: use it inside `async with`")


async def _confirm(watched: Watched, seconds: float) -> None:
    """Wait for the proof that the whole tree is gone, whatever is cancelled meanwhile."""
    with anyio.move_on_after(seconds, shield=True):
        while not watched.over:
            await watched.step()


def _unavailable(error: OSError) -> SandboxUnavailableError:
    return SandboxUnavailableError(f"no process can be started: {plain(str(error))}")


def require_platform() -> None:
    """Raise what says that no process can be confined here."""
    if sys.platform != "linux":
        raise SandboxUnavailableError(
            "tool processes need Linux; mark trusted async tools `inline`"
        )
    if importlib.util.find_spec("authgate_async._native") is None:
        raise SandboxUnavailableError(
            "tool processes need the native extension; build it with `maturin develop`"
        )
    loading = sys.modules.get("authgate_async.launchers.loading")
    if loading is not None and loading.inside:
        raise UsageError(
            "this runs inside a tool call, which may not start one; "
            'if it is your script, put its start under `if __name__ == "__main__":`'
        )
