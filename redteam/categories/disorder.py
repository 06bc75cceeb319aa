"""Disorder: a flood of records, a disk that is full for a while, a clock that jumps."""

from __future__ import annotations

import errno
import json
import os
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from unittest import mock

import anyio

from authgate_async import Task
from authgate_async.log import storage
from authgate_async.log.files import write_all
from redteam.bodies.marks import TAKE, take_step
from redteam.broken.kernels import lets_no_grant_expire
from redteam.broken.logs import believes_a_full_disk, drops_what_comes_in_crowds
from redteam.engineers import Broken, Category, EscapedError
from redteam.stage import open_stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from redteam.engineers import Attack, Engineer, Setting
    from redteam.stage import Stage

__all__ = ["CATEGORY"]

ATTACKS = 2
SECOND = 1_000_000
"""Microseconds."""

FLOOD_BYTES = 200_000
"""What the arguments of one flood have in all, at most."""

TRIES = 100
PAUSE_SECONDS = 0.05


@dataclass
class World:
    """What the runtime lives in.

    Its disk takes `writes` more, all if that is None; its clock is `ahead` by so many microseconds.
    """

    writes: int | None = None
    ahead: int = 0

    def now(self) -> int:
        """Return the wall clock."""
        return time.time_ns() // 1000 + self.ahead

    def write(self, descriptor: int, data: bytes) -> None:
        """Write all of it, or half of it where the disk is full then, or nothing."""
        if self.writes is None:
            write_all(descriptor, data)
        elif self.writes > 0:
            self.writes -= 1
            write_all(descriptor, data)
        else:
            write_all(descriptor, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Written:
    """What stands in the log's files, read as lines, from one moment on."""

    def __init__(self, stage: Stage) -> None:
        self._folder: Path = stage.folder / "log"
        self._begin = {path: path.stat().st_size for path in self._folder.glob("log*.jsonl")}

    def records(self) -> list[dict[str, Any]]:
        """Return what was written since then; a line that does not end is none."""
        found = []
        for path in sorted(self._folder.glob("log*.jsonl")):
            with path.open("rb") as file:
                file.seek(self._begin.get(path, 0))
                found += [json.loads(line)["record"] for line in file if line.endswith(b"\n")]
        return found


@asynccontextmanager
async def arena(setting: Setting) -> AsyncIterator[Attack]:
    """Open a runtime with bob, who may take, and mallory, who may not, in a world of their own."""
    world = World()
    with mock.patch.object(storage, "write_all", world.write):
        async with open_stage(setting, (TAKE[setting.level],), now=world.now) as stage:
            for agent in ("bob", "mallory"):
                await stage.enrol(agent)
            await stage.rt.grant("machine:bob", "read", "vault:his")

            async def attack(engineer: Engineer) -> None:
                for _ in range(ATTACKS):
                    await engineer.random.choice(WAYS)(stage, world, engineer)

            yield attack


async def _works(stage: Stage, token: str) -> None:
    """See that bob gets what is his, as soon as the disk takes it."""
    for _ in range(TRIES):
        result = await stage.steps("bob", take_step("his", token))
        if result.status == "done":
            break
        await anyio.sleep(PAUSE_SECONDS)
    stage.must_have_run(token, result)


async def _flood(stage: Stage, world: World, engineer: Engineer) -> None:
    """Have the log filled with what is denied; each denial stands in it, and bob is served."""
    del world
    random = engineer.random
    runs = random.randrange(20, 80)
    size = random.randrange(FLOOD_BYTES // runs)
    token = engineer.tries(f"{runs} runs of some {size} bytes that are denied, around a call")
    kinds: list[dict[str, Any]] = [
        take_step("hers", f"{token}-m", item="x" * size),
        take_step("his", f"{token}-m", other="\u202e" * (size // 3)),
        {"tool": "t" * min(size, 60), "args": {}},
    ]
    flood = [Task("mallory", steps=(random.choice(kinds),)) for _ in range(runs)]
    flood.insert(random.randrange(runs), Task("bob", steps=(take_step("his", token),)))
    written = Written(stage)
    results = await stage.at_once(flood)
    (mine,) = (result for result in results if result.status == "done")
    stage.must_have_run(token, mine)
    stage.must_not_have_run(f"{token}-m")
    told = {each["run"] for each in written.records() if each["kind"] in ("intent", "rejected")}
    if missing := {result.run for result in results} - told:
        raise EscapedError(f"{len(missing)} of {len(results)} decisions are in no record")


async def _fill(stage: Stage, world: World, engineer: Engineer) -> None:
    """Have calls under way when the disk is full; what ran has its intent, then its outcome."""
    random = engineer.random
    calls, world_writes = random.randrange(1, 12), random.randrange(6)
    token = engineer.tries(f"{calls} calls, on a disk that takes {world_writes} more writes")
    tokens = [f"{token}-{number}" for number in range(calls)]
    stage.expected.update(tokens)
    written, world.writes = Written(stage), world_writes
    try:
        await stage.at_once([Task("bob", steps=(take_step("his", each),)) for each in tokens])
        before = written.records()
    finally:
        world.writes = None
    ran = [each for each in tokens if stage.mark(each) is not None]
    intents = "".join(each["args"] for each in before if each["kind"] == "intent")
    if unseen := [each for each in ran if f'"{each}"' not in intents]:
        raise EscapedError(f"{len(unseen)} of {len(ran)} bodies ran without an intent on the disk")
    await _works(stage, token)
    after = written.records()
    outcomes = [each for each in after if each["kind"] == "outcome"]
    if len(outcomes) != len(ran) + 1:
        raise EscapedError(f"{len(ran) + 1} bodies ran, and the log has {len(outcomes)} outcomes")


async def _jump(stage: Stage, world: World, engineer: Engineer) -> None:
    """Turn the clock to and fro about the end of a grant, and to before it was revoked."""
    random = engineer.random
    span = random.randrange(2, 10_000) * SECOND
    token = engineer.tries(f"a grant for {span // SECOND} s, and a clock that jumps about its end")
    begin, vault = world.ahead, f"vault:{token}"
    end = world.now() + span
    ends = datetime.fromtimestamp(end / SECOND, UTC)
    grant = await stage.rt.grant("machine:bob", "read", vault, expires_at=ends)
    jumps = [random.choice((-1, 1)) * random.randrange(SECOND, 2 * span) for _ in range(3)]
    try:
        for number, jump in enumerate(jumps):
            world.ahead = begin + span + jump
            each = f"{token}-{number}"
            await stage.steps("bob", take_step(token, each))
            if jump > 0:
                stage.must_not_have_run(each)
            else:  # it may be refused too: the clock went back
                stage.expected.add(each)
        await stage.rt.revoke(grant)
        world.ahead = begin + random.randrange(-span, span)
        await stage.steps("bob", take_step(token, f"{token}-revoked"))
        stage.must_not_have_run(f"{token}-revoked")
    finally:
        world.ahead = begin + 3 * span  # no later engineer meets a moment twice
    await _works(stage, token)


WAYS = (_flood, _fill, _jump)

CATEGORY = Category(
    "disorder",
    "a flood, a full disk and a clock that jumps let nothing through, and no record is lost",
    arena,
    (
        Broken("a log that takes a full disk for a written record", believes_a_full_disk),
        Broken("a log that drops denials of a crowd", drops_what_comes_in_crowds),
        Broken("a kernel for which no grant ends", lets_no_grant_expire, "python"),
    ),
)
