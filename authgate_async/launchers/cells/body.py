"""The body of a cell: what happens once the jail has closed."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, NoReturn

from authgate_async import _native
from authgate_async.launchers.body import outcome
from authgate_async.launchers.frames import Notes, notes_content
from authgate_async.launchers.protocol import Folder

if TYPE_CHECKING:
    from authgate_async.launchers.loading import Invocable

__all__ = ["run"]

_PATHS = 8
_PATH_BYTES = 256


def run(  # pragma: no cover - nothing measures here
    tool: Invocable,
    args: bytes,
    folders: list[tuple[str, str, str, str, int]],
    programs: bool,  # noqa: FBT001 - as native code hands it over
) -> NoReturn:
    """Run the tool, hand back one frame, end.

    Never raises into the template's code. Nothing runs after the tool: no exit handler, no
    finaliser, no other thread.
    """
    try:
        named = tuple([Folder(*folder) for folder in folders]) if folders else ()
        kind, content, failed = outcome(tool, args, named)
        notes = b""
        if failed is not None or _native.jail_denied():
            notes = notes_content(_notes(failed, programs=programs))
        _native.sandbox_hand_back(kind, content, notes)
    finally:
        os._exit(70)


def _notes(failed: BaseException | None, *, programs: bool) -> Notes:
    """Return what was refused on the way to an error, and every system call that was trapped.

    Where programs may be started nothing is trapped, and no refusal is one of a start.
    """
    calls = _native.jail_denied()
    if not (calls or programs) and _is_start(failed):
        calls.append(("clone", 0))
    paths: list[tuple[int, str]] = []
    while failed is not None and len(paths) < _PATHS:
        if isinstance(failed, OSError) and failed.errno and isinstance(failed.filename, str):
            paths.append((failed.errno, failed.filename[:_PATH_BYTES]))
        failed = failed.__cause__ or failed.__context__
    return Notes(tuple(calls), tuple(paths))


def _is_start(failed: BaseException | None) -> bool:
    """Return whether a process was refused, for which no trap is made."""
    refused = isinstance(failed, PermissionError) and failed.errno == errno.EPERM
    return refused and failed.filename is None  # type: ignore[union-attr]
