"""System calls that Python has no function for. Linux on x86_64 only."""

from __future__ import annotations

import ctypes
import errno
import os

__all__ = ["NUMBERS", "libc", "numbered", "reached", "syscall"]

NUMBERS = {
    "acct": 163, "add_key": 248, "adjtimex": 159, "bpf": 321, "capget": 125, "capset": 126,
    "clock_adjtime": 305, "clock_settime": 227, "clone": 56, "clone3": 435, "fanotify_init": 300,
    "fanotify_mark": 301, "fsconfig": 431, "fsmount": 432, "fsopen": 430, "fspick": 433,
    "init_module": 175, "inotify_add_watch": 254, "inotify_init1": 294, "io_uring_enter": 426,
    "io_uring_register": 427, "io_uring_setup": 425, "iopl": 172, "kcmp": 312, "kexec_load": 246,
    "keyctl": 250, "listmount": 458, "memfd_secret": 447, "migrate_pages": 256, "modify_ldt": 154,
    "mount": 165,
    "mount_setattr": 442, "move_mount": 429, "move_pages": 279, "mq_open": 240,
    "mq_timedreceive": 243, "mq_timedsend": 242, "mq_unlink": 241, "msgget": 68, "msgrcv": 70,
    "msgsnd": 69, "name_to_handle_at": 303, "open_by_handle_at": 304, "open_tree": 428,
    "open_tree_attr": 467, "perf_event_open": 298, "personality": 135, "pidfd_getfd": 438,
    "pivot_root": 155, "process_madvise": 440, "process_mrelease": 448, "process_vm_readv": 310,
    "process_vm_writev": 311, "ptrace": 101, "quotactl": 179, "quotactl_fd": 443, "reboot": 169,
    "renameat2": 316, "request_key": 249, "rt_sigqueueinfo": 129, "seccomp": 317, "semget": 64,
    "setdomainname": 171, "sethostname": 170, "setns": 308, "settimeofday": 164, "shmctl": 31,
    "shmget": 29, "statmount": 457, "swapoff": 168, "swapon": 167, "syslog": 103, "tgkill": 234,
    "umount2": 166, "unshare": 272, "userfaultfd": 323,
}  # fmt: skip

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long

_REFUSED = {errno.EPERM, errno.EACCES, errno.ENOSYS}


def syscall(name: str, *args: object) -> int:
    """Make the call; integers go as they are, bytes and ctypes objects by address.

    Raises:
        OSError: it failed.
    """
    return numbered(NUMBERS[name], *args)


def numbered(number: int, *args: object) -> int:
    """Do as `syscall`, by number."""
    result: int = libc.syscall(ctypes.c_long(number), *[_passed(argument) for argument in args])
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def _passed(argument: object) -> object:
    if argument is None:
        return ctypes.c_void_p(None)
    if isinstance(argument, int):
        return ctypes.c_long(argument)
    if isinstance(argument, bytes):
        return ctypes.c_char_p(argument)
    return ctypes.byref(argument)  # type: ignore[arg-type]


def reached(name: str, *args: object) -> str:
    """Return what the kernel said if it looked at more than who asks, else nothing.

    For calls that do nothing with these arguments even where they are allowed.
    """
    try:
        return f"{name} returned {syscall(name, *args)}"
    except OSError as error:
        return "" if error.errno in _REFUSED else f"{name}: {error.strerror}"
