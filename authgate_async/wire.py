"""What crosses into the decision kernel and back, as MessagePack arrays.

Both kernels (Rust and the Python reference) take and return exactly these bytes; the Rust side
declares the same structs in `kernel/src/wire/`. Fields are positional: order is the format.
Encodings are canonical (shortest form of every header), so equal values are equal bytes.

Times are integer microseconds since the Unix epoch; 0 in `expires_at` means never. Confidence is in
parts per million. The rules that read these fields stand in `docs/rules.md`.
"""

from __future__ import annotations

from enum import IntFlag
from typing import Annotated, Literal

import msgspec

__all__ = [
    "DENIAL_CODES",
    "FLAGS",
    "MAX_NAME",
    "NO_LIMIT",
    "OPERATORS",
    "REFUSAL_CODES",
    "WARNING_CODES",
    "Action",
    "AdvanceEpoch",
    "AdvanceHolderEpoch",
    "Approve",
    "Change",
    "Changed",
    "Constraint",
    "Declare",
    "Delegate",
    "Enrol",
    "Grant",
    "Kind",
    "Own",
    "Redeemed",
    "Redemption",
    "Register",
    "Request",
    "Revoke",
    "RevokeHeld",
    "RevokeHolder",
    "Right",
    "Settlement",
    "SignedVerdict",
    "Verdict",
]

Kind = Literal["human", "machine"]

_Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""Every integer on the wire; what is outside does not decode."""

FLAGS = (
    "increases_machine_sovereignty",
    "resists_human_correction",
    "bypasses_verifier",
    "weakens_verifier",
    "disables_corrigibility",
    "machine_coalition_dominion",
    "coerces",
    "deceives",
    "self_modification_weakens_verifier",
    "machine_coalition_reduces_freedom",
)
"""The ten forbidden flags; flag N is bit N of `Action.flags`."""

MAX_NAME = 256
"""Bytes of a name of a principal, tool or resource (`docs/rules.md`, section 2)."""

NO_LIMIT = 2**63 - 1
"""What a grant says that may use as much as there is."""

DENIAL_CODES = (
    "malformed",
    "forbidden_flag",
    "unowned_machine",
    "machine_dominion",
    "identity_mismatch",
    "no_grant",
    "expired",
    "epoch_stale",
    "chain_broken",
    "attenuation",
    "constraint",
    "trust_domain",
    "budget",
    "approval_required",
)
"""Every code a kernel can deny with, in the order in which it checks."""

WARNING_CODES = ("low_confidence", "contested_write")

OPERATORS = (
    "eq",
    "one_of",
    "all_in",
    "prefix",
    "regex",
    "not_regex",
    "le",
    "ge",
    "max_len",
    "absent",
    "subpath",
    "host",
)
"""What a constraint may hold an argument against (`docs/rules.md`, section 8)."""

REFUSAL_CODES = (
    "permit_forged",
    "permit_denied",
    "permit_mismatch",
    "permit_expired",
    "permit_stale",
    "permit_replayed",
)
"""Every code a kernel can refuse to redeem a permit with, in the order in which it checks."""


class Right(IntFlag):
    """What may be done with a resource; an `int` on the wire."""

    READ = 1
    WRITE = 2
    EXECUTE = 4
    DELEGATE = 8


class _Array(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """A positional message."""


class Request(_Array, frozen=True):
    """One resource and one right that an action asks for."""

    rtype: str
    name: str
    scope: str
    right: _Count


class Action(_Array, frozen=True):
    """One tool call that somebody wants to make.

    `id` is unique; the gate uses `RUN:SEQ`. `args` are the canonical argument bytes, at most
    64 KiB; the kernel makes their digest. `proof` is empty, or the actor's Ed25519 signature over
    the action's statement (`docs/rules.md`, section 3). What follows it is what the call may use
    at most: it is reserved from the budgets of the grants that permit it, and no digest is over it.
    `salt` is empty, or 32 bytes that nobody can guess: then the digest of `args` does not tell
    which of a few they are.
    """

    id: str
    actor: str
    kind: str
    tool: str
    args: bytes
    requests: tuple[Request, ...]
    governs_humans: tuple[str, ...] = ()
    flags: _Count = 0
    min_epoch: _Count = 0
    proof: bytes = b""
    wall_us: _Count = 0
    output_bytes: _Count = 0
    cost: _Count = 0
    salt: bytes = b""


class Verdict(_Array, frozen=True):
    """What the kernel decided about one action; its encoded bytes are what is signed.

    `chains` has, for each request, the ids of the grants that justify it, from the actor's own
    grant up to the root; empty for a public read and throughout a denial. `violations` and
    `warnings` are pairs of code and sentence. `instance` (16 bytes) tells the kernel that decided
    from any other with its key, such as itself before a restart. `approvers` are the humans whose
    approvals a permit rests on; of a denial for want of approvals alone, those who may give them.
    """

    action_id: str
    action_digest: bytes
    actor: str
    kind: str
    tool: str
    args_digest: bytes
    requests: tuple[Request, ...]
    permitted: bool
    violations: tuple[tuple[str, str], ...]
    warnings: tuple[tuple[str, str], ...]
    confidence: _Count
    requires_human_arbitration: bool
    chains: tuple[tuple[str, ...], ...]
    epoch: _Count
    nonce: bytes
    issued_at: _Count
    expires_at: _Count
    instance: bytes
    approvers: tuple[str, ...] = ()


class SignedVerdict(_Array, frozen=True):
    """A verdict with its proof: leaf `index` of the `size` leaves under one signed root.

    `verdict` is the encoded `Verdict`; `path` is the RFC 6962 inclusion path, 32 bytes a step from
    the leaf up; `signature` is Ed25519 over the batch statement (`docs/rules.md`, section 6). One
    that permits is a *permit*.
    """

    verdict: bytes
    index: _Count
    size: _Count
    path: bytes
    signature: bytes


class Redemption(_Array, frozen=True):
    """A permit about to be used: the bytes of a `SignedVerdict`, and what it is used for.

    `salt` is that of the action which was permitted.
    """

    permit: bytes
    tool: str
    args: bytes
    salt: bytes = b""


class Redeemed(_Array, frozen=True):
    """The answer: an empty `code` means that the call may start, once, now.

    If it is `budgeted`, its end must be told by a `Settlement`.
    """

    code: str
    sentence: str
    budgeted: bool = False


class Settlement(_Array, frozen=True):
    """What became of a permitted call: what it used is charged, and the rest given back.

    `nonce` is its verdict's. One whose permit was not `redeemed` gives back nothing that a redeemed
    one holds; one that never `started` has used nothing.
    """

    nonce: bytes
    redeemed: bool
    started: bool
    wall_us: _Count = 0
    output_bytes: _Count = 0
    cost: _Count = 0


class Constraint(_Array, frozen=True):
    """What must hold of the argument `arg`: one of `OPERATORS`, and what it is held against.

    `bound` is JSON text (`docs/rules.md`, section 8).
    """

    arg: str
    op: str
    bound: str


class Grant(_Array, frozen=True):
    """A capability: `holder` may do `rights` to the resource within `scope`.

    An empty `parent` makes it a root. `cross_domain` lets it reach a resource of another trust
    domain. All of `constraints` must hold; `other_args` says whether arguments that they do not
    name are free: `any`, `none`, or empty, which is `none` where there are constraints, else `any`.
    The four limits are for all calls that rest on it, or on what is handed on from it, together.
    Where it names `approvers`, humans enrolled with a key, each such call needs the approval of one
    of them.
    """

    id: str
    holder: str
    holder_kind: str
    rtype: str
    name: str
    scope: str
    rights: _Count
    confidence: _Count = 1_000_000
    expires_at: _Count = 0
    epoch: _Count = 0
    parent: str = ""
    cross_domain: bool = False
    constraints: tuple[Constraint, ...] = ()
    other_args: str = ""
    max_calls: _Count = NO_LIMIT
    max_wall_us: _Count = NO_LIMIT
    max_output_bytes: _Count = NO_LIMIT
    max_cost: _Count = NO_LIMIT
    approvers: tuple[str, ...] = ()


class Enrol(_Array, frozen=True, tag="enrol"):
    """Make a principal known. `key` is empty or an Ed25519 public key of 32 bytes."""

    name: str
    kind: str
    key: bytes = b""
    trust_domain: str = ""


class Own(_Array, frozen=True, tag="own"):
    """Name the human who answers for a machine; both are enrolled already."""

    machine: str
    owner: str


class Declare(_Array, frozen=True, tag="declare"):
    """Make a resource's nature known: public to read, and its trust domain."""

    rtype: str
    name: str
    public: bool = False
    trust_domain: str = ""


class Register(_Array, frozen=True, tag="register"):
    """Enter a grant as the operator wrote it; its chain is judged at each decision."""

    grant: Grant


class Delegate(_Array, frozen=True, tag="delegate"):
    """Enter a grant that a holder hands on; refused unless it narrows, with the dimension named."""

    grant: Grant
    by: str
    by_kind: str


class Revoke(_Array, frozen=True, tag="revoke"):
    """End one grant, and with it every chain that leads through it."""

    grant_id: str


class RevokeHolder(_Array, frozen=True, tag="revoke_holder"):
    """End every grant of a holder, and with each every chain that leads through it."""

    holder: str
    holder_kind: str


class RevokeHeld(_Array, frozen=True, tag="revoke_held"):
    """End every grant of a holder on one resource, whatever its scope."""

    holder: str
    holder_kind: str
    rtype: str
    name: str


class AdvanceEpoch(_Array, frozen=True, tag="advance_epoch"):
    """Raise the registry's epoch to `to`, or by one if `to` is 0; lower grants go stale."""

    to: _Count = 0


class AdvanceHolderEpoch(_Array, frozen=True, tag="advance_holder_epoch"):
    """Raise one holder's epoch to `to`, or by one if `to` is 0; its lower grants go stale."""

    holder: str
    holder_kind: str
    to: _Count = 0


class Approve(_Array, frozen=True, tag="approve"):
    """Let one action pass the grants that ask for the approval of `approver`, once.

    `instance` and `action_digest` are those of the verdict that asked; `nonce` is 16 fresh bytes.
    `signature` is the approver's, over all that stands before it (`docs/rules.md`, section 10).
    """

    instance: bytes
    action_digest: bytes
    approver: str
    expires_at: _Count
    nonce: bytes
    signature: bytes


Change = (
    Enrol
    | Own
    | Declare
    | Register
    | Delegate
    | Revoke
    | RevokeHolder
    | RevokeHeld
    | AdvanceEpoch
    | AdvanceHolderEpoch
    | Approve
)


class Changed(_Array, frozen=True):
    """What became of one change: an empty `code` means done.

    `epoch` is the one after it: a holder's of an `AdvanceHolderEpoch`, else the registry's.
    """

    code: str
    sentence: str
    epoch: _Count
