"""Tool bodies for the launcher tests. The template imports this file; it stays light."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

STATE: list[str] = []


class Stub:
    """The part of a tool that a launcher uses."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def invoke(self, args: bytes, folders: tuple[Any, ...]) -> bytes:
        """Call the function as a tool would."""
        values = json.loads(args)
        if "folders" in values:
            values["folders"] = [folder.path for folder in folders]
        return json.dumps(self.function(**values)).encode()


class Raw:
    """A tool that hands back whatever bytes it is told to."""

    def invoke(self, args: bytes, folders: tuple[Any, ...]) -> bytes:
        """Return the bytes of `text`."""
        del folders
        return str(json.loads(args)["text"]).encode()


raw = Raw()
not_a_tool = 7


@Stub
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


@Stub
def echo(text: str, folders: list[str]) -> list[Any]:
    """Give back what was given."""
    return [text, folders]


@Stub
def say(out: str, err: str) -> None:
    """Print."""
    print(out)  # noqa: T201
    sys.stderr.write(err)


@Stub
def surroundings() -> dict[str, Any]:
    """Tell what the body finds around it."""
    Path("left").mkdir()
    Path("left/behind").write_text("x")
    fds = os.listdir("/proc/self/fd")  # noqa: PTH208 - closed before it returns
    modules = [name for name in ("anyio", "asyncio", "trio") if name in sys.modules]
    status = Path("/proc/self/status").read_text()
    return {
        "environ": dict(os.environ),
        "folder": str(Path.cwd()),
        "mode": Path.cwd().stat().st_mode & 0o777,
        "stdin": sys.stdin.read(),
        "fds": len(fds) - 1,
        "modules": modules,
        "pid": os.getpid(),
        "no_new_privs": "NoNewPrivs:\t1" in status,
        "blocked": "SigBlk:\t0000000000000000" not in status,
        "core": resource.getrlimit(resource.RLIMIT_CORE),
        "args": sys.argv[:1],
    }


@Stub
def remember(what: str) -> list[str]:
    """Change the module, a builtin and the tool itself, and tell what was there before."""
    before = [*STATE]
    STATE.append(what)
    json.dumps = lambda _: '"spoilt"'  # type: ignore[assignment]
    add.function = lambda **_: "spoilt"
    return before


@Stub
def fail(message: str) -> NoReturn:
    """Raise."""
    raise ValueError(message)


@Stub
def leave(status: int) -> NoReturn:
    """Exit the polite way."""
    sys.exit(status)


@Stub
def vanish(status: int) -> NoReturn:
    """Exit the impolite way."""
    os._exit(status)


@Stub
def die(number: int) -> None:
    """Be killed by a signal."""
    signal.signal(number, signal.SIG_DFL) if number != signal.SIGKILL else None
    os.kill(os.getpid(), number)
    time.sleep(60)


@Stub
def spin() -> NoReturn:
    """Never end."""
    while True:
        pass


@Stub
def wait(fifo: str) -> None:
    """Say that we run, ignore what can be ignored, and wait for good."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    mark(fifo)
    while True:
        time.sleep(60)


@Stub
def flood(fd: int, size: int) -> None:
    """Write `size` bytes to a descriptor."""
    block = b"x" * 65536
    for _ in range(size // len(block)):
        os.write(fd, block)


@Stub
def hoard(size: int) -> int:
    """Take memory."""
    return len(bytearray(size))


@Stub
def write_file(size: int) -> int:
    """Write one large file."""
    return Path("large").write_bytes(b"x" * size)


@Stub
def open_many(count: int) -> int:
    """Open many files."""
    return len([os.open("/dev/null", os.O_RDONLY) for _ in range(count)])


@Stub
def forge(data: str, status: int) -> NoReturn:
    """Write a frame of our own and end."""
    os.write(3, bytes.fromhex(data))
    os._exit(status)


def mark(fifo: str) -> None:
    """Hold the FIFO open for as long as we or our children live, and write one byte to it."""
    os.write(os.open(fifo, os.O_WRONLY), b"x")


@Stub
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
    while linger:
        time.sleep(60)
    for _ in range(count):
        os.wait()
    return "gone"


@Stub
def breed(count: int) -> int:
    """Have children that wait."""
    for _ in range(count):
        if os.fork() == 0:
            time.sleep(600)
    return count


@Stub
def kill_template(fifo: str) -> None:
    """Kill the grandparent and wait."""
    mark(fifo)
    os.kill(template(), signal.SIGKILL)
    time.sleep(600)


@Stub
def say_and_spin(out: str) -> NoReturn:
    """Print and never end."""
    print(out)  # noqa: T201
    while True:
        pass


@Stub
def nap(seconds: float) -> None:
    """Wait a little."""
    time.sleep(seconds)


def untie() -> None:
    """Do not die with the warden."""
    ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)


def template() -> int:
    """Return the process above the warden."""
    text = Path(f"/proc/{os.getppid()}/stat").read_text()
    return int(text.rpartition(")")[2].split()[1])


@Stub
def kill_warden(fifo: str) -> None:
    """Kill the parent and wait."""
    untie()
    mark(fifo)
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(600)


@Stub
def stop_all_above(fifo: str) -> None:
    """Stop the template, then the warden, and wait."""
    mark(fifo)
    os.kill(template(), signal.SIGSTOP)
    os.kill(os.getppid(), signal.SIGSTOP)
    time.sleep(600)
