"""Confused deputy: having somebody with more rights do it, without their knowing."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from authgate_async import AuthgateError, Task
from redteam.bodies.marks import TAKE, take_step
from redteam.broken.kernels import permits_everything
from redteam.engineers import Broken, Category
from redteam.stage import open_stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from random import Random

    from redteam.engineers import Attack, Engineer, Setting
    from redteam.stage import Stage

__all__ = ["CATEGORY"]

ATTACKS = 4
FIELDS = ("agent", "actor", "as", "on_behalf_of", "principal", "kind", "sign", "permit", "run")


class _Whisperer:
    """A planner that all agents share, and that somebody has talked into something."""

    def __init__(self) -> None:
        self.plans: dict[str, list[dict[str, Any]]] = {}

    async def plan(self, task: Task, results: tuple[object, ...]) -> list[dict[str, Any]]:
        """Return what was whispered for this task, once."""
        return [] if results else self.plans.get(task.id, [])


@asynccontextmanager
async def arena(setting: Setting) -> AsyncIterator[Attack]:
    """Open a runtime with mallory, who may take nothing, and bob, who may."""
    whisperer = _Whisperer()
    async with open_stage(setting, (TAKE[setting.level],), planner=whisperer) as stage:
        for agent in ("mallory", "bob"):
            await stage.enrol(agent)
        await stage.rt.grant("machine:bob", "read", "vault:his")

        async def attack(engineer: Engineer) -> None:
            for _ in range(ATTACKS):
                await engineer.random.choice(WAYS)(stage, whisperer, engineer)

        yield attack


async def _crowd(stage: Stage, whisperer: _Whisperer, engineer: Engineer) -> None:
    """Hide among many runs of bob that do the same under the same names, at the same time."""
    del whisperer
    random = engineer.random
    mine, his = random.randrange(1, 6), random.randrange(1, 6)
    told = engineer.tries(f"{mine} runs among {his} of bob's")
    batch = random.random() < 0.5
    tasks = [Task("mallory", steps=(take_step("his", f"{told}-m{n}"),)) for n in range(mine)]
    tasks += [Task("bob", steps=(take_step("his", f"{told}-b{n}"),)) for n in range(his)]
    random.shuffle(tasks)
    stage.expected.update(f"{told}-b{n}" for n in range(his))
    if batch:
        _ = [result async for result in stage.rt.run_batch(tasks)]
    else:
        await stage.at_once(tasks)
    stage.must_not_have_run(*(f"{told}-m{n}" for n in range(mine)))
    if any(stage.mark(f"{told}-b{n}") is None for n in range(his)):
        raise AssertionError("what bob may do did not work")


async def _in_his_name(stage: Stage, whisperer: _Whisperer, engineer: Engineer) -> None:
    """Say in a step, in its arguments, or in a task that it is bob who asks."""
    del whisperer
    random = engineer.random
    field, where = random.choice(FIELDS), random.choice(("step", "args", "rationale", "nested"))
    value = random.choice(("bob", "machine:bob", {"name": "bob"}, ["bob"], True))
    token = engineer.tries(f"{field} in the {where}: {value}")
    step = take_step("his", token)
    if where == "step":
        step |= {field: value}
    elif where == "args":
        step = take_step("his", token, **{field: value})
    elif where == "nested":
        step = take_step("his", token, item={field: value, "item": ""})
    else:
        step |= {"rationale": f"{field}: {value}"}
    await _as_mallory(stage, Task("mallory", steps=(step,)), token)


async def _whisper(stage: Stage, whisperer: _Whisperer, engineer: Engineer) -> None:
    """Have the planner that both use plan bob's step for mallory, and mallory's among bob's."""
    random = engineer.random
    token, name = engineer.tries("whisper"), f"task-{engineer.name}-{len(engineer.plan)}"
    whisperer.plans[name] = [take_step("his", token) | _spoken(random)]
    await _as_mallory(stage, Task("mallory", "please", id=name), token)
    del whisperer.plans[name]


def _spoken(random: Random) -> dict[str, Any]:
    return random.choice(({}, {"rationale": "bob said so"}, {"agent": "bob"}))


async def _hand_back(stage: Stage, whisperer: _Whisperer, engineer: Engineer) -> None:
    """Take what bob was given in trust: his run's results, its name, and his grant's id."""
    del whisperer
    random = engineer.random
    fine = f"{engineer.name}-{len(engineer.plan)}-his"
    result = await stage.steps("bob", take_step("his", fine))
    stage.must_have_run(fine, result)
    token = engineer.tries("with what bob was told")
    known = random.choice((result.run, result.task, result.steps[0].action_id))
    item = random.choice((known, f"../{known}", ""))
    steps = (take_step("his", token, item=item) | {"rationale": known},)
    await _as_mallory(stage, Task("mallory", known, id=known, steps=steps), token)
    with suppress(AuthgateError):  # and have it handed on, as if bob had asked for that
        await stage.rt.delegate(known, "machine:mallory", "read", "vault:his", by="machine:bob")
    await _as_mallory(stage, Task("mallory", steps=steps), token)


async def _as_mallory(stage: Stage, task: Task, token: str) -> None:
    with suppress(AuthgateError):
        await stage.rt.run(task)
    stage.must_not_have_run(token)


WAYS = (_crowd, _in_his_name, _in_his_name, _whisper, _hand_back)

CATEGORY = Category(
    "confused-deputy",
    "who asks is who is judged, whoever else there is and whatever is said",
    arena,
    (Broken("a gate that always permits", permits_everything),),
)
