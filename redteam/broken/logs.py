"""Logs and verifiers that believe what they should check.

In each the quick reader is off, since it checks by itself; the slow one has one function replaced.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from itertools import compress
from typing import TYPE_CHECKING, Any
from unittest import mock

import msgspec

from authgate_async.actors.log_writer import LogWriter
from authgate_async.errors import LogUnavailableError
from authgate_async.log import growth, reading, scanning
from authgate_async.log.growth import End
from authgate_async.log.lines import Fault, Line
from authgate_async.log.notes import read_note
from authgate_async.log.records import Intent, Rejected
from authgate_async.log.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from authgate_async.actors.log_writer import Group
    from authgate_async.log.records import Sealed

__all__ = [
    "believes_a_full_disk",
    "drops_what_comes_in_crowds",
    "follows_anything",
    "skips_every_signature",
    "skips_the_sums",
]

_OF_A_LINE = b'{"index":'


_append = LogWriter._append
_CROWD = 8


def believes_a_full_disk() -> AbstractContextManager[object]:
    """Take what the disk refuses for written."""

    async def append(writer: LogWriter, groups: Sequence[Group]) -> list[Any]:
        try:
            return list(await _append(writer, groups))
        except LogUnavailableError:
            return [0] * len(groups)

    return mock.patch.object(LogWriter, "_append", append)


def drops_what_comes_in_crowds() -> AbstractContextManager[object]:
    """Take denials for written, and do not write them, where there is much else to do."""

    async def append(writer: LogWriter, groups: Sequence[Group]) -> list[Any]:
        written = [len(groups) < _CROWD or not _denies(group) for group in groups]
        results = iter(await _append(writer, list(compress(groups, written))))
        return [next(results) if each else 0 for each in written]

    return mock.patch.object(LogWriter, "_append", append)


def _denies(group: Group) -> bool:
    return any(
        isinstance(record, Rejected) or (isinstance(record, Intent) and not record.permitted)
        for record in group
    )


@contextmanager
def follows_anything() -> Iterator[None]:
    """Leave out that lines follow each other, and that checkpoints and seals are over them all."""
    with _slow_reader() as patched:
        patched.enter_context(mock.patch.object(End, "check_place"))
        patched.enter_context(mock.patch.object(End, "check_root"))
        patched.enter_context(mock.patch.object(Rules, "_seal", _seal_anything))
        yield


_seal = Rules._seal


def _seal_anything(rules: Rules, record: Sealed) -> None:
    nodes = rules.end.tree.nodes.hex()
    _seal(rules, msgspec.structs.replace(record, nodes=nodes))


@contextmanager
def skips_the_sums() -> Iterator[None]:
    """Leave out that a line is true to its own sum."""
    with _slow_reader() as patched:
        patched.enter_context(mock.patch.object(reading, "read_line", _believed))
        yield


@contextmanager
def skips_every_signature() -> Iterator[None]:
    """Leave out that checkpoints are signed."""
    with _slow_reader() as patched:
        unchecked = mock.patch.object(growth, "check_note", lambda note, _: read_note(note))
        patched.enter_context(unchecked)
        yield


@contextmanager
def _slow_reader() -> Iterator[ExitStack]:
    with ExitStack() as patched:
        patched.enter_context(mock.patch.object(scanning, "scanner", return_value=None))
        yield patched


def _believed(raw: bytes) -> Line:
    """Take a line apart as `read_line` does, and believe its sum."""
    head, _, rest = raw.partition(b',"record":')
    record, _, tail = rest.rpartition(b',"sum":"')
    index, _, prev = head.removeprefix(_OF_A_LINE).partition(b',"prev":"')
    try:
        return Line(int(index), prev[:64].decode(), record, tail[:64].decode())
    except ValueError:
        raise Fault("the line has not the form of a record") from None
