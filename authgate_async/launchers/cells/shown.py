"""What every call in a jail sees: libraries and programs, this Python, three devices.

Nothing of a user is among it: no home, no project, no configuration. Tools are loaded before the
jail closes; what they import later must be a part of Python or an installed package.

The template imports this, and each page of a template costs every call: so no `pathlib`.
"""

from __future__ import annotations

import os
import os.path
import sys

__all__ = ["DEVICES", "links", "paths"]

DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom")

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_ETC = ("/etc/ld.so.cache", "/etc/localtime", "/etc/alternatives")


def paths() -> list[str]:
    """Return the absolute paths that are shown read-only; none lies in another."""
    system = [path for path in (*_SYSTEM, *_ETC) if _is_there(path)]
    package = os.path.join(os.path.dirname(__file__), "..", "..")
    python = [os.path.realpath(path) for path in (sys.base_prefix, sys.prefix, package)]
    found: list[str] = []
    for path in sorted({*system, *python}, key=len):
        if path != "/" and not any(path.startswith(f"{other}/") for other in found):
            found.append(path)
    return found


def links() -> list[tuple[str, str]]:
    """Return the links among the system folders, and what they say."""
    system = [path for path in (*_SYSTEM, *_ETC) if os.path.islink(path)]
    return [(path, os.readlink(path)) for path in system]


def _is_there(path: str) -> bool:
    return os.path.exists(path) and not os.path.islink(path)
