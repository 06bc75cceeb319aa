"""Privileges regained, filters undone or sidestepped."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import pwd
import subprocess
import sys

from escapes.declare import Target, snippet
from escapes.namespaces import CLONE_NEWUSER
from escapes.syscalls import libc, numbered, syscall

ADDR_NO_RANDOMIZE = 0x40000
CAPABILITY_VERSION = 0x20080522
IA32_GETPID = 20
IA32_UNSHARE = 310
PR_GET_SECCOMP = 21
PR_SET_SECUREBITS = 28
PR_SET_NO_NEW_PRIVS = 38
PR_GET_NO_NEW_PRIVS = 39
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
RET_ALLOW = 0x7FFF0000
SECCOMP_SET_MODE_FILTER = 1
X32 = 0x40000000
X32_GETPID = 39

_ANSWER = "import os; os.write(3, b'R' + (9).to_bytes(8, 'little') + b'\"started\"')"

_INT80 = bytes.fromhex("53 89f8 89f3 89d1 31d2 31f6 31ff cd80 5b c3")
"""A function of three numbers: a system call as programs of 32 bits make it."""


def _capabilities() -> int:
    head = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    data = (ctypes.c_uint32 * 6)()
    syscall("capget", head, data)
    return int(data[0]) | int(data[3]) << 32


@snippet(proof="claim", root=True)
def regain_capabilities(target: Target) -> str:
    """Take capabilities back: directly, by becoming root, by making them survive."""
    del target
    head = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
    every = (ctypes.c_uint32 * 6)(*[2**32 - 1] * 6)
    with contextlib.suppress(OSError):
        syscall("capset", head, every)
    with contextlib.suppress(OSError):
        os.setresuid(0, 0, 0)
    for number in range(41):
        libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0)
    found = _capabilities()
    return f"{found:x}" if found else ""


@snippet(proof="claim", root=True, modes=("programs",))
def regain_capabilities_by_program(target: Target) -> str:
    """Take capabilities back by starting a program as root."""
    del target
    program = (
        "import ctypes; d = (ctypes.c_uint32 * 6)();"
        f"ctypes.CDLL(None).capget((ctypes.c_uint32 * 2)({CAPABILITY_VERSION}, 0), d);"
        "print(f'{d[0] | d[3] << 32:x}')"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, check=True, text=True
    )
    return done.stdout if int(done.stdout, 16) else ""


@snippet(proof="claim", modes=("programs",))
def run_privileged_program(target: Target) -> str:
    """Run a program that may read the passwords' file for everybody."""
    del target
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = "root"
    done = subprocess.run(["/usr/bin/chage", "-l", name], capture_output=True, check=True)
    return done.stdout.decode()


@snippet(proof="claim", modes=("python",))
def start_program(target: Target) -> str:
    """Start a program, though the tool is Python only."""
    del target
    return subprocess.run(["/bin/echo", "started"], capture_output=True, check=True).stdout.decode()


@snippet(proof="claim", modes=("python",))
def spawn_program(target: Target) -> str:
    """Start a program without a fork of one's own."""
    del target
    pid = os.posix_spawn("/bin/true", ["true"], {})
    return f"process {pid} {os.waitpid(pid, 0)[1]}"


@snippet(proof="claim", modes=("python",))
def become_program(target: Target) -> str:
    """Become a program, which hands back a result of its own."""
    del target
    os.execv(sys.executable, [sys.executable, "-I", "-c", _ANSWER])


@snippet(proof="claim", modes=("python",))
def become_nameless_program(target: Target) -> str:
    """Become a program that lies in no folder."""
    del target
    fd = os.memfd_create("program", 0)
    os.sendfile(fd, os.open(os.path.realpath("/bin/sh"), os.O_RDONLY), 0, 2**24)
    answer = r"""printf 'R\011\000\000\000\000\000\000\000"started"' >&3"""
    os.execve(fd, ["sh", "-c", answer], {})


@snippet(proof="file")
def leave_privileged_program(target: Target) -> str:
    """Leave a program in the granted folder that runs with its owner's rights for everybody."""
    path = f"{target['granted']}/program"
    with open(path, "w") as file:
        file.write("#!/bin/sh")
    with contextlib.suppress(OSError):
        os.chmod(path, 0o755)
    os.chmod(path, 0o6755)
    return ""


@snippet(proof="file")
def make_privileged_program(target: Target) -> str:
    """Do the same in one step, with the file's making."""
    os.umask(0)
    os.close(os.open(f"{target['granted']}/program", os.O_CREAT | os.O_WRONLY, 0o6755))
    return ""


@snippet(proof="claim", root=True)
def become_somebody_else(target: Target) -> str:
    """Become another user."""
    del target
    for user in (0, 1, 1000, 65534):
        if user != os.getuid():
            with contextlib.suppress(OSError):
                os.setresuid(user, user, user)
                return f"user {user}"
    return ""


@snippet(proof="claim", root=True)
def join_groups(target: Target) -> str:
    """Join the groups that own disks and passwords."""
    del target
    os.setgroups([0, 6, 42])
    return str(os.getgroups())


@snippet(proof="claim")
def gain_by_programs(target: Target) -> str:
    """Undo the promise to gain nothing by programs."""
    del target
    libc.prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0)
    return "" if libc.prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) else "no promise"


@snippet(proof="claim", root=True)
def change_secure_bits(target: Target) -> str:
    """Change what root means."""
    del target
    return "" if libc.prctl(PR_SET_SECUREBITS, 0x10, 0, 0, 0) else "changed"


@snippet(proof="claim")
def have_no_filter(target: Target) -> str:
    """Look whether system calls are filtered."""
    del target
    return "no filter" if libc.prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 0 else ""


@snippet(proof="claim")
def add_permissive_filter(target: Target) -> str:
    """Add a filter that allows everything, then do what was forbidden."""
    del target
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    rule = ctypes.create_string_buffer(
        bytes.fromhex("06000000") + RET_ALLOW.to_bytes(4, "little"), 8
    )
    program = (ctypes.c_uint64 * 2)(1, ctypes.addressof(rule))
    with contextlib.suppress(OSError):
        syscall("seccomp", SECCOMP_SET_MODE_FILTER, 0, program)
    syscall("unshare", CLONE_NEWUSER)
    return "a user namespace"


@snippet(proof="claim")
def change_personality(target: Target) -> str:
    """Switch off the random layout of programs started later."""
    del target
    before = syscall("personality", 0xFFFFFFFF)
    syscall("personality", before ^ ADDR_NO_RANDOMIZE)
    return "changed" if syscall("personality", 0xFFFFFFFF) != before else ""


def _as_32_bits(number: int, argument: int) -> int:
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(_INT80)
    start = ctypes.addressof(ctypes.c_char.from_buffer(page))
    call = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int)(start)
    result: int = call(number, argument, 0)
    return result


@snippet(proof="claim")
def call_as_32_bits(target: Target) -> str:
    """Make a system call as a program of 32 bits, whose numbers mean other calls."""
    del target
    found = _as_32_bits(IA32_GETPID, 0)
    return f"process {found}" if found > 0 else ""


@snippet(proof="claim")
def unshare_as_32_bits(target: Target) -> str:
    """Become root of a user namespace by a system call of 32 bits."""
    del target
    return "" if _as_32_bits(IA32_UNSHARE, CLONE_NEWUSER) else "a user namespace"


@snippet(proof="claim", unproven="the kernel is built without x32")
def call_as_x32(target: Target) -> str:
    """Make a system call by its second number, which a list of numbers forgets."""
    del target
    return f"process {numbered(X32 + X32_GETPID)}"
