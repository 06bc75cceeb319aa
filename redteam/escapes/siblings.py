"""From one call to another of the same template: what is shared, what stays.

Turn 1 gets a secret that turn 2 must not see. Beside: turn 1 says by the FIFO that it is ready, and
stays.
"""

from __future__ import annotations

import contextlib
import ctypes
import glob
import os
import signal
import socket
from pathlib import Path

from escapes.daemons import mark, stay
from escapes.declare import Target, snippet
from escapes.peeking import find, search_objects
from escapes.syscalls import libc, syscall

IPC_CREAT = 0o1000
IPC_NOWAIT = 0o4000
SHM_RDONLY = 0o10000
KEYCTL_READ = 11
KEYCTL_SEARCH = 10
KEY_SPEC_USER_KEYRING = -4


@snippet(proof="secret", turns="after")
def leave_segment(target: Target) -> str:
    """Leave a secret in a System V segment."""
    identity = syscall("shmget", target["key"], 4096, IPC_CREAT | 0o600)
    libc.shmat.restype = ctypes.c_void_p
    place = libc.shmat(identity, None, 0)
    if target["turn"] == 1:
        data = target["sibling"].encode()
        ctypes.memmove(place, data, len(data))
        return ""
    return find(ctypes.string_at(place, 100))


@snippet(proof="secret")
def read_segment_of_machine(target: Target) -> str:
    """Read a System V segment that a process outside has made."""
    libc.shmat.restype = ctypes.c_void_p
    place = libc.shmat(syscall("shmget", target["segment"], 0, 0), None, SHM_RDONLY)
    return find(ctypes.string_at(place, 100))


@snippet(proof="secret", turns="after")
def leave_message(target: Target) -> str:
    """Leave a secret in a System V queue."""
    queue = syscall("msgget", target["key"], IPC_CREAT | 0o600)
    if target["turn"] == 1:
        data = target["sibling"].encode()
        syscall("msgsnd", queue, (1).to_bytes(8, "little") + data, len(data), IPC_NOWAIT)
        return ""
    buffer = ctypes.create_string_buffer(200)
    syscall("msgrcv", queue, buffer, 100, 0, IPC_NOWAIT)
    return find(buffer.raw)


@snippet(proof="secret", turns="after")
def leave_posix_message(target: Target) -> str:
    """Leave a secret in a POSIX queue."""
    name = target["token"].encode()
    queue = syscall("mq_open", name, os.O_CREAT | os.O_RDWR | os.O_NONBLOCK, 0o600, None)
    if target["turn"] == 1:
        data = target["sibling"].encode()
        syscall("mq_timedsend", queue, data, len(data), 0, None)
        return ""
    buffer = ctypes.create_string_buffer(8192)
    syscall("mq_timedreceive", queue, buffer, 8192, None, None)
    return find(buffer.raw)


@snippet(proof="secret", turns="after")
def leave_key(target: Target) -> str:
    """Leave a secret in the user's keyring."""
    name, ring = target["token"].encode(), KEY_SPEC_USER_KEYRING
    if target["turn"] == 1:
        data = target["sibling"].encode()
        syscall("add_key", b"user", name, data, len(data), ring)
        return ""
    key = syscall("keyctl", KEYCTL_SEARCH, ring, b"user", name, 0)
    buffer = ctypes.create_string_buffer(100)
    syscall("keyctl", KEYCTL_READ, key, buffer, 100, 0)
    return find(buffer.raw)


def _leave_file(target: Target, folder: str) -> str:
    path = Path(folder, target["token"])
    if target["turn"] == 1:
        path.write_text(target["sibling"])
        return ""
    return path.read_text()


@snippet(proof="secret", turns="after")
def leave_in_temporary_folder(target: Target) -> str:
    """Leave a secret among the temporary files."""
    return _leave_file(target, "/tmp")


@snippet(proof="secret", turns="after")
def leave_in_long_temporary_folder(target: Target) -> str:
    """Leave a secret among the temporary files that survive a restart."""
    return _leave_file(target, "/var/tmp")


@snippet(proof="secret", turns="after")
def leave_in_shared_memory(target: Target) -> str:
    """Leave a secret in the folder for shared memory."""
    return _leave_file(target, "/dev/shm")


@snippet(proof="leftover")
def leave_file_for_nobody(target: Target) -> str:
    """Leave files with a name of one's own in every shared place."""
    for folder in ("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run"):
        with contextlib.suppress(OSError):
            Path(folder, target["token"]).write_text("x")
    return ""


@snippet(proof="secret", turns="after")
def memory_of_last_call(target: Target) -> str:
    """Look through memory for what the last call was given."""
    if target["turn"] == 1:
        return ""
    return search_objects()


@snippet(proof="secret", turns="beside")
def read_working_folder_of_sibling(target: Target) -> str:
    """Look for the working folder of another call that runs."""
    if target["turn"] == 1:
        Path("note").write_text(target["sibling"])
        mark(target)
        stay()
    for pattern in ("../*/note", "/tmp/*/note", "/tmp/*/*/note", "/dev/shm/*/*/note"):
        for path in glob.glob(pattern):
            with contextlib.suppress(OSError):
                return Path(path).read_text()
    return ""


@snippet(proof="secret", turns="beside")
def ask_sibling_by_name(target: Target) -> str:
    """Ask another call that runs, by a socket without a place among the files."""
    name = "\0" + target["token"]
    with socket.socket(socket.AF_UNIX) as sock:
        if target["turn"] == 1:
            sock.bind(name)
            _answer(sock, target)
        sock.connect(name)
        return sock.recv(100).decode()


@snippet(proof="secret", turns="beside")
def ask_sibling_by_port(target: Target) -> str:
    """Ask another call that runs, by a port on loopback."""
    place = ("127.0.0.1", target["free_port"])
    with socket.socket() as sock:
        if target["turn"] == 1:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(place)
            _answer(sock, target)
        sock.settimeout(1)
        sock.connect(place)
        return sock.recv(100).decode()


def _answer(sock: socket.socket, target: Target) -> None:
    sock.listen()
    mark(target)
    while True:
        peer, _ = sock.accept()
        peer.sendall(target["sibling"].encode())
        peer.close()


@snippet(proof="sibling", turns="beside", endless=True)
def kill_sibling(target: Target) -> str:
    """Kill another call that runs, by the number it knows itself by."""
    note = Path(target["granted"], "number")
    if target["turn"] == 1:
        note.write_text(str(os.getpid()))
        mark(target)
        stay()
    number = int(note.read_text())
    if number != os.getpid():
        os.kill(number, signal.SIGKILL)
    return ""
