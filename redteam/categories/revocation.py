"""Revocation bypass: going on with what was taken away, by a grant, a holder or an epoch."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from authgate_async import AuthgateError, Task
from redteam.bodies.lingering import LINGER
from redteam.bodies.marks import TAKE, take_step
from redteam.broken.kernels import forgets_epochs, forgets_revocations
from redteam.broken.supervisors import ends_nothing, redeems_nothing
from redteam.engineers import Broken, Category
from redteam.stage import open_stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from redteam.engineers import Attack, Engineer, Setting
    from redteam.stage import Stage

__all__ = ["CATEGORY"]

AFTERWARDS = 3
"""Attacks of each engineer once something was taken away."""
PLACES = 2
END_SECONDS = 10.0
"""How long the end of a call that lost its ground is waited for, before it is told to go on."""
LOOK_SECONDS = 0.002


@dataclass
class Line:
    """A chain of grants on one vault, each handed on to the next agent; the last one acts."""

    stage: Stage
    vault: str
    agents: list[str] = field(default_factory=list)
    grants: list[str] = field(default_factory=list)

    def take(self, token: str) -> dict[str, object]:
        """Return the step that the line is about."""
        return take_step(self.vault, token)

    def linger(self, token: str) -> dict[str, object]:
        """Return the same, of a call that waits to be told to go on."""
        return {"tool": "linger", "args": {"name": self.vault, "token": token}}


@asynccontextmanager
async def arena(setting: Setting) -> AsyncIterator[Attack]:
    """Open a runtime with few places, in which each engineer has agents of its own."""
    tools = (TAKE[setting.level], LINGER[setting.level])
    async with open_stage(setting, tools, max_processes=PLACES) as stage:

        async def attack(engineer: Engineer) -> None:
            line = await _line(stage, engineer)
            await _calm(line, f"{engineer.name}-before")
            await engineer.random.choice(MOMENTS)(line, engineer)
            for _ in range(AFTERWARDS):
                await engineer.random.choice(LATER)(line, engineer)
            await _renewed(line, engineer)

        yield attack


async def _line(stage: Stage, engineer: Engineer) -> Line:
    """Grant a vault to one agent, and have it handed on up to three times."""
    line, name = Line(stage, f"of-{engineer.name}"), engineer.name
    for place in range(1 + engineer.random.randrange(4)):
        agent = f"{name}-agent{place}"
        holder = await stage.enrol(agent)
        rights, vault = ("read", "delegate"), f"vault:{line.vault}"
        if place == 0:
            grant = await stage.rt.grant(holder, rights, vault)
        else:
            parent, by = line.grants[-1], f"machine:{line.agents[-1]}"
            grant = await stage.rt.delegate(parent, holder, rights, vault, by=by)
        line.agents.append(agent)
        line.grants.append(grant)
    return line


async def _calm(line: Line, token: str) -> None:
    result = await line.stage.steps(line.agents[-1], line.take(token))
    line.stage.must_have_run(token, result)


async def _renewed(line: Line, engineer: Engineer) -> None:
    """What is granted anew works: not everything was shut."""
    stage, holder = line.stage, await line.stage.enrol(f"{engineer.name}-new")
    await stage.rt.grant(holder, "read", f"vault:{line.vault}")
    token = f"{engineer.name}-after"
    stage.must_have_run(token, await stage.steps(f"{engineer.name}-new", line.take(token)))


# Taking away


async def _take_away(line: Line, engineer: Engineer) -> str:
    """Take the ground away under a link of the chain, by any of the ways that there are."""
    rt, at = line.stage.rt, engineer.random.randrange(len(line.grants))
    holder = f"machine:{line.agents[at]}"
    ways: dict[str, Callable[[], Awaitable[object]]] = {
        "revoke": lambda: rt.revoke(line.grants[at]),
        "revoke twice": lambda: _twice(line, at),
        "revoke the holder": lambda: rt.revoke_holder(holder),
        "revoke what is held on it": lambda: rt.revoke_holder(holder, f"vault:{line.vault}"),
        "the holder's epoch": lambda: rt.advance_epoch(holder=holder),
        "the holder's epoch, far": lambda: rt.advance_epoch(2**40, holder=holder),
        "the epoch": rt.advance_epoch,
    }
    how = engineer.random.choice(sorted(ways))
    if how == "the holder's epoch, far":
        how = "the holder's epoch" if engineer.number % 2 else how
    await ways[how]()
    return f"{how} at link {at} of {len(line.grants)}"


async def _twice(line: Line, at: int) -> None:
    async with anyio.create_task_group() as both:
        both.start_soon(line.stage.rt.revoke, line.grants[at])
        both.start_soon(line.stage.rt.revoke, line.grants[at])


# When


async def _before(line: Line, engineer: Engineer) -> None:
    """Take it away, then call."""
    token = engineer.tries("call afterwards")
    engineer.plan[-1] += f", {await _take_away(line, engineer)}"
    await line.stage.steps(line.agents[-1], line.take(token))
    line.stage.must_not_have_run(token)


async def _meanwhile(line: Line, engineer: Engineer) -> None:
    """Take it away while a call runs, and then tell the call to go on."""
    token = engineer.tries("go on with a call that runs")
    stage = line.stage
    async with anyio.create_task_group() as calls:
        over = anyio.Event()

        async def call() -> None:
            await stage.steps(line.agents[-1], line.linger(token))
            over.set()

        calls.start_soon(call)
        await _seen(stage, f"{token}-began")
        engineer.plan[-1] += f", {await _take_away(line, engineer)}"
        with anyio.move_on_after(END_SECONDS):
            await over.wait()
        (stage.board / f"{token}-go").touch()
        stage.expected |= {f"{token}-began", f"{token}-go"}
    stage.must_not_have_run(token)


async def _in_the_queue(line: Line, engineer: Engineer) -> None:
    """Take it away while a call that is permitted waits for a place, then make room."""
    stage, token = line.stage, engineer.tries("wait for a place with a permit")
    vault, blockers = f"blocks-{engineer.name}", [f"{engineer.name}-b{n}" for n in range(PLACES)]
    async with anyio.create_task_group() as calls:
        for name in blockers:
            holder = await stage.enrol(name)
            await stage.rt.grant(holder, "read", f"vault:{vault}")
            step = {"tool": "linger", "args": {"name": vault, "token": name}}
            calls.start_soon(stage.steps, name, step)
        for name in blockers:
            await _seen(stage, f"{name}-began")
        calls.start_soon(stage.steps, line.agents[-1], line.take(token))
        await _permitted(stage, line.agents[-1])
        engineer.plan[-1] += f", {await _take_away(line, engineer)}"
        for name in blockers:
            (stage.board / f"{name}-go").touch()
            stage.expected |= {name, f"{name}-began", f"{name}-go"}
    stage.must_not_have_run(token)


async def _at_once(line: Line, engineer: Engineer) -> None:
    """Take it away while many calls are on their way; those that come later must not run."""
    stage = line.stage
    told = engineer.tries("many calls at the same time")
    many = [f"{told}-{number}" for number in range(engineer.random.randrange(2, 9))]
    stage.expected.update(many)  # some may be in time
    async with anyio.create_task_group() as calls:
        for token in many:
            calls.start_soon(stage.steps, line.agents[-1], line.take(token))
        for _ in range(engineer.random.randrange(12)):
            await anyio.lowlevel.checkpoint()
        engineer.plan[-1] += f", {await _take_away(line, engineer)}"
        late = f"{told}-late"
        await stage.steps(line.agents[-1], line.take(late))
    stage.must_not_have_run(late)


async def _seen(stage: Stage, token: str) -> None:
    while stage.mark(token) is None:  # noqa: ASYNC110 - another process sets it
        await anyio.sleep(LOOK_SECONDS)


async def _permitted(stage: Stage, agent: str) -> None:
    """Wait until the log has the permit of an agent's last call."""
    wanted = f'"agent":"{agent}"'.encode()
    log = anyio.Path(stage.folder / "log/log.jsonl")
    while True:
        lines = [x for x in (await log.read_bytes()).splitlines() if wanted in x]
        found = sum(b'"kind":"intent"' in x for x in lines)
        opened = sum(b'"kind":"run_opened"' in x for x in lines)
        if found == opened > 1:
            return
        await anyio.sleep(LOOK_SECONDS)


MOMENTS = (_before, _meanwhile, _in_the_queue, _at_once)


# Afterwards


async def _again(line: Line, engineer: Engineer) -> None:
    """Call again, several times, from any agent behind what was taken away."""
    times = engineer.random.randrange(1, 4)
    token = engineer.tries(f"call again {times} times")
    for _ in range(times):
        await line.stage.steps(line.agents[-1], line.take(token))
    line.stage.must_not_have_run(token)


async def _in_a_batch(line: Line, engineer: Engineer) -> None:
    """Call again as a batch of many."""
    tokens = [engineer.tries("call again in a batch") for _ in range(2)]
    tasks = [Task(line.agents[-1], steps=(line.take(token),)) for token in tokens]
    _ = [result async for result in line.stage.rt.run_batch(tasks)]
    line.stage.must_not_have_run(*tokens)


async def _handed_on(line: Line, engineer: Engineer) -> None:
    """Hand on what was lost, to somebody new or to oneself, under old and new epochs and ids."""
    random, stage = engineer.random, line.stage
    to = random.choice((f"{engineer.name}-friend", line.agents[-1]))
    holder = await stage.enrol(to)
    options = random.choice(({}, {"epoch": 0}, {"epoch": 2**62}, {"grant_id": line.grants[-1]}))
    token = engineer.tries(
        f"hand on to {'oneself' if to == line.agents[-1] else 'a friend'}, {sorted(options)}"
    )
    by = f"machine:{line.agents[-1]}"
    with suppress(AuthgateError):
        vault = f"vault:{line.vault}"
        await stage.rt.delegate(line.grants[-1], holder, "read", vault, by=by, **options)
    await stage.steps(to, line.take(token))
    stage.must_not_have_run(token)


async def _handed_on_above(line: Line, engineer: Engineer) -> None:
    """Have a link further up hand on what it has to the last one again, under a known id."""
    at = engineer.random.randrange(len(line.grants))
    old = engineer.random.random() < 0.5
    token = engineer.tries(f"hand on under a taken id, {'epoch 0' if old else 'this epoch'}")
    options = {"epoch": 0} if old else {}
    with suppress(AuthgateError):
        await line.stage.rt.delegate(
            line.grants[at],
            f"machine:{line.agents[-1]}",
            "read",
            f"vault:{line.vault}",
            by=f"machine:{line.agents[at]}",
            grant_id=line.grants[-1],
            **options,
        )
    await line.stage.steps(line.agents[-1], line.take(token))
    line.stage.must_not_have_run(token)


async def _back_in_time(line: Line, engineer: Engineer) -> None:
    """Set an epoch back, or enrol again, and call."""
    rt, who = line.stage.rt, f"machine:{line.agents[-1]}"
    ways: dict[str, Callable[[], Awaitable[object]]] = {
        "the epoch to 1": lambda: rt.advance_epoch(1),
        "the holder's epoch to 1": lambda: rt.advance_epoch(1, holder=who),
        "enrol again": lambda: rt.enrol(who, owner="ann"),
    }
    how = engineer.random.choice(sorted(ways))
    token = engineer.tries(f"back: {how}")
    with suppress(AuthgateError):
        await ways[how]()
    await line.stage.steps(line.agents[-1], line.take(token))
    line.stage.must_not_have_run(token)


LATER = (_again, _in_a_batch, _handed_on, _handed_on, _handed_on_above, _back_in_time)

CATEGORY = Category(
    "revocation-bypass",
    "what was taken away permits nothing from then on, and ends what runs on it",
    arena,
    (
        Broken("a kernel that forgets revocations", forgets_revocations, "python"),
        Broken("a kernel that forgets epochs", forgets_epochs, "python"),
        Broken("a supervisor that redeems no permit", redeems_nothing),
        Broken("withdrawals that end no call", ends_nothing),
    ),
)
