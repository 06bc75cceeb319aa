"""Namespaces: new ones, in which one is root, and those of others."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from escapes.declare import Target, snippet
from escapes.syscalls import syscall

KINDS = {
    "time": 0x80,
    "mount": 0x20000,
    "cgroup": 0x2000000,
    "uts": 0x4000000,
    "ipc": 0x8000000,
    "pid": 0x20000000,
    "net": 0x40000000,
}
CLONE_NEWUSER = 0x10000000
EVERY_USER = 2**32 - 1


def become_root_of_own() -> None:
    """Enter a new user namespace as its root."""
    user, group = os.getuid(), os.getgid()
    syscall("unshare", CLONE_NEWUSER)
    with contextlib.suppress(OSError):
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")


@snippet(proof="claim")
def unshare_user(target: Target) -> str:
    """Become root of a user namespace of one's own."""
    del target
    syscall("unshare", CLONE_NEWUSER)
    return "a user namespace"


@snippet(proof="claim")
def unshare_all_with_user(target: Target) -> str:
    """Become root of a user namespace and own one of every other kind."""
    del target
    become_root_of_own()
    return _unshare_each()


@snippet(proof="claim", root=True)
def unshare_all(target: Target) -> str:
    """Own a namespace of every kind but the user's."""
    del target
    return _unshare_each()


def _unshare_each() -> str:
    made = []
    for name, flag in KINDS.items():
        with contextlib.suppress(OSError):
            syscall("unshare", flag)
            made.append(name)
    return " ".join(made)


@snippet(proof="claim")
def clone_user(target: Target) -> str:
    """Fork into a user namespace of its own."""
    del target
    pid = syscall("clone", CLONE_NEWUSER | signal.SIGCHLD, None, None, None, None)
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return "a user namespace"


@snippet(proof="claim")
def clone3_user(target: Target) -> str:
    """Do the same by the call whose flags lie in memory, where no filter can read them."""
    del target
    words = (CLONE_NEWUSER, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, 0)
    given = b"".join([int(word).to_bytes(8, "little") for word in words])
    pid = syscall("clone3", given, len(given))
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return "a user namespace"


@snippet(proof="claim", root=True)
def enter_namespaces_of_victim(target: Target) -> str:
    """Enter the namespaces of a process outside."""
    there = os.pidfd_open(target["victim"])
    syscall("setns", there, KINDS["uts"] | KINDS["ipc"] | KINDS["net"])
    return "three namespaces"


@snippet(proof="claim", root=True)
def enter_namespace_by_file(target: Target) -> str:
    """Enter the namespace of files of a process outside, by its name."""
    there = os.open(f"/proc/{target['victim']}/ns/uts", os.O_RDONLY)
    syscall("setns", there, 0)
    return "a namespace"
