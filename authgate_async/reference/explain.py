"""Why an action is decided as it is: every grant that could permit it, and what is against each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from authgate_async.reference.changes import apply
from authgate_async.reference.malformed import MAX_ENTRIES, in_names, in_request
from authgate_async.reference.registry import Registry
from authgate_async.reference.rules import (
    Case,
    action_digest,
    candidates_of,
    domain_fault,
    is_open,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authgate_async.reference.chain import Fault
    from authgate_async.wire import Action, Change, Request

__all__ = ["Candidate", "Explained", "explain", "explained"]


class Candidate(NamedTuple):
    """A grant that covers a request: its chain up to the root, and the faults of that."""

    chain: tuple[str, ...]
    faults: tuple[Fault, ...]


class Explained(NamedTuple):
    """One request; if it is `public`, no grant is asked for."""

    request: Request
    public: bool
    candidates: tuple[Candidate, ...]


def explain(changes: Sequence[Change], action: Action, now: int) -> list[Explained]:
    """Explain each well-formed request of an action, to a registry that these changes make.

    `now` is in microseconds. Of an action whose names are malformed nothing is told, since no rule
    about grants judges it.
    """
    registry = Registry()
    for change in changes:
        apply(registry, change, now)
    return [] if any(in_names(action)) else list(explained(registry, action, now))


def explained(registry: Registry, action: Action, now: int) -> Iterator[Explained]:
    """Explain each well-formed request of an action whose names are well formed."""
    for request in action.requests[:MAX_ENTRIES]:
        if any(in_request(request, "")):
            continue
        foreign = domain_fault(registry, action, request)
        case = Case(action, action_digest(action), now)
        found = candidates_of(registry, case, request, foreign)
        told = [
            Candidate(tuple(grant.id for grant in answer.chain), tuple(answer.faults))
            for answer in found
        ]
        yield Explained(request, is_open(registry, request) and not foreign, tuple(told))
