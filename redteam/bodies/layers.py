"""Leaving off a layer of a sandbox: its system call is answered as if it had been done.

A filter in the template answers; the cells inherit it. A namespace that all calls of a template
share is left off by dividing the template from the machine in all but that one. Only numbers are
here, and no package of ours, since it is loaded before the template.
"""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path

NUMBERS = {
    "x86_64": {
        "capset": 126,
        "landlock_restrict_self": 446,
        "pivot_root": 155,
        "prlimit64": 302,
        "seccomp": 317,
        "setrlimit": 160,
        "umount2": 166,
        "unshare": 272,
    },
    "aarch64": {
        "capset": 91,
        "landlock_restrict_self": 446,
        "pivot_root": 41,
        "prlimit64": 261,
        "seccomp": 277,
        "setrlimit": 164,
        "umount2": 39,
        "unshare": 97,
    },
}

NAMESPACES = {
    "user": 0x10000000,
    "mnt": 0x20000,
    "pid": 0x20000000,
    "net": 0x40000000,
    "ipc": 0x8000000,
    "uts": 0x4000000,
}

_LOAD, _IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _DONE = 0x7FFF0000, 0x00050000
_NUMBER, _FIRST_ARGUMENT = 0, 16
_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER = 38, 22, 2
_PRIVATE, _ALL_BELOW = 0x40000, 0x4000

_libc = ctypes.CDLL(None, use_errno=True)


def leave_off(*calls: str, namespace: str = "") -> None:
    """Answer these system calls with success, from here on and in all children.

    With `namespace`, so is the call that makes a namespace of this kind and nothing else.
    """
    known = NUMBERS[os.uname().machine]
    steps = [(_LOAD, 0, 0, _NUMBER)]
    for call in calls:
        steps += [(_IF_EQUAL, 0, 1, known[call]), (_RETURN, 0, 0, _DONE)]
    if namespace:
        steps += [
            (_IF_EQUAL, 0, 3, known["unshare"]),
            (_LOAD, 0, 0, _FIRST_ARGUMENT),
            (_IF_EQUAL, 0, 1, NAMESPACES[namespace]),
            (_RETURN, 0, 0, _DONE),
        ]
    steps.append((_RETURN, 0, 0, _ALLOW))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(
        struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code))
    )
    if _libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) or _libc.prctl(_SET_SECCOMP, _FILTER, program, 0, 0):
        raise SystemExit("the layer cannot be left off")


def divide_but_for(kind: str) -> None:
    """Divide this process from the machine as a template does, but for namespaces of one kind."""
    if kind != "user":
        user, group = os.getuid(), os.getgid()
        _must(_libc.unshare(NAMESPACES["user"]))
        for name, text in (("setgroups", "deny"), ("gid_map", group), ("uid_map", user)):
            words = text if name == "setgroups" else f"1000 {text} 1"
            Path(f"/proc/self/{name}").write_text(str(words))
    _must(_libc.unshare(sum(n for name, n in NAMESPACES.items() if name not in (kind, "user"))))
    if kind != "uts":
        _must(_libc.sethostname(b"jail", 4))
    _must(_libc.mount(None, b"/", None, _PRIVATE | _ALL_BELOW, None))


def _must(result: int) -> None:
    if result:
        raise SystemExit(f"the template cannot be divided: {os.strerror(ctypes.get_errno())}")
