"""Programs on the kernels that run: Rust and the Python reference, given the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from program import PROOF_BYTES, SECRETS, Act, Approval, End, Program, Step

from authgate_async import _native, reference
from authgate_async.wire import (
    Approve,
    Changed,
    Redeemed,
    Redemption,
    Settlement,
    SignedVerdict,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Callable

SEED, ENTROPY = b"\x01" * 32, b"\x02" * 32
ENGINES: dict[str, Callable[..., Any]] = {
    "rust": _native.Kernel,
    "python": reference.ReferenceKernel,
}

_encode = msgspec.msgpack.encode
_signed = msgspec.msgpack.Decoder(tuple[SignedVerdict, ...])
_verdict = msgspec.msgpack.Decoder(Verdict)
_ANSWERS = {
    "change": msgspec.msgpack.Decoder(tuple[Changed, ...]),
    "redeem": msgspec.msgpack.Decoder(tuple[Redeemed, ...]),
    "settle": msgspec.msgpack.Decoder(tuple[bool, ...]),
}


class Run:
    """One program on one engine."""

    def __init__(self, engine: str, ttl: int) -> None:
        self._kernel = ENGINES[engine](SEED, ENTROPY, ttl)
        self._permits: list[SignedVerdict] = []
        self._verdicts: list[Verdict] = []
        self._args: list[tuple[bytes, bytes]] = []

    def take(self, step: Step) -> bytes:
        """Make one call; give the bytes that it answers with."""
        items = [self._item(item) for item in step.items]
        when: list[Any] = [] if step.op == "settle" else [step.now]
        if step.op == "decide":
            when.append(bytes([step.entropy]) * 32)
        answer: bytes = getattr(self._kernel, step.op)(_encode(items), *when)
        if step.op == "decide":
            self._keep(step, answer)
        return answer

    def _keep(self, step: Step, answer: bytes) -> None:
        permits = _signed.decode(answer)
        self._permits += permits
        self._verdicts += [_verdict.decode(permit.verdict) for permit in permits]
        acts = [item.action for item in step.items if isinstance(item, Act)]
        self._args += [(action.args, action.salt) for action in acts]

    def _item(self, item: Any) -> Any:
        match item:
            case Act():
                return item.signed()
            case Approval():
                return self._approve(item)
            case int():
                permit = _encode(self._permits[item])
                return Redemption(permit, self._verdicts[item].tool, *self._args[item])
            case End():
                nonce = self._verdicts[item.verdict].nonce
                return Settlement(nonce, item.redeemed, item.started, *item.used)
        return item

    def _approve(self, it: Approval) -> Approve:
        verdict = self._verdicts[it.verdict]
        instance = verdict.instance if it.ours else bytes(16)
        nonce = bytes([it.nonce]) * 16
        fields = (instance, verdict.action_digest, it.approver, it.expires_at, nonce)
        statement = b"authgate_async approval v1\x00" + _encode(fields)
        signer = SECRETS.get(it.signer)
        return Approve(*fields, signer.sign(statement) if signer else bytes(PROOF_BYTES))


def run(engine: str, program: Program) -> list[bytes]:
    """Give the bytes of every answer to a program's calls."""
    one = Run(engine, program.ttl)
    return [one.take(step) for step in program.steps]


def readable(step: Step, answer: bytes) -> tuple[Any, ...]:
    """What the bytes of an answer say, an item each."""
    if step.op == "decide":
        return tuple(_verdict.decode(permit.verdict) for permit in _signed.decode(answer))
    return _ANSWERS[step.op].decode(answer)
