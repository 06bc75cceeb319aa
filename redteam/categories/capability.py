"""Capability forgery: acting beyond a grant, or making a grant that nobody had to give."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import anyio

from authgate_async import AuthgateError
from authgate_async.wire import Action, Request
from redteam.bodies.marks import TAKE, take_step
from redteam.broken.kernels import (
    counts_nothing,
    covers_what_begins_alike,
    lets_delegations_widen,
    permits_everything,
)
from redteam.disguises import look_alike
from redteam.engineers import Broken, Category, EscapedError
from redteam.stage import open_stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from random import Random

    from redteam.engineers import Attack, Engineer, Setting
    from redteam.stage import Stage

__all__ = ["CATEGORY"]

ATTACKS = 6
HELD = "a/b/c"
"""What mallory holds of `vault:main`, to read and to hand on; nothing else is hers."""

SECOND = 1_000_000
START = 1_800_000_000 * SECOND


class Clock:
    """The runtime's clock, which only goes when an engineer moves it."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        """Tell the time, in microseconds."""
        return self.now

    def after(self, seconds: int) -> datetime:
        """Return a moment from now."""
        return datetime.fromtimestamp(self.now // SECOND, UTC) + timedelta(seconds=seconds)


@dataclass(frozen=True)
class Scene:
    """The stage, and the grants that there are."""

    stage: Stage
    clock: Clock
    root: str
    hers: str


def covered(name: str, item: str) -> bool:
    """Say what mallory may read, as simply as can be: the model that the runtime is held to."""
    climbs = ".." in re.split(r"[/\\]", item)
    return name == "main" and not climbs and (item == HELD or item.startswith(HELD + "/"))


@asynccontextmanager
async def arena(setting: Setting) -> AsyncIterator[Attack]:
    """Open a runtime with an honest chain of grants, and an attacker at its end."""
    clock = Clock()
    async with open_stage(setting, (TAKE[setting.level],), now=clock) as stage:
        for agent in ("keeper", "mallory", "friend"):
            await stage.enrol(agent)
        rights = ("read", "write", "delegate")
        root = await stage.rt.grant("machine:keeper", rights, "vault:main")
        hers = await stage.rt.delegate(
            root,
            "machine:mallory",
            ("read", "delegate"),
            "vault:main",
            by="machine:keeper",
            scope=HELD,
            confidence=0.9,
            expires_at=clock.after(10**8),
            budget={"calls": 10**6},
        )
        scene = Scene(stage, clock, root, hers)

        async def attack(engineer: Engineer) -> None:
            await _calm(scene, engineer)
            for _ in range(ATTACKS):
                await engineer.random.choice(WAYS)(scene, engineer)

        yield attack


async def _calm(scene: Scene, engineer: Engineer) -> None:
    token, item = f"{engineer.name}-calm", engineer.random.choice((HELD, HELD + "/d"))
    result = await scene.stage.steps("mallory", take_step("main", token, item=item))
    scene.stage.must_have_run(token, result)


# Beyond the grant


def _near(random: Random) -> str:
    """Return a scope that is not quite the one that is held."""
    made, how = look_alike(HELD, random)
    del how
    return random.choice(
        (
            "",
            "a",
            "a/",
            "a/b",
            "a/b/",
            "a/b/cc",
            "a/b/c.d",
            "a/b/c d",
            "a/b/c\\d",
            "a/b/C",
            "A/b/c",
            "/a/b/c",
            "//a/b/c",
            "./a/b/c",
            "a//b/c",
            "a/./b/c",
            "a/b//c",
            "a/b/c/..",
            "a/b/c/../d",
            "a/b/c/d/../../../x",
            "a/b/c/..\\d",
            "a\\b\\c",
            "a/b/%63",
            "a%2fb%2fc",
            "a/b/c%00",
            "a/b/c?x",
            "a/b/c#x",
            "a/b/c;d",
            "a/b/c:d",
            "a/b/*",
            "*",
            "**",
            "a/b/[c]",
            "~/a/b/c",
            "a/b/\u0441",
            "a\u2215b\u2215c",
            "a/b/c\u2215d",
            "a/b/..c",
            "a/b/c/" + "../" * 3 + "b",
            "a/b/c/" * 3 + "..",
            made,
        )
    )


async def _beside(scene: Scene, engineer: Engineer) -> None:
    """Read beside, above or around what is held."""
    random = engineer.random
    name = "main" if random.random() < 0.8 else look_alike("main", random)[0]
    item = _near(random) if random.random() < 0.9 else HELD
    token = engineer.tries(f"read {item!a} of {name!a}")
    with suppress(AuthgateError):
        await scene.stage.steps("mallory", take_step(name, token, item=item))
    _judge(scene, token, allowed=covered(name, item))


def _judge(scene: Scene, token: str, *, allowed: bool) -> None:
    if allowed:
        scene.stage.expected.add(token)
    else:
        scene.stage.must_not_have_run(token)


async def _on_the_wire(scene: Scene, engineer: Engineer) -> None:
    """Ask the kernel for several things at once, of which one is not held, with odd rights."""
    random = engineer.random
    count = random.choice((0, 1, 2, 3, 63, 64, 65))
    asked = [Request("vault", "main", HELD, 1)] * count
    at = random.randrange(count + 1)
    right = random.choice((0, 1, 2, 3, 4, 5, 8, 9, 15, 16, 2**32 + 1, 2**63 - 1))
    rtype, item = random.choice(("vault", "vault", "Vault", "", "board")), _near(random)
    asked.insert(at, Request(rtype, "main", item, right))
    flags, governs = random.choice((0, 0, 0, 1, 512, 1024)), random.choice(((), (), ("ann",)))
    least = random.choice((0, 0, 0, 1, 2**63 - 1))
    engineer.tries(f"wire: {count}, right {right} on {rtype}:{item!a}, {flags} {governs} {least}")
    action = Action(
        f"{engineer.name}:{len(engineer.plan)}",
        "mallory",
        "machine",
        "take",
        b"{}",
        tuple(asked),
        governs_humans=governs,
        flags=flags,
        min_epoch=least,
    )
    try:
        (verdict,) = await scene.stage.rt.decide([action])
    except (AuthgateError, ValueError):
        return
    fine = rtype == "vault" and right == 1 and covered("main", item) and count < 64
    if verdict.permitted and not (fine and not flags and not governs and least == 0):
        raise EscapedError(f"permitted: {action}")


async def _too_late(scene: Scene, engineer: Engineer) -> None:
    """Use a grant, or one handed on from it, at its end and after it."""
    random, stage = engineer.random, scene.stage
    vault, lives = f"until-{engineer.name}-{len(engineer.plan)}", random.randrange(1, 100)
    beyond = random.choice((0, 0, 1, 50, 10**4))
    handed = random.random() < 0.5
    token = engineer.tries(f"{beyond} s after the end of {lives}, {'handed on' * handed}")
    grant = await stage.rt.grant(
        "machine:mallory",
        ("read", "delegate"),
        f"vault:{vault}",
        expires_at=scene.clock.after(lives),
    )
    if handed:
        options = {"expires_at": scene.clock.after(lives)}
        where = (f"vault:{vault}",)
        await stage.rt.delegate(
            grant, "machine:friend", "read", *where, by="machine:mallory", **options
        )
    scene.clock.now = (scene.clock.now // SECOND + lives + beyond) * SECOND
    await stage.steps("friend" if handed else "mallory", take_step(vault, token))
    stage.must_not_have_run(token)


# Making a grant


def _wider(scene: Scene, random: Random) -> tuple[dict[str, Any], str]:
    """Return options of a delegation that is wider than hers in one dimension, sometimes two."""
    ways: dict[str, dict[str, Any]] = {
        "scope": {"scope": random.choice(("", "a/b", "a/b/cc", "a", "a/b/c/../d"))},
        "rights": {"rights": random.choice((("read", "write"), "write", ("read", "execute")))},
        "confidence": {"confidence": random.choice((0.900001, 1.0))},
        "expiry": {"expires_at": random.choice((None, scene.clock.after(10**8 + 1)))},
        "epoch": {"epoch": random.choice((1, 2**62))},
        "trust domains": {"cross_domain": True},
        "budget": {"budget": random.choice(({}, {"calls": 10**6 + 1}, {"cost": 1}))},
        "resource": {"resource": random.choice(("vault:other", "vault:main/", "board:marks"))},
    }
    chosen = sorted({random.choice(sorted(ways)) for _ in range(random.choice((1, 1, 2)))})
    merged: dict[str, Any] = {}
    for dimension in chosen:
        merged |= ways[dimension]
    return merged, " and ".join(chosen)


async def _widened(scene: Scene, engineer: Engineer) -> None:
    """Hand on more than is held, and use the part that is more."""
    options: dict[str, Any] = {
        "scope": HELD,
        "confidence": 0.5,
        "expires_at": scene.clock.after(1000),
        "budget": {"calls": 5},
        "rights": "read",
        "resource": "vault:main",
    }
    wider, how = _wider(scene, engineer.random)
    options |= wider
    token = engineer.tries(f"hand on, wider in {how}")
    rights, resource = options.pop("rights"), options.pop("resource")
    try:
        made = await scene.stage.rt.delegate(
            scene.hers, "machine:friend", rights, resource, by="machine:mallory", **options
        )
    except AuthgateError:
        made = ""
    name = resource.partition(":")[2]
    await scene.stage.steps("friend", take_step(name, token, item=options["scope"]))
    scene.stage.must_not_have_run(token)
    if made:
        raise EscapedError(f"a grant was handed on that is wider in {how}")


async def _from_nowhere(scene: Scene, engineer: Engineer) -> None:
    """Hand on a grant that is not hers, is not there, is its own parent, or has a taken id."""
    random, name = engineer.random, f"{engineer.name}-{len(engineer.plan)}"
    parent, grant_id = random.choice(
        (
            (scene.root, ""),
            ("", ""),
            ("nothing", ""),
            (name, name),
            (scene.hers, scene.root),
            (scene.hers + " ", ""),
            (scene.root.upper(), ""),
            (f"{scene.hers}\x00", ""),
        )
    )
    shown = {scene.root: "the root", scene.hers: "hers", name: "itself"}
    by = random.choice(("machine:mallory", "human:ann", "machine:friend", "human:mallory"))
    told = [shown.get(each.strip("\x00 "), ascii(each)) for each in (parent, grant_id)]
    token = engineer.tries(f"from {told[0]} as {told[1]} by {by}")
    options = {"grant_id": grant_id} if grant_id else {}
    item = random.choice(("", "x"))
    with suppress(AuthgateError):
        await scene.stage.rt.delegate(
            parent, "machine:friend", "read", "vault:main", by=by, scope=item, **options
        )
    await scene.stage.steps("friend", take_step("main", token, item=item))
    scene.stage.must_not_have_run(token)


async def _overdrawn(scene: Scene, engineer: Engineer) -> None:
    """Use a budget up from several sides at once, below and above."""
    random, stage = engineer.random, scene.stage
    vault, limit = f"few-{engineer.name}-{len(engineer.plan)}", random.randrange(1, 4)
    calls = limit + random.randrange(1, 5)
    told = engineer.tries(f"{calls} calls at once from a budget of {limit}")
    where, budget = f"vault:{vault}", {"calls": limit}
    grant = await stage.rt.grant(
        "machine:mallory", ("read", "delegate"), where, budget={"calls": limit}
    )
    await stage.rt.delegate(
        grant, "machine:friend", "read", where, by="machine:mallory", budget=budget
    )
    tokens = [f"{told}-{number}" for number in range(calls)]
    async with anyio.create_task_group() as tasks:
        for token in tokens:
            who = random.choice(("mallory", "friend"))
            tasks.start_soon(stage.steps, who, take_step(vault, token))
    ran = [token for token in tokens if stage.mark(token) is not None]
    stage.expected.update(ran)
    if len(ran) > limit:
        raise EscapedError(f"{len(ran)} calls ran from a budget of {limit}")
    if not ran:
        raise AssertionError("no call ran though there was a budget")


WAYS = (
    _beside,
    _beside,
    _beside,
    _on_the_wire,
    _on_the_wire,
    _too_late,
    _widened,
    _widened,
    _from_nowhere,
    _overdrawn,
)

CATEGORY = Category(
    "capability-forgery",
    "nothing is done that no grant covers, and no grant is made that is wider than its parent",
    arena,
    (
        Broken("a gate that always permits", permits_everything),
        Broken("a kernel that compares scopes as texts", covers_what_begins_alike, "python"),
        Broken("a kernel that lets delegations widen", lets_delegations_widen, "python"),
        Broken("a kernel that does not count what is used", counts_nothing, "python"),
    ),
)
