"""Processes that outlive the call: its return, its crash, its deadline."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from typing import NoReturn

from escapes.declare import Target, snippet
from escapes.syscalls import libc

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def mark(target: Target) -> None:
    """Hold the FIFO open for as long as we and our children live, and say so with a byte."""
    with contextlib.suppress(OSError):
        os.write(os.open(target["alive"], os.O_WRONLY | os.O_NONBLOCK), b"x")


def stay() -> NoReturn:
    """Ignore what can be ignored and never end; a jail that traps system calls needs its signal."""
    for number in signal.valid_signals() - {signal.SIGSYS}:
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN)
    libc.prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0)
    while True:
        time.sleep(600)


def daemon(target: Target) -> None:
    """Leave a double-forked process in a session of its own; return when it runs."""
    ready, tell = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            mark(target)
            os.write(tell, b"x")
            stay()
        os._exit(0)
    os.read(ready, 1)
    os.wait()


@snippet(proof="process")
def daemon_after_return(target: Target) -> str:
    """Leave a daemon and return."""
    daemon(target)
    return ""


@snippet(proof="process")
def daemon_after_crash(target: Target) -> str:
    """Leave a daemon and die of a signal."""
    daemon(target)
    os.kill(os.getpid(), signal.SIGKILL)
    os._exit(1)


@snippet(proof="process")
def daemon_after_exit(target: Target) -> str:
    """Leave a daemon and exit without a word."""
    daemon(target)
    os._exit(0)


@snippet(proof="process", endless=True)
def daemon_after_deadline(target: Target) -> str:
    """Leave a daemon and wait for the deadline."""
    daemon(target)
    stay()


@snippet(proof="process", endless=True)
def daemon_with_own_reaper(target: Target) -> str:
    """Collect one's own orphans, so that they never come to whoever watches the call."""
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0)
    daemon(target)
    stay()


@snippet(proof="process")
def stopped_daemon(target: Target) -> str:
    """Leave a process that is stopped, and so does not hear a signal that can be caught."""
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        mark(target)
        os.write(tell, b"x")
        stay()
    os.read(ready, 1)
    os.kill(child, signal.SIGSTOP)
    return ""


@snippet(proof="process")
def other_program(target: Target) -> str:
    """Leave another program, in a session of its own, which holds what it inherited."""
    fd = os.open(target["alive"], os.O_WRONLY | os.O_NONBLOCK)
    os.write(fd, b"x")
    subprocess.Popen(  # it is left behind on purpose
        ["/bin/sleep", "600"],
        start_new_session=True,
        pass_fds=(fd,),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return ""


@snippet(proof="process", endless=True)
def other_program_instead(target: Target) -> str:
    """Become another program, which knows nothing of a deadline."""
    fd = os.open(target["alive"], os.O_WRONLY | os.O_NONBLOCK)
    os.set_inheritable(fd, True)
    daemon(target)
    os.write(fd, b"x")
    os.execv("/bin/sleep", ["sleep", "600"])


@snippet(proof="process")
def run_away(target: Target) -> str:
    """Fork a successor and end, again and again: whoever looks is late."""
    mark(target)
    if os.fork() == 0:
        end = time.monotonic() + 20
        while time.monotonic() < end and os.path.exists(target["alive"]):
            if os.fork():
                os._exit(0)
            os.setsid()
            time.sleep(0.001)
        os._exit(0)
    return ""


@snippet(proof="process")
def child_of_a_thread(target: Target) -> str:
    """Leave a child that another thread has forked, and return while that thread goes on."""
    ready, tell = os.pipe()

    def run() -> None:
        try:
            if os.fork() == 0:
                mark(target)
                os.write(tell, b"x")
                stay()
            time.sleep(600)
        finally:
            os.close(tell)

    threading.Thread(target=run, daemon=True).start()
    os.read(ready, 1)
    return ""
