"""A tool that tells, from the inside, how it is held; `probe` runs it. Light, like any tool."""

from __future__ import annotations

import ctypes
import os
import resource
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from authgate_async.launchers.protocol import Limits, ToolRef

if TYPE_CHECKING:
    from authgate_async.launchers.protocol import Folder

__all__ = ["LIMITS", "REPORT", "report"]

LIMITS = Limits(cpu_seconds=3, file_bytes=4096, open_files=16)
REPORT = ToolRef("authgate_async.launchers.selfcheck", "report")

_PRIVATE = 0o700
_ABOUT_FILES = 0b11111
_GET_SECCOMP, _GET_NO_NEW_PRIVS = 21, 39
_FILTER = 2
_CAPABILITY_VERSION = 0x20080522

_libc = ctypes.CDLL(None)


class _Report:
    """A tool that tells how it is held, from the inside."""

    def invoke(self, args: bytes, folders: tuple[Folder, ...]) -> bytes:
        """Return, for each layer that can be seen from here, whether it is there.

        That the network and IPC namespaces are others is seen by the template, at its start.
        """
        del args, folders
        held = {
            "cpu": _bound(resource.RLIMIT_CPU, LIMITS.cpu_seconds),
            "memory": _bound(resource.RLIMIT_AS, LIMITS.memory_bytes),
            "file_size": _bound(resource.RLIMIT_FSIZE, LIMITS.file_bytes),
            "open_files": _bound(resource.RLIMIT_NOFILE, LIMITS.open_files),
            "capabilities": _capabilities() & ~_ABOUT_FILES == 0,
            "no_new_privs": _libc.prctl(_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1,
            "empty_environment": not os.environ,
            "private_folder": Path.cwd().stat().st_mode & 0o777 == _PRIVATE,
            "pid_namespace": os.getpid() == 1,
            "mount_namespace": not Path("/proc/self").exists(),
            "uts_namespace": socket.gethostname() == "jail",
            "landlock": _refuses_root(),
            "seccomp": _libc.prctl(_GET_SECCOMP, 0, 0, 0, 0) == _FILTER,
        }
        return msgspec.json.encode(held)


def _capabilities() -> int:
    """Return the permitted capabilities, those of the first 32."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    sets = (ctypes.c_uint32 * 6)()
    return -1 if _libc.capget(header, sets) else int(sets[1])


def _refuses_root() -> bool:
    """Return whether the root, which its mode lets everybody list, cannot be listed."""
    try:
        os.listdir("/")  # noqa: PTH208 - no object that is not needed
    except PermissionError:
        return True
    return False


def _bound(number: int, most: int) -> bool:
    return all(0 <= limit <= most for limit in resource.getrlimit(number))


report = _Report()
