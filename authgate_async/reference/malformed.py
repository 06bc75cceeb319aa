"""Which fields of an action or a change are wrong, and why (`docs/rules.md`, section 2)."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from authgate_async.reference.constraints.arguments import MAX_ARGS
from authgate_async.reference.constraints.bounds import flaw
from authgate_async.reference.digests import SALT_BYTES
from authgate_async.reference.signing import KEY_BYTES, SIGNATURE_BYTES, is_key
from authgate_async.wire import (
    FLAGS,
    OPERATORS,
    Action,
    AdvanceEpoch,
    AdvanceHolderEpoch,
    Approve,
    Change,
    Constraint,
    Declare,
    Delegate,
    Enrol,
    Grant,
    Own,
    Register,
    Request,
    Revoke,
    RevokeHeld,
    RevokeHolder,
)

__all__ = ["MAX_ENTRIES", "cut", "in_action", "in_change", "in_names", "in_request", "is_name"]

MAX_ENTRIES = 64
_MAX_NAME = 256
_MAX_SCOPE = 4096
_MAX_COMPONENTS = 64
_MAX_CONFIDENCE = 1_000_000
_ALL_RIGHTS = 0b1111
_MAX_BOUND = 4096
_MAX_APPROVERS = 16
_CONTROLS = frozenset(map(chr, (*range(0x20), *range(0x7F, 0xA0))))

_Faults = Iterator[str]
"""Sentences, one for each field that is wrong, in the order of the fields."""


def in_action(action: Action) -> _Faults:
    """What is wrong with an action's fields."""
    yield from in_names(action)
    if len(action.args) > MAX_ARGS:
        yield f"`args` is longer than {MAX_ARGS} bytes"
    yield from _requests(action.requests)
    yield from _governed(action.governs_humans)
    if action.flags >> len(FLAGS):
        yield "`flags` has an unknown flag"
    if len(action.proof) not in {0, SIGNATURE_BYTES}:
        yield f"`proof` must have 0 or {SIGNATURE_BYTES} bytes"
    if len(action.salt) not in {0, SALT_BYTES}:
        yield f"`salt` must have 0 or {SALT_BYTES} bytes"


def in_names(action: Action) -> _Faults:
    """What is wrong with the fields that say who asks, and for what."""
    yield from _text("id", action.id)
    yield from _text("actor", action.actor)
    yield from _kind("kind", action.kind)
    yield from _text("tool", action.tool)


def is_name(text: str) -> bool:
    """Whether a sentence may quote the text as a name."""
    return not any(_text("", text))


def cut(action: Action) -> Action:
    """Empty malformed fields and drop requests beyond the limit, for the verdict's copy.

    Nothing hostile is signed and logged then. An odd `right` is a number and stays.
    """
    return msgspec.structs.replace(
        action,
        id=_name_or_empty(action.id),
        actor=_name_or_empty(action.actor),
        kind="" if any(_kind("", action.kind)) else action.kind,
        tool=_name_or_empty(action.tool),
        requests=tuple(map(_cut_request, action.requests[:MAX_ENTRIES])),
    )


def _cut_request(request: Request) -> Request:
    scope = "" if any(_scope("", request.scope)) else request.scope
    rtype, name = _name_or_empty(request.rtype), _name_or_empty(request.name)
    return Request(rtype, name, scope, request.right)


def _name_or_empty(text: str) -> str:
    return text if is_name(text) else ""


def in_request(request: Request, place: str) -> _Faults:
    """What is wrong with the fields of the request at `place`."""
    yield from _text(f"{place}.rtype", request.rtype)
    yield from _text(f"{place}.name", request.name)
    yield from _scope(f"{place}.scope", request.scope)
    if request.right not in {1, 2, 4, 8}:
        yield f"`{place}.right` must be one of read, write, execute, delegate"


def in_change(change: Change) -> _Faults:
    """What is wrong with a change's fields."""
    match change:
        case Enrol():
            yield from _enrol(change)
        case Own():
            yield from _text("machine", change.machine)
            yield from _text("owner", change.owner)
        case Declare():
            yield from _declare(change)
        case Register():
            yield from _grant(change.grant)
        case Delegate():
            yield from _grant(change.grant)
            yield from _text("by", change.by)
            yield from _kind("by_kind", change.by_kind)
        case Revoke():
            yield from _text("grant_id", change.grant_id)
        case RevokeHolder() | RevokeHeld() | AdvanceHolderEpoch():
            yield from _of_holder(change)
        case AdvanceEpoch():
            pass
        case Approve():
            yield from _approve(change)


def _of_holder(change: RevokeHolder | RevokeHeld | AdvanceHolderEpoch) -> _Faults:
    yield from _text("holder", change.holder)
    yield from _kind("holder_kind", change.holder_kind)
    if isinstance(change, RevokeHeld):
        yield from _text("rtype", change.rtype)
        yield from _text("name", change.name)


def _requests(requests: tuple[Request, ...]) -> _Faults:
    if not requests:
        yield "`requests` asks for nothing; name at least one resource"
    if len(requests) > MAX_ENTRIES:
        yield f"`requests` has more than {MAX_ENTRIES} entries"
    for place, request in enumerate(requests[:MAX_ENTRIES]):
        yield from in_request(request, f"requests[{place}]")


def _governed(humans: tuple[str, ...]) -> _Faults:
    if len(humans) > MAX_ENTRIES:
        yield f"`governs_humans` has more than {MAX_ENTRIES} entries"
    for place, human in enumerate(humans[:MAX_ENTRIES]):
        yield from _text(f"governs_humans[{place}]", human)


def _enrol(change: Enrol) -> _Faults:
    yield from _text("name", change.name)
    yield from _kind("kind", change.kind)
    if change.key and not is_key(change.key):
        yield f"`key` must be an Ed25519 public key of {KEY_BYTES} bytes"
    yield from _text("trust_domain", change.trust_domain, may_be_empty=True)


def _declare(change: Declare) -> _Faults:
    yield from _text("rtype", change.rtype)
    yield from _text("name", change.name)
    yield from _text("trust_domain", change.trust_domain, may_be_empty=True)


def _approve(approval: Approve) -> _Faults:
    yield from _bytes("instance", approval.instance, 16)
    yield from _bytes("action_digest", approval.action_digest, 32)
    yield from _text("approver", approval.approver)
    yield from _bytes("nonce", approval.nonce, 16)
    yield from _bytes("signature", approval.signature, SIGNATURE_BYTES)


def _bytes(field: str, value: bytes, length: int) -> _Faults:
    if len(value) != length:
        yield f"`{field}` must have {length} bytes"


def _grant(grant: Grant) -> _Faults:
    yield from _text("grant.id", grant.id)
    yield from _text("grant.holder", grant.holder)
    yield from _kind("grant.holder_kind", grant.holder_kind)
    yield from _text("grant.rtype", grant.rtype)
    yield from _text("grant.name", grant.name)
    yield from _scope("grant.scope", grant.scope)
    if not 0 < grant.rights <= _ALL_RIGHTS:
        yield "`grant.rights` must be read, write, execute or delegate, or several"
    if grant.confidence > _MAX_CONFIDENCE:
        yield f"`grant.confidence` must be at most {_MAX_CONFIDENCE}"
    yield from _text("grant.parent", grant.parent, may_be_empty=True)
    yield from _constraints(grant)


def _constraints(grant: Grant) -> _Faults:
    if len(grant.constraints) > MAX_ENTRIES:
        yield f"`grant.constraints` has more than {MAX_ENTRIES} entries"
    for place, constraint in enumerate(grant.constraints):
        yield from _constraint(f"grant.constraints[{place}]", constraint)
    if grant.other_args not in {"", "any", "none"}:
        yield "`grant.other_args` must be empty, `any` or `none`"
    if len(grant.approvers) > _MAX_APPROVERS:
        yield f"`grant.approvers` has more than {_MAX_APPROVERS} entries"
    for place, name in enumerate(grant.approvers):
        yield from _text(f"grant.approvers[{place}]", name)


def _constraint(place: str, constraint: Constraint) -> _Faults:
    yield from _text(f"{place}.arg", constraint.arg)
    if constraint.op not in OPERATORS:
        yield f"`{place}.op` must be {', '.join(OPERATORS[:-1])} or {OPERATORS[-1]}"
        return
    faults = list(_text(f"{place}.bound", constraint.bound, may_be_empty=True, most=_MAX_BOUND))
    yield from faults
    if not faults and (why := flaw(constraint)):
        yield f"`{place}.bound` {why}"


def _text(field: str, value: str, *, may_be_empty: bool = False, most: int = _MAX_NAME) -> _Faults:
    if not value and not may_be_empty:
        yield f"`{field}` is empty"
    elif len(value.encode()) > most:
        yield f"`{field}` is longer than {most} bytes"
    elif not _CONTROLS.isdisjoint(value):
        yield f"`{field}` has a control character"


def _scope(field: str, value: str) -> _Faults:
    faults = list(_text(field, value, may_be_empty=True, most=_MAX_SCOPE))
    if not faults and value.count("/") >= _MAX_COMPONENTS:
        faults.append(f"`{field}` has more than {_MAX_COMPONENTS} components")
    yield from faults


def _kind(field: str, value: str) -> _Faults:
    if value not in {"human", "machine"}:
        yield f"`{field}` must be `human` or `machine`"
