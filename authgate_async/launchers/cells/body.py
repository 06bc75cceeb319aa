"""The body of a cell: from fork to exit, with the jail closing in between."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING, NoReturn

import msgspec

from authgate_async import _native
from authgate_async.launchers.body import numbers, outcome, write_all
from authgate_async.launchers.cells.messages import ARMED, FAILED, HEAD, NOT_ARMED, CellInput
from authgate_async.launchers.frames import NOT_CONFINED, Notes, error_frame, notes_frame, refusal
from authgate_async.launchers.sentences import describe

if TYPE_CHECKING:
    import socket

    from authgate_async.launchers.loading import Invocable
    from authgate_async.launchers.protocol import ToolRef

    Loaded = dict[ToolRef, Invocable | BaseException]

__all__ = ["run"]

_RESULT = 3
_PATHS = 8
_PATH_BYTES = 256
_decoder = msgspec.msgpack.Decoder(CellInput)


def run(  # pragma: no cover - nothing measures here
    number: int,
    control: socket.socket,
    base: _native.JailBase,
    scratch_bytes: int,
    tools: Loaded,
) -> NoReturn:
    """Arm a cell, wait for a call, lock the cell, run the tool, hand back one frame, end.

    Never raises into the template's code. Nothing runs after the tool: no exit handler, no
    finaliser, no other thread.
    """
    try:
        try:
            cell = base.arm(scratch_bytes)
            cell.announce(control.fileno(), HEAD.pack(ARMED, number))
        except BaseException as error:  # noqa: BLE001 - not armed: the runtime must know
            control.send(HEAD.pack(FAILED, number) + describe(error).encode())
            os._exit(NOT_ARMED)
        control.close()
        said = cell.wait()
        if said is not None:
            _serve(_decoder.decode(said), cell, base, tools)
        os._exit(0)
    finally:
        os._exit(70)


def _serve(
    given: CellInput, cell: _native.JailCell, base: _native.JailBase, tools: Loaded
) -> None:  # pragma: no cover - nothing measures here
    grants = [(folder.path, folder.scope, folder.rights) for folder in given.folders]
    try:
        cell.lock(base, grants, numbers(given.limits), given.programs)
    except BaseException as error:  # noqa: BLE001 - not confined: the tool must not run
        cell.refuse(refusal(error))
        os._exit(NOT_CONFINED)
    tool = tools[given.tool]
    if isinstance(tool, BaseException):
        write_all(_RESULT, error_frame(tool))
        return
    if "random" in sys.modules:  # each call of a template would draw the same otherwise
        sys.modules["random"].seed()
    frame, failed = outcome(tool, given.args, given.folders)
    write_all(_RESULT, frame + notes_frame(_notes(failed, programs=given.programs)))


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
