"""Chains of grants, from a grant up to its root (`docs/rules.md`, section 5)."""

from __future__ import annotations

from operator import gt
from typing import TYPE_CHECKING, NamedTuple

from authgate_async.reference.budget import UNITS, limits
from authgate_async.reference.scope import covers
from authgate_async.reference.words import rights
from authgate_async.wire import Grant, Right

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from authgate_async.reference.registry import Registry

__all__ = ["MAX_LINKS", "Chain", "Fault", "narrows", "walk"]

MAX_LINKS = 16

Fault = tuple[str, str]
"""A code and its sentence."""


class Chain(NamedTuple):
    """The links that a walk stood on, the grant itself first, and what is wrong with them."""

    links: list[Grant]
    faults: list[Fault]


def walk(registry: Registry, grant: Grant, now: int, min_epoch: int) -> Chain:
    """Judge a grant and its ancestors; `min_epoch` is the action's.

    A parent that cannot be stepped to ends the walk: what lies above it is not known.
    """
    chain = Chain([grant], list(_lapsed(registry, grant, now, min_epoch)))
    while grant.parent:
        obstacle = _obstacle(registry, grant, chain.links)
        if obstacle:
            chain.faults.append(("chain_broken", obstacle))
            break
        parent = registry.grants[grant.parent].grant
        chain.links.append(parent)
        chain.faults.extend(_lapsed(registry, parent, now, min_epoch))
        chain.faults.extend(narrows(grant, parent))
        grant = parent
    return chain


def _obstacle(registry: Registry, child: Grant, links: list[Grant]) -> str:
    """Why the walk cannot step to the child's parent; empty if it can."""
    if gone := registry.gone(child.parent):
        return f"grant `{child.id}` names parent `{child.parent}`, which {gone}"
    if len(links) == MAX_LINKS:
        return f"grant `{links[0].id}` has a chain of more than {MAX_LINKS} links"
    return ""


def _lapsed(registry: Registry, grant: Grant, now: int, min_epoch: int) -> Iterator[Fault]:
    if grant.expires_at and now >= grant.expires_at:
        yield "expired", f"grant `{grant.id}` expired at {grant.expires_at}"
    least = max(registry.epoch_of(grant.holder, grant.holder_kind), min_epoch)
    if grant.epoch < least:
        yield "epoch_stale", f"grant `{grant.id}` is of epoch {grant.epoch}, below {least}"


def narrows(child: Grant, parent: Grant) -> Iterator[Fault]:
    """What forbids the parent to have handed on the child: nothing, if the child only narrows."""
    if not parent.rights & Right.DELEGATE:
        yield "chain_broken", f"grant `{parent.id}` may not be delegated"
    if (child.rtype, child.name) != (parent.rtype, parent.name):
        pair = f"grant `{child.id}` is on another resource than its parent `{parent.id}`"
        yield "attenuation", pair
    for dimension, wider in _dimensions(child, parent):
        if wider:
            pair = f"grant `{child.id}` is wider than its parent `{parent.id}`"
            bound = _BOUNDS[dimension](child, parent)
            yield "attenuation", f"{pair} in {dimension}, at most {bound}"


def _dimensions(child: Grant, parent: Grant) -> Iterator[tuple[str, bool]]:
    """Each dimension beside the resource, and whether the child is wider there."""
    yield "scope", not covers(parent.scope, child.scope)
    yield "rights", bool(child.rights & ~parent.rights)
    yield "confidence", child.confidence > parent.confidence
    outlives = child.expires_at == 0 or child.expires_at > parent.expires_at
    yield "expiry", parent.expires_at != 0 and outlives
    yield "epoch", child.epoch > parent.epoch
    yield "trust domains", child.cross_domain and not parent.cross_domain
    yield "budget", any(map(gt, limits(child), limits(parent)))


def _exceeded(child: Grant, parent: Grant) -> str:
    """Name the first of the parent's limits that is below the child's."""
    both = zip(limits(child), limits(parent), UNITS, strict=True)
    return next(f"{most} {unit}" for own, most, unit in both if own > most)


_BOUNDS: dict[str, Callable[[Grant, Grant], object]] = {
    "scope": lambda _, parent: f"`{parent.scope}`",
    "rights": lambda _, parent: rights(parent.rights),
    "confidence": lambda _, parent: parent.confidence,
    "expiry": lambda _, parent: parent.expires_at,
    "epoch": lambda _, parent: parent.epoch,
    "trust domains": lambda *_: "its own",
    "budget": _exceeded,
}
"""What a child may have at most in a dimension, in words."""
