"""More than a call may use: processes, memory, time, descriptors, files, output.

Each is bounded, so that it is harmless without a jail. It claims only what is beyond the limits of
`LIMITS` in `harness.py`, and that by a wide margin.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import resource
import signal
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING

from escapes.declare import Target, snippet
from escapes.syscalls import libc, syscall

if TYPE_CHECKING:
    from collections.abc import Callable

CROWD = 400
MANY = 64
TASKS = 301
"""The least that the system lets a pid namespace be bound to (`kernel.pid_max`)."""

MEBIBYTE = 2**20
PART = 4 * MEBIBYTE
BEYOND = 320 * MEBIBYTE
FLOOD = 40 * MEBIBYTE
F_SETPIPE_SZ = 1031
IPC_CREAT = 0o1000


def _crowd(fork: Callable[[], int]) -> str:
    """Fork many that live until we end; count those that are there at the same time."""
    count_r, count_w = os.pipe()
    life_r, life_w = os.pipe()
    with contextlib.suppress(OSError):
        for _ in range(CROWD):
            if fork() == 0:
                os.close(life_w)
                os.write(count_w, b"x")
                os.read(life_r, 1)
                os._exit(0)
    os.close(count_w)
    os.set_blocking(count_r, False)
    time.sleep(0.1)
    alive = len(os.read(count_r, CROWD))
    return f"{alive} processes at once" if alive > MANY else ""


@snippet(proof="claim")
def fork_bomb(target: Target) -> str:
    """Fork."""
    del target
    return _crowd(os.fork)


@snippet(proof="claim")
def clone_bomb(target: Target) -> str:
    """Fork by the system call that takes flags."""
    del target
    return _crowd(lambda: syscall("clone", signal.SIGCHLD, None, None, None, None))


@snippet(proof="claim")
def thread_bomb(target: Target) -> str:
    """Start threads with small stacks."""
    del target
    threading.stack_size(64 * 1024)
    end = threading.Event()
    threads = []
    with contextlib.suppress(RuntimeError):
        for _ in range(CROWD):
            threads.append(threading.Thread(target=end.wait, daemon=True))
            threads[-1].start()
    count = threading.active_count()
    end.set()
    return f"{count} threads at once" if count > TASKS else ""


@snippet(proof="claim")
def memory_bomb(target: Target) -> str:
    """Take memory, and touch all of it."""
    del target
    taken = mmap.mmap(-1, 400 * MEBIBYTE, mmap.MAP_PRIVATE | mmap.MAP_POPULATE)
    return f"{len(taken)} bytes"


@snippet(proof="claim")
def scratch_bomb(target: Target) -> str:
    """Take memory as small files in the working folder."""
    del target
    return _files("bomb")


@snippet(proof="claim")
def shared_memory_bomb(target: Target) -> str:
    """Take memory as files in the place for shared memory."""
    return _files(f"/dev/shm/{target['token']}")


def _files(folder: str) -> str:
    os.makedirs(folder, exist_ok=True)
    data, total = b"x" * PART, 0
    with contextlib.suppress(OSError):
        while total < BEYOND:
            fd = os.open(f"{folder}/{total}", os.O_CREAT | os.O_WRONLY)
            total += os.write(fd, data)
            os.close(fd)
    for name in os.listdir(folder):
        os.unlink(f"{folder}/{name}")
    return f"{total} bytes" if total >= BEYOND else ""


@snippet(proof="claim")
def nameless_memory_bomb(target: Target) -> str:
    """Take memory as files without a name, and hide them in a socket's queue."""
    del target
    data, total = b"x" * PART, 0
    fds: list[int] = []
    with contextlib.suppress(OSError):
        here, there = socket.socketpair()
        while total < BEYOND:
            fds.append(os.memfd_create("x"))
            total += os.write(fds[-1], data)
            if len(fds) > MANY // 2:
                with contextlib.suppress(OSError):
                    socket.send_fds(here, [b"x"], [fds[-1], there.fileno()])
                    os.close(fds.pop())
    return f"{total} bytes" if total >= BEYOND else ""


@snippet(proof="claim")
def segment_bomb(target: Target) -> str:
    """Take memory as System V segments, which no limit counts and which stay."""
    libc.shmat.restype = ctypes.c_void_p
    total = 0
    for number in range(5):
        identity = syscall("shmget", target["key"] + number, BEYOND // 5, IPC_CREAT | 0o600)
        place = libc.shmat(identity, None, 0)
        ctypes.memset(place, 1, BEYOND // 5)
        libc.shmdt(ctypes.c_void_p(place))
        total += BEYOND // 5
    return f"{total} bytes"


@snippet(proof="claim")
def pipe_bomb(target: Target) -> str:
    """Take memory as the content of pipes."""
    import fcntl  # noqa: PLC0415 - only here

    del target
    total = 0
    with contextlib.suppress(OSError):
        for _ in range(100):
            _, write = os.pipe()
            os.set_blocking(write, False)
            with contextlib.suppress(OSError):
                fcntl.fcntl(write, F_SETPIPE_SZ, MEBIBYTE)
            total += os.write(write, b"x" * MEBIBYTE)
    return f"{total} bytes" if total > 48 * MEBIBYTE else ""


@snippet(proof="claim")
def spin(target: Target) -> str:
    """Use the processor."""
    del target
    while time.process_time() < 1.5:
        pass
    return "1.5 s"


@snippet(proof="claim")
def spin_deaf(target: Target) -> str:
    """Use the processor, and hear no signal that can be blocked or ignored."""
    del target
    for number in signal.valid_signals():
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while time.process_time() < 1.5:
        pass
    return "1.5 s"


@snippet(proof="claim")
def linger(target: Target) -> str:
    """Stay for longer than the call may, without using anything."""
    del target
    time.sleep(2)
    return "2 s"


@snippet(proof="claim")
def exhaust_descriptors(target: Target) -> str:
    """Open files."""
    del target
    held = [os.open("/dev/null", os.O_RDONLY)]
    with contextlib.suppress(OSError):
        while len(held) < 4 * MANY - 20:
            held.append(os.dup(held[0]))
    return f"{len(held)} descriptors" if len(held) > MANY else ""


@snippet(proof="claim")
def hide_descriptors(target: Target) -> str:
    """Keep open files in a socket's queue, where no limit of a process counts them."""
    del target
    here, there = socket.socketpair()
    count = 0
    with contextlib.suppress(OSError):
        while count < 8 * MANY:
            fds = [os.open("/dev/null", os.O_RDONLY) for _ in range(8)]
            socket.send_fds(here, [b"x"], [*fds, there.fileno()])
            count += len(fds)
            for fd in fds:
                os.close(fd)
    return f"{count} open files" if count > 2 * MANY else ""


@snippet(proof="claim")
def exhaust_files(target: Target) -> str:
    """Make empty files in the working folder."""
    del target
    count = 0
    with contextlib.suppress(OSError):
        for count in range(10_000):
            os.close(os.open(f"f{count}", os.O_CREAT | os.O_WRONLY))
    return f"{count} files" if count == 9_999 else ""


def _pour(fd: int) -> None:
    data = b"x" * MEBIBYTE
    for _ in range(FLOOD // MEBIBYTE):
        os.write(fd, data)


@snippet(proof="output")
def flood_stdout(target: Target) -> str:
    """Write without end to the output."""
    del target
    _pour(1)
    return ""


@snippet(proof="output")
def flood_stderr(target: Target) -> str:
    """Write without end to the errors."""
    del target
    _pour(2)
    return ""


@snippet(proof="output")
def flood_by_name(target: Target) -> str:
    """Write to the output through the object that Python has for it, and not a line's end."""
    del target
    for _ in range(FLOOD // MEBIBYTE):
        sys.stdout.write("x" * MEBIBYTE)
    return ""


@snippet(proof="output")
def flood_result(target: Target) -> str:
    """Return more than a result may have."""
    del target
    return "x" * FLOOD


@snippet(proof="claim")
def raise_limits(target: Target) -> str:
    """Lift one's own limits."""
    del target
    raised = []
    for name in ("AS", "CPU", "FSIZE", "NOFILE", "NPROC"):
        number = getattr(resource, f"RLIMIT_{name}")
        before = resource.getrlimit(number)
        for wanted in ((-1, -1), (before[1], before[1])):
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(number, wanted)
        if resource.getrlimit(number) != before:
            raised.append(name)
    return " ".join(raised)


@snippet(proof="claim", root=True)
def be_first(target: Target) -> str:
    """Take precedence over all other processes."""
    del target
    os.nice(-10)
    return "nicer to itself"


@snippet(proof="claim", root=True)
def be_realtime(target: Target) -> str:
    """Ask never to be interrupted."""
    del target
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return "realtime"
