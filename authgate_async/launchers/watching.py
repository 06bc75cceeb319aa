"""One running call, seen from the runtime: its descriptors, what came out of them, how to end it.

All four descriptors hang on one epoll, which itself can be waited for: so a call needs one task and
no more, however much it says.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
from typing import TYPE_CHECKING

import anyio

from authgate_async.launchers.frames import (
    ERROR_BYTES,
    FRAME_HEAD,
    LOST,
    REFUSED,
    STARTED,
    Input,
    Report,
    read_refusal,
    read_report,
)
from authgate_async.launchers.streams import Stream, input_file

if TYPE_CHECKING:
    from authgate_async.launchers.protocol import Call, Cause

__all__ = ["Watched"]

_CHUNK = 2**16


class Watched:
    """A call from its first descriptor to its last."""

    def __init__(self, call: Call) -> None:
        limits = call.limits
        self.cause: Cause | None = None
        """Why the runtime ended it; None while it has not."""
        self.started = False
        self.report: Report | None = None
        self.lost = False
        self.refusal = b""
        self.unconfined = b""
        """Why it could not be confined, if it could not."""
        self.over = False
        """Whether every process of the call is known to be gone."""
        self._open: list[int] = []
        self._child_pipes: list[int] = []
        self._streams: dict[int, Stream] = {}
        self._status, self._child_status = socket.socketpair(
            socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK
        )
        try:
            self._epoll = select.epoll()
            self._epoll.register(self._status, select.EPOLLIN)
            self.stdout = self._stream("stdout", limits.stdout_bytes)
            self.stderr = self._stream("stderr", limits.stderr_bytes)
            self.result = self._stream(
                "result", FRAME_HEAD.size + max(limits.result_bytes, ERROR_BYTES)
            )
            self._input = input_file(Input(call.args, call.folders))
            self._open.append(self._input)
        except BaseException:
            self.close()
            raise

    def _stream(self, name: str, cap: int) -> Stream:
        fd, child = os.pipe()
        os.set_blocking(fd, False)
        self._open += (fd, child)
        self._child_pipes.append(child)
        stream = self._streams[fd] = Stream(name, cap, fd)
        self._epoll.register(stream.fd, select.EPOLLIN)
        return stream

    def child_fds(self) -> list[int]:
        """Return what the template gets, in its order."""
        return [self._child_status.fileno(), *self._child_pipes, self._input]

    def sent(self) -> None:
        """Close the ends that are the call's own now."""
        for fd in self._child_pipes:
            os.close(fd)
            self._open.remove(fd)
        self._child_status.close()

    @property
    def capped(self) -> tuple[str, ...]:
        """The streams on which more than their cap came."""
        return tuple([stream.name for stream in self._streams.values() if stream.over])

    async def step(self) -> None:
        """Wait until something happens, and take it in."""
        await anyio.wait_readable(self._epoll.fileno())
        for fd, _ in self._epoll.poll(0):
            stream = self._streams.get(fd)
            if stream is None:
                self._hear()
            elif not stream.pull() and not stream.over:
                self._epoll.unregister(fd)
        if self.capped:
            self.end("output_cap")

    def _hear(self) -> None:
        try:
            message = self._status.recv(_CHUNK)
        except BlockingIOError:
            return
        except ConnectionError:
            message = b""
        if message == STARTED:
            self.started = True
            return
        self.report = read_report(message)
        self.unconfined = read_refusal(self._input, self.report)
        self.lost = message == LOST
        self.refusal = message[1:] if message[:1] == REFUSED else b""
        self.over = True

    def end(self, cause: Cause) -> None:
        """Order the kill of the tree, wait for nothing but its end; the first cause stays."""
        if self.cause is not None:
            return
        self.cause = cause
        with contextlib.suppress(OSError):  # the other end is gone, and so is the tree
            self._status.shutdown(socket.SHUT_WR)
        for fd in self._streams:
            with contextlib.suppress(OSError):  # it had reached its end
                self._epoll.unregister(fd)

    def drain(self) -> None:
        """Take what is in the pipes."""
        for stream in self._streams.values():
            stream.drain()

    def close(self) -> None:
        """Let go of every descriptor."""
        self._status.close()
        self._child_status.close()
        if hasattr(self, "_epoll"):
            self._epoll.close()
        for fd in self._open:
            os.close(fd)
        self._open.clear()
