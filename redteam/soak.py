"""Mixed load and attack for as long as it is told: `python -m redteam.soak --minutes 10 --seed 1`.

Agents work at all levels, are denied, wait for approvals, flood their outputs, attack, and are
cancelled; grants are revoked while calls run; templates are killed; the log is rotated and old
files go. After each round of this the load stops, and what the runtime then holds is counted.

It fails if a figure grows: if the median of its last third is above the highest of its first third,
for memory by more than a twentieth and 4 MiB, for all else by anything. The first rounds, in which
caches fill, do not count. It fails too if a call ends otherwise than it may, if the log does not
hold, or if a process, thread, descriptor or temporary file is left at the end.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import re
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import anyio.to_thread
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from authgate_async import Policy, Rotation, Runtime, Task, oplog
from authgate_async.approvals import sign_approval
from authgate_async.errors import RefusedError
from authgate_async.log.verify import verify
from authgate_async.policy import Principal, RunLimits
from authgate_async.wire import Grant, Right
from redteam.bodies.soaking import TOOLS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from authgate_async import RunResult

AGENTS = 12
"""Agents that act at once."""

ROUND = 20.0
"""Seconds of load before a sample; a long soak has longer rounds, sixty at most."""

PLACES = 64
"""Resources on which grants come and go. Their names are few; each grant has an id of its own."""

WARM = 2
"""Rounds that do not count."""

ANN = b"a" * 32
SECRET = "what no call may see"  # noqa: S105 - it is none
DEAD = "sandbox_died"
"""How calls end whose template was killed."""

QUIET = 3.0
"""Seconds in which the lowest figure counts: cells are armed and templates reaped meanwhile."""


class Unexpected(Exception):  # noqa: N818 - it is what was seen
    """A call ended otherwise than it may."""


class Load:
    """What the agents of one runtime do; `ends` counts what came of it."""

    def __init__(self, rt: Runtime, draw: random.Random, secret: Path) -> None:
        self.rt = rt
        self.draw = draw
        self.ends: Counter[str] = Counter()
        self._secret = str(secret)
        self._number = 0

    def _deeds(self) -> tuple[tuple[int, Callable[[str], Awaitable[object]]], ...]:
        return (
            (40, self._work),
            (10, self._batch),
            (8, self._deny),
            (8, self._flood),
            (8, self._attack),
            (8, self._revoke),
            (6, self._ask),
            (8, self._cancel),
            (3, self._spin),
            (1, self._kill),
        )

    async def round(self, seconds: float) -> None:
        """Act for so long, and return when nothing is under way any more."""
        until = time.monotonic() + seconds
        async with anyio.create_task_group() as group:
            for number in range(AGENTS):
                group.start_soon(self._act, f"bot{number}", until)

    async def _act(self, agent: str, until: float) -> None:
        weights, deeds = zip(*self._deeds(), strict=True)
        while time.monotonic() < until:
            (deed,) = self.draw.choices(deeds, weights)
            await deed(agent)

    async def _run(self, agent: str, name: str, *allowed: str, **args: Any) -> RunResult:
        result = await self.rt.run(Task(agent=agent, steps=({"tool": name, "args": args},)))
        step = result.steps[0] if result.steps else None
        end = (step.cause or ",".join(step.codes)) if step else result.status
        self.ends[end] += 1
        if end not in allowed:
            raise Unexpected(f"`{name}` of `{agent}` ended as {end}: {result}")
        return result

    async def _work(self, agent: str) -> None:
        name, ends = self.draw.choice((("add", ("returned",)), ("multiply", ("returned", DEAD))))
        left, right = self.draw.randrange(1000), self.draw.randrange(1000)
        await self._run(agent, name, *ends, left=left, right=right)

    async def _batch(self, agent: str) -> None:
        step = {"tool": "add", "args": {"left": 1, "right": 2}}
        tasks = [Task(agent=agent, steps=(step, step)) for _ in range(20)]
        async for result in self.rt.run_batch(tasks):
            self.ends[result.status] += 1
            if result.status != "done":
                raise Unexpected(f"a batch's run ended as {result.status}: {result}")

    async def _deny(self, agent: str) -> None:
        other = f"someone-else-{self.draw.randrange(10**9)}"
        await self._run(agent, "linger", "no_grant", place=other)
        await self._run(agent, "no such tool", "unknown_tool")
        await self._run(agent, "add", "bad_arguments", left="x" * self.draw.randrange(10_000))

    async def _flood(self, agent: str) -> None:
        await self._run(agent, "flood", "output_cap", "returned", DEAD, size=2**20)

    async def _attack(self, agent: str) -> None:
        result = await self._run(agent, "attack", "returned", DEAD, secret=self._secret)
        if result.steps[0].value:
            raise Unexpected(f"an attack got {result.steps[0].value}")

    async def _revoke(self, agent: str) -> None:
        """Take a grant away from a call that runs, or is about to."""
        place = f"place{self.draw.randrange(PLACES)}"
        grant = await self.rt.grant(f"machine:{agent}", "execute", f"work:{place}")
        ends = ("revoked", "permit_stale", "no_grant")
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: self._run(agent, "linger", *ends, place=place))
            await self._turns()
            await self.rt.revoke(grant)

    async def _ask(self, agent: str) -> None:
        """Wait for an approval, and get it from whoever looks first."""
        number = self._next()
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: self._run(agent, "asked", "returned", number=number))
            mine = f'{{"number":{number}}}'
            while not (calls := [one for one in await self.rt.waiting() if one.args == mine]):
                await anyio.lowlevel.checkpoint()
            approval = sign_approval(calls[0], "ann", ANN)
            await self.rt.approve(approval)
            try:
                await self.rt.approve(approval)
            except RefusedError:
                return
            raise Unexpected("an approval was taken twice")

    async def _cancel(self, agent: str) -> None:
        name, args = self.draw.choice(
            (("multiply", {"left": 1, "right": 1}), ("spin", {}), ("linger", {"place": "kept"}))
        )
        ends = ("returned", "deadline", DEAD)
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: self._run(agent, name, *ends, **args))
            await self._turns()
            group.cancel_scope.cancel()
        self.ends["cancelled"] += 1

    async def _spin(self, agent: str) -> None:
        await self._run(agent, "spin", "deadline", DEAD)

    async def _kill(self, _: str) -> None:
        """Kill a template; it is started again by the next call."""
        if pids := children(os.getpid()):
            os.kill(self.draw.choice(pids), signal.SIGKILL)
            self.ends["killed"] += 1

    async def _turns(self) -> None:
        for _ in range(self.draw.randrange(200)):
            await anyio.lowlevel.checkpoint()

    def _next(self) -> int:
        self._number += 1
        return self._number


def children(pid: int) -> list[int]:
    """List the children of a process."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, task.read_text().split())
        except OSError:
            continue  # it is gone
    return found


def family(pid: int) -> list[int]:
    """List all descendants of a process."""
    own = children(pid)
    return own + [one for child in own for one in family(child)]


def resident() -> int:
    """Return our resident memory in KiB."""
    found = re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found[1]) if found else 0


def held(rt: Runtime | None, temporary: Path) -> dict[str, int]:
    """Count what is held now."""
    figures = {
        "descriptors": len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - the shortest way
        "processes": len(family(os.getpid())),
        "threads": threading.active_count(),
        "files": sum(1 for _ in temporary.iterdir()),
    }
    if rt is not None:
        stats = rt.stats().values()
        figures["tasks"] = len(anyio.get_running_tasks())
        figures["in_mailboxes"] = sum(one.depth + one.in_hand for one in stats)
    return figures


def left(before: dict[str, int], temporary: Path) -> dict[str, int]:
    """Count what is held at the end, when idle threads had a while to end by themselves."""
    until = time.monotonic() + QUIET
    while (after := held(None, temporary)) != before and time.monotonic() < until:
        time.sleep(0.1)
    return after


async def sample(rt: Runtime, temporary: Path) -> dict[str, int]:
    """Return the lowest figures of a while without load."""
    gc.collect()
    until = time.monotonic() + QUIET
    lowest = held(rt, temporary)
    while time.monotonic() < until:
        await anyio.sleep(0.1)
        now = held(rt, temporary)
        lowest = {name: min(figure, now[name]) for name, figure in lowest.items()}
    return {**lowest, "rss_kib": resident()}


def growing(samples: list[dict[str, int]]) -> list[str]:
    """Name the figures that are not flat."""
    counted = samples[WARM:]
    third = max(1, len(counted) // 3)
    worse = []
    for name in counted[0]:
        early = max(one[name] for one in counted[:third])
        late = statistics.median(one[name] for one in counted[-third:])
        bound = early * 1.05 + 4096 if name == "rss_kib" else early
        if late > bound:
            worse.append(f"{name} grew from {early} to {late:g}")
    return worse


def _policy() -> Policy:
    public = Ed25519PrivateKey.from_private_bytes(ANN).public_key().public_bytes_raw()
    names = [f"bot{number}" for number in range(AGENTS)]

    def grant(name: str, place: str, *approvers: str) -> Grant:
        own = f"{name}-{place}"
        return Grant(own, name, "machine", "work", place, "", Right.EXECUTE, approvers=approvers)

    return Policy(
        principals=(
            Principal("ann", "human", key=public),
            *[Principal(name, "machine", owner="ann") for name in names],
        ),
        grants=tuple(
            [grant(n, place) for n in names for place in ("inline", "process", "jail", "kept")]
            + [grant(name, "asked", "ann") for name in names]
        ),
        tools=(),
        limits=RunLimits(max_processes=6),
    )


async def soak(minutes: float, seed: int, folder: Path, temporary: Path) -> list[str]:
    """Run the load, print a line for each round; return what is wrong."""
    secret = folder / "secret"
    await anyio.Path(secret).write_text(SECRET)
    draw = random.Random(seed)  # noqa: S311 - deeds are no secrets
    seconds = min(60.0, max(ROUND, minutes * 60 / 100))
    rotation = Rotation(file_bytes=2**20, keep_seconds=30)
    samples: list[dict[str, int]] = []
    begun = time.monotonic()
    async with Runtime(_policy(), tools=TOOLS, log=folder / "log", rotation=rotation) as rt:
        load = Load(rt, draw, secret)
        while time.monotonic() < begun + minutes * 60 or len(samples) < WARM + 3:
            await load.round(seconds)
            samples.append(await sample(rt, temporary))
            _tell(begun, samples[-1], load.ends)
    print(f"ends: {dict(load.ends.most_common())}")  # noqa: T201 - a program's output
    return growing(samples)


def _tell(begun: float, figures: dict[str, int], ends: Counter[str]) -> None:
    shown = " ".join(f"{name} {figure}" for name, figure in figures.items())
    print(f"{time.monotonic() - begun:7.0f} s  {ends.total():8} ends  {shown}", flush=True)  # noqa: T201


def main() -> int:
    """Soak as long as was asked; 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--loop", choices=("asyncio", "trio"), default="asyncio")
    args = parser.parse_args()
    oplog.configure("critical")
    with tempfile.TemporaryDirectory() as place, tempfile.TemporaryDirectory() as temporary:
        tempfile.tempdir = temporary
        before = held(None, Path(temporary))
        wrong = anyio.run(
            soak, args.minutes, args.seed, Path(place), Path(temporary), backend=args.loop
        )
        after = left(before, Path(temporary))
        wrong += [
            f"{after[name]} {name} left, {n} before"
            for name, n in before.items()
            if after[name] > n
        ]
        report = verify(Path(place) / "log")
        gone = sum(end - first for first, end in report.removed)
        print(f"log: {report.records} records, {gone} of them removed, {report.runs} runs")  # noqa: T201
        if not (report.ok and report.sealed) or report.open_runs:
            wrong.append(f"the log does not hold: {report}")
    for sentence in wrong:
        print(f"NOT FLAT: {sentence}")  # noqa: T201
    print("flat" if not wrong else "failed")  # noqa: T201
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
