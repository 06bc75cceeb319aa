"""Running one program to its end, as the tools do that start one.

The jail around the call decides what a program reaches; here it is started without a shell, read,
and told about. What it leaves behind, a daemon that holds its output open, is not waited for: the
jail ends that with the call.
"""

from __future__ import annotations

import os
import select
import signal
from contextlib import ExitStack
from pathlib import Path

import msgspec

from authgate_async.launchers.streams import Stream
from authgate_async.tools.folders import ToolFailure

__all__ = ["FOLDERS", "MAX_STREAM", "Completed", "complete", "find"]

FOLDERS = ("/usr/bin", "/bin")
"""Where programs are looked for, by us and by a program that starts others."""

MAX_STREAM = 64 * 2**10
"""Bytes of stdout, and of stderr, that a program may write. Both fit into the default
`result_bytes`, though each byte takes up to six of JSON."""

_ENVIRONMENT = {"LANG": "C.UTF-8", "PATH": ":".join(FOLDERS)}
_RESULT = 3  # where a call writes its result: no program may have it

# Python ignores these two, and a program would inherit that: it could not end by them.
_DEFAULTS = (signal.SIGPIPE, signal.SIGXFSZ)


class Completed(msgspec.Struct, frozen=True):
    """How a program ended, and what it wrote.

    `status` is its exit code, or the name of the signal that ended it, such as `SIGSEGV`; having
    used up its processor time it is ended by `SIGKILL`. `capped` names the streams to which it
    wrote more than `MAX_STREAM` bytes: those are kept, and it is killed if it had not ended by
    then. Bytes that are not UTF-8 are replaced by U+FFFD.
    """

    status: int | str
    stdout: str
    stderr: str
    capped: tuple[str, ...] = ()


def find(program: str) -> str | None:
    """Return the path of a program that lies in `FOLDERS`, or None."""
    paths = [Path(folder, program) for folder in FOLDERS if "/" not in program]
    startable = (path for path in paths if path.is_file() and os.access(path, os.X_OK))
    return next(map(str, startable), None)


def complete(path: str, *arguments: str, stdin: str) -> Completed:
    """Run the program at `path` to its end; what it started and left behind may still run.

    Raises:
        ToolFailure: the system does not start it.
    """
    with ExitStack() as stack:
        given = _file(stack, stdin.encode())
        stdout, stdout_end = _stream(stack, "stdout")
        stderr, stderr_end = _stream(stack, "stderr")
        pid = _start([path, *arguments], (given, stdout_end, stderr_end))
        try:
            _follow(pid, (stdout, stderr))
        finally:
            os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
        return _completed(status, (stdout, stderr))


def _file(stack: ExitStack, data: bytes) -> int:
    """Return a file that holds `data`: nobody has to feed it to a program that may never read."""
    file = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600)
    stack.callback(os.close, file)
    while data:
        data = data[os.write(file, data) :]
    os.lseek(file, 0, os.SEEK_SET)
    return file


def _stream(stack: ExitStack, name: str) -> tuple[Stream, int]:
    """Return a stream to read and the end to write to.

    That end stays open here: that nobody writes any more is nothing to wait for.
    """
    read, write = os.pipe()
    stack.callback(os.close, read)
    stack.callback(os.close, write)
    os.set_blocking(read, False)
    return Stream(name, MAX_STREAM, read), write


def _start(command: list[str], streams: tuple[int, int, int]) -> int:
    places = [(os.POSIX_SPAWN_DUP2, fd, place) for place, fd in enumerate(streams)]
    try:
        return os.posix_spawn(
            command[0],
            command,
            _ENVIRONMENT | {"HOME": os.getcwd()},  # noqa: PTH109 - no object that is not needed
            file_actions=[*places, (os.POSIX_SPAWN_CLOSE, _RESULT)],
            setsigdef=_DEFAULTS,
        )
    except OSError as error:
        raise ToolFailure(f"{command[0]!a} cannot be started: {error.strerror}") from None


def _follow(pid: int, streams: tuple[Stream, ...]) -> None:
    """Read until the program has ended, or has written more than it may."""
    ended = os.pidfd_open(pid)
    try:
        poll = select.poll()
        for fd in (ended, *[stream.fd for stream in streams]):
            poll.register(fd, select.POLLIN)
        while not any(stream.over for stream in streams):
            ready = {fd for fd, _ in poll.poll()}
            if ended in ready:
                return
            for stream in streams:
                if stream.fd in ready:
                    stream.pull()
    finally:
        os.close(ended)


def _completed(status: int, streams: tuple[Stream, Stream]) -> Completed:
    for stream in streams:
        stream.drain()
    code = os.waitstatus_to_exitcode(status)
    stdout, stderr = [stream.data.decode(errors="replace") for stream in streams]
    capped = tuple([stream.name for stream in streams if stream.over])
    return Completed(code if code >= 0 else _name(-code), stdout, stderr, capped)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
