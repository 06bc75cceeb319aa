"""Kernels that let through what they should not; all but the first are the Python reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest import mock

import msgspec

from authgate_async import assembly, backends
from authgate_async.reference import rules
from authgate_async.reference.permit import sign_batch
from authgate_async.reference.signing import Signer
from authgate_async.wire import SignedVerdict, Verdict

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = ["believes_every_proof", "knows_nobody_by_kind", "permits_everything"]

_signed = msgspec.msgpack.Decoder(tuple[SignedVerdict, ...]).decode
_verdict = msgspec.msgpack.Decoder(Verdict).decode
_encode = msgspec.msgpack.encode


class _Generous:
    """A kernel that turns each denial into a permit, and signs that."""

    def __init__(self, backend: Any, *, seed: bytes, **options: Any) -> None:
        self._kernel = backends.make_kernel(backend, seed=seed, **options)
        self._signer = Signer(seed)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kernel, name)

    def decide(self, actions: bytes, now: int, entropy: bytes) -> bytes:
        """Permit all of them."""
        decided = _signed(self._kernel.decide(actions, now, entropy))
        verdicts = [_encode(_permitted(_verdict(each.verdict))) for each in decided]
        return _encode(sign_batch(self._signer, verdicts))


def _permitted(verdict: Verdict) -> Verdict:
    return msgspec.structs.replace(verdict, permitted=True, violations=(), approvers=())


def permits_everything() -> AbstractContextManager[object]:
    """Replace the maker of kernels: the gate's permits everything, under either backend."""
    return mock.patch.object(assembly, "make_kernel", _Generous)


def knows_nobody_by_kind() -> AbstractContextManager[object]:
    """Leave out that the actor is the principal that was enrolled, and has its key."""
    return mock.patch.object(rules, "_impostor", return_value="")


def believes_every_proof() -> AbstractContextManager[object]:
    """Leave out the check of signatures: any proof will do."""
    return mock.patch.object(rules, "verifies", return_value=True)
