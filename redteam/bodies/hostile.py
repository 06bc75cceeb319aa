"""Hostile tool bodies for `test_process_level.py`. The template imports them: they stay light."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable


class Stub:
    """The part of a tool that a launcher uses."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def invoke(self, args: bytes, folders: tuple[Any, ...]) -> bytes:
        """Call the function as a tool would."""
        del folders
        return json.dumps(self.function(**json.loads(args))).encode()


def mark(fifo: str) -> None:
    """Hold the FIFO open for as long as we or our children live, and write one byte to it."""
    os.write(os.open(fifo, os.O_WRONLY), b"x")


def stay() -> NoReturn:
    """Ignore what can be ignored and never end."""
    for number in range(1, 65):
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN)
    while True:
        time.sleep(600)


def daemon(fifo: str) -> None:
    """Leave a double-forked process in a session of its own; return when it runs."""
    ready, tell = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            mark(fifo)
            os.write(tell, b"x")
            stay()
        os._exit(0)
    os.read(ready, 1)
    os.wait()


def parent_of(pid: int) -> int:
    """Return the parent of a process."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@Stub
def daemon_survives_return(fifo: str) -> None:
    """Double fork, setsid, return."""
    daemon(fifo)


@Stub
def daemon_survives_crash(fifo: str) -> None:
    """Double fork, setsid, abort."""
    daemon(fifo)
    os.abort()


@Stub
def daemon_survives_deadline(fifo: str) -> None:
    """Double fork, setsid, wait for the deadline."""
    daemon(fifo)
    stay()


@Stub
def own_subreaper(fifo: str) -> None:
    """Collect orphans ourselves, so that they do not come back to the warden."""
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
    ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)  # and do not die with the warden
    daemon(fifo)
    stay()


@Stub
def fork_bomb(fifo: str) -> None:
    """Fork 200 processes, each in its own session, that fork again."""
    mark(fifo)
    for _ in range(200):
        with contextlib.suppress(OSError):
            if os.fork() == 0:
                os.setsid()
                for _ in range(3):
                    os.fork()
                stay()
    stay()


@Stub
def fork_chain(fifo: str) -> NoReturn:
    """Run away: every process forks its successor and ends."""
    mark(fifo)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if os.fork():
            os._exit(0)
        os.setsid()
    os._exit(0)


@Stub
def kill_warden(fifo: str) -> None:
    """Kill the process that watches us, having left a daemon and untied ourselves."""
    ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)
    daemon(fifo)
    os.kill(os.getppid(), signal.SIGKILL)
    stay()


@Stub
def stop_warden(fifo: str) -> None:
    """Stop the process that watches us, and go on."""
    ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)
    daemon(fifo)
    os.kill(os.getppid(), signal.SIGSTOP)
    stay()


@Stub
def stop_warden_and_template(fifo: str) -> None:
    """Stop both processes above us, and go on."""
    ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)
    daemon(fifo)
    template = parent_of(os.getppid())
    os.kill(template, signal.SIGSTOP)
    os.kill(os.getppid(), signal.SIGSTOP)
    stay()


@Stub
def stop_template(fifo: str) -> None:
    """Stop the template and return."""
    mark(fifo)
    os.kill(parent_of(os.getppid()), signal.SIGSTOP)


@Stub
def kill_template(fifo: str) -> None:
    """Kill the template and go on."""
    daemon(fifo)
    os.kill(parent_of(os.getppid()), signal.SIGKILL)
    stay()


@Stub
def signal_group(fifo: str) -> None:
    """Send every signal to our process group: the warden is not in it."""
    mark(fifo)
    os.killpg(0, signal.SIGKILL)


@Stub
def kind_signals(fifo: str) -> None:
    """Send the warden and the template every signal that can be blocked."""
    mark(fifo)
    for pid in (os.getppid(), parent_of(os.getppid())):
        for number in set(range(1, 65)) - {signal.SIGKILL, signal.SIGSTOP}:
            with contextlib.suppress(OSError):
                os.kill(pid, number)


@Stub
def flood_everything(fifo: str) -> None:
    """Write without end to all three pipes from three threads."""
    mark(fifo)

    def pour(fd: int) -> None:
        while True:
            os.write(fd, b"x" * 65536)

    for fd in (1, 2, 3):
        threading.Thread(target=pour, args=(fd,)).start()
    stay()


@Stub
def endless_frame(fifo: str) -> None:
    """Announce a huge result and feed it byte by byte."""
    mark(fifo)
    os.write(3, struct.pack("<cQ", b"R", 2**63))
    while True:
        os.write(3, b"1")
        time.sleep(0.001)


@Stub
def close_everything(fifo: str) -> None:
    """Close every descriptor, the result pipe too."""
    os.closerange(0, 100)
    mark(fifo)


@Stub
def swap_descriptors(fifo: str) -> str:
    """Put the result pipe where the output is, and the output where the result is."""
    mark(fifo)
    spare = os.dup(1)
    os.dup2(3, 1)
    os.dup2(spare, 3)
    return "x"


@Stub
def give_pipes_away(fifo: str) -> None:
    """Keep our pipes open in a queue that belongs to nobody who dies with us."""
    mark(fifo)
    here, there = socket.socketpair()
    socket.send_fds(here, [b"x"], [1, 2, 3, there.fileno()])


@Stub
def exhaust_descriptors(fifo: str) -> None:
    """Open files until there are none."""
    mark(fifo)
    while True:
        os.open("/dev/null", os.O_RDONLY)


@Stub
def memory_bomb(fifo: str) -> None:
    """Take memory without end."""
    mark(fifo)
    kept = []
    while True:
        kept.append(bytearray(2**22))


@Stub
def raise_limits(fifo: str) -> str:
    """Try to lift our own limits."""
    mark(fifo)
    try:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (ValueError, OSError):
        return "refused"
    return "raised"


@Stub
def segfault(fifo: str) -> None:
    """Read address zero."""
    mark(fifo)
    signal.signal(signal.SIGSEGV, signal.SIG_DFL)
    ctypes.string_at(0)


@Stub
def realtime_signal(fifo: str) -> None:
    """Leave a daemon and die of a signal without a name."""
    daemon(fifo)
    os.kill(os.getpid(), 40)


@Stub
def regain(fifo: str) -> str:
    """Get capabilities back by running a program as root."""
    mark(fifo)
    command = ["/bin/grep", "CapEff", "/proc/self/status"]
    found = subprocess.run(command, capture_output=True, check=True)
    return "few" if int(found.stdout.split()[1], 16) <= 31 else "many"


@Stub
def abort(fifo: str) -> None:
    """Abort."""
    mark(fifo)
    os.abort()


@Stub
def deep_recursion(fifo: str) -> None:
    """Recurse until something gives."""
    mark(fifo)
    sys.setrecursionlimit(10**8)
    nest: Any = []
    for _ in range(10**6):
        nest = [nest]
    json.dumps(nest)


@Stub
def hostile_exception(fifo: str) -> None:
    """Raise something whose parts are all hostile."""
    mark(fifo)

    class Evil(Exception):  # noqa: N818
        def __str__(self) -> str:
            return "\x1b]0;owned\x07" * 10**6

    Evil.__name__ = "\x1b[2J" * 10**5
    raise Evil


@Stub
def exit_in_thread(fifo: str) -> None:
    """Return while a thread goes on."""
    mark(fifo)
    threading.Thread(target=stay).start()


@Stub
def exec_away(fifo: str) -> None:
    """Become another program."""
    mark(fifo)
    os.execv("/bin/sleep", ["sleep", "600"])  # noqa: S606


@Stub
def fill_folder(fifo: str) -> str:
    """Leave a folder that is deep, unreadable and full of links."""
    mark(fifo)
    here = str(Path.cwd())
    for number in range(50):
        Path(f"f{number}").symlink_to("/etc")
    for _ in range(3000):
        os.mkdir("d")  # noqa: PTH102
        os.chdir("d")
    Path("deepest").write_text("x")
    os.chmod(".", 0)  # noqa: PTH101
    return here


@Stub
def huge_file(fifo: str) -> None:
    """Write one file without end."""
    mark(fifo)
    with Path("huge").open("wb") as file:
        while True:
            file.write(b"x" * 2**20)


@Stub
def become_root(fifo: str) -> str:
    """Run a set-uid program."""
    mark(fifo)
    status = Path("/proc/self/status").read_text()
    return "locked" if "NoNewPrivs:\t1" in status else "open"


@Stub
def spoil(fifo: str) -> None:
    """Replace what the next call needs: the decoder, the frame, the exit, the tool."""
    mark(fifo)
    for module in list(sys.modules.values()):
        for name in list(vars(module)) if module else ():
            if name in {"result_frame", "loads", "sandbox_confine", "invoke"}:
                setattr(module, name, None)
    calm.function = None  # type: ignore[assignment]


@Stub
def calm(fifo: str) -> str:
    """Do nothing wrong."""
    mark(fifo)
    return "calm"


@Stub
def spin(fifo: str) -> NoReturn:
    """Never end."""
    mark(fifo)
    while True:
        pass


@Stub
def trace_warden(fifo: str) -> str:
    """Try to open the memory of the warden and of the template."""
    mark(fifo)
    opened = []
    for pid in (os.getppid(), parent_of(os.getppid())):
        with contextlib.suppress(OSError):
            opened.append(os.open(f"/proc/{pid}/mem", os.O_RDWR))
    return f"{len(opened)} opened"
