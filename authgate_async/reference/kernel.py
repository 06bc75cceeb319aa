"""The reference kernel: a registry, a signing key, and a lock."""

from __future__ import annotations

from hashlib import sha256
from threading import Lock

import msgspec

from authgate_async.reference.changes import apply
from authgate_async.reference.decoding import decode
from authgate_async.reference.permit import (
    Desk,
    checkpoint_text,
    instance_of,
    sign_batch,
)
from authgate_async.reference.registry import Registry
from authgate_async.reference.rules import Moment, decide
from authgate_async.reference.signing import KEY_BYTES, Signer
from authgate_async.wire import Action, Change, Redemption, Settlement, Verdict

__all__ = ["PERMIT_TTL", "ReferenceKernel"]

PERMIT_TTL = 60_000_000
_ENTROPY_BYTES = 32
_NONCE_BYTES = 16
_MAX_NUMBER = 2**63 - 1


class ReferenceKernel:
    """Decides, permits and redeems by `docs/rules.md`; may be called from several threads.

    `seed` is the Ed25519 signing key; `entropy` tells this kernel from others with that key (and
    keys the other kernel's hash tables): 32 bytes each. `permit_ttl` and every `now` are
    microseconds. Every method takes and returns the MessagePack of a tuple of the structs in
    `authgate_async.wire`.

    Raises:
        ValueError: Bytes that are not what a method takes; nothing was done then.
    """

    def __init__(self, seed: bytes, entropy: bytes, permit_ttl: int = PERMIT_TTL) -> None:
        _check_length("seed", seed, KEY_BYTES)
        _check_length("entropy", entropy, _ENTROPY_BYTES)
        _check_number("permit_ttl", permit_ttl)
        self._lock = Lock()
        self._signer = Signer(seed)
        self._instance = instance_of(entropy)
        self._registry = Registry(self._instance)
        self._desk = Desk(self._signer.public_key, self._instance, self._registry, permit_ttl)
        self._permit_ttl = permit_ttl
        self.public_key = self._signer.public_key
        self.key_id = sha256(self.public_key).hexdigest()[:16]

    def decide(self, actions: bytes, now: int, entropy: bytes) -> bytes:
        """Judge `Action`s; `entropy` is 32 fresh bytes for their nonces. Gives `SignedVerdict`s."""
        _check_number("now", now)
        _check_length("entropy", entropy, _ENTROPY_BYTES)
        batch = decode(actions, tuple[Action, ...])
        with self._lock:
            self._registry.ledger.release(now)
            verdicts = [
                decide(self._registry, action, self._moment(now, entropy, i))
                for i, action in enumerate(batch)
            ]
        encoded = [msgspec.msgpack.encode(verdict) for verdict in verdicts]
        return msgspec.msgpack.encode(sign_batch(self._signer, encoded))

    def _moment(self, now: int, entropy: bytes, index: int) -> Moment:
        end = min(now + self._permit_ttl, _MAX_NUMBER)
        return Moment(now, end, _nonce(entropy, index), self._instance)

    def redeem(self, redemptions: bytes, now: int) -> bytes:
        """Use up the permits of `Redemption`s. Gives `Redeemed`s."""
        _check_number("now", now)
        batch = decode(redemptions, tuple[Redemption, ...])
        with self._lock:
            return msgspec.msgpack.encode([self._desk.redeem(each, now) for each in batch])

    def change(self, changes: bytes, now: int) -> bytes:
        """Apply `Change`s one by one. Gives `Changed`s."""
        _check_number("now", now)
        batch = decode(changes, tuple[Change, ...])
        with self._lock:
            return msgspec.msgpack.encode([apply(self._registry, each, now) for each in batch])

    def stale(self, verdicts: bytes) -> bytes:
        """Why permits that were redeemed hold no longer, given their `Verdict` bytes; or empty."""
        batch = [decode(each, Verdict) for each in decode(verdicts, tuple[bytes, ...])]
        with self._lock:
            return msgspec.msgpack.encode([self._desk.stale(each) for each in batch])

    def settle(self, settlements: bytes) -> bytes:
        """Charge what calls used by `Settlement`s; a list of whether anything was held for each."""
        batch = decode(settlements, tuple[Settlement, ...])
        with self._lock:
            return msgspec.msgpack.encode([self._registry.ledger.settle(each) for each in batch])

    def sign_checkpoint(self, origin: str, size: int, root: bytes) -> bytes:
        """Sign a log's checkpoint: the root of its tree at a size."""
        _check_number("size", size)
        return self._signer.sign(checkpoint_text(origin, size, root))


def _nonce(entropy: bytes, index: int) -> bytes:
    return sha256(entropy + index.to_bytes(4, "big")).digest()[:_NONCE_BYTES]


def _check_length(name: str, value: bytes, length: int) -> None:
    if len(value) != length:
        raise ValueError(f"`{name}` must have {length} bytes, not {len(value)}")


def _check_number(name: str, value: int) -> None:
    if not 0 <= value <= _MAX_NUMBER:
        raise ValueError(f"`{name}` must be from 0 to {_MAX_NUMBER}")
