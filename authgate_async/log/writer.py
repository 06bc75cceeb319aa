"""The log's writer: numbers records, chains their lines, appends a batch in one write.

Synchronous, for a worker thread; calls from several threads take turns.
"""

from __future__ import annotations

import time
from collections import deque
from hashlib import sha256
from threading import Lock
from typing import TYPE_CHECKING, Literal, Self

import msgspec

from authgate_async.errors import ClosedError, UsageError
from authgate_async.log.lines import FIRST, MAX_RECORD, make_line
from authgate_async.log.numbering import Numbering
from authgate_async.log.records import LogOpened, Record, Sealed, encode_record, render_record
from authgate_async.log.storage import Storage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = ["Durability", "LogFile", "head_to_sign"]

Durability = Literal["fsync", "os", "memory"]
"""When a record counts as written: on the disk; with the operating system, which survives our own
death but not a power cut; nowhere, where only the chain is computed."""


class LogFile:
    """A log that is open for writing. `count` is the number of its records, `head` the last `sum`.

    `cut_bytes` is the length of the torn last line that was cut at opening. `recent` holds the last
    lines, as many as `keep` said at opening (none by default).
    """

    def __init__(self, storage: Storage | None, keep: int) -> None:
        self._storage = storage
        self._mutex = Lock()
        self._numbering = Numbering()
        self._closed = False
        self.count = storage.count if storage else 0
        self._begin = self.count
        self.head = storage.head if storage else FIRST
        self.cut_bytes = storage.cut_bytes if storage else 0
        self.recent: deque[bytes] = deque(maxlen=keep)

    @classmethod
    def open(cls, folder: Path | None, durability: Durability = "fsync", *, keep: int = 0) -> Self:
        """Open the log in `folder`, or begin one there; `memory` takes no folder.

        Raises:
            LogUnavailableError: Another process has it open, or it cannot be written.
            LogCorruptError: Its last line is damaged.
            UsageError: A folder with `memory`, or none without it.
        """
        if durability not in ("fsync", "os", "memory"):
            raise UsageError(f"durability `{durability}` is none of `fsync`, `os`, `memory`")
        if durability == "memory":
            if folder is not None:
                raise UsageError("a log in memory has no folder; give no folder, or use `os`")
            return cls(None, keep)
        if folder is None:
            raise UsageError(f"a log with durability `{durability}` needs a folder; name one")
        return cls(Storage(folder, sync=durability == "fsync"), keep)

    def append(self, records: Sequence[Record]) -> int:
        """Append all records, in this order, or none; return the index of the first.

        Raises what `append_groups` returns or raises.
        """
        first = self.append_groups([records])[0]
        if isinstance(first, UsageError):
            raise first
        return first

    def append_groups(
        self, groups: Sequence[Sequence[Record]], *, checked: bool = False
    ) -> list[int | UsageError]:
        """Append groups of records in one write, each group whole or not at all.

        `checked` says that a channel decoded them as records, so that their fields are of their
        types; otherwise each is read back before it is written.

        For each group returns the index of its first record, or why none of it can be stored: so
        one sender's bad record does not hold up the others.

        Raises:
            LogUnavailableError: Nothing of any group was written; its `__cause__` tells a full disk
                from others. Trying again may help.
            ClosedError: The log was closed.
        """
        with self._mutex:
            if self._closed:
                raise ClosedError("the log is closed; open it again to append")
            return self._append(groups, render_record if checked else encode_record)

    def close(self, sign: Callable[[bytes], bytes] | None = None) -> None:
        """Close the log and give its folder free, also on an error; more than once does no harm.

        `sign` is the kernel's `sign_head`: with it, a last record seals what was appended. Without
        it, nothing shows whether the log once was longer. Raises `LogUnavailableError`.
        """
        with self._mutex:
            if self._closed:
                return
            self._closed = True
            try:
                if sign is not None and self.count > self._begin:
                    self._seal(sign)
            finally:
                if self._storage:
                    self._storage.close()

    def _append(
        self, groups: Sequence[Sequence[Record]], encode: Callable[[Record], bytes]
    ) -> list[int | UsageError]:
        chain = _Chain(self.count, self.head)
        try:
            answers = [self._add(group, chain, encode) for group in groups]
            self._write(chain)
            self._numbering.keep()
        finally:
            self._numbering.drop()
        return answers

    def _add(
        self, group: Sequence[Record], chain: _Chain, encode: Callable[[Record], bytes]
    ) -> int | UsageError:
        """Put the lines of a group behind those of `chain`; none if one cannot be stored."""
        first = chain.count
        try:
            self._check_place(first, group)
            numbered, places = self._numbering.number(group)
            encoded = [_bounded(record, encode(record)) for record in numbered]
        except UsageError as error:
            return error
        self._numbering.stage(places)
        for data in encoded:
            chain.add(data)
        return first

    def _check_place(self, first: int, group: Sequence[Record]) -> None:
        for index, record in enumerate(group, first):
            if isinstance(record, LogOpened) != (index == self._begin):
                raise UsageError("`log_opened` is the first record after opening, and only that")
            if isinstance(record, Sealed):
                raise UsageError("`sealed` is written by closing; do not append it")

    def _write(self, chain: _Chain) -> None:
        if not chain.lines:
            return
        if self._storage:
            self._storage.write(b"".join(chain.lines))
        self.recent.extend(chain.lines)
        self.count, self.head = chain.count, chain.head

    def _seal(self, sign: Callable[[bytes], bytes]) -> None:
        blank = Sealed(count=self.count, signature="", time=time.time_ns() // 1000)
        signature = sign(head_to_sign(self.head, blank)).hex()
        sealed = msgspec.structs.replace(blank, signature=signature)
        chain = _Chain(self.count, self.head)
        chain.add(encode_record(sealed))
        self._write(chain)


class _Chain:
    """Lines to be written; `count` and `head` are those of the log once they are."""

    __slots__ = ("count", "head", "lines")

    def __init__(self, count: int, head: str) -> None:
        self.lines: list[bytes] = []
        self.count = count
        self.head = head

    def add(self, record: bytes) -> None:
        line, self.head = make_line(self.count, self.head, record)
        self.lines.append(line)
        self.count += 1


def _bounded(record: Record, data: bytes) -> bytes:
    if len(data) > MAX_RECORD:
        kind = type(record).__name__
        raise UsageError(
            f"a {kind} record has {len(data)} bytes, more than {MAX_RECORD}; shorten it"
        )
    return data


def head_to_sign(prev: str, sealed: Sealed) -> bytes:
    """Return the 32 bytes that the seal signs: SHA-256 over `prev` as stored and the bare record.

    The bare record is the canonical JSON of `sealed` without its key `signature`.
    """
    bare = {"count": sealed.count, "kind": "sealed", "time": sealed.time}
    return sha256(prev.encode() + msgspec.json.encode(bare)).digest()
