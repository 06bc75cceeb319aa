"""Facilities of the kernel that no tool needs: each is a large surface, or changes the machine."""

from __future__ import annotations

import ctypes
import os
import struct

from escapes.declare import Target, snippet
from escapes.syscalls import reached, syscall

_NEEDLESS = (
    *("add_key", "adjtimex", "bpf", "clock_adjtime", "clock_settime", "fanotify_init"),
    *("fanotify_mark", "fsconfig", "fsmount", "fsopen", "fspick", "init_module", "io_uring_enter"),
    *("io_uring_register", "io_uring_setup", "kcmp", "kexec_load", "keyctl", "listmount"),
    *("memfd_secret", "migrate_pages", "mount", "mount_setattr", "move_mount", "move_pages"),
    *("mq_open", "mq_unlink", "msgget", "name_to_handle_at", "open_by_handle_at", "open_tree"),
    *("open_tree_attr", "perf_event_open", "pidfd_getfd", "pivot_root", "process_madvise"),
    *("process_mrelease", "process_vm_readv", "process_vm_writev", "ptrace", "quotactl"),
    *("quotactl_fd", "reboot", "request_key", "semget", "setns", "settimeofday", "shmget"),
    *("statmount", "swapoff", "swapon", "syslog", "umount2", "unshare", "userfaultfd"),
)

ADJ_TICK = 0x4000
BPF_MAP_CREATE = 0
FAN_REPORT_FID = 0x200
KEYCTL_JOIN_SESSION_KEYRING = 1
KEY_SPEC_PROCESS_KEYRING = -2
PERF_TYPE_SOFTWARE = 1
PERF_EXCLUDE_KERNEL_AND_HYPERVISOR = 0x60
SYSLOG_READ_ALL = 3
UFFD_USER_MODE_ONLY = 1


@snippet(proof="claim")
def sweep(target: Target) -> str:
    """Make every system call that no tool needs, with arguments that lead nowhere."""
    del target
    return " ".join([name for name in _NEEDLESS if reached(name, -1, 0, 0, 0, 0, 0)])


@snippet(proof="claim")
def set_up_ring(target: Target) -> str:
    """Set up a ring: what goes through it is not seen by a filter of system calls."""
    del target
    return f"ring {syscall('io_uring_setup', 8, ctypes.create_string_buffer(120))}"


@snippet(proof="claim", root=True)
def load_bpf(target: Target) -> str:
    """Make a map for programs in the kernel."""
    del target
    attributes = struct.pack("<5I", 2, 4, 4, 1, 0) + bytes(52)
    return f"map {syscall('bpf', BPF_MAP_CREATE, attributes, len(attributes))}"


@snippet(proof="claim")
def count_events(target: Target) -> str:
    """Open a counter of the processor's events."""
    del target
    attributes = struct.pack(
        "<IIQQQQQ", PERF_TYPE_SOFTWARE, 112, 0, 0, 0, 0, PERF_EXCLUDE_KERNEL_AND_HYPERVISOR
    )
    return f"counter {syscall('perf_event_open', attributes + bytes(64), 0, -1, -1, 0)}"


@snippet(proof="claim")
def handle_faults(target: Target) -> str:
    """Handle page faults oneself: it holds the kernel wherever one likes."""
    del target
    return f"descriptor {syscall('userfaultfd', UFFD_USER_MODE_ONLY)}"


@snippet(proof="claim")
def add_key(target: Target) -> str:
    """Keep a key in the kernel."""
    name = target["token"].encode()
    return f"key {syscall('add_key', b'user', name, b'x', 1, KEY_SPEC_PROCESS_KEYRING)}"


@snippet(proof="claim")
def join_keyring(target: Target) -> str:
    """Get a keyring."""
    del target
    return f"keyring {syscall('keyctl', KEYCTL_JOIN_SESSION_KEYRING, None, 0, 0, 0)}"


@snippet(proof="claim")
def request_key(target: Target) -> str:
    """Look for a key, for which the kernel would start a program outside."""
    return reached("request_key", b"user", target["token"].encode(), None, 0)


@snippet(proof="claim", root=True, unproven="the kernel is built without modules")
def load_module(target: Target) -> str:
    """Load code into the kernel; what is given is no code."""
    del target
    return reached("init_module", b"x", 1, b"")


@snippet(proof="claim", root=True, unproven="the kernel is built without kexec")
def load_kernel(target: Target) -> str:
    """Load another kernel; the flags are wrong."""
    del target
    return reached("kexec_load", 0, 0, None, 0xFFFF)


@snippet(proof="claim", root=True)
def restart_machine(target: Target) -> str:
    """Restart the machine; the magic numbers are wrong."""
    del target
    return reached("reboot", 0, 0, 0, None)


@snippet(proof="claim", root=True)
def add_swap(target: Target) -> str:
    """Swap to a file that is not there."""
    del target
    return reached("swapon", b"/nonexistent", 0)


@snippet(proof="claim", root=True)
def log_processes(target: Target) -> str:
    """Have every process logged to a file that is not there."""
    del target
    return reached("acct", b"/nonexistent")


@snippet(proof="claim", root=True, unproven="the kernel is built without access to ports")
def use_ports(target: Target) -> str:
    """Talk to devices directly."""
    del target
    syscall("iopl", 3)
    return "all ports"


@snippet(proof="claim", root=True)
def read_kernel_log(target: Target) -> str:
    """Read the kernel's log, with the addresses in it."""
    del target
    return f"{syscall('syslog', SYSLOG_READ_ALL, ctypes.create_string_buffer(4096), 4096)} bytes"


@snippet(proof="claim")
def watch_all_files(target: Target) -> str:
    """Be told of what happens to files."""
    del target
    return f"descriptor {syscall('fanotify_init', FAN_REPORT_FID, os.O_RDONLY)}"


@snippet(proof="machine", root=True)
def rename_host(target: Target) -> str:
    """Rename the machine."""
    del target
    syscall("sethostname", b"owned", 5)
    return ""


@snippet(proof="machine", root=True)
def rename_domain(target: Target) -> str:
    """Rename the machine's domain."""
    del target
    syscall("setdomainname", b"owned", 5)
    return ""


@snippet(proof="claim", root=True)
def set_clock(target: Target) -> str:
    """Set the clock's speed; to what it is."""
    del target
    clock = ctypes.create_string_buffer(208)
    syscall("adjtimex", clock)
    struct.pack_into("<I", clock, 0, ADJ_TICK)
    return f"state {syscall('adjtimex', clock)}"


@snippet(proof="claim")
def keep_memory_from_kernel(target: Target) -> str:
    """Take memory that not even the kernel reads."""
    del target
    return f"descriptor {syscall('memfd_secret', 0)}"


@snippet(proof="claim")
def read_segments(target: Target) -> str:
    """Use the processor's old segments."""
    del target
    return f"{syscall('modify_ldt', 0, ctypes.create_string_buffer(16), 16)} bytes"
