"""What crosses between runtime, template, warden and body.

The *status socket* of a call carries whole messages from trusted processes: the warden's `STARTED`
and report, the template's `LOST` and `REFUSED`. The *result pipe* carries one frame from the body,
which is untrusted: a tag, the length as 8 bytes little-endian, and that many bytes.
"""

from __future__ import annotations

import struct
from typing import Literal

import msgspec

from authgate_async.launchers.protocol import Folder, Limits, ToolRef
from authgate_async.launchers.sentences import describe, plain

__all__ = [
    "ERROR_BYTES",
    "FRAME_HEAD",
    "LOST",
    "MEMORY_FRAME",
    "READY",
    "REFUSED",
    "STARTED",
    "Input",
    "Order",
    "Report",
    "error_frame",
    "read_frame",
    "read_report",
    "result_frame",
    "sentence",
]

READY = b"Y"
STARTED = b"H"
LOST = b"L"
REFUSED = b"R"
"""Prefix: the template could not load the tool; a sentence follows."""

FRAME_HEAD = struct.Struct("<cQ")
ERROR_BYTES = 4096
"""The longest sentence in UTF-8, and then some: an error frame is never cut by the result cap."""

MEMORY_FRAME = FRAME_HEAD.pack(b"M", 0)
"""Ready before memory runs out."""

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

    why: Literal["exited", "crowded", "late", "ordered", "abandoned"]
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


def result_frame(result: bytes) -> bytes:
    """Return the frame of a result."""
    return FRAME_HEAD.pack(b"R", len(result)) + result


def error_frame(error: BaseException, tag: bytes = b"E") -> bytes:
    """Return the frame of an exception; tag `S` says that confining the body failed."""
    sentence = describe(error).encode("utf-8", "backslashreplace")
    return FRAME_HEAD.pack(tag, len(sentence)) + sentence


_Kind = Literal["result", "error", "memory", "unconfined", "broken"]
_KINDS: dict[bytes, _Kind] = {b"R": "result", b"E": "error", b"M": "memory", b"S": "unconfined"}


def read_frame(data: bytes) -> tuple[_Kind, bytes]:
    """Return kind and content of the one frame in `data`; anything else is `broken`."""
    if len(data) < FRAME_HEAD.size:
        return "broken", b""
    tag, length = FRAME_HEAD.unpack_from(data)
    content = data[FRAME_HEAD.size :]
    if length != len(content):
        return "broken", b""
    return _KINDS.get(tag, "broken"), content


def sentence(content: bytes) -> str:
    """Return the sentence of an error frame, made harmless again: its writer is untrusted."""
    return plain(content[:ERROR_BYTES].decode("utf-8", "replace"))
