"""Approvals: signed by humans, each for one action and good once (`docs/rules.md`, section 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import astuple

from authgate_async.reference.signing import verifies
from authgate_async.reference.words import principal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from authgate_async.reference.registry import Registry
    from authgate_async.wire import Approve, Grant

__all__ = ["LONGEST", "MOST", "Approvals", "approval_statement"]

LONGEST = 86_400_000_000
"""Microseconds that an approval lasts at most."""

MOST = 16_384
"""Approvals that are remembered at once."""

_SIGNED = 5

Fault = tuple[str, str]


def approval_statement(approval: Approve) -> bytes:
    """What an approver signs."""
    body = msgspec.msgpack.encode(astuple(approval)[:_SIGNED])
    return b"authgate_async approval v1\x00" + body


class Approvals:
    """Those that were given, by the digest of their action, and the nonces that are used up."""

    def __init__(self, instance: bytes) -> None:
        self._instance = instance
        self._given: dict[bytes, dict[str, int]] = {}
        self._used: dict[tuple[str, bytes], int] = {}
        self._latest = 0

    def refusal(self, registry: Registry, approval: Approve, now: int) -> Fault | None:
        """Say why an approval that is well formed is not taken; None if it may be."""
        return next(self._faults(registry, approval, max(now, self._latest)), None)

    def _faults(self, registry: Registry, approval: Approve, now: int) -> Iterator[Fault]:
        who = principal("human", approval.approver)
        known = registry.principals.get((approval.approver, "human"))
        if known is None:
            yield "unknown_principal", f"{who} is not enrolled"
        elif not known.key:
            yield "unknown_principal", f"{who} is enrolled without a key, and cannot approve"
        elif approval.instance != self._instance:
            yield "approval_forged", "the approval is for another runtime, or for one before this"
        elif not verifies(known.key, approval_statement(approval), approval.signature):
            yield "approval_forged", f"the approval is not signed with the enrolled key of {who}"
        if now >= approval.expires_at:
            yield "approval_expired", f"the approval ended at {approval.expires_at}"
        if approval.expires_at - now > LONGEST:
            yield "malformed", f"`expires_at` must be at most {LONGEST} microseconds from now"
        if now < self._used.get((approval.approver, approval.nonce), 0):
            yield "approval_used", "the approval was given before"
        if sum(now < end for end in self._used.values()) >= MOST:
            yield (
                "too_many",
                f"{MOST} approvals were given and have not ended; wait for some to end",
            )

    def enter(self, approval: Approve, now: int) -> None:
        """Take one that is not refused, and forget those that have ended."""
        # A nonce that is forgotten has ended for good, also after a clock went back.
        self._latest = now = max(now, self._latest)
        self._used = {nonce: end for nonce, end in self._used.items() if now < end}
        kept = {
            digest: {who: end for who, end in given.items() if now < end}
            for digest, given in self._given.items()
        }
        self._given = {digest: given for digest, given in kept.items() if given}
        self._used[approval.approver, approval.nonce] = approval.expires_at
        given = self._given.setdefault(approval.action_digest, {})
        given[approval.approver] = max(approval.expires_at, given.get(approval.approver, 0))

    def of(self, digest: bytes, approvers: Sequence[str], now: int) -> tuple[str, int] | None:
        """Return who of these approved the action for longest, the first of several, and until."""
        given = self._given.get(digest, {})
        live = [(who, given[who]) for who in approvers if now < given.get(who, 0)]
        return max(live, key=lambda one: one[1], default=None)

    def lacking(self, digest: bytes, chain: Iterable[Grant], now: int) -> list[Grant]:
        """Return the grants of a chain that ask for an approval that nobody gave."""
        asking = (grant for grant in chain if grant.approvers)
        return [grant for grant in asking if self.of(digest, grant.approvers, now) is None]

    def spend(self, digest: bytes) -> None:
        """Use up the approvals of an action."""
        self._given.pop(digest, None)
