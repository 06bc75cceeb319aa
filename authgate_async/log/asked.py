"""The calls of a log that wait for an approval, as far as it tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from authgate_async.approvals import WaitingCall
from authgate_async.errors import LogCorruptError
from authgate_async.log.lines import Fault
from authgate_async.log.reading import true_lines
from authgate_async.log.records import ApprovalAsked, RegistryChange, decode_record
from authgate_async.wire import Request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from authgate_async.log.lines import Line
    from authgate_async.log.records import Record

__all__ = ["Question", "questions"]


class Question(NamedTuple):
    """A call that waits, its record's number in the log, and who has approved it already.

    If its arguments are `withheld`, the log has their digest only.
    """

    number: int
    call: WaitingCall
    approved: tuple[str, ...]
    withheld: bool


class _Seen(msgspec.Struct, frozen=True, gc=False):
    """What is looked at of any record."""

    kind: str
    run: str = ""
    seq: int = 0


_seen = msgspec.json.Decoder(_Seen).decode


def questions(log: Path, now: int) -> list[Question]:
    """Return what waits at `now`, in microseconds, in the order in which it was asked.

    Reads the log once, without checking signatures; the call's own digest says whether what it
    shows is what would run.

    Raises:
        UsageError: there is no log.
        LogCorruptError: a line is damaged or out of its place.
        LogUnavailableError: the log cannot be read.
    """
    table = _Table()
    for line in true_lines(log):
        try:
            table.take(line)
        except (Fault, msgspec.MsgspecError, ValueError) as error:
            raise LogCorruptError(
                f"{log}: record {line.number}: {error}; "
                "find out what was changed with `authgate audit verify`"
            ) from error
    return [one for one in table.questions() if now < one.call.deadline]


class _Table:
    """What is asked and not answered, by run and step; who approved, by digest."""

    def __init__(self) -> None:
        self._asked: dict[tuple[str, int], tuple[int, ApprovalAsked]] = {}
        self._approved: dict[str, dict[str, None]] = {}

    def take(self, line: Line) -> None:
        """Take the next record of the log."""
        seen = _seen(line.record)
        match seen.kind:
            case "log_opened" | "sealed":
                self._asked.clear()
            case "intent" | "rejected":
                self._asked.pop((seen.run, seen.seq), None)
            case "run_closed":
                for key in [key for key in self._asked if key[0] == seen.run]:
                    del self._asked[key]
            case "approval_asked" | "change":
                self._read(line, decode_record(line.record))
            case _:
                pass

    def _read(self, line: Line, record: Record) -> None:
        if isinstance(record, ApprovalAsked):
            self._asked[record.run, record.seq] = line.number, record
        elif isinstance(record, RegistryChange) and (record.change, record.code) == ("approve", ""):
            given = self._approved.setdefault(str(record.fields["action_digest"]), {})
            given[str(record.fields["approver"])] = None

    def questions(self) -> Iterator[Question]:
        """Yield what is left."""
        for number, asked in self._asked.values():
            yield _question(number, asked, tuple(self._approved.get(asked.action_digest, ())))


def _question(number: int, asked: ApprovalAsked, approved: tuple[str, ...]) -> Question:
    requests = [Request(one.rtype, one.name, one.scope, int(one.right)) for one in asked.requests]
    call = WaitingCall(
        action_id=asked.action_id,
        action_digest=bytes.fromhex(asked.action_digest),
        agent=asked.agent,
        agent_kind=asked.agent_kind,
        tool=asked.tool,
        args=asked.args,
        requests=tuple(requests),
        approvers=asked.approvers,
        sentences=asked.sentences,
        deadline=int(asked.deadline),
        instance=bytes.fromhex(asked.instance),
    )
    return Question(number, call, approved, not asked.args)
