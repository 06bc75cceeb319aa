r"""One line of the log, and how it is chained to the line before.

``{"index":N,"prev":"<64 hex>","record":{...},"sum":"<64 hex>"}\n``: the bytes of the line before
``,"sum":"`` are a leaf of the log's tree, `sum` is that leaf's hash (RFC 6962, section 2.1), `prev`
is the `sum` of the line before, 64 zeros in the first.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import NamedTuple

__all__ = [
    "FIRST",
    "MAX_LINE",
    "MAX_RECORD",
    "Fault",
    "Line",
    "leaf_of",
    "line_of",
    "line_start",
    "make_line",
    "read_line",
]

FIRST = "0" * 64
"""The `prev` of the first line."""

MAX_LINE = 4 * 2**20
"""The longest line, its newline included, in bytes."""

MAX_RECORD = MAX_LINE - 256
"""The longest record, in bytes: a line adds less than the rest to it."""

_HEAD = re.compile(rb'\{"index":(0|[1-9][0-9]{0,15}),"prev":"([0-9a-f]{64})","record":(?=\{)')
_TAIL = re.compile(rb',"sum":"([0-9a-f]{64})"\}\n')
_TAIL_LENGTH = len(b',"sum":""}\n') + 64


class Fault(Exception):  # noqa: N818  # found in data, not raised at a caller
    """What is wrong with a log, as a clause; `remedy` is what to do, if that is special."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy


class Line(NamedTuple):
    """A line whose form and sum are right."""

    number: int
    prev: str
    record: bytes
    sum: str


def line_start(index: int, prev: str) -> bytes:
    """Return the bytes with which line `index` begins, up to its record."""
    return b'{"index":%d,"prev":"%s","record":' % (index, prev.encode())


def make_line(index: int, prev: str, record: bytes) -> tuple[bytes, str]:
    """Return the line of a canonically encoded record, and its sum."""
    body = line_start(index, prev) + record
    digest = sha256(b"\0" + body).hexdigest()
    return _ended(body, digest), digest


def leaf_of(line: Line) -> bytes:
    """Return the bytes of a line that its sum is over, a leaf of the log's tree."""
    return line_start(line.number, line.prev) + line.record


def line_of(leaf: bytes, sum_: str) -> Line:
    """Return the line of a leaf whose hash this is; raises `Fault` if it is none of a line."""
    return read_line(_ended(leaf, sum_))


def _ended(body: bytes, digest: str) -> bytes:
    return b'%s,"sum":"%s"}\n' % (body, digest.encode())


def read_line(raw: bytes) -> Line:
    """Take a line apart and check its sum; raises `Fault` where its form or its sum is wrong."""
    head = _HEAD.match(raw)
    tail = _TAIL.fullmatch(raw, max(0, len(raw) - _TAIL_LENGTH))
    if head is None or tail is None or head.end() > tail.start():
        raise Fault("the line has not the form of a record")
    stored = tail[1].decode()
    if sha256(b"\0" + raw[: tail.start()]).hexdigest() != stored:
        raise Fault("the line does not match its own sum: it was changed after it was written")
    return Line(int(head[1]), head[2].decode(), raw[head.end() : tail.start()], stored)
