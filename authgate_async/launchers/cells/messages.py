"""What crosses between the runtime, the template of a jail, and its cells.

The *control socket* carries whole messages of trusted code: to the template one `Plan` and then
which cells were taken, from it READY with two facts, and for each cell either `ARMED` with six
descriptors (and the number of its control group, if it is in one) or `FAILED` with a sentence, and
at its end a report. A cell finds its call in a file in memory when a byte comes over a pipe; it has
let go of the control socket before that. If the jail does not close around it, it leaves the reason
in that file; no tool has access to it.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Literal

import msgspec

from authgate_async.launchers.frames import Report
from authgate_async.launchers.protocol import ToolRef, numbers

if TYPE_CHECKING:
    from authgate_async.launchers.protocol import Call, Folder

__all__ = [
    "ARMED",
    "FAILED",
    "HEAD",
    "ORDER",
    "Plan",
    "call_message",
    "read_ended",
    "read_leaf",
    "take_message",
]

ARMED = b"A"
FAILED = b"F"
ORDER = b"O"

HEAD = struct.Struct("<cQ")
"""The kind of a message, and the number of its cell."""

_TAKE = struct.Struct("<QQI")
_CALL = struct.Struct("<I?6QI")
_LENGTH = struct.Struct("<I")
_RIGHTS = 0xFF
_ENDED = struct.Struct("<cQBiiQQ")
_WHY: tuple[Literal["exited", "crowded", "late", "memory"], ...] = (
    "exited",
    "crowded",
    "late",
    "memory",
)
_LEAF = struct.Struct("<I")


class Plan(msgspec.Struct, frozen=True, array_like=True):
    """What a template is for: its tools, how many cells to arm, the bytes of their scratch.

    `programs` says which kind of calls it runs: those that may start programs, or the others.
    `group` is the path of the control group that the cells' own are in; empty if they have none.
    """

    tools: tuple[ToolRef, ...]
    armed: int
    scratch_bytes: int
    programs: bool
    group: str


def read_leaf(message: bytes) -> int | None:
    """Return the number of the control group of an armed cell, if it is in one."""
    return _LEAF.unpack_from(message, HEAD.size)[0] if len(message) > HEAD.size else None


def take_message(cell: int, wall_ms: int, processes: int) -> bytes:
    """Return the message that a cell got its call: the template arms another for it.

    It sees that this one keeps to `wall_ms` and a little, and to `processes`, if that is not 0.
    """
    return _TAKE.pack(cell, wall_ms, processes)


def call_message(tool: int, call: Call) -> bytes:
    """Return what a cell is told of its call, whose tool has that number in the plan.

    The format stands at `Told::read` in `sandbox/src/jail/told.rs`.
    """
    head = _CALL.pack(tool, call.programs, *numbers(call.limits), len(call.folders))
    return b"".join((head, *map(_folder, call.folders), call.args))


def _folder(folder: Folder) -> bytes:
    texts = (folder.rtype, folder.name, folder.path, folder.scope)
    encoded = [text.encode() for text in texts]
    parts = [part for text in encoded for part in (_LENGTH.pack(len(text)), text)]
    return b"".join((bytes([folder.rights & _RIGHTS]), *parts))


def read_ended(message: bytes) -> tuple[int, Report]:
    """Return the cell of such a message, and its report."""
    _, cell, why, *rest = _ENDED.unpack(message)
    return cell, Report(_WHY[why], *rest)
