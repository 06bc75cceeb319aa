"""Signals: to a process outside, to all, to whoever runs the call."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import time

from escapes.declare import Target, snippet
from escapes.syscalls import syscall

F_SETSIG = 10


@snippet(proof="victim")
def kill_victim(target: Target) -> str:
    """Kill a process outside."""
    os.kill(target["victim"], signal.SIGKILL)
    return ""


@snippet(proof="victim")
def kill_victim_by_descriptor(target: Target) -> str:
    """Kill a process outside by a descriptor of it."""
    signal.pidfd_send_signal(os.pidfd_open(target["victim"]), signal.SIGKILL)
    return ""


@snippet(proof="victim")
def kill_thread_of_victim(target: Target) -> str:
    """Kill a process outside by one of its threads."""
    syscall("tgkill", target["victim"], target["victim"], signal.SIGKILL)
    return ""


@snippet(proof="victim")
def queue_signal_to_victim(target: Target) -> str:
    """Send a signal that says it comes from somebody else."""
    info = (
        int(signal.SIGKILL).to_bytes(4, "little")
        + bytes(4)
        + (-1 & 2**32 - 1).to_bytes(4, "little")
    )
    syscall("rt_sigqueueinfo", target["victim"], signal.SIGKILL, info + bytes(116))
    return ""


@snippet(proof="victim")
def have_kernel_kill_victim(target: Target) -> str:
    """Name a process outside as the one to be told when a pipe can be read."""
    read, write = os.pipe()
    fcntl.fcntl(read, fcntl.F_SETOWN, target["victim"])
    fcntl.fcntl(read, F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(read, fcntl.F_SETFL, os.O_ASYNC)
    os.write(write, b"x")
    return ""


@snippet(proof="victim")
def continue_everything(target: Target) -> str:
    """Send every process a signal: one that wakes those that are stopped."""
    del target
    os.kill(-1, signal.SIGCONT)
    return ""


@snippet(proof="victim")
def limit_victim(target: Target) -> str:
    """Lower the limits of a process outside."""
    resource.prlimit(target["victim"], resource.RLIMIT_NOFILE, (3, 3))
    return ""


@snippet(proof="victim")
def slow_victim(target: Target) -> str:
    """Make a process outside the least important of all."""
    os.setpriority(os.PRIO_PROCESS, target["victim"], 19)
    return ""


@snippet(proof="victim")
def poke_runtime(target: Target) -> str:
    """Send a signal to the process that wants the calls done."""
    os.kill(target["runtime"], signal.SIGURG)
    return ""


@snippet(proof="runner", endless=True)
def kill_parent(target: Target) -> str:
    """Kill the process that forked this one."""
    del target
    os.kill(os.getppid() or _nobody(), signal.SIGKILL)
    time.sleep(600)
    return ""


@snippet(proof="runner", endless=True)
def stop_parent(target: Target) -> str:
    """Stop the process that forked this one."""
    del target
    os.kill(os.getppid() or _nobody(), signal.SIGSTOP)
    time.sleep(600)
    return ""


@snippet(proof="runner")
def kill_group(target: Target) -> str:
    """Kill all processes of one's group."""
    del target
    os.killpg(0, signal.SIGKILL)
    return ""


def _nobody() -> int:
    """No parent is to be seen; as a number, 0 would mean ourselves and our group."""
    raise ProcessLookupError
