"""Delegation: handing on more than one holds, in one dimension, at great depth, in a circle."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from authgate_async.errors import RefusedError
from authgate_async.policy import Principal
from authgate_async.wire import Action, Grant, Request
from redteam.bodies.marks import TAKE
from redteam.broken.kernels import lets_delegations_widen, walks_one_link
from redteam.engineers import Broken, Category, EscapedError
from redteam.stage import OWNER, open_stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from random import Random

    from redteam.engineers import Attack, Engineer, Setting
    from redteam.stage import Stage

__all__ = ["CATEGORY"]

MACHINES = 20
LINKS = 16
"""Of a chain at most, by the rules."""

RIGHTS = ("read", "write", "execute", "delegate")
FOREVER = datetime(2100, 1, 1, tzinfo=UTC)
SCOPES = ("", "a", "a/b", "a/b/c", "ab", "a/bc", "b")
UNITS = ("calls", "wall_seconds", "output_bytes", "cost")


@dataclass(frozen=True)
class Terms:
    """What a grant gives, in the words of the attacker's own model."""

    resource: str
    scope: str
    rights: frozenset[str] = frozenset(RIGHTS)
    confidence: float = 0.9
    expires_at: datetime | None = FOREVER
    epoch: int = 1
    cross_domain: bool = False
    budget: tuple[tuple[str, int], ...] = tuple((unit, 1000) for unit in UNITS)

    def within(self, other: Terms) -> bool:
        """Whether it gives nothing that the other does not."""
        ours, theirs = dict(self.budget), dict(other.budget)
        return (
            self.resource == other.resource
            and _covers(other.scope, self.scope)
            and self.rights <= other.rights
            and self.confidence <= other.confidence
            and (self.expires_at or datetime.max.replace(tzinfo=UTC))
            <= (other.expires_at or datetime.max.replace(tzinfo=UTC))
            and self.epoch <= other.epoch
            and (other.cross_domain or not self.cross_domain)
            and all(ours.get(unit, 2**63) <= limit for unit, limit in theirs.items())
        )


def _covers(outer: str, inner: str) -> bool:
    return not outer or inner == outer or inner.startswith(outer + "/")


@dataclass(frozen=True)
class Link:
    """A grant that was made, and who holds it; `depth` is 1 at the root."""

    id: str
    terms: Terms
    holder: int
    depth: int


@asynccontextmanager
async def arena(setting: Setting) -> AsyncIterator[Attack]:
    """Open a runtime with a row of machines that hand grants on to each other, and a circle."""
    circle = [
        Grant(f"c{n}", f"m{n}", "machine", "vault", "circle", "", 15, parent=f"c{(n + 1) % 3}")
        for n in range(3)
    ]
    row = [Principal(f"m{n}", "machine", owner=OWNER) for n in range(MACHINES)]
    tools = (TAKE[setting.level],)
    async with open_stage(setting, tools, principals=row, grants=circle) as stage:
        await stage.rt.advance_epoch(1)

        async def attack(engineer: Engineer) -> None:
            chain = [await _root(stage, engineer)]
            for _ in range(engineer.random.randrange(4, 8)):
                await _hand_on(stage, engineer, chain)
            await _reach_out(stage, engineer, chain)
            await engineer.random.choice((_bomb, _go_round, _borrow))(stage, engineer, chain)

        yield attack


async def _root(stage: Stage, engineer: Engineer) -> Link:
    terms = Terms(
        f"vault:{engineer.name}",
        engineer.random.choice(("", "a", "a/b")),
        cross_domain=engineer.random.random() < 0.3,
    )
    return Link(await _grant(stage, terms, 0), terms, 0, 1)


async def _grant(stage: Stage, terms: Terms, holder: int) -> str:
    return await stage.rt.grant(
        f"machine:m{holder}", sorted(terms.rights), terms.resource, **_options(terms)
    )


def _options(terms: Terms) -> dict[str, object]:
    return {
        "scope": terms.scope,
        "confidence": terms.confidence,
        "expires_at": terms.expires_at,
        "epoch": terms.epoch,
        "cross_domain": terms.cross_domain,
        "budget": dict(terms.budget),
    }


def _other(terms: Terms, random: Random) -> tuple[Terms, str]:
    """Change one dimension, to more or to less."""
    resource = terms.resource
    unit, limit = random.choice(UNITS), random.choice((1, 999, 1001, 2**40))
    budget = {**dict(terms.budget), unit: limit}
    if random.random() < 0.2:
        del budget[unit]
    held = sorted(terms.rights)
    ways = {
        "resource": replace(terms, resource=random.choice((resource.upper(), resource[:-1]))),
        "scope": replace(terms, scope=random.choice(SCOPES)),
        "rights": replace(terms, rights=frozenset(random.sample(RIGHTS, random.randint(1, 4)))),
        "fewer rights": replace(terms, rights=terms.rights - {random.choice(held)} or {"read"}),
        "confidence": replace(terms, confidence=random.choice((0.1, 0.9, 0.900001, 1.0))),
        "expiry": replace(terms, expires_at=random.choice((None, FOREVER + timedelta(hours=1)))),
        "earlier": replace(terms, expires_at=FOREVER - timedelta(hours=random.randrange(9))),
        "epoch": replace(terms, epoch=terms.epoch + random.choice((0, 1, 2**40))),
        "domains": replace(terms, cross_domain=not terms.cross_domain),
        "budget": replace(terms, budget=tuple(sorted(budget.items()))),
        "nothing": terms,
    }
    how = random.choice(sorted(ways))
    return ways[how], how


async def _hand_on(stage: Stage, engineer: Engineer, chain: list[Link]) -> None:
    """Hand on from a link what may be more than it gives; the model says whether it is."""
    random = engineer.random
    above = random.choice(chain)
    terms, how = _other(above.terms, random)
    engineer.tries(f"hand on {how} from depth {above.depth}: {terms.within(above.terms)}")
    allowed = terms.within(above.terms) and "delegate" in above.terms.rights
    holder = (above.holder + 1) % MACHINES
    made = await _delegate(stage, above, terms, holder)
    if made and not allowed:
        raise EscapedError(f"{terms} was handed on from {above.terms}")
    if not made and allowed and above.depth < LINKS:
        raise AssertionError(f"{terms} could not be handed on from {above.terms}")
    if made:
        chain.append(Link(made, terms, holder, above.depth + 1))


async def _delegate(
    stage: Stage, above: Link, terms: Terms, holder: int, by: int | None = None
) -> str:
    """Hand on; the new grant's id, or nothing if it was refused."""
    giver = above.holder if by is None else by
    try:
        return await stage.rt.delegate(
            above.id,
            f"machine:m{holder}",
            sorted(terms.rights),
            terms.resource,
            by=f"machine:m{giver}",
            **_options(terms),
        )
    except RefusedError:
        return ""


async def _reach_out(stage: Stage, engineer: Engineer, chain: list[Link]) -> None:
    """Use what was handed on beyond the root."""
    link = engineer.random.choice(chain)
    scope = engineer.random.choice((*SCOPES, "a/../b", "a//b", "a/b/../../b", "A"))
    right = engineer.random.choice(("read", "write", "execute"))
    engineer.tries(f"{right} {scope!r} at depth {link.depth}")
    permitted = await _permitted(stage, link.holder, link.terms.resource, scope, right)
    held = [one.terms for one in chain if one.holder == link.holder]
    model = any(
        one.resource == link.terms.resource
        and right in one.rights
        and _covers(one.scope, scope)
        and ".." not in scope
        for one in held
    )
    if permitted and not model:
        raise EscapedError(f"m{link.holder} may {right} {link.terms.resource}/{scope}")
    if model and not permitted:
        raise AssertionError(f"m{link.holder} may not {right} {link.terms.resource}/{scope}")


async def _permitted(stage: Stage, holder: int, resource: str, scope: str, right: str) -> bool:
    rtype, _, name = resource.partition(":")
    asked = Request(rtype, name, scope, 1 << RIGHTS.index(right))
    action = Action("a", f"m{holder}", "machine", "take", b"{}", (asked,), min_epoch=1)
    (verdict,) = await stage.rt.decide([action])
    return verdict.permitted


async def _bomb(stage: Stage, engineer: Engineer, chain: list[Link]) -> None:
    """Hand one grant on again and again."""
    del chain
    engineer.tries("a chain without end")
    link = await _root(stage, engineer)
    for depth in range(2, LINKS + 3):
        made = await _delegate(stage, link, link.terms, depth % MACHINES)
        if bool(made) != (depth <= LINKS):
            kind = EscapedError if made else AssertionError
            raise kind(f"of a chain the link {depth} was {'made' if made else 'refused'}")
        if not made:
            break
        link = Link(made, link.terms, depth % MACHINES, depth)


async def _go_round(stage: Stage, engineer: Engineer, chain: list[Link]) -> None:
    """Rest on grants that are each other's parents."""
    del chain
    member = engineer.random.randrange(3)
    right = engineer.random.choice(("read", "write", "execute"))
    engineer.tries(f"{right} by member {member} of a circle")
    if await _permitted(stage, member, "vault:circle", "", right):
        raise EscapedError("a circle of grants without a root permits")


async def _borrow(stage: Stage, engineer: Engineer, chain: list[Link]) -> None:
    """Hand on what somebody else holds, or what is gone."""
    link = engineer.random.choice(chain)
    thief = (link.holder + engineer.random.randrange(2, 9)) % MACHINES
    engineer.tries(f"somebody else hands on depth {link.depth}")
    if await _delegate(stage, link, link.terms, thief, by=thief):
        raise EscapedError(f"m{thief} handed on what m{link.holder} holds")
    engineer.tries(f"hand on what is gone, depth {link.depth}")
    await stage.rt.revoke(chain[0].id)
    if await _delegate(stage, link, link.terms, thief):
        raise EscapedError("a grant whose root is revoked was handed on")
    if await _permitted(stage, link.holder, link.terms.resource, link.terms.scope, "read"):
        raise EscapedError("a grant whose root is revoked permits")


CATEGORY = Category(
    "delegation",
    "what is handed on is never more, in no dimension and at no depth",
    arena,
    (
        Broken("a kernel that forgets to compare", lets_delegations_widen, "python"),
        Broken("a kernel that looks at one link", walks_one_link, "python"),
    ),
)
