"""Changes to the registry, and why one is refused (`docs/rules.md`, section 1)."""

from __future__ import annotations

from authgate_async.reference.chain import MAX_LINKS, Chain, Fault, narrows, walk
from authgate_async.reference.malformed import in_change
from authgate_async.reference.registry import Principal, Registry, Resource
from authgate_async.reference.words import principal, resource
from authgate_async.wire import (
    AdvanceEpoch,
    AdvanceHolderEpoch,
    Approve,
    Change,
    Changed,
    Declare,
    Delegate,
    Enrol,
    Grant,
    Own,
    Register,
    Revoke,
    RevokeHeld,
    RevokeHolder,
)

__all__ = ["apply"]

_Ending = Revoke | RevokeHolder | RevokeHeld | AdvanceEpoch | AdvanceHolderEpoch
"""The changes that take something away."""

_MAX_ALTERNATIVES = 64
_MAX_EPOCH = 2**63 - 1


def apply(registry: Registry, change: Change, now: int) -> Changed:
    """Apply one change, whole or not at all, and say what became of it."""
    code, sentence = _refusal(registry, change, now) or ("", "")
    if not code:
        _enter(registry, change, now)
    return Changed(code, sentence, _epoch_after(registry, change))


def _epoch_after(registry: Registry, change: Change) -> int:
    if isinstance(change, AdvanceHolderEpoch):
        return registry.epoch_of(change.holder, change.holder_kind)
    return registry.epoch


def _enter(registry: Registry, change: Change, now: int) -> None:
    match change:
        case Enrol():
            known = Principal(change.key, change.trust_domain)
            registry.principals[change.name, change.kind] = known
        case Own():
            registry.owners[change.machine] = change.owner
        case Declare():
            nature = Resource(change.public, change.trust_domain)
            registry.resources[change.rtype, change.name] = nature
        case Register() | Delegate():
            registry.enter(change.grant)
        case Approve():
            registry.approvals.enter(change, now)
        case _:
            _take(registry, change)


def _take(registry: Registry, change: _Ending) -> None:
    match change:
        case Revoke():
            registry.revoke(change.grant_id)
        case RevokeHolder():
            registry.revoke_holder(change.holder, change.holder_kind)
        case RevokeHeld():
            registry.revoke_held(change.holder, change.holder_kind, change.rtype, change.name)
        case AdvanceEpoch():
            registry.epoch = change.to or registry.epoch + 1
        case AdvanceHolderEpoch():
            holder = (change.holder, change.holder_kind)
            registry.epochs[holder] = change.to or registry.epoch_of(*holder) + 1


def _refusal(registry: Registry, change: Change, now: int) -> Fault | None:
    malformed = next(in_change(change), None)
    if malformed:
        return "malformed", malformed
    refusal = None
    match change:
        case Enrol():
            refusal = _enrol(registry, change)
        case Own():
            refusal = _own(registry, change)
        case Declare():
            pass
        case Register():
            refusal = _register(registry, change.grant)
        case Delegate():
            refusal = _register(registry, change.grant) or _delegate(registry, change, now)
        case Approve():
            refusal = registry.approvals.refusal(registry, change, now)
        case _:
            refusal = _end(registry, change)
    return refusal


def _end(registry: Registry, change: _Ending) -> Fault | None:
    match change:
        case Revoke():
            return _revoke(registry, change)
        case RevokeHolder():
            return _stranger(registry, change)
        case RevokeHeld():
            return _stranger(registry, change) or _revoke_held(registry, change)
        case AdvanceEpoch():
            return _advance(registry.epoch, change.to)
        case AdvanceHolderEpoch():
            epoch = registry.epoch_of(change.holder, change.holder_kind)
            return _stranger(registry, change) or _advance(epoch, change.to)


def _enrol(registry: Registry, change: Enrol) -> Fault | None:
    known = registry.principals.get((change.name, change.kind))
    if known and known.key != change.key:
        who = principal(change.kind, change.name)
        return "conflict", f"{who} is enrolled with another key"
    return None


def _own(registry: Registry, change: Own) -> Fault | None:
    for name, kind in ((change.machine, "machine"), (change.owner, "human")):
        if (name, kind) not in registry.principals:
            return "unknown_principal", f"{principal(kind, name)} is not enrolled"
    return None


def _register(registry: Registry, grant: Grant) -> Fault | None:
    if grant.id in registry.grants:
        return "conflict", f"grant `{grant.id}` is there already"
    who = principal(grant.holder_kind, grant.holder)
    if (grant.holder, grant.holder_kind) not in registry.principals:
        return "unknown_principal", f"{who} is not enrolled"
    if why := _unable(registry, grant):
        return "unknown_principal", why
    if registry.alternatives(grant) >= _MAX_ALTERNATIVES:
        what = resource(grant.rtype, grant.name, grant.scope)
        held = f"{who} has {_MAX_ALTERNATIVES} grants on {what} already"
        return "too_many", f"{held}; revoke one first"
    return None


def _unable(registry: Registry, grant: Grant) -> str:
    """Say who of a grant's approvers cannot approve anything; empty if all can."""
    for name in grant.approvers:
        known = registry.principals.get((name, "human"))
        if known is None:
            return f"{principal('human', name)} is not enrolled"
        if not known.key:
            return f"{principal('human', name)} is enrolled without a key, and cannot approve"
    return ""


def _delegate(registry: Registry, change: Delegate, now: int) -> Fault | None:
    entered = registry.grants.get(change.grant.parent)
    if entered is None:
        return "no_grant", f"grant `{change.grant.parent}` is not there"
    parent = entered.grant
    if parent.id in registry.revoked:
        return "no_grant", f"grant `{parent.id}` was revoked"
    if (parent.holder, parent.holder_kind) != (change.by, change.by_kind):
        who = principal(change.by_kind, change.by)
        return "no_grant", f"grant `{parent.id}` is not held by {who}"
    return _overreach(change.grant, parent, walk(registry, parent, now, 0))


def _overreach(child: Grant, parent: Grant, above: Chain) -> Fault | None:
    """Why a sound delegation may not be made from this parent: its own chain, or a wider child."""
    if above.faults:
        return above.faults[0]
    wider = list(narrows(child, parent))
    if wider and wider[0][0] == "chain_broken":
        return wider[0]
    if len(above.links) == MAX_LINKS:
        return "chain_broken", f"grant `{child.id}` has a chain of more than {MAX_LINKS} links"
    return wider[0] if wider else None


def _revoke(registry: Registry, change: Revoke) -> Fault | None:
    if change.grant_id not in registry.grants:
        return "no_grant", f"grant `{change.grant_id}` is not there"
    return None


def _stranger(
    registry: Registry, change: RevokeHolder | RevokeHeld | AdvanceHolderEpoch
) -> Fault | None:
    if (change.holder, change.holder_kind) not in registry.principals:
        who = principal(change.holder_kind, change.holder)
        return "unknown_principal", f"{who} is not enrolled"
    return None


def _revoke_held(registry: Registry, change: RevokeHeld) -> Fault | None:
    if not registry.ever_held(change.holder, change.holder_kind, change.rtype, change.name):
        who = principal(change.holder_kind, change.holder)
        what = resource(change.rtype, change.name, "")
        return "no_grant", f"{who} never held a grant on {what}"
    return None


def _advance(epoch: int, to: int) -> Fault | None:
    if (to and to <= epoch) or (not to and epoch == _MAX_EPOCH):
        return "malformed", f"`to` must be above the epoch {epoch}"
    return None
