"""Mounts: by the old call, by the new ones, in a namespace of one's own."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from escapes.declare import Target, snippet
from escapes.namespaces import KINDS, become_root_of_own
from escapes.peeking import find
from escapes.syscalls import reached, syscall

AT_FDCWD = -100
FSCONFIG_CMD_CREATE = 6
MNT_DETACH = 2
MOUNT_ATTR_RDONLY = 1
MOVE_MOUNT_F_EMPTY_PATH = 4
MS_REMOUNT = 32
MS_BIND = 4096
OPEN_TREE_CLONE = 1


def _tmpfs() -> str:
    os.mkdir("mounted")
    syscall("mount", b"tmpfs", b"mounted", b"tmpfs", 0, None)
    return "a tmpfs is mounted"


@snippet(proof="claim", root=True)
def mount(target: Target) -> str:
    """Mount a filesystem."""
    del target
    return _tmpfs()


@snippet(proof="claim")
def mount_as_own_root(target: Target) -> str:
    """Mount a filesystem as root of a namespace of one's own."""
    del target
    become_root_of_own()
    syscall("unshare", KINDS["mount"])
    return _tmpfs()


@snippet(proof="secret", root=True)
def mount_secret(target: Target) -> str:
    """Mount the secret over a file of one's own."""
    Path("here").touch()
    syscall("mount", target["secret"].encode(), b"here", None, MS_BIND, None)
    return Path("here").read_text()


@snippet(proof="secret", root=True)
def mount_processes(target: Target) -> str:
    """Mount the list of processes, and read in it."""
    os.mkdir("processes")
    syscall("mount", b"proc", b"processes", b"proc", 0, None)
    return find(Path(f"processes/{target['victim']}/environ").read_bytes())


@snippet(proof="file")
def make_grant_writable(target: Target) -> str:
    """Mount a folder again for writing that was granted for reading, by two calls."""
    path = target["readonly"].encode()
    with contextlib.suppress(OSError):
        syscall("mount", None, path, None, MS_REMOUNT | MS_BIND, None)
    clear = b"".join([word.to_bytes(8, "little") for word in (0, MOUNT_ATTR_RDONLY, 0, 0)])
    with contextlib.suppress(OSError):
        syscall("mount_setattr", AT_FDCWD, path, 0, clear, len(clear))
    Path(target["readonly"], "keep.txt").write_text("overwritten")
    return ""


@snippet(proof="secret", root=True)
def clone_tree(target: Target) -> str:
    """Copy a tree of mounts, and attach it to the working folder."""
    tree = syscall("open_tree", AT_FDCWD, target["outside"].encode(), OPEN_TREE_CLONE)
    os.mkdir("tree")
    syscall("move_mount", tree, b"", AT_FDCWD, b"tree", MOVE_MOUNT_F_EMPTY_PATH)
    return Path("tree/secret").read_text()


@snippet(proof="claim", root=True)
def mount_by_context(target: Target) -> str:
    """Make a filesystem that is mounted nowhere."""
    del target
    context = syscall("fsopen", b"tmpfs", 0)
    syscall("fsconfig", context, FSCONFIG_CMD_CREATE, None, None, 0)
    return f"mounted as descriptor {syscall('fsmount', context, 0, 0)}"


@snippet(proof="claim", root=True)
def unmount(target: Target) -> str:
    """Take away a mount, to see what lies below it; without a jail, there is none."""
    return reached("umount2", target["granted"].encode(), MNT_DETACH)


@snippet(proof="claim", root=True)
def change_root(target: Target) -> str:
    """Exchange the root; without a jail, the working folder is no mount and cannot become one."""
    del target
    return reached("pivot_root", b".", b".")
