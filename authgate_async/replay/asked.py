"""From a recorded intent to the action that was decided, as far as the log holds it."""

from __future__ import annotations

import os
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from authgate_async.actions import needs_of
from authgate_async.log.entries import intent_of
from authgate_async.policy.tools import find_tools
from authgate_async.reference.rules import action_digest, digest_with, statement
from authgate_async.reference.signing import Signer
from authgate_async.tools import ToolSet
from authgate_async.wire import Action, Request, SignedVerdict, Verdict

if TYPE_CHECKING:
    from authgate_async.log.records import ApprovalAsked, Intent
    from authgate_async.policy import Policy

__all__ = ["Asked", "Keys", "Tools", "asked", "signed", "unapproved"]

_SECRET_BYTES = 32
_KNOWN = {sha256(text).hexdigest(): text for text in (b"", b"{}")}
"""What no arguments look like, so that their digest tells them."""


class Asked(NamedTuple):
    """An action, and what of it the log does not hold.

    `whole` says that it has the recorded digest, and so lacks nothing that this is over;
    `withheld` are arguments of which there is only a digest; `unmeasured` is what a call may use
    of a tool that is not there.
    """

    action: Action
    whole: bool
    withheld: bool
    unmeasured: bool


class Tools:
    """The tools that a policy offers.

    Raises:
        PolicyError: as for `find_tools`.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._tools = ToolSet(find_tools(policy))

    def offers(self, name: str) -> bool:
        """Whether a call can be asked for; a policy without `tools` leaves that to the program."""
        return self._policy.tools is None or name in self._tools

    def needs(self, name: str) -> tuple[int, int, int] | None:
        """Return what a call may use at most; None if that is not known."""
        tool = self._tools.get(name)
        if tool is None:
            return None
        return needs_of(tool, self._policy.limits_for(name, tool.limits))


class Keys:
    """Stands in for the keys of agents, whose signatures a log does not hold.

    Where the recorded decision shows that a signature verified, one under the stand-in does too;
    two keys have two stand-ins.
    """

    def __init__(self) -> None:
        self._secret = os.urandom(_SECRET_BYTES)
        self.signer = cache(self._signer)

    def _signer(self, key: bytes) -> Signer:
        return Signer(sha256(self._secret + key).digest())

    def public(self, key: bytes) -> bytes:
        """Return the public key in place of another; none in place of none."""
        return self.signer(key).public_key if key else b""


def asked(intent: Intent, needs: tuple[int, int, int] | None) -> Asked:
    """Return what was asked, as far as the log tells."""
    wall_us, output_bytes, cost = needs or (0, 0, 0)
    args = intent.args.encode() or _KNOWN.get(intent.args_digest)
    action = Action(
        id=intent.action_id,
        actor=intent.agent,
        kind=intent.agent_kind,
        tool=intent.tool,
        args=args or b"",
        requests=tuple(
            [Request(one.rtype, one.name, one.scope, int(one.right)) for one in intent.requests]
        ),
        wall_us=wall_us,
        output_bytes=output_bytes,
        cost=cost,
    )
    digest = digest_with(action, bytes.fromhex(intent.args_digest)).hex()
    whole = digest == intent.action_digest
    return Asked(action, whole, withheld=args is None, unmeasured=needs is None)


def unapproved(record: ApprovalAsked, now: int) -> Intent:
    """Return the denial that a call ended with which waited until `now`, and nobody approved."""
    proof = record.proof
    carried = SignedVerdict(
        bytes.fromhex(proof.verdict),
        proof.index,
        proof.size,
        bytes.fromhex(proof.path),
        bytes.fromhex(proof.signature),
    )
    verdict = msgspec.msgpack.decode(carried.verdict, type=Verdict)
    intent = intent_of(carried, verdict, run=record.run, seq=record.seq, args=record.args)
    return msgspec.structs.replace(intent, issued_at=now)


def signed(action: Action, signer: Signer) -> Action:
    """Return an action with the signature of its actor."""
    proof = signer.sign(statement(action_digest(action)))
    return msgspec.structs.replace(action, proof=proof)
