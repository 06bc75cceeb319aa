"""A tool that tells, from the inside, how it is held; `probe` runs it. Light, like any tool."""

from __future__ import annotations

import os
import resource
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


class _Report:
    """A tool that tells how it is held, from the inside."""

    def invoke(self, args: bytes, folders: tuple[Folder, ...]) -> bytes:
        """Return, for each layer that can be seen from here, whether it is there."""
        del args, folders
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        held = {
            "cpu": _bound(resource.RLIMIT_CPU, LIMITS.cpu_seconds),
            "memory": _bound(resource.RLIMIT_AS, LIMITS.memory_bytes),
            "file_size": _bound(resource.RLIMIT_FSIZE, LIMITS.file_bytes),
            "open_files": _bound(resource.RLIMIT_NOFILE, LIMITS.open_files),
            "capabilities": _capabilities(status) & ~_ABOUT_FILES == 0,
            "no_new_privs": "NoNewPrivs:\t1" in status,
            "empty_environment": not os.environ,
            "private_folder": Path.cwd().stat().st_mode & 0o777 == _PRIVATE,
        }
        return msgspec.json.encode(held)


def _capabilities(status: str) -> int:
    return int(status.partition("CapPrm:\t")[2][:16], 16)


def _bound(number: int, most: int) -> bool:
    return all(0 <= limit <= most for limit in resource.getrlimit(number))


report = _Report()
