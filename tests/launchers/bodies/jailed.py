"""What the jail tests have a call do: one tool that finds the function by its name."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable


class Tool:
    """The part of a tool that a launcher uses."""

    def invoke(self, args: bytes, folders: tuple[Any, ...]) -> bytes:
        """Run the function that `body` names with the other arguments."""
        del folders
        values = json.loads(args)
        return json.dumps(globals()[values.pop("body")](**values)).encode()


tool, other, third = Tool(), Tool(), Tool()
not_a_tool = 7


def add(a: int, b: int) -> int:
    """Add."""
    return a + b


# Files


def attempt(ways: list[list[str]]) -> list[Any]:
    """Do things to paths; tell of each what came of it, or which errno."""
    return [_attempt(*way) for way in ways]


def _attempt(verb: str, path: str) -> Any:
    try:
        return VERBS[verb](path)
    except OSError as error:
        return errno.errorcode[error.errno or 0]


def _open(path: str, flags: int) -> str:
    descriptor = os.open(path, flags, 0o666)
    os.write(descriptor, b"new")
    os.close(descriptor)
    return "done"


def _done(change: Callable[[str], object]) -> Callable[[str], str]:
    def changed(path: str) -> str:
        change(path)
        return "done"

    return changed


VERBS: dict[str, Callable[[str], Any]] = {
    "read": lambda path: Path(path).read_text(),
    "list": lambda path: sorted(os.listdir(path)),  # noqa: PTH208 - names, not paths
    "mask": lambda path: Path(path).stat().st_mode & 0o777,
    "run": lambda path: subprocess.run([path], check=False).returncode,
    "write": lambda path: _open(path, os.O_WRONLY),
    "make": lambda path: _open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL),
    "cut": _done(lambda path: os.truncate(path, 0)),
    "mode": _done(lambda path: Path(path).chmod(0o777)),
    "times": _done(lambda path: os.utime(path, (1, 1))),
    "remove": _done(lambda path: Path(path).unlink()),
    "folder": _done(lambda path: Path(path).mkdir()),
    "rename": _done(lambda path: Path(path).rename(path + "2")),
    "link": _done(lambda path: Path(path).symlink_to("a")),
    "fifo": _done(os.mkfifo),
}


def read_it(path: str) -> str:
    """Read a file, and fail as reading does."""
    return Path(path).read_text()


def write_it(path: str) -> str:
    """Write into a file that is there, and fail as writing does."""
    return _open(path, os.O_WRONLY)


def fill(size: int, files: int) -> int:
    """Write files of a size each until no more go; tell how many bytes or files there are."""
    done = 0
    try:
        for number in range(files):
            descriptor = os.open(str(number), os.O_WRONLY | os.O_CREAT)
            try:
                written = os.write(descriptor, bytes(size))
            finally:
                os.close(descriptor)
            done += written if size else 1
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
    return done


def where() -> list[str]:
    """Tell where the call works, and what its folder holds."""
    return [str(Path.cwd()), *os.listdir()]  # noqa: PTH208 - names, not paths


def status() -> dict[str, Any]:
    """Tell what the process is and holds."""
    descriptors = [number for number in range(64) if _is_open(number)]
    return {"environ": dict(os.environ), "pid": os.getpid(), "descriptors": descriptors}


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


# Output


def say(out: str, err: str) -> None:
    """Print."""
    sys.stdout.write(out)
    sys.stderr.write(err)


def give(size: int) -> str:
    """Return a string whose JSON has `size` bytes."""
    return "x" * (size - 2)


def flood(descriptor: int, size: int) -> None:
    """Write `size` bytes to a descriptor."""
    block = b"x" * 65536
    for _ in range(size // len(block)):
        os.write(descriptor, block)


def say_and_spin(out: str) -> NoReturn:
    """Print and never end."""
    sys.stdout.write(out)
    sys.stdout.flush()
    while True:
        pass


def forge(data: str, code: int) -> NoReturn:
    """Write bytes of our own to the result pipe and end."""
    os.write(3, bytes.fromhex(data))
    os._exit(code)


# Life and death


def mark(fifo: str) -> None:
    """Hold the FIFO open for as long as we or our children live, and write one byte to it."""
    os.write(os.open(fifo, os.O_WRONLY), b"x")


def wait(fifo: str, gate: str = "") -> str:
    """Say that we run, be deaf, and wait: for good, or until the other FIFO has a writer."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    mark(fifo)
    while not gate:
        time.sleep(60)
    return Path(gate).read_text()


def crowd(fifo: str, count: int) -> NoReturn:
    """Say that we run, with many threads, and wait for good."""
    for _ in range(count):
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    mark(fifo)
    while True:
        time.sleep(60)


def daemonise(fifo: str, count: int, *, linger: bool) -> str:
    """Leave double-forked processes in sessions of their own, and return or wait."""
    for _ in range(count):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                mark(fifo)
                time.sleep(600)
            os._exit(0)
        os.wait()
    while linger:
        time.sleep(60)
    return "gone"


# What is refused


def connect(family: int) -> str:
    """Ask for a socket, and take no for an answer."""
    try:
        socket.socket(family, socket.SOCK_STREAM).close()
    except PermissionError:
        return "refused"
    return "had"


def open_socket() -> None:
    """Ask for a socket, and fail without one."""
    socket.socket()


def start() -> int:
    """Start a process, and fail as that does."""
    return os.fork()


def raw_call(number: int) -> int:
    """Make a system call; return its errno."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall(number, 0, 0, 0, 0, 0, 0)
    return ctypes.get_errno()
