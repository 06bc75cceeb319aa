"""Where a log goes on that another process wrote, and what that process left in flight.

A log that was sealed is opened by its last two lines. Of one that was not the last file is read, in
memory that grows with the runs open at one time: its first records tell the tree and the runs.
"""

from __future__ import annotations

import os
from hashlib import sha256
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import msgspec

from authgate_async.backends import compact_range
from authgate_async.log.growth import End
from authgate_async.log.lines import MAX_LINE, Fault, read_line
from authgate_async.log.notes import origin_of, read_note
from authgate_async.log.numbering import MAX_LATE, NOT_USED, Due, Place, Places
from authgate_async.log.records import (
    CHECKPOINT_START,
    Checkpoint,
    Outcome,
    Record,
    RunClosed,
    Sealed,
    SegmentOpened,
    decode_record,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authgate_async.log.lines import Line

__all__ = ["Recovered", "recover"]

_TAIL = 2**14
"""The last two lines of a sealed log are shorter than that."""

_NOTHING = sha256(b"").hexdigest()
_LOST = "the runtime ended before the call's outcome was recorded; what the call did is not known"


class Recovered(NamedTuple):
    """Where the log goes on; `places` are where its runs stand, `records` what ends them.

    `began` is the time of the last file's first record.
    """

    end: End
    places: Places
    records: tuple[Record, ...]
    began: int = 0


def recover(stream: BinaryIO, now: int, index: int = 0) -> Recovered:
    """Read the last file of a log, of whole lines only; `now` is the time of the closing records.

    `index` is that of its first record.

    Raises:
        Fault: A line is damaged, or does not follow the one before it.
    """
    stream.seek(0)
    raw = stream.readline(MAX_LINE)
    if not raw:
        return Recovered(End(), {}, ())
    first = read_line(raw)
    end, began = _begin(first, index)
    sealed = _sealed_end(stream, end.origin or origin_of(first.sum))
    if sealed is not None:
        return Recovered(sealed, {}, (), began)
    flight, signed = _Flight(), not index
    stream.seek(0)
    while raw := stream.readline(MAX_LINE):
        line = read_line(raw)
        end.check_place(line)
        if not signed and line.record.startswith(CHECKPOINT_START):
            _check_root(line, end)
            signed = True
        end.follow(line)
        flight.take(_seen(line))
    return Recovered(end, flight.places(), tuple(flight.endings(now)), began)


def _begin(first: Line, index: int) -> tuple[End, int]:
    """The end of a log before the first line of a file, and that line's time."""
    if not index:
        return End(), _seen(first).time
    record = decode_record(first.record)
    if not isinstance(record, SegmentOpened):
        raise Fault("the file does not begin with `segment_opened`")
    try:
        tree = compact_range(index, bytes.fromhex(record.nodes))
    except ValueError as error:
        raise Fault(f"the nodes of record {index} are none") from error
    return End(tree, first.prev, record.origin), record.time


def _check_root(line: Line, end: End) -> None:
    """What the file begins with is true only if it leads to the root that was signed."""
    record = decode_record(line.record)
    note = read_note(record.note) if isinstance(record, Checkpoint) else None
    if note is None or (note.size, note.root) != (end.count, end.tree.root()):
        raise Fault(f"checkpoint {line.number} has another root than the records before it")


def _sealed_end(stream: BinaryIO, origin: str) -> End | None:
    """The end that a seal tells; None if the last two lines are not a seal and its checkpoint."""
    stream.seek(max(0, stream.seek(0, os.SEEK_END) - _TAIL))
    lines = stream.read().splitlines(keepends=True)[-2:]
    try:
        seal_line, last = map(read_line, lines)
        seal, checkpoint = decode_record(seal_line.record), decode_record(last.record)
        if not (isinstance(seal, Sealed) and isinstance(checkpoint, Checkpoint)):
            return None
        tree = compact_range(seal_line.number, bytes.fromhex(seal.nodes))
        end = End(tree, seal_line.prev, origin)
        end.follow(seal_line)
        note = read_note(checkpoint.note)
        end.check_place(last)
    except (Fault, ValueError):
        return None
    if (note.size, note.root) != (end.count, end.tree.root()):
        return None
    end.follow(last)
    return end


class _Seen(msgspec.Struct, frozen=True, gc=False):
    """What recovery needs of any record."""

    kind: str
    run: str = ""
    seq: int = 0
    action_id: str = ""
    action_digest: str = ""
    permitted: int = 0
    code: str = ""
    time: int = 0
    next: int = 0
    steps: int = 0
    closed: int = 0
    due: tuple[Due, ...] = ()


_decode = msgspec.json.Decoder(_Seen).decode


def _seen(line: Line) -> _Seen:
    try:
        return _decode(line.record)
    except msgspec.MsgspecError as error:
        raise Fault(f"its record {line.number} is none: {error}") from error


class _Run:
    """A run of the last session; `due` are its permits without an outcome."""

    def __init__(self, next_: int = 1, steps: int = 0, *, closed: bool = False) -> None:
        self.next = next_
        self.steps = steps
        self.closed = closed
        self.due: dict[str, Due] = {}


class _Flight:
    """The runs that are open or owe an outcome; a seal ends them all."""

    def __init__(self) -> None:
        self._runs: dict[str, _Run] = {}
        self._late: dict[str, None] = {}

    def take(self, record: _Seen) -> None:
        """Take the next record of the log."""
        match record.kind:
            case "sealed":
                self._runs.clear()
                self._late.clear()
            case "run_opened":
                self._late.pop(record.run, None)
                self._runs[record.run] = _Run()
            case "run_carried":
                self._carried(record)
            case "intent" | "rejected" | "approval_asked" | "outcome" | "run_closed":
                self._of_run(record)
            case "refusal" if record.code in NOT_USED:
                self._refused(record)
            case _:
                pass

    def _carried(self, record: _Seen) -> None:
        run = _Run(record.next, record.steps, closed=bool(record.closed))
        run.due = {due[0]: due for due in record.due if not due[3]}
        if run.due or not run.closed:
            self._runs[record.run] = run
            if run.closed:
                self._late[record.run] = None

    def _of_run(self, record: _Seen) -> None:
        run = self._runs.get(record.run)
        if run is None:
            return
        run.next += 1
        if record.kind == "outcome":
            run.due.pop(record.action_digest, None)
        elif record.kind == "run_closed":
            run.closed = True
            self._late[record.run] = None
        elif record.kind != "approval_asked":
            run.steps += 1
            if record.permitted:
                run.due[record.action_digest] = (
                    record.action_digest,
                    record.action_id,
                    record.seq,
                    0,
                )
        self._let_go(record.run, run)

    def _refused(self, record: _Seen) -> None:
        name, _, _ = record.action_id.rpartition(":")
        run = self._runs.get(name)
        if run is None:
            return
        for digest in [key for key, due in run.due.items() if due[1] == record.action_id]:
            del run.due[digest]
        self._let_go(name, run)

    def _let_go(self, name: str, run: _Run) -> None:
        if run.closed and not run.due:
            del self._runs[name]
            del self._late[name]
        if len(self._late) > MAX_LATE:
            oldest = next(iter(self._late))
            del self._late[oldest], self._runs[oldest]

    def places(self) -> Places:
        """Where the runs stand, for those who number their last records."""
        return {
            name: Place(run.next, run.steps, tuple(run.due.values()), run.closed)
            for name, run in self._runs.items()
        }

    def endings(self, now: int) -> Iterator[Record]:
        """Yield what ends them: an outcome for each call, a closing record for each open run."""
        for name, run in self._runs.items():
            for due in run.due.values():
                yield _interrupted(name, due, now)
            if not run.closed:
                yield RunClosed(run=name, status="interrupted", time=now)


def _interrupted(run: str, due: Due, now: int) -> Outcome:
    digest, action_id, seq, _ = due
    return Outcome(
        action_digest=digest,
        action_id=action_id,
        capped=(),
        cause="interrupted",
        cpu_us=0,
        denials=(),
        error=_LOST,
        layers=(),
        memory_bytes=0,
        result_digest=_NOTHING,
        run=run,
        seq=seq,
        stderr_digest=_NOTHING,
        stdout_digest=_NOTHING,
        time=now,
        wall_us=0,
    )
