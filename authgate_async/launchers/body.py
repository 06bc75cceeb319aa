"""The body: the process that runs the tool, from fork to exit."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, NoReturn

import msgspec

from authgate_async import _native
from authgate_async.launchers.frames import (
    MEMORY_FRAME,
    NOT_CONFINED,
    Input,
    error_frame,
    refusal,
    result_frame,
)

if TYPE_CHECKING:
    from authgate_async.launchers.loading import Invocable
    from authgate_async.launchers.protocol import Folder, Limits

__all__ = ["numbers", "outcome", "run", "warm_up", "write_all"]

_RESULT = 3
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
        write_all(_RESULT, outcome(tool, given.args, given.folders)[0])
        os._exit(0)
    finally:
        os._exit(70)


def outcome(
    tool: Invocable, args: bytes, folders: tuple[Folder, ...]
) -> tuple[bytes, BaseException | None]:
    """Run the tool; return the frame of its result or error, and the error."""
    failed: BaseException | None = None
    try:
        result = tool.invoke(args, folders)
        frame = result_frame(result)
    except MemoryError as error:
        frame, failed = MEMORY_FRAME, error
    except BaseException as error:  # noqa: BLE001 - SystemExit too is how a tool may fail
        frame, failed = _error(error), error
    _flush()
    return frame, failed


def _error(error: BaseException) -> bytes:
    try:
        return error_frame(error)
    except MemoryError:
        return MEMORY_FRAME


def numbers(limits: Limits) -> tuple[int, int, int, int, int, int]:
    """Return limits in the order in which native code takes them."""
    return (
        limits.cpu_seconds,
        limits.memory_bytes,
        limits.file_bytes,
        limits.open_files,
        limits.processes,
        limits.scratch_bytes,
    )


def _lines() -> None:
    """Hand on each line when it is printed: what was said before a kill is worth having."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # the tool may have put anything there, or closed it
            stream.flush()


def _read(fd: int) -> bytes:
    size = os.fstat(fd).st_size
    data = bytearray()
    while part := os.pread(fd, size, len(data)):
        data += part
    return bytes(data)


def write_all(fd: int, data: bytes) -> None:
    """Write to a pipe, however often it takes."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def warm_up() -> None:
    """Run what every body runs, so that its pages are there before the first fork."""
    _lines()
    _flush()
    error_frame(ValueError("warm"))
    read, write = os.pipe()
    write_all(write, result_frame(msgspec.json.encode({})))
    os.close(read)
    os.close(write)
    _decoder.decode(msgspec.msgpack.encode(Input(b"{}", ())))
