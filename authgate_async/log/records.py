"""Every record of the log; `docs/log.md` says what each is for.

The same structs travel to the log writer as MessagePack and are stored as canonical JSON. They hold
strings, integers, and arrays and objects of these. `run_seq`, and `steps` of a closing record, are
the writer's to fill in: it numbers the records of each run from 0, without a gap. Times are integer
microseconds since the Unix epoch, confidence is in parts per million, bytes are lower-case hex.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from authgate_async.errors import UsageError
from authgate_async.launchers.protocol import Cause
from authgate_async.log.lines import Fault
from authgate_async.redaction import OutputsKept

__all__ = [
    "CHECKPOINT_START",
    "FORMAT",
    "MAX_INT",
    "ApprovalAsked",
    "Asked",
    "Big",
    "Checkpoint",
    "GrantsCarried",
    "Intent",
    "KeyChanged",
    "LogOpened",
    "Outcome",
    "Proof",
    "Record",
    "RecordsRemoved",
    "Refusal",
    "RegistryChange",
    "Rejected",
    "RunCarried",
    "RunClosed",
    "RunOpened",
    "Sealed",
    "SegmentOpened",
    "decode_record",
    "encode_record",
    "render_record",
]

FORMAT: Literal["authgate_async log v1"] = "authgate_async log v1"

MAX_INT = 2**53 - 1
"""The largest integer that every JSON reader keeps exact (RFC 8785, section 3.2.2.3)."""

Int = Annotated[int, Meta(ge=0, le=MAX_INT)]
Bit = Literal[0, 1]
Word = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,63}\\Z")]
Digest = Annotated[str, Meta(min_length=64, max_length=64)]
"""SHA-256, or a key, in hex. On a channel, where only this program speaks, the length is checked:
a pattern would cost a twentieth of a step. That each digit is one is checked where a log is read,
and where a record comes from elsewhere (`encode_record`)."""
Big = Int | Annotated[str, Meta(pattern="^[0-9]{16,19}\\Z")]
"""An integer of the kernel, which may reach 2^63 - 1: above `MAX_INT`, its decimal digits."""


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """An object inside a record."""


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False, tag_field="kind"):
    """One record; its `kind` is the tag."""


class Asked(_Part, frozen=True):
    """One resource and one right that an action asked for; `right` is a `wire.Right` bit."""

    name: str
    right: Big
    rtype: str
    scope: str


class Proof(_Part, frozen=True):
    """A signed verdict: `wire.SignedVerdict` with its bytes in hex."""

    index: Int
    path: str
    signature: str
    size: Int
    verdict: str


class LogOpened(_Record, frozen=True, kw_only=True, tag="log_opened"):
    """A process began to write; it stands first, and again after each reopening.

    `layers` names what holds a tool call on this machine. `cut_bytes` is the length of the torn
    last line that the process before left behind, 0 for none. `auditor` names the key that texts
    are sealed to, as `key_id` does; empty for none.
    """

    auditor: str = ""
    backend: Word
    cut_bytes: Int
    format: Literal["authgate_async log v1"]
    key_id: str
    layers: tuple[str, ...]
    public_key: Digest
    time: Int
    version: str


class KeyChanged(_Record, frozen=True, kw_only=True, tag="key_changed"):
    """Sessions behind this one are under another key; this one's checkpoints sign that."""

    key_id: str
    public_key: Digest
    time: Int


class RunOpened(_Record, frozen=True, kw_only=True, tag="run_opened"):
    """A run began. `intent_digest` is the SHA-256 of the task's sentence.

    It is salted where arguments of any tool are kept off the log.
    """

    agent: str
    intent_digest: Digest
    run: str
    run_seq: Int = 0
    task: str
    time: Int


class Intent(_Record, frozen=True, kw_only=True, tag="intent"):
    """What the kernel decided about step `seq` of a run, written before anything starts.

    Made by `entries.intent_of`. `args` is the canonical argument JSON, or empty where only
    `args_digest` is kept, which is salted then; `sealed_args` has salt and arguments for the
    auditor, or is empty. Digests, nonce and words are those of the verdict in `proof`.
    """

    action_digest: str
    action_id: str
    agent: str
    agent_kind: str
    arbitration: Bit
    args: str
    args_digest: str
    chains: tuple[tuple[str, ...], ...]
    codes: tuple[str, ...]
    confidence: Int
    epoch: Big
    expires_at: Big
    issued_at: Big
    nonce: str
    permitted: Bit
    proof: Proof
    requests: tuple[Asked, ...]
    run: str
    run_seq: Int = 0
    sealed_args: str = ""
    sentences: tuple[str, ...]
    seq: Int
    tool: str
    warnings: tuple[tuple[str, str], ...]


class ApprovalAsked(_Record, frozen=True, kw_only=True, tag="approval_asked"):
    """Step `seq` of a run waits for a human until `deadline`; nothing else is against it.

    Made by `entries.asked_of`, written before anybody can answer. `args` and `sealed_args` are as
    in an intent; digests, `approvers`, `instance` and sentences are those of `proof`.
    What comes of it is an intent or a rejection of the same step, or the end of its run.
    """

    action_digest: str
    action_id: str
    agent: str
    agent_kind: str
    approvers: tuple[str, ...]
    args: str
    args_digest: str
    deadline: Big
    instance: str
    issued_at: Big
    proof: Proof
    requests: tuple[Asked, ...]
    run: str
    run_seq: Int = 0
    sealed_args: str = ""
    sentences: tuple[str, ...]
    seq: Int
    tool: str


class Rejected(_Record, frozen=True, kw_only=True, tag="rejected"):
    """A step that the gate turned away: no such tool, wrong arguments, nobody approved it in time.

    The kernel has not seen it, or has only said that it needs an approval.
    """

    agent: str
    code: Word
    run: str
    run_seq: Int = 0
    sentence: str
    seq: Int
    time: Int
    tool: str


class Outcome(_Record, frozen=True, kw_only=True, tag="outcome"):
    """How the call of a permitted intent ended; fields as in `launchers.protocol.Ended`.

    `interrupted` is of a later session: the process died before the outcome was recorded.
    `outputs` says what is kept of them: with `full` they stand here (`result` as text, the streams
    in hex), with `checksum` and `full` their digests are plain, otherwise salted, and with `sealed`
    all of it is in `sealed_outputs`, for the auditor.
    """

    action_digest: Digest
    action_id: str
    capped: tuple[str, ...]
    cause: Cause | Literal["interrupted"]
    cpu_us: Int
    denials: tuple[str, ...]
    error: str
    layers: tuple[str, ...]
    memory_bytes: Int
    outputs: OutputsKept = "checksum"
    result: str = ""
    result_digest: Digest
    run: str
    run_seq: Int = 0
    sealed_outputs: str = ""
    seq: Int
    stderr: str = ""
    stderr_digest: Digest
    stdout: str = ""
    stdout_digest: Digest
    time: Int
    wall_us: Int


class Refusal(_Record, frozen=True, kw_only=True, tag="refusal"):
    """A permit that was presented and refused; `action_id` is empty where it is not known."""

    action_id: str
    code: Word
    permit_digest: Digest
    sentence: str
    time: Int


class RegistryChange(_Record, frozen=True, kw_only=True, tag="change"):
    """A change of the registry, done (empty `code`) or refused. Made by `entries.change_of`.

    `change` is the tag of the `wire.Change`, `fields` its fields, a grant's among them.
    """

    by: str
    change: Word
    code: str
    epoch: Big
    fields: dict[Word, Int | str]
    sentence: str
    time: Int


class RunClosed(_Record, frozen=True, kw_only=True, tag="run_closed"):
    """A run ended. `steps` counts its intents and rejections."""

    run: str
    run_seq: Int = 0
    status: Word
    steps: Int = 0
    time: Int


class Checkpoint(_Record, frozen=True, kw_only=True, tag="checkpoint"):
    """The tree over all records before this one, signed: a C2SP `tlog-checkpoint` as a note."""

    note: str


class Sealed(_Record, frozen=True, kw_only=True, tag="sealed"):
    """The log was closed in order; a checkpoint over this record, too, is the last one.

    `nodes` are the compact range of the tree over the records before this one, in hex: with it the
    log is opened again without being read.
    """

    nodes: str
    time: Int


class SegmentOpened(_Record, frozen=True, kw_only=True, tag="segment_opened"):
    """A file of the log begins here, behind a checkpoint: all that reading from here on needs.

    `nodes` are the compact range of the tree over the records before this one, in hex. As many
    `RunCarried` as `runs` says follow, then `GrantsCarried` with as many grants as `grants` says.
    `auditor` is that of the session.
    """

    auditor: str
    grants: Int
    key_id: str
    nodes: str
    origin: str
    public_key: Digest
    runs: Int
    time: Int


class RunCarried(_Record, frozen=True, kw_only=True, tag="run_carried"):
    """A run that is open, or closed and still owes an outcome, where a file begins.

    `next` is the `run_seq` of its next record, `next_seq` the lowest `seq` that it may have. `due`
    are its permits without an outcome: action digest, action id, `seq`, and 1 for one that was
    refused and so never used.
    """

    agent: str
    closed: Bit
    due: tuple[tuple[str, str, Int, Bit], ...]
    next: Int
    next_seq: Int
    run: str
    steps: Int


Held = tuple[str, str, str, str, str]


class GrantsCarried(_Record, frozen=True, kw_only=True, tag="grants_carried"):
    """Grants of the session that were made and not revoked, where a file begins; ascending by id.

    Of each its id, its holder's name and kind, and its resource's type and name.
    """

    grants: tuple[Held, ...]


class RecordsRemoved(_Record, frozen=True, kw_only=True, tag="records_removed"):
    """Retention is about to remove what is left of the records before `end`."""

    end: Int
    time: Int


Record = (
    Checkpoint
    | KeyChanged
    | LogOpened
    | RunOpened
    | Intent
    | ApprovalAsked
    | Rejected
    | Outcome
    | Refusal
    | RegistryChange
    | RunClosed
    | Sealed
    | SegmentOpened
    | RunCarried
    | GrantsCarried
    | RecordsRemoved
)

CHECKPOINT_START = b'{"kind":"checkpoint",'
"""How each checkpoint begins as it is stored, and no other record."""

_encoder = msgspec.json.Encoder(order="sorted")
_decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)

_is_digest = re.compile("[0-9a-f]{64}").fullmatch

_DIGESTS = {
    kind: [field.name for field in msgspec.structs.fields(kind) if field.type == Digest]
    for kind in get_args(Record)
}


def _read(data: bytes | memoryview) -> Record:
    record = _decoder.decode(data)
    for name in _DIGESTS[type(record)]:
        if not _is_digest(getattr(record, name)):
            raise msgspec.ValidationError(f"Expected 64 hex digits - at `$.{name}`")
    return record


def render_record(record: Record) -> bytes:
    """Return a record whose fields are known to be of their types as RFC 8785 canonical JSON.

    Every key is ASCII, so that sorting by bytes is sorting by UTF-16 units. Raises `UsageError`
    for half of a surrogate pair, which has no UTF-8 form.
    """
    try:
        return _encoder.encode(record)
    except (msgspec.MsgspecError, UnicodeError, TypeError, OverflowError) as error:
        raise _not_storable(record, str(error)) from error


def encode_record(record: Record) -> bytes:
    """Return any record as `render_record` does.

    What could not be read back is never written: a value outside its declared range raises
    `UsageError`, naming the field.
    """
    try:
        data = render_record(record)
        read = _read(data)
    except (msgspec.MsgspecError, UnicodeError, TypeError, OverflowError) as error:
        raise _not_storable(record, str(error)) from error
    if read != record:
        raise _not_storable(record, "a field has another type than the one declared")
    return data


def _not_storable(record: Record, why: str) -> UsageError:
    kind = type(record).__name__
    return UsageError(f"a {kind} record cannot be stored: {why}; mend that value")


def decode_record(data: bytes | memoryview) -> Record:
    """Read one record; raises `Fault` unless it is one, whole, known and canonical."""
    try:
        record = _read(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise Fault(f"its record is not one that this version knows: {error}") from error
    if _encoder.encode(record) != data:
        raise Fault("its record is not in canonical form")
    return record
