"""Signed verdicts: making, checking and redeeming them (`docs/rules.md`, section 6)."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from typing import TYPE_CHECKING

from authgate_async.reference.budget import has_budget
from authgate_async.reference.decoding import decode
from authgate_async.reference.digests import args_digest
from authgate_async.reference.signing import Signer, verifies
from authgate_async.reference.tree import levels, path, root_of
from authgate_async.wire import Redeemed, Redemption, SignedVerdict, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authgate_async.reference.registry import Registry

__all__ = [
    "Desk",
    "batch_statement",
    "checkpoint_text",
    "instance_of",
    "sign_batch",
    "verify_checkpoint",
    "verify_signed",
]

_ROOT_BYTES = 32
_INSTANCE_BYTES = 16
_NONCE_BYTES = 16


def batch_statement(size: int, root: bytes) -> bytes:
    """What a kernel signs for a batch."""
    return b"authgate_async batch v1\x00" + size.to_bytes(8, "big") + root


def checkpoint_text(origin: str, size: int, root: bytes) -> bytes:
    """What a kernel signs for a log: the text of a C2SP `tlog-checkpoint`.

    Raises:
        ValueError: The root has not 32 bytes, or the origin cannot name a key in a signed note.
    """
    if not origin or any(not "!" <= each <= "~" or each == "+" for each in origin):
        wanted = "printable ASCII without a space or a plus, and not empty"
        raise ValueError(f"`origin` must be {wanted}")
    if len(root) != _ROOT_BYTES:
        raise ValueError(f"`root` must have {_ROOT_BYTES} bytes, not {len(root)}")
    return f"{origin}\n{size}\n{b64encode(root).decode()}\n".encode()


def instance_of(entropy: bytes) -> bytes:
    """Tell a kernel from another with the same key, without telling its entropy."""
    return sha256(b"authgate_async instance v1\x00" + entropy).digest()[:_INSTANCE_BYTES]


def sign_batch(signer: Signer, verdicts: Sequence[bytes]) -> tuple[SignedVerdict, ...]:
    """Sign encoded verdicts together; nothing is signed for none."""
    if not verdicts:
        return ()
    built, size = levels(verdicts), len(verdicts)
    signature = signer.sign(batch_statement(size, built[-1][0]))
    return tuple(
        SignedVerdict(verdict, index, size, path(built, index), signature)
        for index, verdict in enumerate(verdicts)
    )


def verify_signed(public_key: bytes, signed: bytes) -> bool:
    """Whether the bytes are a signed verdict, permit or denial, of the kernel with this key."""
    return _opened(public_key, signed) is not None


def verify_checkpoint(
    public_key: bytes, origin: str, size: int, root: bytes, signature: bytes
) -> bool:
    """Whether the signature over a log's checkpoint is of the kernel with this key."""
    try:
        text = checkpoint_text(origin, size, root)
    except ValueError:
        return False
    return verifies(public_key, text, signature)


def _opened(public_key: bytes, signed: bytes) -> Verdict | None:
    """The verdict in the bytes; None unless all of it decodes and verifies."""
    try:
        outer = decode(signed, SignedVerdict)
        verdict = decode(outer.verdict, Verdict)
    except ValueError:
        return None
    root = root_of(outer.verdict, outer.index, outer.size, outer.path)
    if root is None:
        return None
    stated = batch_statement(outer.size, root)
    return verdict if verifies(public_key, stated, outer.signature) else None


class Desk:
    """Where permits are redeemed, each once."""

    def __init__(
        self, public_key: bytes, instance: bytes, registry: Registry, permit_ttl: int
    ) -> None:
        self._public_key = public_key
        self._instance = instance
        self._registry = registry
        self._spent = _Spent(permit_ttl)

    def redeem(self, redemption: Redemption, now: int) -> Redeemed:
        """Take a permit if everything about it holds, and never again."""
        verdict = _opened(self._public_key, redemption.permit)
        # What another instance knew, its revocations and used nonces, is not known here.
        if verdict is None or verdict.instance != self._instance:
            return Redeemed("permit_forged", "the permit is not signed by this kernel")
        refused = next(self._refusals(verdict, redemption, now), None)
        if refused is None and not self._spent.spend(verdict.nonce, verdict.expires_at, now):
            used = f"the permit of action `{verdict.action_id}` was used before"
            refused = Redeemed("permit_replayed", used)
        return refused or self._started(verdict)

    def stale(self, verdict: Verdict) -> str:
        """Why the registry no longer stands behind a verdict; empty if it does."""
        permit = f"the permit of action `{verdict.action_id}`"
        if verdict.epoch < self._registry.epoch:
            return f"{permit} is of epoch {verdict.epoch}, below {self._registry.epoch}"
        for grant_id in (grant_id for chain in verdict.chains for grant_id in chain):
            if why := self._registry.stale(grant_id):
                return f"{permit} rests on grant `{grant_id}`, which {why}"
        return ""

    def _started(self, verdict: Verdict) -> Redeemed:
        """Let a call run on what is reserved for it, if it rests on a budget."""
        ids = (grant_id for chain in verdict.chains for grant_id in chain)
        grants = (self._registry.grants[grant_id].grant for grant_id in ids)
        if not any(map(has_budget, grants)):
            return Redeemed("", "")
        if self._registry.ledger.start(verdict.nonce):
            return Redeemed("", "", budgeted=True)
        gone = f"what was reserved for the permit of action `{verdict.action_id}` was given back"
        return Redeemed("permit_stale", gone)

    def _refusals(self, verdict: Verdict, redemption: Redemption, now: int) -> Iterator[Redeemed]:
        """All that is against an unused permit of ours, in the order in which it is told."""
        permit = f"the permit of action `{verdict.action_id}`"
        if not verdict.permitted:
            yield Redeemed("permit_denied", f"action `{verdict.action_id}` was denied")
        if not _is_for(verdict, redemption):
            other = "the permit is for another call than the one it came with"
            yield Redeemed("permit_mismatch", other)
        if not verdict.issued_at <= now < verdict.expires_at:
            valid = f"is valid from {verdict.issued_at} to {verdict.expires_at}, not at {now}"
            yield Redeemed("permit_expired", f"{permit} {valid}")
        if stale := self.stale(verdict):
            yield Redeemed("permit_stale", stale)


class _Spent:
    """Used nonces, forgotten when their permits have expired.

    They are dropped by generations of one permit's life, since a clock can go back: a nonce of the
    present generation or a later one is still known then, and one of an earlier counts as used.
    The present generation never falls.
    """

    def __init__(self, permit_ttl: int) -> None:
        self._width = max(permit_ttl, 1)
        self._oldest = 0
        self._ends: dict[bytes, int] = {}

    def spend(self, nonce: bytes, expires_at: int, now: int) -> bool:
        """Use a nonce up; False if it was, or if nobody can tell any more."""
        if now // self._width > self._oldest:
            self._oldest = now // self._width
            ends = self._ends.items()
            self._ends = {n: end for n, end in ends if end // self._width >= self._oldest}
        if len(nonce) != _NONCE_BYTES or expires_at // self._width < self._oldest:
            return False
        if now < self._ends.get(nonce, 0):
            return False
        self._ends[nonce] = expires_at
        return True


def _is_for(verdict: Verdict, redemption: Redemption) -> bool:
    digest = args_digest(redemption.args, redemption.salt)
    return (verdict.tool, verdict.args_digest) == (redemption.tool, digest)
