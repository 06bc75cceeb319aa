"""Where a log goes on that another process wrote, and what that process left in flight.

A log that was sealed is opened by its last two lines. One that was not is read from its first line
on, in memory that grows with the runs open at one time: then the tree, and the runs, are not known.
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
from authgate_async.log.numbering import MAX_LATE, Place, Places
from authgate_async.log.records import (
    Checkpoint,
    Outcome,
    Record,
    RunClosed,
    Sealed,
    decode_record,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authgate_async.log.lines import Line

__all__ = ["NOT_USED", "Recovered", "recover"]

_TAIL = 2**14
"""The last two lines of a sealed log are shorter than that."""

NOT_USED = frozenset({"permit_expired", "permit_stale"})
"""Refusals after which a permit can never have started anything."""

_NOTHING = sha256(b"").hexdigest()
_LOST = "the runtime ended before the call's outcome was recorded; what the call did is not known"


class Recovered(NamedTuple):
    """Where the log goes on; `places` are where its runs stand, `records` what ends them."""

    end: End
    places: Places
    records: tuple[Record, ...]


def recover(stream: BinaryIO, now: int) -> Recovered:
    """Read a log that holds whole lines only; `now` is the time of the closing records.

    Raises:
        Fault: A line is damaged, or does not follow the one before it.
    """
    stream.seek(0)
    first = stream.readline(MAX_LINE)
    if not first:
        return Recovered(End(), {}, ())
    sealed = _sealed_end(stream, origin_of(read_line(first).sum))
    if sealed is not None:
        return Recovered(sealed, {}, ())
    flight, end = _Flight(), End()
    stream.seek(0)
    while raw := stream.readline(MAX_LINE):
        line = read_line(raw)
        end.check_place(line)
        end.follow(line)
        flight.take(_seen(line))
    return Recovered(end, flight.places(), tuple(flight.endings(now)))


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


_decode = msgspec.json.Decoder(_Seen).decode


def _seen(line: Line) -> _Seen:
    try:
        return _decode(line.record)
    except msgspec.MsgspecError as error:
        raise Fault(f"its record {line.number} is none: {error}") from error


class _Run:
    """A run of the last session; `due` are its permits without an outcome."""

    def __init__(self) -> None:
        self.next = 1
        self.steps = 0
        self.closed = False
        self.due: dict[str, _Seen] = {}


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
            case "intent" | "rejected" | "approval_asked" | "outcome" | "run_closed":
                self._of_run(record)
            case "refusal" if record.code in NOT_USED:
                self._refused(record)
            case _:
                pass

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
                run.due[record.action_digest] = record
        self._let_go(record.run, run)

    def _refused(self, record: _Seen) -> None:
        name, _, _ = record.action_id.rpartition(":")
        run = self._runs.get(name)
        if run is None:
            return
        for digest in [key for key, due in run.due.items() if due.action_id == record.action_id]:
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
            name: Place(run.next, run.steps, len(run.due), run.closed)
            for name, run in self._runs.items()
        }

    def endings(self, now: int) -> Iterator[Record]:
        """Yield what ends them: an outcome for each call, a closing record for each open run."""
        for name, run in self._runs.items():
            for due in run.due.values():
                yield _interrupted(due, now)
            if not run.closed:
                yield RunClosed(run=name, status="interrupted", time=now)


def _interrupted(intent: _Seen, now: int) -> Outcome:
    return Outcome(
        action_digest=intent.action_digest,
        action_id=intent.action_id,
        capped=(),
        cause="interrupted",
        cpu_us=0,
        denials=(),
        error=_LOST,
        layers=(),
        memory_bytes=0,
        result_digest=_NOTHING,
        run=intent.run,
        seq=intent.seq,
        stderr_digest=_NOTHING,
        stdout_digest=_NOTHING,
        time=now,
        wall_us=0,
    )
