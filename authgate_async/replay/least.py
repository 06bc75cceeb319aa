"""The fewest grants that are enough.

A `Need` is met by all grants of one of its ways. To find the fewest grants that meet all needs is
a set cover, which takes exponential time as far as anybody knows. So what follows of itself is
taken first; of the rest each part that has nothing to do with the others is searched whole if it
has at most `MOST` grants, and else made smaller until no grant can be left out.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["MOST", "Enough", "Need", "enough"]

MOST = 20
"""Grants of a part that is searched whole."""

Grants: TypeAlias = frozenset[str]
Need: TypeAlias = frozenset[Grants]
"""Alternatives, each of grants that must all be there."""


class Enough(NamedTuple):
    """Grants that meet all needs; no set is smaller if it is the `least`, no part of it is enough.

    One that is not the least is still one of which no grant can be left out.
    """

    grants: Grants
    least: bool


def enough(needs: Iterable[Need]) -> Enough:
    """Choose among the grants of the needs, each of which has at least one way."""
    taken, rest = _forced(set(needs))
    least = True
    for part in _parts(rest):
        small = len(_all(part)) <= MOST
        taken |= _search(part) if small else _shrink(part)
        least &= small
    return Enough(taken, least)


def _forced(needs: set[Need]) -> tuple[Grants, set[Need]]:
    """Take what is in every way of a need, again and again; the needs that are left, without it."""
    taken: Grants = frozenset()
    while forced := frozenset().union(*(frozenset.intersection(*need) for need in needs)):
        taken |= forced
        reduced = (frozenset(way - forced for way in need) for need in needs)
        needs = {need for need in reduced if frozenset() not in need}
    return taken, needs


def _parts(needs: Iterable[Need]) -> Iterator[list[Need]]:
    """Divide needs into groups without a grant in common."""
    by_grant: defaultdict[str, list[Need]] = defaultdict(list)
    for need in needs:
        for grant in _all([need]):
            by_grant[grant].append(need)
    while by_grant:
        _, found = by_grant.popitem()
        part = dict.fromkeys(found)
        while found:
            for grant in _all([found.pop()]):
                more = [need for need in by_grant.pop(grant, ()) if need not in part]
                part.update(dict.fromkeys(more))
                found += more
        yield list(part)


def _search(needs: list[Need]) -> Grants:
    """Branch over the ways of the first need that is not met, and leave what is no better."""
    best = _shrink(needs)
    seen: set[Grants] = set()
    open_ends: list[Grants] = [frozenset()]
    while open_ends:
        taken = open_ends.pop()
        if len(taken) >= len(best) or taken in seen:
            continue
        seen.add(taken)
        unmet = next((need for need in needs if not _meets(taken, need)), None)
        if unmet is None:
            best = taken
        else:
            ways = sorted(unmet, key=lambda way: (-len(way - taken), sorted(way)))
            open_ends += [taken | way for way in ways]
    return best


def _shrink(needs: list[Need]) -> Grants:
    """Leave out one grant after another as long as the rest is enough, the least useful first."""
    by_grant: defaultdict[str, list[Need]] = defaultdict(list)
    for need in needs:
        for grant in _all([need]):
            by_grant[grant].append(need)
    taken = frozenset(by_grant)
    for grant in sorted(by_grant, key=lambda one: (len(by_grant[one]), one)):
        without = taken - {grant}
        if all(_meets(without, need) for need in by_grant[grant]):
            taken = without
    return taken


def _all(needs: Iterable[Need]) -> Grants:
    return frozenset().union(*(way for need in needs for way in need))


def _meets(grants: Grants, need: Need) -> bool:
    return any(way <= grants for way in need)
