"""Device nodes, `/sys`, `/proc/sys`, and terminals."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import termios
from pathlib import Path

from escapes.declare import Target, snippet

_NODES = ("kmsg", "mem", "fuse", "kvm", "loop-control", "loop0", "net/tun", "ptmx", "sda", "vda")
_CONTROLS = (
    "/proc/sysrq-trigger",
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/modprobe",
    "/proc/sys/vm/overcommit_memory",
    "/sys/kernel/mm/transparent_hugepage/enabled",
    "/sys/kernel/uevent_helper",
)


@snippet(proof="claim")
def open_devices(target: Target) -> str:
    """Open whatever device node is there."""
    del target
    found = []
    for name in _NODES:
        with contextlib.suppress(OSError):
            os.close(os.open(f"/dev/{name}", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK))
            found.append(name)
    return " ".join(found)


@snippet(proof="claim", root=True)
def make_device(target: Target) -> str:
    """Make a device node in the working folder and use it."""
    del target
    os.mknod("node", 0o600 | stat.S_IFCHR, os.makedev(1, 8))
    return os.read(os.open("node", os.O_RDONLY), 8).hex()


@snippet(proof="claim", root=True)
def make_device_in_grant(target: Target) -> str:
    """Make a node for a disk in the granted folder, for whoever comes later."""
    path = f"{target['granted']}/disk"
    os.mknod(path, 0o666 | stat.S_IFBLK, os.makedev(7, 0))
    return "block device 7:0"


@snippet(proof="claim")
def look_at_sys(target: Target) -> str:
    """List the machine's network interfaces and processors in `/sys`."""
    del target
    return " ".join([*os.listdir("/sys/class/net"), *os.listdir("/sys/devices/system/cpu")])


@snippet(proof="claim", root=True)
def open_controls(target: Target) -> str:
    """Open the kernel's settings for writing; nothing is written."""
    del target
    found = []
    for path in _CONTROLS:
        with contextlib.suppress(OSError):
            os.close(os.open(path, os.O_WRONLY))
            found.append(path)
    return " ".join(found)


@snippet(proof="claim")
def read_settings(target: Target) -> str:
    """Read the machine's boot identity and its kernel's command line."""
    del target
    identity = Path("/proc/sys/kernel/random/boot_id").read_text()
    return identity + Path("/proc/cmdline").read_text()


@snippet(proof="terminal")
def write_to_terminal(target: Target) -> str:
    """Write to somebody's terminal."""
    fd = os.open(target["terminal"], os.O_WRONLY | os.O_NOCTTY)
    os.write(fd, b"\x1b]0;owned\x07")
    return ""


@snippet(proof="terminal")
def type_into_terminal(target: Target) -> str:
    """Make the terminal one's own, then type a command into it."""
    with contextlib.suppress(OSError):
        os.setsid()
    fd = os.open(target["terminal"], os.O_RDWR)
    for byte in b"id\n":
        fcntl.ioctl(fd, termios.TIOCSTI, bytes([byte]))
    return ""


@snippet(proof="claim")
def open_new_terminal(target: Target) -> str:
    """Open a pair of terminals."""
    del target
    return f"{len(os.openpty())} ends"
