"""From notes on what a jail refused to sentences that say what would have helped."""

from __future__ import annotations

import errno
import socket
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from authgate_async.launchers.sentences import plain

if TYPE_CHECKING:
    from authgate_async.launchers.frames import Notes
    from authgate_async.launchers.protocol import Call

__all__ = ["explain"]

_MOST = 8
"""Sentences of each kind."""

_STARTS = frozenset(["clone", "fork", "vfork", "execve", "execveat"])
_HIDDEN = {errno.ENOENT: "is not there", errno.EACCES: "may not be opened"}
_SEALED = {errno.EROFS: "is read-only", errno.EPERM: "may not be changed"}


def explain(notes: Notes, call: Call) -> tuple[str, ...]:
    """Return a sentence for each thing that the call was refused."""
    calls = [_call(name, argument) for name, argument in notes.calls[:_MOST]]
    paths = [_path(number, path, call) for number, path in notes.paths[:_MOST]]
    return tuple([plain(sentence) for sentence in calls + paths if sentence])


def _call(name: str, argument: int) -> str:
    if name == "socket":
        return f"socket({_family(argument)}) was refused: a jail has no network"
    if name in _STARTS:
        return f"{name} was refused: a tool that starts programs says `programs=True` in `@tool`"
    return f"the system call {name} was refused: no tool may use it in a jail"


def _family(number: int) -> str:
    try:
        return socket.AddressFamily(number).name
    except ValueError:
        return str(number)


def _path(number: int, path: str, call: Call) -> str:
    problem = (_HIDDEN | _SEALED).get(number)
    if problem is None or not path.startswith("/"):
        return ""
    inside = [folder for folder in call.folders if _covers(folder.path, folder.scope, path)]
    if inside and number == errno.ENOENT:
        return ""  # an ordinary file that an ordinary tool did not find
    if inside:
        return f"`{path}` {problem}: the permit of this call does not give that right on it"
    return f"`{path}` {problem}: no part of this call's permit covers it"


def _covers(root: str, scope: str, path: str) -> bool:
    return PurePosixPath(path).is_relative_to(PurePosixPath(root, scope))
