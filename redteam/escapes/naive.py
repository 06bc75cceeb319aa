"""A runner that trusts: what happens to a snippet without a jail.

A stand-in for a template forks a body, which inherits everything and runs the snippet, with a pipe
for its result at descriptor 3 and, by carelessness, the socket of trusted messages at 4. All that
comes is read and believed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import select
import signal
import socket
import struct
import time
from typing import TYPE_CHECKING, NoReturn

import msgspec
from escapes.syscalls import libc

if TYPE_CHECKING:
    from pathlib import Path

    from escapes.declare import Snippet, Target

__all__ = ["Running", "Seen"]

HEAD = struct.Struct("<cQ")
OPEN_FILES = 256
PATIENCE = 60.0
"""Seconds until a snippet without a jail is given up: it is broken then."""
STEP = 0.005
FAR = 200
"""Descriptors from here on are free."""

PR_SET_PDEATHSIG = 1


class Seen(msgspec.Struct):
    """What came out of one run: three streams, trusted messages, and how the stand-in ended."""

    streams: list[bytearray]
    messages: list[bytes]
    harmed: str = ""
    killed: bool = False

    def text(self) -> bytes:
        """Return all that came out."""
        return b"\n".join(self.streams)

    def claim(self) -> str:
        """Return what the snippet returned."""
        frame = bytes(self.streams[2])
        return frame[HEAD.size :].decode("utf-8", "replace") if frame[:1] == b"R" else ""

    def problem(self) -> str:
        """Say what is wrong with the frame of the result; an error is a sentence, in itself."""
        frame = bytes(self.streams[2])
        if len(frame) < HEAD.size:
            return "a piece of a frame" if frame else ""
        tag, length = HEAD.unpack_from(frame)
        content = frame[HEAD.size :]
        if length != len(content):
            return f"{length} bytes announced, {len(content)} came"
        if tag == b"R":
            return _not_json(content)
        sentence = content.decode("utf-8", "replace")
        harmless = sentence.isprintable() and len(sentence) <= 500
        return "" if tag in b"ES" and harmless else "not one harmless sentence"


def _not_json(content: bytes) -> str:
    try:
        msgspec.json.decode(content)
    except (ValueError, RecursionError) as error:
        return f"no result: {error}"
    return ""


class Running:
    """One run of a snippet; `ended` goes on until the stand-in is dead or stopped."""

    def __init__(self, snippet: Snippet, target: Target, scratch: Path) -> None:
        self._pipes = [os.pipe() for _ in range(3)]
        self._status, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._status.setblocking(False)
        self._stand_in = os.fork()
        if self._stand_in == 0:
            ends = [write for _, write in self._pipes]
            nothing = os.open("/dev/null", os.O_RDONLY)
            _stand_in(snippet, target, scratch, [nothing, *ends, theirs.fileno()])
        theirs.close()
        for read, write in self._pipes:
            os.close(write)
            os.set_blocking(read, False)
        self.seen = Seen([bytearray() for _ in range(3)], [])
        self._over = False

    def step(self) -> bool:
        """Read what is there, and see whether it is over."""
        reads = [read for read, _ in self._pipes]
        ready, _, _ = select.select([*reads, self._status], [], [], STEP)
        for number, read in enumerate(reads):
            if read in ready:
                self._read(number, read)
        with contextlib.suppress(BlockingIOError):
            while self._status in ready and (message := self._status.recv(4096)):
                self.seen.messages.append(message)
        return self._over or self._waited()

    def _read(self, number: int, fd: int) -> None:
        with contextlib.suppress(BlockingIOError):
            while data := os.read(fd, 2**20):
                self.seen.streams[number] += data

    def _waited(self) -> bool:
        pid, status = os.waitpid(self._stand_in, os.WNOHANG | os.WUNTRACED)
        if not pid:
            return False
        if os.WIFSTOPPED(status):
            self.seen.harmed = "the stand-in was stopped"
        elif os.WIFSIGNALED(status):
            self.seen.harmed = "the stand-in was killed"
            self._over = True
        else:
            self.seen.killed = bool(os.WEXITSTATUS(status))
            self._over = True
        return True

    def ended(self, until: int | None = None) -> Seen:
        """Wait for the end, or until there is something to read at `until`; then end it."""
        limit = time.monotonic() + PATIENCE
        while not self.step():
            assert time.monotonic() < limit, "it does not end"
            if until is not None and select.select([until], [], [], 0)[0]:
                break
        return self.close()

    def close(self) -> Seen:
        """End the stand-in, which is all that a careless runner does; return what came."""
        if not self._over:
            os.kill(self._stand_in, signal.SIGKILL)
            os.waitpid(self._stand_in, 0)
            self._over = True
        for number, (read, _) in enumerate(self._pipes):
            self._read(number, read)
            os.close(read)
        self._status.close()
        return self.seen


def _stand_in(snippet: Snippet, target: Target, scratch: Path, ends: list[int]) -> NoReturn:
    try:
        os.setsid()
        for number, fd in enumerate([fcntl.fcntl(fd, fcntl.F_DUPFD, FAR) for fd in ends]):
            os.dup2(fd, number)
        os.closerange(len(ends), FAR + len(ends))
        os.open(target["outside"], os.O_RDONLY)  # forgotten
        body = os.fork()
        if body == 0:
            _body(snippet, target, scratch)
        _, status = os.waitpid(body, 0)
        os._exit(1 if os.WIFSIGNALED(status) else 0)
    finally:
        os._exit(1)


def _body(snippet: Snippet, target: Target, scratch: Path) -> NoReturn:
    try:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        os.chdir(scratch)
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(OPEN_FILES, most), most))
        _write(_frame(snippet, target))
        os._exit(0)
    finally:
        os._exit(0)


def _frame(snippet: Snippet, target: Target) -> bytes:
    try:
        content, tag = snippet.invoke(msgspec.json.encode(target)), b"R"
    except Exception as error:
        content, tag = _sentence(error).encode("utf-8", "replace"), b"E"
    return HEAD.pack(tag, len(content)) + content


def _sentence(error: Exception) -> str:
    name = type(error).__name__
    try:
        return f"{name}: {error}"
    except BaseException:
        return name


def _write(data: bytes) -> None:
    os.set_blocking(3, True)
    view = memoryview(data)
    while view:
        view = view[os.write(3, view) :]
