"""That one record stands in a log: C2SP `tlog-proof`, to be handed out and checked by itself.

Source of the form: c2sp.org/tlog-proof. The `extra` line holds the record's leaf: the line as it is
stored, up to but not including its ``,"sum":"``.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from authgate_async.backends import compact_range
from authgate_async.errors import UsageError
from authgate_async.log.lines import Fault, Line, leaf_of, line_of
from authgate_async.log.notes import Note, b64, check_note, unb64
from authgate_async.log.reading import all_sums, last_checkpoint
from authgate_async.reference.tree import root_of

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Proved", "check_proof", "prove", "siblings"]

_HEAD = "c2sp.org/tlog-proof@v1"
_PROOF = re.compile(
    f"{re.escape(_HEAD)}\nextra (?P<leaf>[A-Za-z0-9+/]+={{0,2}})\n"
    "index (?P<index>0|[1-9][0-9]{0,15})\n(?P<path>(?:[A-Za-z0-9+/]{43}=\n){0,63})\n(?P<note>.+)",
    re.DOTALL,
)


class Proved(NamedTuple):
    """A record that stands in the tree of a checkpoint."""

    line: Line
    note: Note


def prove(log: Path, index: int) -> str:
    """Return the proof of record `index` in the tree of the log's last checkpoint.

    Reads the log twice, in memory that does not grow with it.

    Raises:
        UsageError: There is no log, or the record is under no checkpoint, or was removed.
        LogCorruptError: A line is damaged or out of its place.
        LogUnavailableError: The log cannot be read.
    """
    size, note = last_checkpoint(log)
    if not 0 <= index < size:
        raise UsageError(
            f"record {index} is under no checkpoint; there are records 0 to {size - 1}"
        )
    spans = siblings(index, size)
    nodes = [compact_range() for _ in spans]
    leaf = b""
    for number, (sum_, line) in enumerate(all_sums(log)):
        if number == index:
            leaf = _leaf_there(line, index)
        for (begin, end), node in zip(spans, nodes, strict=True):
            if begin <= number < end:
                node.push(bytes.fromhex(sum_))
    path = "".join(f"{b64(node.root())}\n" for node in nodes)
    return f"{_HEAD}\nextra {b64(leaf)}\nindex {index}\n{path}\n{note}"


def _leaf_there(line: Line | None, index: int) -> bytes:
    if line is None:
        raise UsageError(
            f"record {index} was removed by retention; put its file back, from where you keep it"
        )
    return leaf_of(line)


def siblings(index: int, size: int) -> list[tuple[int, int]]:
    """Return which leaves, from and to, the nodes of an inclusion path are over; leaf's side first.

    RFC 6962, section 2.1.1, from the root down: the tree is split at the largest power of two.
    """
    found: list[tuple[int, int]] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + (1 << (end - begin - 1).bit_length() - 1)
        if index < middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((begin, middle))
            begin = middle
    return found[::-1]


def check_proof(text: str, public_key: bytes) -> Proved:
    """Return what a proof proves under the log's key; raises `Fault` if that is nothing."""
    match = _PROOF.fullmatch(text)
    if match is None:
        raise Fault("it is not a tlog-proof that carries its record")
    note = check_note(match["note"], public_key)
    leaf, index = unb64(match["leaf"]), int(match["index"])
    steps = b"".join(unb64(step) for step in match["path"].splitlines())
    if root_of(leaf, index, note.size, steps) != note.root:
        raise Fault("the record is not in the tree of its checkpoint")
    line = line_of(leaf, sha256(b"\0" + leaf).hexdigest())
    if line.number != index:
        raise Fault(f"its record has index {line.number}, not {index}")
    return Proved(line, note)
