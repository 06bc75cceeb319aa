"""The log's writer: numbers records, chains their lines, appends a batch in one write.

Synchronous, for a worker thread; calls from several threads take turns.
"""

from __future__ import annotations

import time
from collections import deque
from hashlib import sha256
from threading import Lock
from typing import TYPE_CHECKING, Literal, Self

from authgate_async.errors import ClosedError, LogUnavailableError, UsageError
from authgate_async.log.growth import End
from authgate_async.log.in_force import InForce
from authgate_async.log.lines import MAX_RECORD, Fault
from authgate_async.log.numbering import Numbering
from authgate_async.log.records import (
    Checkpoint,
    GrantsCarried,
    LogOpened,
    Record,
    RecordsRemoved,
    RegistryChange,
    RunCarried,
    RunOpened,
    Sealed,
    SegmentOpened,
    encode_record,
    render_record,
)
from authgate_async.log.recovery import Recovered, recover
from authgate_async.log.rotation import Rotation, head
from authgate_async.log.storage import Storage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from authgate_async.log.growth import Signer

__all__ = ["Durability", "LogFile"]

Durability = Literal["fsync", "os", "memory"]
"""When a record counts as written: on the disk; with the operating system, which survives our own
death but not a power cut; nowhere, where only chain and tree are computed."""


_WRITERS = (Checkpoint, GrantsCarried, RecordsRemoved, RunCarried, Sealed, SegmentOpened)
"""Records that only the writer makes."""

_MICRO = 1_000_000

_TOLD = 64
"""Groups of changes that are known again when they come a second time."""


class LogFile:
    """A log that is open for writing. `count` is the number of its records, `head` the last `sum`.

    `cut_bytes` is the length of the torn last line that was cut at opening. What a process before
    left in flight is ended behind this session's `log_opened`.
    """

    def __init__(
        self,
        storage: Storage | None,
        signer: Signer | None,
        rotation: Rotation | None = None,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._storage = storage
        self._signer = signer
        self._rotation = rotation
        self._tell = tell
        self._mutex = Lock()
        self._numbering = Numbering()
        self.owing = self._numbering.owing
        """Runs of which outcomes may come after their end; told before that is appended."""
        self._grants = InForce(forgets=True)
        self._told: deque[bytes] = deque(maxlen=_TOLD)
        self._auditor = ""
        self._closed = False
        self.kept: list[tuple[Record, ...]] = []
        """Groups that could not be written yet; a log is not sealed without them."""
        self._head_size = 0
        self._old: list[tuple[int, int]] = []
        self._end, places, self._endings, began = _recovered(storage)
        self._began = began or _now()
        self._begin = self._end.count
        self._numbering.stage(places)
        self._numbering.keep()
        self.cut_bytes = storage.cut_bytes if storage else 0

    @classmethod
    def open(
        cls,
        folder: Path | None,
        durability: Durability = "fsync",
        signer: Signer | None = None,
        rotation: Rotation | None = None,
        tell: Callable[[str], None] = lambda _: None,
    ) -> Self:
        """Open the log in `folder`, or begin one there; `memory` takes no folder.

        `signer`, a kernel, signs a checkpoint for each append, and seals the log at its end.
        Without one (the default) nothing shows whether the log once was longer, and there is no
        `rotation`: the log stays in the file that it is in. `tell` is told, in a sentence, when a
        closed file that is due cannot be removed.

        Raises:
            LogUnavailableError: Another process has it open, or it cannot be written.
            LogCorruptError: It is damaged where it would go on.
            UsageError: A folder with `memory`, or none without it.
        """
        if durability not in ("fsync", "os", "memory"):
            raise UsageError(f"durability `{durability}` is none of `fsync`, `os`, `memory`")
        if durability == "memory":
            if folder is not None:
                raise UsageError("a log in memory has no folder; give no folder, or use `os`")
            return cls(None, signer)
        if folder is None:
            raise UsageError(f"a log with durability `{durability}` needs a folder; name one")
        storage = Storage(folder, sync=durability == "fsync")
        try:
            return cls(storage, signer, rotation, tell)
        except BaseException:
            storage.close()
            raise

    @property
    def count(self) -> int:
        """How many records there are, checkpoints among them."""
        return self._end.count

    @property
    def head(self) -> str:
        """The `sum` of the last line."""
        return self._end.head

    def began(self, opening: RunOpened) -> bool:
        """Whether this run is open in the log."""
        return self._numbering.began(opening)

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
        one sender's bad record does not hold up the others. A change that is in force is sent until
        it is acknowledged: a group of changes that was written a short while ago, equal in every
        byte, is left out. So is the opening of a run that is open where other records follow it:
        whoever sent it before may not have heard that it was written.

        Raises:
            LogUnavailableError: Nothing of any group was written; its `__cause__` tells a full disk
                from others. Trying again may help.
            ClosedError: The log was closed.
        """
        with self._mutex:
            if self._closed:
                raise ClosedError("the log is closed; open it again to append")
            return self._append(groups, render_record if checked else encode_record)

    def close(self) -> None:
        """Seal the log and give its folder free, also on an error; more than once does no harm.

        What is `kept` is written first. Only what a signer was there for is sealed, and only over
        something new. Raises `LogUnavailableError`: then the log has no seal, and the next opening
        finds what is not recorded in flight.
        """
        with self._mutex:
            if self._closed:
                return
            self._closed = True
            try:
                if self.kept:
                    self._append(self.kept, render_record)
                if self._signer and self.count > self._begin:
                    self._seal()
            finally:
                if self._storage:
                    self._storage.close()

    def _append(
        self, groups: Sequence[Sequence[Record]], encode: Callable[[Record], bytes]
    ) -> list[int | UsageError]:
        self._rotate()
        batch = self._batch()
        try:
            answers = [self._add(group, batch, encode) for group in groups]
            self._write(batch)
            self._numbering.keep()
        finally:
            self._numbering.drop()
        for record in batch.changes:
            if isinstance(record, LogOpened):
                self._auditor = record.auditor
            else:
                self._grants.follow(record)
        self._told.extend(batch.told)
        self._retain()
        return answers

    def _rotate(self) -> None:
        """Begin another file if the one that is written is full or old, and has a checkpoint."""
        rule, storage = self._rotation, self._storage
        if rule is None or storage is None or self._signer is None or self.count == self._begin:
            return
        full = storage.size - self._head_size >= rule.file_bytes
        if storage.size and (full or _now() - self._began >= rule.file_seconds * _MICRO):
            storage.begin(self.count)
            self._began = _now()
            if rule.keep_seconds is not None:
                self._old = storage.removable(self._began / _MICRO - rule.keep_seconds)

    def _batch(self) -> _Batch:
        """Return a batch; in an empty file that is not the log's first it begins with its head."""
        batch = _Batch(self._end)
        if self._storage and self._signer and not self._storage.size and self.count:
            records = head(
                self._end,
                self._signer.public_key,
                self._numbering,
                self._grants,
                auditor=self._auditor,
                time=self._began,
            )
            for record in records:
                batch.add(encode_record(record))
            self._head_size = sum(map(len, batch.lines))
        return batch

    def _retain(self) -> None:
        """Remove the oldest closed file that is due, if there is one: its hashes are kept.

        What was appended is in the log; that a file cannot be removed does not undo it.
        """
        if not self._old or self._storage is None:
            return
        first, end = self._old.pop(0)
        try:
            self._storage.keep_hashes(first, end)
            batch = self._batch()
            batch.add(encode_record(RecordsRemoved(end=end, time=_now())))
            self._write(batch)
            self._storage.remove(first)
        except (Fault, LogUnavailableError, OSError) as error:
            self._old.clear()
            self._tell(f"records {first} to {end - 1} cannot be removed from the log: {error}")

    def _add(
        self, group: Sequence[Record], batch: _Batch, encode: Callable[[Record], bytes]
    ) -> int | UsageError:
        """Put the lines of a group behind those of the batch; none if one cannot be stored."""
        first = batch.end.count
        try:
            self._check_place(first, group)
            opening = group[0] if len(group) > 1 else None
            if isinstance(opening, RunOpened) and self._numbering.began(opening):
                group = group[1:]
            if group and first == self._begin:
                group = [group[0], *self._endings, *group[1:]]
            numbered, places = self._numbering.number(group)
            encoded = [_bounded(record, encode(record)) for record in numbered]
        except UsageError as error:
            return error
        if group and isinstance(group[0], RegistryChange):
            digest = sha256(b"\n".join(encoded)).digest()
            if digest in self._told:
                return first
            batch.told.append(digest)
        self._numbering.stage(places)
        for data in encoded:
            batch.add(data)
        batch.changes.extend(r for r in numbered if isinstance(r, RegistryChange | LogOpened))
        return first

    def _check_place(self, first: int, group: Sequence[Record]) -> None:
        for index, record in enumerate(group, first):
            if isinstance(record, LogOpened) != (index == self._begin):
                raise UsageError("`log_opened` is the first record after opening, and only that")
            if isinstance(record, _WRITERS):
                kind = type(record).__name__
                raise UsageError(f"a {kind} record is the writer's own; do not append it")

    def _write(self, batch: _Batch) -> None:
        """Write the lines of a batch under one checkpoint."""
        if not batch.lines:
            return
        if self._signer:
            batch.add(encode_record(Checkpoint(note=batch.end.sign(self._signer))))
        if self._storage:
            self._storage.write(b"".join(batch.lines))
        self._end = batch.end

    def _seal(self) -> None:
        batch = self._batch()
        nodes = batch.end.tree.nodes.hex()
        batch.add(encode_record(Sealed(nodes=nodes, time=_now())))
        self._write(batch)


def _recovered(storage: Storage | None) -> Recovered:
    if storage is None:
        return Recovered(End(), {}, ())
    try:
        with storage.reader() as stream:
            return recover(stream, _now(), storage.first)
    except Fault as fault:
        raise storage.corrupt(f"it is damaged: {fault.problem}") from fault
    except OSError as error:
        raise LogUnavailableError(
            f"the log cannot be read: {error.strerror}; see to its disk"
        ) from error


def _now() -> int:
    return time.time_ns() // 1000


class _Batch:
    """Lines to be written; `end` is that of the log once they are."""

    __slots__ = ("changes", "end", "lines", "told")

    def __init__(self, end: End) -> None:
        self.told: list[bytes] = []
        self.lines: list[bytes] = []
        self.changes: list[RegistryChange | LogOpened] = []
        self.end = end.copy()

    def add(self, record: bytes) -> None:
        self.lines.append(self.end.grow(record))


def _bounded(record: Record, data: bytes) -> bytes:
    if len(data) > MAX_RECORD:
        kind = type(record).__name__
        raise UsageError(
            f"a {kind} record has {len(data)} bytes, more than {MAX_RECORD}; shorten it"
        )
    return data
