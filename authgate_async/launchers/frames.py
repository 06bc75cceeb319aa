"""What crosses between runtime, template, warden and body.

The *status socket* of a call carries whole messages from trusted processes: the warden's `STARTED`
and report, the template's `LOST` and `REFUSED`. The *result pipe* carries one frame from the body,
which is untrusted: a tag, the length as 8 bytes little-endian, and that many bytes. From a jail a
second one may follow, with notes on what was refused.
"""

from __future__ import annotations

import os
import struct
from typing import Literal

import msgspec

from authgate_async.launchers.protocol import Folder, Limits, ToolRef
from authgate_async.launchers.sentences import describe, plain

__all__ = [
    "ERROR",
    "ERROR_BYTES",
    "FRAME_HEAD",
    "LOST",
    "MEMORY",
    "NOTES_BYTES",
    "NOT_CONFINED",
    "READY",
    "REFUSED",
    "RESULT",
    "STARTED",
    "UNCONFINED",
    "Frame",
    "Input",
    "Notes",
    "Order",
    "Report",
    "error_content",
    "notes_content",
    "read_frame",
    "read_refusal",
    "read_report",
    "refusal",
    "sentence",
]

READY = b"Y"
STARTED = b"H"
LOST = b"L"
UNCONFINED = b"S"

NOT_CONFINED = 72
"""The status of a process around which no confinement closed; its tool did not run."""

REFUSED = b"R"
"""Prefix: the template could not load the tool; a sentence follows."""

FRAME_HEAD = struct.Struct("<cQ")
ERROR_BYTES = 4096
"""The longest sentence in UTF-8, and then some: an error frame is never cut by the result cap."""

NOTES_BYTES = 4096
"""The longest frame of notes."""

RESULT, ERROR, MEMORY = b"REM"
"""The kinds of frames; one of `MEMORY` is empty: there may be none left to say more."""

_REPORT = struct.Struct("<cBiiQQ")
_WHY: tuple[Literal["exited", "crowded", "late", "ordered", "abandoned"], ...] = (
    "exited",
    "crowded",
    "late",
    "ordered",
    "abandoned",
)


class Order(msgspec.Struct, frozen=True, array_like=True):
    """What the template needs of a call: which tool, which limits."""

    tool: ToolRef
    limits: Limits


class Input(msgspec.Struct, frozen=True, array_like=True):
    """What only the body reads."""

    args: bytes
    folders: tuple[Folder, ...]


class Report(msgspec.Struct, frozen=True):
    """The warden's last word; `sandbox/src/warden.rs` writes it."""

    why: Literal["exited", "crowded", "late", "ordered", "abandoned", "memory"]
    code: int
    signal: int
    cpu_us: int
    memory_bytes: int


def read_report(message: bytes) -> Report | None:
    """Return the report in a status message, or None if it is no report."""
    if len(message) != _REPORT.size or message[:1] != b"E":
        return None
    _, why, *rest = _REPORT.unpack(message)
    return Report(_WHY[why], *rest) if why < len(_WHY) else None


def error_content(error: BaseException) -> bytes:
    """Return what the frame of an exception holds."""
    return describe(error).encode("utf-8", "backslashreplace")


def refusal(error: BaseException) -> bytes:
    """Return what a process that could not be confined leaves in the file of its call."""
    return UNCONFINED + error_content(error)


def read_refusal(file: int, report: Report | None) -> bytes:
    """Return the sentence of a process that could not be confined, or nothing.

    No tool has access to that file, and none can put there what a call does not start with.
    """
    if report is None or report.code != NOT_CONFINED:
        return b""
    word = os.pread(file, ERROR_BYTES, 0)
    return word[len(UNCONFINED) :] if word.startswith(UNCONFINED) else b""


class Notes(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a jail refused: system calls with the lower half of their first argument, and paths.

    `paths` stand with the errno that opening them gave.
    """

    calls: tuple[tuple[str, int], ...] = ()
    paths: tuple[tuple[int, str], ...] = ()


NO_NOTES = Notes()


def notes_content(notes: Notes) -> bytes:
    """Return what the frame of notes holds, or nothing if there are none or they are too long."""
    content = b"" if notes == NO_NOTES else msgspec.msgpack.encode(notes)
    return content if len(content) <= NOTES_BYTES else b""


_Kind = Literal["result", "error", "memory", "broken"]
_KINDS: dict[bytes, _Kind] = {b"R": "result", b"E": "error", b"M": "memory"}
_notes = msgspec.msgpack.Decoder(Notes).decode

Frame = tuple[_Kind, bytes, Notes]
"""Kind and content of what a body handed back, and the notes of its jail."""


def read_frame(data: bytes) -> Frame:
    """Return kind and content of the frame in `data`, and the notes behind it.

    What is not one frame, or one and one of notes, is `broken`.
    """
    tag, content, rest = _split(data)
    kind = _KINDS.get(tag, "broken")
    if not rest:
        return kind, content, NO_NOTES
    mark, notes, more = _split(rest)
    if mark != b"D" or more or kind == "broken" or len(notes) > NOTES_BYTES:
        return "broken", b"", NO_NOTES
    try:
        return kind, content, _notes(notes)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return "broken", b"", NO_NOTES


def _split(data: bytes) -> tuple[bytes, bytes, bytes]:
    """Divide data into the tag and content of its first frame, and what follows it."""
    if len(data) < FRAME_HEAD.size:
        return b"", b"", b""
    tag, length = FRAME_HEAD.unpack_from(data)
    end = FRAME_HEAD.size + length
    if len(data) < end:
        return b"", b"", b""
    return tag, data[FRAME_HEAD.size : end], data[end:]


def sentence(content: bytes) -> str:
    """Return the sentence of an error frame, made harmless again: its writer is untrusted."""
    return plain(content[:ERROR_BYTES].decode("utf-8", "replace"))
