"""The body: the process that runs the tool, from fork to exit."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NoReturn

import msgspec

from authgate_async import _native
from authgate_async.launchers.frames import (
    ERROR,
    MEMORY,
    NOT_CONFINED,
    RESULT,
    Input,
    error_content,
    refusal,
)
from authgate_async.launchers.protocol import numbers

if TYPE_CHECKING:
    from authgate_async.launchers.loading import Invocable
    from authgate_async.launchers.protocol import Folder, Limits

__all__ = ["outcome", "run", "warm_up"]

_decoder = msgspec.msgpack.Decoder(Input)


def run(  # pragma: no cover - nothing measures here
    warden: int, folder: str, limits: Limits, tool: Invocable, fds: list[int]
) -> NoReturn:
    """Confine this process, run the tool, hand back one frame, end.

    `fds` are stdout, stderr, result and the input file. Nothing runs after the tool: no exit
    handler, no finaliser, no other thread.
    """
    try:
        try:
            given = _decoder.decode(_read(fds[3]))
            _native.sandbox_confine(warden, (fds[0], fds[1], fds[2]), folder, numbers(limits))
        except BaseException as error:  # noqa: BLE001 - not confined: the tool must not run
            os.ftruncate(fds[3], 0)
            os.pwrite(fds[3], refusal(error), 0)
            os._exit(NOT_CONFINED)
        kind, content, _ = outcome(tool, given.args, given.folders)
        _native.sandbox_hand_back(kind, content, b"")
    finally:
        os._exit(70)


def outcome(
    tool: Invocable, args: bytes, folders: tuple[Folder, ...]
) -> tuple[int, bytes, BaseException | None]:
    """Run the tool; return kind and content of the frame of its result or error, and the error."""
    failed: BaseException | None = None
    try:
        kind, content = RESULT, tool.invoke(args, folders)
    except MemoryError as error:
        kind, content, failed = MEMORY, b"", error
    except BaseException as error:  # noqa: BLE001 - SystemExit too is how a tool may fail
        kind, content = _error(error)
        failed = error
    _flush()
    return kind, content, failed


def _error(error: BaseException) -> tuple[int, bytes]:
    try:
        return ERROR, error_content(error)
    except MemoryError:
        return MEMORY, b""


def _lines() -> None:
    """Hand on each line when it is printed: what was said before a kill is worth having."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:  # noqa: SIM105 - a context manager touches more, all of which is copied for each call
            stream.flush()
        except Exception:  # noqa: BLE001, S110 - the tool may have put anything there
            pass


def _read(fd: int) -> bytes:
    size = os.fstat(fd).st_size
    data = bytearray()
    while part := os.pread(fd, size, len(data)):
        data += part
    return bytes(data)


def warm_up() -> None:
    """Run what every body runs, so that its pages are there before the first fork."""
    _lines()
    _flush()
    error_content(ValueError("warm"))
    msgspec.json.encode({})
    _decoder.decode(msgspec.msgpack.encode(Input(b"{}", ())))
