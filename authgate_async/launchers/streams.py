"""What a call writes to: pipes that are read up to their cap, and the file that it reads from."""

from __future__ import annotations

import os

import msgspec

__all__ = ["Stream", "fill", "input_file"]

_CHUNK = 2**16


class Stream:
    """The read end of a pipe, which must not block, and at most `cap` bytes out of it."""

    def __init__(self, name: str, cap: int, fd: int) -> None:
        self.name = name
        self.fd = fd
        self.data = bytearray()
        self.over = False
        """Whether more than the cap came."""
        self._cap = cap

    def pull(self) -> bool:
        """Read once; False when there is nothing more to read, now or ever."""
        if self.over:  # whoever asks again must not make it look as if all had come
            return False
        room = self._cap - len(self.data)
        try:
            chunk = os.read(self.fd, min(_CHUNK, room + 1))
        except BlockingIOError:
            return False
        self.over = len(chunk) > room
        self.data += chunk[:room]
        return bool(chunk) and not self.over

    def drain(self) -> None:
        """Read what is there, within the cap; whoever may hold the pipe is not waited for."""
        while not self.over and self.pull():
            pass


def fill(fd: int, message: bytes) -> None:
    """Write `message` into an empty file in memory."""
    data = memoryview(message)
    done = 0
    while done < len(data):
        done += os.pwrite(fd, data[done:], done)


def input_file(message: msgspec.Struct) -> int:
    """Return a descriptor of a new file in memory that holds `message` as MessagePack."""
    fd = os.memfd_create("authgate-input")
    try:
        fill(fd, msgspec.msgpack.encode(message))
    except BaseException:
        os.close(fd)
        raise
    return fd
