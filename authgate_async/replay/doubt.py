"""What a decision could rest on, and whether something that the log does not hold decides it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from authgate_async.reference.budget import limits
from authgate_async.reference.explain import explained
from authgate_async.wire import NO_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from authgate_async.reference.explain import Candidate
    from authgate_async.reference.registry import Registry
    from authgate_async.replay.accounts import Accounts
    from authgate_async.replay.asked import Asked
    from authgate_async.wire import Grant

__all__ = ["Doubt", "Support", "doubt", "supports"]

Chain = list["Grant"]

_OF_ARGUMENTS = frozenset({"constraint", "approval_required"})
"""An approval is of one action, its arguments included."""


class Doubt(NamedTuple):
    """Why an intent cannot be decided again: a word, and a sentence."""

    code: str
    sentence: str


class Support(NamedTuple):
    """Each chain that may justify one request; one that is public needs none."""

    public: bool
    chains: list[Chain]


def supports(registry: Registry, asked: Asked, now: int) -> list[Support]:
    """Tell what each request could rest on, budgets as if nothing had been used yet."""
    found = []
    for one in explained(registry, asked.action, now):
        sound = [each for each in one.candidates if _may_hold(each, asked)]
        chains = [[registry.grants[grant].grant for grant in each.chain] for each in sound]
        found.append(Support(one.public, chains))
    return found


def _may_hold(candidate: Candidate, asked: Asked) -> bool:
    if not candidate.faults:
        return True
    return asked.withheld and {code for code, _ in candidate.faults} <= _OF_ARGUMENTS


def doubt(
    asked: Asked, found: Sequence[Support], accounts: Accounts, *, permitted: bool
) -> Doubt | None:
    """Tell what is missing; None if that changes nothing."""
    asks = [support.chains for support in found if not support.public]
    if not all(asks):
        return None  # denied, whatever is missing
    doubts = (each for chains in asks for each in _doubts(asked, chains, accounts, permitted))
    return next(doubts, None)


def _doubts(
    asked: Asked,
    chains: list[Chain],
    accounts: Accounts,
    permitted: bool,  # noqa: FBT001
) -> Iterator[Doubt]:
    grants = [grant for chain in chains for grant in chain]
    for grant in grants:
        if asked.withheld and _needs_arguments(grant):
            why = f"the log holds only the digest of its arguments, and grant `{grant.id}` "
            yield Doubt("arguments", why + "rests on them")
        if asked.unmeasured and any(one != NO_LIMIT for one in limits(grant)[1:]):
            why = "the policy does not say what a call of its tool may use, and "
            yield Doubt("tool", f"{why}grant `{grant.id}` has a budget for that")
    # Where too much was charged, a permit by the only chain that there is holds all the same.
    certain = permitted and len(chains) == 1
    unsure = accounts.under if certain else accounts.under | accounts.over
    for grant in _in(grants, unsure):
        why = "the log does not say what earlier calls left in the budget of grant "
        yield Doubt("budget", f"{why}`{grant.id}`")


def _in(grants: Iterable[Grant], ids: set[str]) -> Iterator[Grant]:
    return (grant for grant in grants if grant.id in ids)


def _needs_arguments(grant: Grant) -> bool:
    return bool(grant.constraints or grant.approvers) or grant.other_args == "none"
