"""What is given to every engine: a kernel's calls, each with what it is about.

Permits, settlements and approvals are about verdicts, by their place among all of a program.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from authgate_async.reference.digests import args_digest

if TYPE_CHECKING:
    from authgate_async.wire import Action, Change

TTL = 4
"""How long a permit lives: so short that all of its life lies among the moments that are drawn."""

SECRETS = {name: Ed25519PrivateKey.from_private_bytes(name.encode() * 32) for name in "kl"}
KEYS = {name: secret.public_key().public_bytes_raw() for name, secret in SECRETS.items()}
WEAK_KEY = b"\x00" * 32
"""A point of small order."""

PROOF_BYTES = 64


@dataclass(frozen=True)
class Act:
    """An action, and whose key signs it: none, one of `KEYS`, or `bad` for another's signature."""

    action: Action
    signer: str = ""

    @property
    def digested(self) -> tuple[object, ...]:
        """What the digest of the action is over."""
        it = self.action
        requests = tuple(msgspec.structs.astuple(request) for request in it.requests)
        flat = (it.id, it.actor, it.kind, it.tool, args_digest(it.args, it.salt), requests)
        return (*flat, it.governs_humans, it.flags, it.min_epoch, b"")

    def signed(self) -> Action:
        """Return the action with its proof."""
        if not self.signer:
            return self.action
        proof = bytes(PROOF_BYTES)
        if self.signer in SECRETS:
            # The actor signs before anybody has drawn a salt.
            stated = Act(msgspec.structs.replace(self.action, salt=b"")).digested
            digest = sha256(msgspec.msgpack.encode(stated)).digest()
            proof = SECRETS[self.signer].sign(b"authgate_async action v1\x00" + digest)
        return msgspec.structs.replace(self.action, proof=proof)


@dataclass(frozen=True)
class Approval:
    """What a human says to the verdict in a place, signed with one of `KEYS` or `bad`."""

    verdict: int
    approver: str
    expires_at: int
    nonce: int
    signer: str
    ours: bool = True


@dataclass(frozen=True)
class End:
    """What became of the permit in a place."""

    verdict: int
    redeemed: bool
    started: bool
    used: tuple[int, int, int]


@dataclass(frozen=True)
class Step:
    """One call: `change` has changes and approvals, `decide` acts, `redeem` places, `settle` ends.

    `entropy` is the byte that a batch's entropy repeats.
    """

    op: str
    now: int
    items: tuple[Change | Approval | Act | int | End, ...]
    entropy: int = 0


@dataclass(frozen=True)
class Program:
    """Calls of one kernel, in order; a case is one action of it, decided."""

    steps: tuple[Step, ...]
    ttl: int = TTL

    @property
    def cases(self) -> int:
        """How many actions are decided."""
        return sum(len(step.items) for step in self.steps if step.op == "decide")
