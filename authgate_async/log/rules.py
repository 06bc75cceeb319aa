"""What must hold between the records of a log, beyond the chain of its lines.

Memory is bounded by the runs that are open at one time and by their calls in flight, for closed
runs that still owe an outcome by their number (`MAX_LATE`), and by the grants and approvals of one
session.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from authgate_async.backends import verify_signed
from authgate_async.log.agreement import check_asked, check_intent, check_outputs
from authgate_async.log.approvals import Approvals
from authgate_async.log.carrying import Carried, Removals
from authgate_async.log.entries import CHANGE_FIELDS, change_from
from authgate_async.log.growth import End
from authgate_async.log.in_force import InForce
from authgate_async.log.lines import Fault
from authgate_async.log.open_runs import OfRun, OpenRun, OpenRuns
from authgate_async.log.records import (
    ApprovalAsked,
    Checkpoint,
    GrantsCarried,
    Intent,
    KeyChanged,
    LogOpened,
    Outcome,
    Record,
    RecordsRemoved,
    RegistryChange,
    Rejected,
    RunCarried,
    RunClosed,
    RunOpened,
    Sealed,
    SegmentOpened,
)
from authgate_async.reference.tree import root_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from authgate_async.log.lines import Line
    from authgate_async.wire import Change, SignedVerdict

__all__ = ["OUTCOME", "Rules"]

OUTCOME = 5
"""How many things are seen of an outcome; of an intent there are more."""

_MISPLACED = {
    True: "the file does not begin with `segment_opened`",
    False: "a file of the log begins in the middle of another",
}


class Rules:
    """Takes a log's records in order, and raises `Fault` at the first that breaks a rule.

    `key` is the Ed25519 public key that must have signed until the log hands over to another; None
    takes each session's own word.
    """

    def __init__(self, key: bytes | None) -> None:
        self.end = End()
        self._given = key
        self._next: bytes | None = None
        self._batch = b""
        self.key = key or b""
        self.sessions = 0
        self.runs = OpenRuns()
        self.sealed = False
        self.covered = 0
        self.checkpoint = ""
        self._sealing = False
        self._grants = InForce()
        self._approvals = Approvals()
        self._auditor = ""
        self._carried = Carried()
        self._gap = False
        self._at_start = False
        self.removals = Removals()

    def check(self, line: Line, record: Record) -> None:
        """Take the next record; `line` is where it stood, the next one of `end`."""
        self._check(record)
        self.end.follow(line)

    def begin_file(self) -> None:
        """Another file than the log's first begins with the record that `check` takes next."""
        self._at_start = True

    def skip(self, sums: Iterable[str]) -> None:
        """Pass over a file of which only the sums are left."""
        first = self.end.count
        for each in sums:
            self.end.skip(each)
        self.removals.gone(first, self.end.count)
        self._gap, self.sealed, self._sealing = True, False, False

    def passes(self, seen: tuple[Any, ...]) -> bool:
        """Take what `scanning` saw of an intent or an outcome, and say yes; or else do nothing.

        Whatever is not as it mostly is has to be checked as a record: there may be a fault.
        """
        if self._sealing or self.sealed or self._at_start or self._gap or not self._carried.whole:
            return False
        run = self.runs.get(seen[0])
        if run is None or seen[1] != run.next:
            return False
        if not (self._step_passes if len(seen) > OUTCOME else _outcome_passes)(run, seen):
            return False
        run.next += 1
        return True

    def _step_passes(self, run: OpenRun, seen: tuple[Any, ...]) -> bool:
        name, _, seq, agent, permitted, digest, grants, batch = seen
        if agent != run.agent or seq <= run.last_step or batch != self._batch:
            return False
        for grant in grants:
            if self._grants.against(grant) or self._approvals.asks(grant):
                return False
        run.last_step = seq
        run.steps += 1
        if permitted:
            run.pending[digest] = (f"{name}:{seq}", seq)
        return True

    def _check(self, record: Record) -> None:
        self._check_place(record)
        match record:
            case LogOpened():
                self._log_opened(record)
            case Checkpoint():
                self._checkpoint(record)
            case RunOpened():
                self.runs.begin(record)
            case Intent() | ApprovalAsked() | Rejected() | Outcome() | RunClosed():
                self._of_run(record)
            case RegistryChange():
                self._changed(record)
            case KeyChanged():
                self._next = _key_of(record)
            case Sealed():
                self._seal(record)
            case SegmentOpened() | RunCarried() | GrantsCarried() | RecordsRemoved():
                self._of_file(record)
            case _:
                pass

    def _check_place(self, record: Record) -> None:
        if not self._carried.whole and not isinstance(record, RunCarried | GrantsCarried):
            raise Fault("the runs and grants that the file carries over are not all there")
        if isinstance(record, SegmentOpened) != self._at_start:
            raise Fault(_MISPLACED[self._at_start])
        if isinstance(record, LogOpened) or (self._at_start and self._gap):
            return
        if not self.sessions:
            raise Fault("the log does not begin with `log_opened`")
        if self.sealed:
            raise Fault("a record follows the seal without a new `log_opened`")
        if self._sealing and not isinstance(record, Checkpoint):
            raise Fault("a record stands between the seal and its checkpoint")

    def _log_opened(self, record: LogOpened) -> None:
        key = _key_of(record)
        self._auditor = record.auditor
        self._next, self._batch = None, b""
        if self._given is not None and key != self._given:
            raise Fault(
                f"the log was written under the key {record.key_id}, not under the one given, "
                "or the one that it was handed over to",
                "check which key this log should have; somebody may have put another log here",
            )
        self.key = key
        self.sessions += 1
        self.sealed = self._sealing = False
        self.runs.end_session()
        # A kernel knows no grant of the one before.
        self._grants = InForce()
        self._approvals = Approvals()

    def _of_file(self, record: SegmentOpened | RunCarried | GrantsCarried | RecordsRemoved) -> None:
        match record:
            case SegmentOpened():
                self._segment_opened(record)
            case RecordsRemoved():
                self.removals.tell(record, self.end)
            case _:
                self._carry(record)

    def _segment_opened(self, record: SegmentOpened) -> None:
        self._at_start = False
        key = _key_of(record)
        if self._gap:
            self._take_up(key)
        elif not self.checkpoint or self.covered != self.end.count - 1:
            raise Fault("the file does not begin behind a checkpoint")
        if key != self.key:
            raise Fault("the file begins under another key than the session")
        if record.auditor != self._auditor and not self._gap:
            raise Fault("the file begins with another auditor than the session")
        self._auditor = record.auditor
        self._carried = Carried.begin(record, self.end)
        self._carry_if_whole()

    def _take_up(self, key: bytes) -> None:
        """Go on behind records that were removed, under the key that is named there."""
        if self._given is not None and key != self._given:
            raise Fault(
                f"the records from here on are under the key {key.hex()}, not under the one given",
                "give that key, if the log was handed over to it in what was removed; otherwise "
                "somebody may have put another log here",
            )
        self.key = key
        self.sessions = max(1, self.sessions)
        self.runs.let_go()
        self._next = None

    def _carry(self, record: RunCarried | GrantsCarried) -> None:
        self._carried.take(record)
        self._carry_if_whole()

    def _carry_if_whole(self) -> None:
        if not self._carried.whole:
            return
        if self._gap:
            self._gap = False
            self.runs.take_up(self._carried.runs)
            self._grants = self._carried.grants
            self._approvals = Approvals(partial=True)
        else:
            self._carried.check(self.runs.in_session, self._grants)
        self._carried = Carried()

    def _of_run(self, record: OfRun) -> None:
        run = self.runs.find(record)
        if run is None:
            raise Fault(f"run `{record.run}` is not open")
        if record.run_seq != run.next:
            raise Fault(
                f"`run_seq` is {record.run_seq} where {run.next} is due: a record is missing"
            )
        run.next += 1
        match record:
            case Outcome():
                check_outputs(record)
                self.runs.settle(run, record)
            case RunClosed():
                self.runs.close(run, record)
            case ApprovalAsked():
                self._asked(run, record)
            case _:
                self._step(run, record)

    def _step(self, run: OpenRun, record: Intent | Rejected) -> None:
        # A kernel signs no malformed name: the denial of its action names nobody.
        nobody = isinstance(record, Intent) and not record.agent and not record.permitted
        run.check(record, nobody=nobody)
        run.last_step = record.seq
        run.steps += 1
        if isinstance(record, Intent):
            signed, verdict = check_intent(record)
            self._check_signature(signed)
            self._check_grants(record)
            if record.permitted:
                self._approvals.check(record, verdict)
                run.pending[record.action_digest] = (record.action_id, record.seq)

    def _asked(self, run: OpenRun, record: ApprovalAsked) -> None:
        run.check(record)
        signed, verdict = check_asked(record)
        self._check_signature(signed)
        if verdict.permitted or not verdict.approvers:
            raise Fault("its verdict does not say that an approval is all that is missing")

    def _changed(self, record: RegistryChange) -> None:
        _check_change(record)
        if record.code:
            return
        self._approvals.changed(_change(record))
        self._grants.follow(record)

    def _check_signature(self, signed: SignedVerdict) -> None:
        """Hold a verdict against the key; the signature of one batch is computed once."""
        root = root_of(signed.verdict, signed.index, signed.size, signed.path)
        batch = (root or b"") + signed.size.to_bytes(8, "big") + signed.signature
        if root is None or (
            batch != self._batch and not verify_signed(self.key, msgspec.msgpack.encode(signed))
        ):
            raise Fault("the signature of its verdict does not verify")
        self._batch = batch

    def _check_grants(self, record: Intent) -> None:
        for grant in (grant for chain in record.chains for grant in chain):
            if why := self._grants.against(grant):
                raise Fault(f"it rests on grant `{grant}`, which {why}")

    def _seal(self, record: Sealed) -> None:
        if record.nodes != self.end.tree.nodes.hex():
            raise Fault("the seal has other nodes than the tree of the records before it")
        self._sealing = True
        self.runs.let_go()

    def _checkpoint(self, record: Checkpoint) -> None:
        self.end.check(record.note, self.key)
        self.covered, self.checkpoint = self.end.count, record.note
        self.removals.signed()
        # The old key has signed it now; without that, anybody could have written it.
        if self._given is not None and self._next is not None:
            self._given = self._next
        self.sealed, self._sealing = self._sealing, False


def _key_of(record: LogOpened | KeyChanged | SegmentOpened) -> bytes:
    key = bytes.fromhex(record.public_key)
    if record.key_id != sha256(key).hexdigest()[:16]:
        raise Fault("its `key_id` is not that of its `public_key`")
    return key


def _outcome_passes(run: OpenRun, seen: tuple[Any, ...]) -> bool:
    _, _, seq, action_id, digest = seen
    if run.pending.get(digest) != (action_id, seq):
        return False
    del run.pending[digest]
    return True


def _check_change(record: RegistryChange) -> None:
    if record.fields.keys() != CHANGE_FIELDS.get(record.change):
        raise Fault(f"its fields are not those of the change `{record.change}`")


def _change(record: RegistryChange) -> Change:
    try:
        return change_from(record)
    except (msgspec.MsgspecError, ValueError) as error:
        raise Fault(f"its fields cannot be read: {error}") from error
