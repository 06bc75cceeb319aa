"""The template process: warm, single-threaded, without secrets; it forks a warden for each call.

It is exec'd with `-I` and an empty environment and imports nothing but this package's light parts
and the modules of the tools that it is asked for. Per call: it receives an order and five
descriptors, loads the tool if it is new, and forks a *warden*; the warden forks the *body* and from
then on runs native code only.

Its own copy of a call's status socket stays open until the warden is reaped. When the warden was
killed or stopped, which only the call itself can have done, the orphans come back here: they are
killed, and `LOST` says so.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import sys
from typing import TYPE_CHECKING, NoReturn

import msgspec

from authgate_async import _native
from authgate_async.launchers import body, loading
from authgate_async.launchers.frames import LOST, READY, REFUSED, Order
from authgate_async.launchers.sentences import describe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authgate_async.launchers.loading import Invocable

__all__ = ["main"]

_FDS = 5
_MESSAGE_BYTES = 2**16
_WARDEN_SLACK_MS = 2_000
"""The warden's own deadline comes this much after the runtime's, which is the one reported."""

_decoder = msgspec.msgpack.Decoder(Order)


class _Template:  # pragma: no cover - nothing measures here
    def __init__(self, control: socket.socket, scratch: str) -> None:
        self._control = control
        self._scratch = scratch
        self._pid = os.getpid()
        self._runtime = os.pidfd_open(os.getppid())
        self._self = os.pidfd_open(self._pid)
        self._signals = _native.sandbox_signals()
        self._wardens: dict[int, socket.socket] = {}
        self._calls = 0

    def serve(self) -> None:
        """Fork calls until the runtime hangs up or is gone, then wait for the last warden."""
        poll = select.poll()
        for fd in (self._control.fileno(), self._runtime, self._signals):
            poll.register(fd, select.POLLIN)
        taking = True
        while taking or self._wardens:
            ready = {fd for fd, _ in poll.poll()}
            if self._signals in ready:
                self._reap()
            if taking and (self._runtime in ready or not self._take(ready)):
                taking = False
                poll.unregister(self._control.fileno())
                poll.unregister(self._runtime)

    def _take(self, ready: set[int]) -> bool:
        if self._control.fileno() not in ready:
            return True
        message, fds, _, _ = socket.recv_fds(
            self._control, _MESSAGE_BYTES, _FDS, socket.MSG_CMSG_CLOEXEC | socket.MSG_DONTWAIT
        )
        if len(fds) == _FDS:
            self._start(message, fds)
        return bool(message)

    def _start(self, message: bytes, fds: list[int]) -> None:
        status = socket.socket(fileno=fds[0])
        try:
            order = _decoder.decode(message)
            tool = loading.load(order.tool)
        except BaseException as error:  # noqa: BLE001 - whatever a tool's module raises
            _tell(status, REFUSED + describe(error).encode("utf-8", "backslashreplace"))
            status.close()
        else:
            self._calls += 1
            self._fork(order, tool, status, fds[1:])
        for fd in fds[1:]:
            os.close(fd)

    def _fork(self, order: Order, tool: Invocable, status: socket.socket, fds: list[int]) -> None:
        pid = os.fork()
        if pid == 0:
            self._guard(order, tool, status.fileno(), fds)
        self._wardens[pid] = status

    def _guard(self, order: Order, tool: Invocable, status: int, fds: list[int]) -> NoReturn:
        """Be the warden: never return, never run the tool, never raise into the template's code."""
        try:
            _native.sandbox_lead()
            folder = f"{self._scratch}/{self._calls}"
            os.mkdir(folder, 0o700)  # noqa: PTH102 - a warm path: no more objects than it takes
            pid = os.fork()
            if pid == 0:
                body.run(os.getppid(), folder, order.limits, tool, fds)
            _native.sandbox_watch(
                (status, self._runtime, self._self),
                pid,
                order.limits.processes,
                order.limits.wall_ms + _WARDEN_SLACK_MS,
            )
            _native.sandbox_remove_tree(folder)
            os._exit(0)
        finally:
            os._exit(70)

    def _reap(self) -> None:
        """Take in the end of wardens; kill what comes back as an orphan of a lost one."""
        os.read(self._signals, 4096)
        ended = [(self._wardens.pop(pid), status) for pid, status in self._changed()]
        if any(status != 0 for _, status in ended):
            _native.sandbox_sweep(list(self._wardens))
        for call, status in ended:
            if os.WIFSIGNALED(status):
                _tell(call, LOST)
            call.close()

    def _changed(self) -> Iterator[tuple[int, int]]:
        """Reap; yield the wardens among the dead. A stopped one watches nothing: it goes too."""
        with contextlib.suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG | os.WUNTRACED))[0]:
                pid, status = found
                if pid in self._wardens and os.WIFSTOPPED(status):
                    os.kill(pid, signal.SIGKILL)
                elif pid in self._wardens:
                    yield pid, status


def _tell(
    status: socket.socket, message: bytes
) -> None:  # pragma: no cover - nothing measures here
    with contextlib.suppress(OSError):  # nobody listens any more
        status.send(message, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


def main(
    control_fd: int, scratch: str, runtime: int
) -> None:  # pragma: no cover - nothing measures here
    """Serve the runtime at the other end of `control_fd` until it hangs up; remove `scratch`."""
    loading.inside = True
    os.environ.clear()
    sys.dont_write_bytecode = True
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir("/")
    _native.sandbox_harden()
    control = socket.socket(fileno=control_fd)
    template = _Template(control, scratch)
    if os.getppid() == runtime:
        body.warm_up()
        gc.collect()
        gc.freeze()
        os.dup2(0, 2)
        control.send(READY, socket.MSG_NOSIGNAL)
        template.serve()
    _native.sandbox_remove_tree(scratch)
