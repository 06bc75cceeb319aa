"""What the tests of control groups have a call do."""

from __future__ import annotations

import errno
import json
import mmap
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 2**20


class Tool:
    """The part of a tool that a launcher uses."""

    def invoke(self, args: bytes, folders: tuple[Any, ...]) -> bytes:
        """Run the function that `body` names with the other arguments."""
        del folders
        values = json.loads(args)
        return json.dumps(globals()[values.pop("body")](**values)).encode()


tool = Tool()


def take(size: int, processes: int = 0) -> str:
    """Hold that many MiB in this process, or in each of some that it starts, all at one time."""
    if not processes:
        _hold(size, lambda: None)
        return "lived"
    done, said = os.pipe()
    gate, opened = os.pipe()

    def wait() -> None:
        os.close(opened)
        os.write(said, b"x")
        os.read(gate, 1)

    started = [_forked(lambda: _hold(size, wait)) for _ in range(processes)]
    for _ in started:
        os.read(done, 1)
    os.close(opened)
    for pid in started:
        os.waitpid(pid, 0)
    return "lived"


def write(path: str, size: int) -> str:
    """Write that many MiB to a file."""
    with Path(path).open("wb") as file:
        file.writelines(bytes(MIB) for _ in range(size))
    return "lived"


def write_and_take(path: str, written: int, size: int, processes: int) -> str:
    """Do both, one after the other."""
    write(path, written)
    return take(size, processes)


def multiply() -> list[Any]:
    """Start processes that wait, until one is refused; return how many there were, and why."""
    count = 1
    while True:
        try:
            _forked(lambda: time.sleep(3600))
        except OSError as error:
            return [count, errno.errorcode[error.errno or 0]]
        count += 1


def die() -> NoReturn:
    """End this process by a signal of its own; to SIGKILL from inside it is deaf."""
    os.abort()


def hold(fifo: str) -> NoReturn:
    """Say that we run, and wait for good."""
    os.write(os.open(fifo, os.O_WRONLY), b"x")
    while True:
        time.sleep(60)


def seen() -> dict[str, Any]:
    """Tell what there is to see of control groups, and what comes of making some visible."""
    import ctypes  # noqa: PLC0415 - only here

    libc = ctypes.CDLL(None, use_errno=True)
    mounted = libc.mount(b"cgroup", b"/tmp", b"cgroup2", 0, None)
    return {
        "files": [name for name in ("/sys", "/proc/self") if Path(name).exists()],
        "mounted": [mounted, errno.errorcode.get(ctypes.get_errno(), "")],
        "open": [number for number in range(256) if _is_open(number)],
    }


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _hold(size: int, wait: Callable[[], object]) -> None:
    # No file, no address space but its own, and every page is written to.
    with mmap.mmap(-1, size * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        for start in range(0, size * MIB, mmap.PAGESIZE):
            memory[start] = 1
        wait()


def _forked(work: Callable[[], object]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return pid
