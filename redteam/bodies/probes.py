"""Hostile bodies for the sandbox: a call gets a list of steps, and says what each of them got.

A step gets a path and where things are; it returns what it got, or nothing, or raises. Whether
anything got out is judged from outside (`redteam/outside.py`): the words of a step only count
where they hold a secret, or claim what no call may have.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from authgate_async import Limits, tool
from authgate_async.tools.folders import Folders  # noqa: TC001 - `@tool` reads it

if TYPE_CHECKING:
    from collections.abc import Callable

    Step = Callable[[str, dict[str, str]], str]

FILE_BYTES = 2**20
LIMITS = Limits(wall_ms=20_000, cpu_seconds=1, file_bytes=FILE_BYTES, open_files=64, processes=8)
MEMORY = LIMITS.memory_bytes
GRANTED = (
    ("folder:granted", "", "read"),
    ("folder:granted", "", "write"),
    ("folder:readonly", "", "read"),
    ("folder:dropbox", "", "write"),
)

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def _call(function: str, *args: object) -> int:
    found: int = getattr(_libc, function)(*args)
    if found < 0:
        raise OSError(ctypes.get_errno(), function)
    return found


# Reading what was not granted


def _read(path: str, _: dict[str, str]) -> str:
    return Path(path).read_text()


def _read_by_folder(path: str, at: dict[str, str]) -> str:
    folder = os.open(at["granted"], os.O_PATH | os.O_DIRECTORY)
    return os.read(
        os.open(os.path.relpath(path, at["granted"]), os.O_RDONLY, dir_fd=folder), 99
    ).decode()


def _read_by_any_descriptor(path: str, _: dict[str, str]) -> str:
    for fd in range(64):
        with contextlib.suppress(OSError):
            return os.read(os.open("../" * 30 + path[1:], os.O_RDONLY, dir_fd=fd), 99).decode()
    return ""


def _read_by_link(path: str, at: dict[str, str]) -> str:
    link = Path(at["granted"], f"own-{os.getpid()}-{time.monotonic_ns()}")
    link.symlink_to(path)
    try:
        return link.read_text()
    finally:
        link.unlink()


def _read_by_hard_link(path: str, at: dict[str, str]) -> str:
    link = Path(at["granted"], f"hard-{os.getpid()}")
    link.hardlink_to(path)
    return link.read_text()


def _read_by_moving(path: str, at: dict[str, str]) -> str:
    return Path(path).rename(Path(at["granted"], "moved")).read_text()


def _read_by_mapping(path: str, _: dict[str, str]) -> str:
    with Path(path).open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data:
        return data[:99].decode()


def _read_by_sending(path: str, _: dict[str, str]) -> str:
    source, target = os.open(path, os.O_RDONLY), os.memfd_create("x")
    os.sendfile(target, source, 0, 99)
    return os.pread(target, 99, 0).decode()


def _read_by_mount(path: str, _: dict[str, str]) -> str:
    Path("place").touch()
    _call("mount", path.encode(), b"place", None, 4096, None)
    return Path("place").read_text()


def _read_by_namespace(path: str, at: dict[str, str]) -> str:
    _call("unshare", 0x10020000)
    return _read_by_mount(path, at)


def _read_by_program(path: str, _: dict[str, str]) -> str:
    return subprocess.run(["/bin/cat", path], capture_output=True, check=False).stdout.decode()


def _read_by_python(path: str, _: dict[str, str]) -> str:
    code = f"print(open({path!r}).read())"
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, check=False).stdout.decode()


def _describe(path: str, at: dict[str, str]) -> str:
    size = Path(path).stat().st_size
    return f"claim: it has {size} bytes" if str(size) == at["size"] else ""


def _list(path: str, _: dict[str, str]) -> str:
    names = sorted(found.name for found in Path(path).parent.iterdir())
    return f"claim: there is {names}" if "keep.txt" in names else ""


# Writing where it was not granted


def _write(path: str, _: dict[str, str]) -> str:
    Path(path).write_text("owned")
    return ""


def _remove(path: str, _: dict[str, str]) -> str:
    Path(path).unlink()
    return ""


def _replace(path: str, at: dict[str, str]) -> str:
    own = Path(at["granted"], "own.txt")
    own.write_text("owned")
    own.rename(path)
    return ""


def _change_mode(path: str, _: dict[str, str]) -> str:
    Path(path).chmod(0o777)
    return ""


def _change_times(path: str, _: dict[str, str]) -> str:
    os.utime(path, (1, 1))
    return ""


def _leave_beside(path: str, _: dict[str, str]) -> str:
    Path(path).with_name("planted").write_text("owned")
    return ""


def _write_read_only(_: str, at: dict[str, str]) -> str:
    return _write(at["readonly"] + "/keep.txt", at)


def _write_through_link(_: str, at: dict[str, str]) -> str:
    return _write(at["granted"] + "/out", at)


def _read_dropbox(_: str, at: dict[str, str]) -> str:
    """Read what may only be written."""
    return Path(at["dropbox"], "secret").read_text()


def _leave_set_id(_: str, at: dict[str, str]) -> str:
    own = Path(at["granted"], "set-id")
    own.touch()
    own.chmod(0o4755)
    return ""


# Others


def _connect(_: str, at: dict[str, str]) -> str:
    socket.create_connection(("127.0.0.1", int(at["port"])), timeout=1).close()
    return ""


def _connect_by_path(_: str, at: dict[str, str]) -> str:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(at["socket"])
    return ""


def _connect_abstract(_: str, at: dict[str, str]) -> str:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect("\0" + at["abstract"])
    return ""


def _signal(_: str, at: dict[str, str]) -> str:
    os.kill(int(at["victim"]), signal.SIGCONT)
    return ""


def _signal_all(_: str, at: dict[str, str]) -> str:
    for pid in range(int(at["victim"]) - 3, int(at["victim"]) + 4):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGCONT if pid == int(at["victim"]) else 0)
    return ""


def _environment_of(_: str, at: dict[str, str]) -> str:
    return Path(f"/proc/{at['victim']}/environ").read_bytes().decode("utf-8", "replace")


def _root_of(path: str, at: dict[str, str]) -> str:
    return Path(f"/proc/{at['victim']}/root{path}").read_text()


def _name_of_machine(_: str, at: dict[str, str]) -> str:
    name = os.uname().nodename
    return f"claim: this is {name}" if name == at["machine"] else ""


def _fork(_: str, at: dict[str, str]) -> str:
    pid = os.fork()
    if pid == 0:
        Path(at["granted"], "forked").touch()
        os._exit(0)
    os.waitpid(pid, 0)
    return ""


# What every level promises


def _environment(_: str, __: dict[str, str]) -> str:
    return str(dict(os.environ))


def _own_environment_file(_: str, __: dict[str, str]) -> str:
    return Path("/proc/self/environ").read_bytes().decode("utf-8", "replace")


def _stay() -> NoReturn:
    for number in range(1, 65):
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN)
    while True:
        time.sleep(600)


def _daemon(_: str, at: dict[str, str]) -> str:
    """Leave a process behind that holds the FIFO."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.open(at["alive"], os.O_WRONLY | os.O_NONBLOCK)
            _stay()
        os._exit(0)
    os.wait()
    return ""


def _program_that_stays(_: str, at: dict[str, str]) -> str:
    with open(at["alive"], "ab", opener=lambda p, f: os.open(p, f | os.O_NONBLOCK)) as alive:
        subprocess.Popen(["/bin/sleep", "600"], stdout=alive, start_new_session=True)
    return ""


def _large_file(_: str, at: dict[str, str]) -> str:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with Path(at["granted"], "large").open("wb") as file:
        file.truncate(FILE_BYTES + 1)
    return ""


def _large_by_writing(_: str, at: dict[str, str]) -> str:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with Path(at["granted"], "large").open("wb") as file:
        while file.tell() <= FILE_BYTES:
            file.write(b"x" * 2**16)
            file.flush()
    return ""


def _raise_limits(_: str, __: dict[str, str]) -> str:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard * 2, hard * 2))
    return f"claim: limits were raised from {soft}"


def _much_memory(_: str, __: dict[str, str]) -> str:
    mmap.mmap(-1, MEMORY + 2**20).close()
    return "claim: more memory than it may have"


def _many_files(_: str, __: dict[str, str]) -> str:
    opened = []
    try:
        while len(opened) < LIMITS.open_files:
            opened.append(os.open("/dev/null", os.O_RDONLY))
    finally:
        for fd in opened:
            os.close(fd)
    return "claim: more files than it may have"


def _new_privileges(_: str, __: dict[str, str]) -> str:
    return "" if _call("prctl", 39, 0, 0, 0, 0) == 1 else "claim: it may gain privileges"


def _capabilities(_: str, __: dict[str, str]) -> str:
    """See which capabilities it has, beside those about files."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)()
    _call("capget", header, data)
    beyond = (data[0] | data[1]) & ~0x1F | data[3] | data[4]
    return f"claim: it has capabilities {beyond:x}" if beyond else ""


BOTH: dict[str, Step] = {
    "environment": _environment,
    "own environment file": _own_environment_file,
    "daemon": _daemon,
    "program that stays": _program_that_stays,
    "large file": _large_file,
    "large by writing": _large_by_writing,
    "raise limits": _raise_limits,
    "much memory": _much_memory,
    "many files": _many_files,
    "new privileges": _new_privileges,
    "capabilities": _capabilities,
}
"""What the level `process` holds, too."""

JAILED: dict[str, Step] = {
    **BOTH,
    "read": _read,
    "read by folder": _read_by_folder,
    "read by any descriptor": _read_by_any_descriptor,
    "read by link": _read_by_link,
    "read by hard link": _read_by_hard_link,
    "read by moving": _read_by_moving,
    "read by mapping": _read_by_mapping,
    "read by sending": _read_by_sending,
    "read by mount": _read_by_mount,
    "read by namespace": _read_by_namespace,
    "read by program": _read_by_program,
    "read by python": _read_by_python,
    "describe": _describe,
    "list": _list,
    "write": _write,
    "remove": _remove,
    "replace": _replace,
    "change mode": _change_mode,
    "change times": _change_times,
    "leave beside": _leave_beside,
    "write read-only": _write_read_only,
    "write through link": _write_through_link,
    "read dropbox": _read_dropbox,
    "leave set-id": _leave_set_id,
    "connect": _connect,
    "connect by path": _connect_by_path,
    "connect abstract": _connect_abstract,
    "signal": _signal,
    "signal all": _signal_all,
    "environment of": _environment_of,
    "root of": _root_of,
    "name of machine": _name_of_machine,
    "fork": _fork,
}
"""What a jail holds; `fork` only where it may start no programs."""


def _probe(steps: list[tuple[str, str]], at: dict[str, str], folders: Folders) -> list[str]:
    own = Path(folders.path_of("folder", "granted"), "own.txt")
    own.write_text("fine")
    got = [own.read_text(), Path(folders.path_of("folder", "readonly"), "keep.txt").read_text()]
    for name, path in steps:
        try:
            got.append(JAILED[name](path, at))
        except BaseException as error:  # noqa: BLE001 - it was stopped
            got.append(f"stopped: {type(error).__name__}")
    return got


@tool(name="probe", resource="compute:probe", right="execute", also=GRANTED, limits=LIMITS)
def probe_in_jail(steps: list[tuple[str, str]], at: dict[str, str], folders: Folders) -> list[str]:
    """Try to get out."""
    return _probe(steps, at, folders)


@tool(
    name="probe_with_programs",
    resource="compute:probe",
    right="execute",
    also=GRANTED,
    limits=LIMITS,
    programs=True,
)
def probe_with_programs(
    steps: list[tuple[str, str]], at: dict[str, str], folders: Folders
) -> list[str]:
    """Try to get out, with programs to do it."""
    return _probe(steps, at, folders)


@tool(
    name="probe",
    resource="compute:probe",
    right="execute",
    also=GRANTED,
    limits=LIMITS,
    level="process",
)
def probe_in_process(
    steps: list[tuple[str, str]], at: dict[str, str], folders: Folders
) -> list[str]:
    """Try to get what no level gives."""
    return _probe(steps, at, folders)
