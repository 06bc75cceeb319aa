"""A template and its cells, seen from the runtime, and the one epoll on which all of them hang.

However many calls run, one task hears for them: it wakes once for all that has happened, and a call
is woken once, at its end.
"""

from __future__ import annotations

import select
import socket
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

import anyio

from authgate_async.launchers.cells.jailed import Armed, Jailed
from authgate_async.launchers.cells.messages import (
    ARMED,
    FAILED,
    HEAD,
    read_ended,
    read_leaf,
    take_message,
)
from authgate_async.launchers.sentences import plain
from authgate_async.launchers.spawning import START_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from authgate_async.launchers.cgroups import Group
    from authgate_async.launchers.protocol import Call, ToolRef
    from authgate_async.launchers.spawning import TemplateProcess
    from authgate_async.launchers.streams import Stream

__all__ = ["Pool", "Switchboard"]

_MESSAGE_BYTES = 2**13
_FDS = 6

_LATER_SECONDS = 0.01
"""Most calls are over before this, and what they wrote is read at their end."""


class Switchboard:
    """Calls back when descriptors are readable."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._heard: dict[int, Callable[[], None]] = {}
        self._later: dict[int, Callable[[], None]] = {}
        self._due: dict[int, Callable[[], None]] = {}
        self._some = anyio.Event()

    def connect(self, fd: int, heard: Callable[[], None]) -> None:
        """Call `heard` whenever `fd` is readable, until it is disconnected."""
        self._heard[fd] = heard
        self._epoll.register(fd, select.EPOLLIN)

    def connect_later(self, fd: int, heard: Callable[[], None]) -> None:
        """Do as `connect`, a moment later, if it is not disconnected before."""
        self._later[fd] = heard
        self._some.set()

    def disconnect(self, fd: int) -> None:
        """Hear no more of a descriptor; of one that is not connected nothing was heard."""
        self._later.pop(fd, None)
        self._due.pop(fd, None)
        if self._heard.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    async def run(self) -> None:
        """Hear until cancelled."""
        while True:
            await anyio.wait_readable(self._epoll.fileno())
            for fd, _ in self._epoll.poll(0):
                heard = self._heard.get(fd)
                if heard is not None:  # else it went while this batch was heard
                    heard()

    async def sweep(self) -> None:
        """Connect what was to be connected later, until cancelled."""
        while True:
            await self._some.wait()
            self._some = anyio.Event()
            self._due, self._later = self._later, {}
            await anyio.sleep(_LATER_SECONDS)
            for fd, heard in self._due.items():
                self.connect(fd, heard)
            self._due = {}

    def close(self) -> None:
        """Let go of it."""
        self._epoll.close()


class Pool:
    """A template that is ready, its armed cells, and the calls that run in others."""

    def __init__(
        self,
        template: TemplateProcess,
        tools: Sequence[ToolRef],
        board: Switchboard,
        group: Group | None,
    ) -> None:
        self.template = template
        self._group = group
        self.tools = {tool: number for number, tool in enumerate(tools)}
        """What it was started for, as it numbers them."""
        self.calls: dict[int, Jailed] = {}
        self.retired = False
        self._board = board
        self._armed: deque[Armed] = deque()
        self.failure = ""
        """Why a cell could not be armed: what the template holds on to may have gone since."""
        self._waiting: deque[anyio.Event] = deque()
        self._full = anyio.Lock()
        board.connect(template.control.fileno(), self._hear)
        # The template is two processes: if one alone is killed, its end may be seen before the
        # socket's, which is closed then.
        template.at_end = self._lost

    async def take(self) -> Armed | None:
        """Return an armed cell as soon as there is one; None if the template can arm none."""
        if self._armed:
            return self._armed.popleft()
        with anyio.move_on_after(START_SECONDS):
            while not self._armed and not self.template.dead and not self.failure:
                await self._turn()
        if self._armed:
            return self._armed.popleft()
        self.retire()
        return None

    async def _turn(self) -> None:
        """Wait for news, the first who came first; who goes away hands its turn on."""
        news = anyio.Event()
        self._waiting.append(news)
        try:
            await news.wait()
        except BaseException:
            if news.is_set():
                self._tell()
            else:
                self._waiting.remove(news)
            raise

    def give_back(self, armed: Armed) -> None:
        """Let the next call have a cell that was taken for none."""
        self._armed.appendleft(armed)
        self._tell()

    def begin(self, armed: Armed, call: Call) -> Jailed | None:
        """Hand a call to a cell; None if the cell is gone, and then the call has not started.

        The template does not know of it yet: `tell_template`.
        """
        try:
            jailed = Jailed(armed, call, self._quiet)
            begun = jailed.begin(self.tools[call.tool], call)
        except BaseException:
            armed.close()
            raise
        if not begun:
            armed.close()
            return None
        self.calls[armed.number] = jailed
        for stream in jailed.streams:
            self._board.connect_later(stream.fd, partial(self._pull, jailed, stream))
        if self.template.dead:
            self._watch(jailed)
        return jailed

    async def tell_template(self, jailed: Jailed, call: Call) -> None:
        """Tell the template of a call that has begun; it runs meanwhile."""
        limits = call.limits
        processes = limits.processes if call.programs else 0
        message = take_message(jailed.number, limits.wall_ms, processes)
        while not self.template.dead:
            try:
                self.template.control.send(message, socket.MSG_NOSIGNAL)
            except BlockingIOError:
                async with self._full:  # a loop lets one task wait for a socket
                    await self.template.writable()
            except OSError:
                self.kill()
            else:
                self.template.calls += 1
                return

    def release(self, jailed: Jailed) -> None:
        """Let go of a call that is over."""
        self._quiet(jailed)
        self._board.disconnect(jailed.pidfd)
        self.calls.pop(jailed.number, None)
        jailed.close()
        if self.retired and not self.calls:
            self.kill()

    def retire(self) -> None:
        """Take no new call; end when the last one has."""
        self.retired = True
        if not self.calls:
            self.kill()

    def kill(self) -> None:
        """End the template, and with it every cell."""
        if not self.template.dead:
            self.template.kill()
        self._lost()

    def _pull(self, jailed: Jailed, stream: Stream) -> None:
        if not jailed.pull(stream):
            self._board.disconnect(stream.fd)

    def _quiet(self, jailed: Jailed) -> None:
        for stream in jailed.streams:
            self._board.disconnect(stream.fd)

    def _hear(self) -> None:
        """Take every message that is there."""
        while not self.template.dead:
            try:
                message, fds, _, _ = socket.recv_fds(
                    self.template.control, _MESSAGE_BYTES, _FDS, socket.MSG_CMSG_CLOEXEC
                )
            except BlockingIOError:
                return
            except OSError:
                message, fds = b"", []
            if not message:
                self.template.dead = True
                self._lost()
                return
            self._read(message, fds)

    def _read(self, message: bytes, fds: list[int]) -> None:
        kind, number = HEAD.unpack_from(message)
        if kind == ARMED:
            leaf = read_leaf(message)
            further = partial(self._group.kill, leaf) if self._group and leaf else None
            self._armed.append(Armed(number, fds, further))
            self._tell()
        elif kind == FAILED:
            self.failure = plain(message[HEAD.size :].decode("utf-8", "replace"))
            self._tell_all()
        else:
            number, report = read_ended(message)
            jailed = self.calls.get(number)
            if jailed is not None:
                jailed.ended(report)
            else:
                self._forget(number)

    def _forget(self, number: int) -> None:
        """Let go of a cell that was killed while it waited."""
        for armed in [one for one in self._armed if one.number == number]:
            self._armed.remove(armed)
            armed.close()

    def _tell(self) -> None:
        if self._waiting:
            self._waiting.popleft().set()

    def _tell_all(self) -> None:
        while self._waiting:
            self._tell()

    def _lost(self) -> None:
        """The template is gone: its cells die with it, and each call is over when its own has."""
        self._board.disconnect(self.template.control.fileno())
        while self._armed:
            self._armed.popleft().close()
        for jailed in self.calls.values():
            self._watch(jailed)
        self._tell_all()

    def _watch(self, jailed: Jailed) -> None:
        """Hear of the end of a call from its own first process, now that nobody reports it."""
        if not jailed.over.is_set():
            self._board.disconnect(jailed.pidfd)
            self._board.connect(jailed.pidfd, partial(jailed.ended, None))
