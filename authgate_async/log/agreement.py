"""A record held against what it carries itself: a signed verdict, digests, sealed texts."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from authgate_async.log.entries import asked_of, intent_of
from authgate_async.log.lines import Fault
from authgate_async.log.sealing import MIN_SEALED
from authgate_async.wire import SignedVerdict, Verdict

if TYPE_CHECKING:
    from authgate_async.log.records import ApprovalAsked, Intent, Outcome

__all__ = ["check_asked", "check_intent", "check_outputs"]

_verdict = msgspec.msgpack.Decoder(Verdict).decode


def check_intent(record: Intent) -> tuple[SignedVerdict, Verdict]:
    """Hold the record against the verdict that it carries, and return that."""
    signed, verdict = _carried(record)
    told = intent_of(
        signed,
        verdict,
        run=record.run,
        seq=record.seq,
        args=record.args,
        sealed_args=record.sealed_args,
        run_seq=record.run_seq,
    )
    _compare(record, told)
    return signed, verdict


def check_asked(record: ApprovalAsked) -> tuple[SignedVerdict, Verdict]:
    """As `check_intent`, of a call that waits for an approval."""
    signed, verdict = _carried(record)
    told = asked_of(
        signed,
        verdict,
        run=record.run,
        seq=record.seq,
        args=record.args,
        sealed_args=record.sealed_args,
        deadline=record.deadline,
        run_seq=record.run_seq,
    )
    _compare(record, told)
    return signed, verdict


def _carried(record: Intent | ApprovalAsked) -> tuple[SignedVerdict, Verdict]:
    signed = SignedVerdict(
        verdict=_unhex(record.proof.verdict, "verdict"),
        index=record.proof.index,
        size=record.proof.size,
        path=_unhex(record.proof.path, "path"),
        signature=_unhex(record.proof.signature, "signature"),
    )
    try:
        verdict = _verdict(signed.verdict)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise Fault(f"its verdict cannot be read: {error}") from error
    return signed, verdict


def _compare(record: Intent | ApprovalAsked, told: Intent | ApprovalAsked) -> None:
    for name in told.__struct_fields__:
        if getattr(told, name) != getattr(record, name):
            raise Fault(f"its `{name}` is not what its signed verdict says")
    if record.action_id != f"{record.run}:{record.seq}":
        raise Fault("its verdict is about another step")
    if record.args and sha256(record.args.encode()).hexdigest() != record.args_digest:
        raise Fault("its `args` have another digest than `args_digest`")
    _check_sealed(record.sealed_args, "sealed_args", due=bool(record.sealed_args))
    if record.args and record.sealed_args:
        raise Fault("it has its arguments both in clear and sealed")


def check_outputs(record: Outcome) -> None:
    """Hold what is kept of a call's outputs against the word for it."""
    _check_sealed(record.sealed_outputs, "sealed_outputs", due=record.outputs == "sealed")
    shown = (
        ("result", record.result.encode(), record.result_digest),
        ("stdout", _unhex(record.stdout, "stdout"), record.stdout_digest),
        ("stderr", _unhex(record.stderr, "stderr"), record.stderr_digest),
    )
    for name, text, digest in shown:
        if record.outputs == "full" and sha256(text).hexdigest() != digest:
            raise Fault(f"its `{name}` has another digest than `{name}_digest`")
        if record.outputs != "full" and text:
            raise Fault(f"it shows its `{name}`, and says that it has its outputs otherwise")


def _check_sealed(sealed: str, name: str, *, due: bool) -> None:
    """See that there is a sealed text where one is due, as far as that shows without the key."""
    if due != bool(sealed) or (due and len(_unhex(sealed, name)) < MIN_SEALED):
        raise Fault(f"its `{name}` is no sealed text, or is there where none is due")


def _unhex(text: str, name: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise Fault(f"its `{name}` is not hex") from error
