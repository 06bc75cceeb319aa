"""The template of a jail: warm, single-threaded, without secrets, in namespaces of its own.

It is exec'd with `-I` and an empty environment, loads the tools of its plan, and then divides
itself from the machine: what goes on is the first process of a pid namespace, so that its end is
the end of every cell. It keeps cells armed, reaps them, and reports how they ended; a cell gets its
call from the runtime alone.
"""

from __future__ import annotations

import contextlib
import gc
import os
import resource  # noqa: TC003 - `wait4` needs it, and finds no file any more
import select
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING

import msgspec

from authgate_async import _native
from authgate_async.launchers import loading
from authgate_async.launchers.body import warm_up
from authgate_async.launchers.cells import body, shown
from authgate_async.launchers.cells.messages import (
    FAILED,
    HEAD,
    NOT_ARMED,
    Plan,
    Take,
    ended_message,
)
from authgate_async.launchers.frames import READY, Report
from authgate_async.launchers.sentences import describe

if TYPE_CHECKING:
    from authgate_async.launchers.cells.body import Loaded

__all__ = ["main"]

_MESSAGE_BYTES = 2**18
_SLACK_MS = 2_000
"""The template's own deadline comes this much after the runtime's, which is the one reported."""

_TICK_MS = 5
"""How often the processes of a call that may start programs are counted."""

_BUSY_MS = 10
"""How long a running call keeps a cell from being armed that is not urgent."""

_plan = msgspec.msgpack.Decoder(Plan).decode
_take = msgspec.msgpack.Decoder(Take).decode


class _Cell:  # pragma: no cover - nothing measures here
    """A child: which cell it is, and once it has a call, what that is held to."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.until: float | None = None
        self.processes = 0
        self.why = "exited"


class _Template:  # pragma: no cover - nothing measures here
    def __init__(
        self,
        control: socket.socket,
        watched: tuple[int, ...],
        base: _native.JailBase,
        plan: Plan,
        tools: Loaded,
    ) -> None:
        self._control = control
        self._watched = watched
        self._base = base
        self._plan = plan
        self._tools = tools
        self._signals = _native.sandbox_signals()
        self._cells: dict[int, _Cell] = {}
        self._pids: dict[int, int] = {}
        self._count = 0
        self._armed = 0
        self._owed = plan.armed

    def serve(self) -> None:
        """Keep cells armed until the runtime hangs up or is gone."""
        poll = select.poll()
        for fd in (self._control.fileno(), self._signals, *self._watched):
            poll.register(fd, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poll.poll(self._patience())}
            if self._signals in ready:
                self._reap()
            if self._control.fileno() in ready and not self._hear():
                return
            if not ready.isdisjoint(self._watched):
                return
            self._look()
            # A fork takes as long as a short call: its end is told first, if enough are armed.
            if self._owed and (self._idle() or not ready):
                self._arm()
            # Two at a time: what this process touches between forks is copied after each.
            for _ in range(min(self._owed, 2 if self._wanting() else 0)):
                self._arm()

    def _hear(self) -> bool:
        """Take every message that is there; False when the runtime has hung up."""
        with contextlib.suppress(BlockingIOError):
            while message := self._control.recv(_MESSAGE_BYTES, socket.MSG_DONTWAIT):
                self._taken(_take(message))
            return False
        return True

    def _taken(self, take: Take) -> None:
        pid = self._pids.get(take.cell)
        if pid is not None:
            cell = self._cells[pid]
            cell.until = time.monotonic() + (take.wall_ms + _SLACK_MS) / 1000
            cell.processes = take.processes
            self._armed -= 1
            self._owed += 1

    def _arm(self) -> None:
        self._count += 1
        self._owed -= 1
        number = self._count
        try:
            pid = self._base.fork()
            if pid == 0:
                body.run(number, self._control, self._base, self._plan.scratch_bytes, self._tools)
        except OSError as error:
            self._say(HEAD.pack(FAILED, number) + describe(error).encode())
            return
        self._armed += 1
        self._cells[pid] = _Cell(number)
        self._pids[number] = pid

    def _reap(self) -> None:
        os.read(self._signals, 4096)
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
                if pid == 0:
                    return
                cell = self._cells.pop(pid)
                del self._pids[cell.number]
                if cell.until is None:
                    self._armed -= 1
                    # What could not be armed is not tried again: the runtime was told.
                    self._owed += os.waitstatus_to_exitcode(status) != NOT_ARMED
                self._say(ended_message(cell.number, _report(cell, status, usage)))

    def _wanting(self) -> bool:
        """Whether so few cells are armed that the next calls may have to wait for one."""
        return self._armed * 2 < self._plan.armed

    def _idle(self) -> bool:
        """Whether no call runs."""
        return len(self._cells) == self._armed

    def _patience(self) -> float | None:
        """Return how long nothing needs to be looked at, in milliseconds."""
        if self._owed:
            return 0 if self._wanting() or self._idle() else _BUSY_MS
        busy = [cell for cell in self._cells.values() if cell.until is not None]
        if any(cell.processes for cell in busy):
            return _TICK_MS
        if not busy:
            return None
        soonest = min(cell.until for cell in busy if cell.until is not None)
        return max(0.0, soonest - time.monotonic()) * 1000 + 1

    def _look(self) -> None:
        """End what is late, or has too many processes."""
        for pid, cell in self._cells.items():
            if cell.until is None or cell.why != "exited":
                continue
            if time.monotonic() >= cell.until:
                cell.why = "late"
            elif cell.processes and _native.sandbox_crowd(pid, cell.processes) >= cell.processes:
                cell.why = "crowded"
            if cell.why != "exited":
                os.kill(pid, signal.SIGKILL)

    def _say(self, message: bytes) -> None:
        with contextlib.suppress(OSError):  # nobody listens any more: the end is near
            self._control.send(message, socket.MSG_NOSIGNAL)


def _report(cell: _Cell, status: int, usage: resource.struct_rusage) -> Report:  # pragma: no cover
    spent = usage.ru_utime + usage.ru_stime
    return Report(
        cell.why,  # type: ignore[arg-type]
        os.WEXITSTATUS(status) if os.WIFEXITED(status) else 0,
        os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
        int(spent * 1_000_000),
        usage.ru_maxrss * 1024,
    )


def _load(plan: Plan) -> Loaded:  # pragma: no cover - nothing measures here
    """Import every tool; one that cannot be is kept as the exception that its calls end with."""
    tools: Loaded = {}
    # Libraries of numbers start a thread for each core otherwise, and a template has one thread.
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    for ref in plan.tools:
        try:
            tools[ref] = loading.load(ref)
        except BaseException as error:  # noqa: BLE001 - whatever a tool's module raises
            tools[ref] = error
        if len(os.listdir("/proc/self/task")) > 1:  # noqa: PTH208 - a warm path
            name = f"{ref.module}.{ref.qualname}"
            raise SystemExit(f"importing `{name}` starts a thread; start it in the function")
    os.environ.clear()
    return tools


_ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def _namespaces() -> set[str]:  # pragma: no cover - nothing measures here
    """Return the names of the namespaces that this process is in, each of which is unique."""
    return {os.readlink(f"/proc/self/ns/{kind}") for kind in _KINDS}  # noqa: PTH115


_KINDS = ("user", "pid", "mnt", "net", "ipc", "uts")


def main(control_fd: int, _: str, runtime: int) -> None:  # pragma: no cover - nothing measures here
    """Serve the runtime at the other end of `control_fd` until it hangs up."""
    loading.inside = True
    os.environ.clear()
    sys.dont_write_bytecode = True
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # As the first process of a cell a tool is deaf to this: its own programs cannot interrupt it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.chdir("/")
    control = socket.socket(fileno=control_fd)
    tools = _load(plan := _plan(control.recv(_MESSAGE_BYTES)))
    watched = (os.pidfd_open(runtime), os.pidfd_open(os.getpid()))
    if os.getppid() != runtime:
        return
    outside = _namespaces()
    _native.jail_divide()
    pid = os.fork()
    if pid:
        control.close()
        status = os.waitpid(pid, 0)[1]
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    base = _native.JailBase(shown.paths(), shown.DEVICES, shown.links())
    if not outside.isdisjoint(_namespaces()):
        raise SystemExit("a namespace is still shared with the machine")
    _native.sandbox_harden()
    warm_up()
    gc.collect()
    gc.freeze()
    os.dup2(0, 2)
    facts = bytes([base.bounds_tasks, _native.jail_landlock_abi()])
    control.send(READY + facts, socket.MSG_NOSIGNAL)
    _Template(control, watched, base, plan, tools).serve()
