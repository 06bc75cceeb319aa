"""A kernel under another policy, and a registry of the same content that can be looked into."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from authgate_async.backends import make_kernel
from authgate_async.errors import PolicyError
from authgate_async.reference.approvals import approval_statement
from authgate_async.reference.budget import has_budget
from authgate_async.reference.changes import apply
from authgate_async.reference.permit import instance_of
from authgate_async.reference.registry import Registry
from authgate_async.wire import (
    Changed,
    Delegate,
    Enrol,
    Redeemed,
    Redemption,
    Register,
    SignedVerdict,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authgate_async.backends import Backend
    from authgate_async.policy import Policy
    from authgate_async.replay.asked import Keys
    from authgate_async.wire import Action, Approve, Change, Settlement

__all__ = ["Session"]

_SECRET_BYTES = 32
_TTL = 86_400_000_000
"""How long used nonces are remembered, at least; no call is ever made with one."""

_encode = msgspec.msgpack.Encoder().encode
_changed = msgspec.msgpack.Decoder(list[Changed]).decode
_signed = msgspec.msgpack.Decoder(list[SignedVerdict]).decode
_redeemed = msgspec.msgpack.Decoder(list[Redeemed]).decode


class Session:
    """One session of a log under `policy`; `now` is when it began, in microseconds.

    Permits are redeemed as soon as they are given, so that what is reserved for a call is there
    until the log says how it ended.

    Raises:
        PolicyError: the kernel refuses a part of the policy.
        BackendMissingError: as for `make_kernel`.
    """

    def __init__(self, policy: Policy, backend: Backend, keys: Keys, now: int) -> None:
        secret = os.urandom(_SECRET_BYTES)
        self._kernel = make_kernel(backend, seed=secret, entropy=secret, permit_ttl=_TTL)
        self._keys = keys
        self._instance = instance_of(secret)
        self.registry = Registry(self._instance)
        self.budgets = False
        for changed in self.change(policy.changes(), now):
            if changed.code:
                raise PolicyError(f"{policy.source}: the kernel refuses it: {changed.sentence}")

    def change(self, changes: Sequence[Change], now: int) -> list[Changed]:
        """Apply changes, with stand-ins for the keys of agents."""
        ours = [self._with_stand_in(one) for one in changes]
        for one in ours:
            apply(self.registry, one, now)
            if isinstance(one, Register | Delegate):
                self.budgets |= has_budget(one.grant)
        return _changed(self._kernel.change(_encode(ours), now))

    def _with_stand_in(self, change: Change) -> Change:
        if not isinstance(change, Enrol):
            return change
        return msgspec.structs.replace(change, key=self._keys.public(change.key))

    def approval(self, approval: Approve, key: bytes) -> Approve:
        """Return an approval that a key signed as this kernel would take it."""
        bare = msgspec.structs.replace(approval, instance=self._instance)
        signature = self._keys.signer(key).sign(approval_statement(bare))
        return msgspec.structs.replace(bare, signature=signature)

    def decide(self, actions: Sequence[Action], now: int) -> list[SignedVerdict]:
        """Decide actions one after another."""
        return _signed(self._kernel.decide(_encode(actions), now, os.urandom(_SECRET_BYTES)))

    def redeem(self, signed: SignedVerdict, action: Action, now: int) -> bool:
        """Let a call keep what is reserved for it; False if the clock went back too far."""
        redemption = Redemption(_encode(signed), action.tool, action.args)
        (redeemed,) = _redeemed(self._kernel.redeem(_encode([redemption]), now))
        return not redeemed.code

    def settle(self, settlement: Settlement) -> None:
        """Charge what a call used."""
        self._kernel.settle(_encode([settlement]))
