"""Budget races: many calls at once, through all that was handed on, against what is left."""

from __future__ import annotations

from collections import Counter
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from authgate_async import Task
from authgate_async.errors import AuthgateError, RefusedError
from authgate_async.policy import Principal
from redteam.bodies.spending import PRICE, SPENT, spend
from redteam.broken.kernels import counts_nothing, gives_back_all
from redteam.engineers import Broken, Category, EscapedError
from redteam.stage import OWNER, open_stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redteam.engineers import Attack, Engineer, Setting
    from redteam.stage import Stage

__all__ = ["CATEGORY"]

SPENDERS = 6
AT_ONCE = 60
"""Calls of one engineer at most."""

DECISIONS = 3
"""One more than the gate has under way."""


@dataclass
class Purse:
    """The grants of one engineer: how many calls each allows, and the grant above it."""

    name: str
    most: dict[int, int] = field(default_factory=dict)
    above: dict[int, int] = field(default_factory=dict)
    ids: dict[int, str] = field(default_factory=dict)

    def spent(self) -> Counter[int]:
        """Count what began, for each grant with all that was handed on from it."""
        whole: Counter[int] = Counter()
        for spender in self.most:
            began, at = SPENT[self.name, f"m{spender}"], spender
            whole[at] += began
            while at in self.above:
                at = self.above[at]
                whole[at] += began
        return whole

    def left(self, spender: int) -> int:
        """Count the calls that a spender has left, through all of its chain."""
        whole, at = self.spent(), spender
        left = self.most[at] - whole[at]
        while at in self.above:
            at = self.above[at]
            left = min(left, self.most[at] - whole[at])
        return left


@asynccontextmanager
async def arena(setting: Setting) -> AsyncIterator[Attack]:
    """Open a runtime with a few who spend."""
    SPENT.clear()  # of another runtime, whose engineers had the same purses
    row = [Principal(f"m{n}", "machine", owner=OWNER) for n in range(SPENDERS)]
    async with open_stage(setting, (spend,), principals=row) as stage:

        async def attack(engineer: Engineer) -> None:
            purse = await _purse(stage, engineer)
            for _ in range(3):
                await engineer.random.choice((_rush, _rush, _cancel, _batch))(
                    stage, engineer, purse
                )
                _look(purse)

        yield attack


async def _purse(stage: Stage, engineer: Engineer) -> Purse:
    """Grant a budget, and hand parts of it on, down or side by side; parts may exceed the whole."""
    random, purse = engineer.random, Purse(engineer.name)
    for spender in range(random.randint(2, SPENDERS)):
        above = random.randrange(spender) if spender else None
        limit = random.randint(1, 40) if above is None else random.randint(1, purse.most[above])
        by_cost = random.random() < 0.5
        budget = {"calls": limit, "cost": 10_000}
        if by_cost:  # and a little that is not enough for one more
            most = 1000 if above is None else purse.most[above] * PRICE
            budget = {"calls": 1000, "cost": min(limit * PRICE + random.randrange(PRICE), most)}
        options = {"budget": budget}
        who, what = f"machine:m{spender}", f"purse:{purse.name}"
        rights = ("execute", "delegate")
        if above is None:
            made = await stage.rt.grant(who, rights, what, **options)
        else:
            purse.above[spender] = above
            try:
                made = await stage.rt.delegate(
                    purse.ids[above], who, rights, what, by=f"machine:m{above}", **options
                )
            except RefusedError:  # more of one unit than the parent has: as it should be
                del purse.above[spender]
                break
        purse.ids[spender], purse.most[spender] = made, limit
    return purse


def _look(purse: Purse) -> None:
    """See that no grant was used more often than it allows."""
    for spender, began in purse.spent().items():
        if began > purse.most[spender]:
            raise EscapedError(f"{began} calls on a budget of {purse.most[spender]}")


def _calls(engineer: Engineer, purse: Purse) -> list[Task]:
    random = engineer.random
    count = random.randint(10, AT_ONCE)
    engineer.tries(f"{count} calls on {purse.most}")
    spenders = random.choices(sorted(purse.most), k=count)
    return [
        Task(
            f"m{one}",
            steps=(
                {
                    "tool": "spend",
                    "args": {
                        "purse": purse.name,
                        "spender": f"m{one}",
                        "turns": random.randrange(4),
                    },
                },
            ),
        )
        for one in spenders
    ]


async def _rush(stage: Stage, engineer: Engineer, purse: Purse) -> None:
    """Call all at once; what there was is used up, and no more."""
    tasks = _calls(engineer, purse)
    await stage.at_once(tasks)
    _used_up(purse, tasks)


async def _batch(stage: Stage, engineer: Engineer, purse: Purse) -> None:
    """Call in a batch."""
    tasks = _calls(engineer, purse)
    async for _ in stage.rt.run_batch(tasks, concurrency=engineer.random.randint(1, 64)):
        pass
    _used_up(purse, tasks)


def _used_up(purse: Purse, tasks: list[Task]) -> None:
    """See that nobody was turned away while there was something left."""
    asked = Counter(task.agent for task in tasks)
    for spender in purse.most:
        began = SPENT[purse.name, f"m{spender}"]
        if began < asked[f"m{spender}"] and purse.left(spender) > 0:
            raise AssertionError(f"m{spender} was turned away with {purse.left(spender)} left")


async def _cancel(stage: Stage, engineer: Engineer, purse: Purse) -> None:
    """Call all at once, and let go of some at any moment.

    What is being decided when its run is cancelled holds its part until that decision is through:
    so a few others are asked for, and denied, before anybody counts on what is left.
    """
    tasks = _calls(engineer, purse)

    async def leave(task: Task, turns: int) -> None:
        with anyio.CancelScope() as scope, suppress(AuthgateError):
            async with anyio.create_task_group() as group:
                group.start_soon(_soon, scope, turns)
                await stage.rt.run(task)
                group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        for task in tasks:
            group.start_soon(leave, task, engineer.random.randrange(60))
    nothing = {"tool": "spend", "args": {"purse": "nobody's", "spender": "m0"}}
    for _ in range(DECISIONS):
        await stage.steps("m0", nothing)


async def _soon(scope: anyio.CancelScope, turns: int) -> None:
    for _ in range(turns):
        await anyio.lowlevel.checkpoint()
    scope.cancel()


CATEGORY = Category(
    "budget-races",
    "calls at once use no more than the budget of any grant that they rest on",
    arena,
    (
        Broken("a kernel that asks no budget", counts_nothing, "python"),
        Broken("a kernel that gives back all when a call ends", gives_back_all, "python"),
    ),
)
