"""Ten thousand runs at once in one process: nothing lost, in order, in bounded memory."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PROGRAM = """
import json, sys
sys.modules["rich"] = None  # a tool of development brought it here; structlog would load it
import anyio
from authgate_async import Limits, Policy, Runtime, Task, tool
from authgate_async.oplog import configure
from authgate_async.policy import Principal
from authgate_async.wire import Grant, Right

RUNS = 10_000
GATHERED = anyio.Event()
here, order = [0], {}

@tool(resource="compute:meet", right="execute", level="inline", limits=Limits(wall_ms=600_000))
async def meet(agent: str, turn: int) -> int:
    '''Wait until all are here, so that all runs are under way at once.'''
    order.setdefault(agent, []).append(turn)
    if turn == 0:
        here[0] += 1
        if here[0] == RUNS:
            GATHERED.set()
        await GATHERED.wait()
    return turn

def peak():
    # Not ru_maxrss: that begins with what the parent had when it forked.
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

async def main():
    names = [f"a{n}" for n in range(RUNS)]
    policy = Policy(
        principals=(
            Principal("ann", "human"),
            *(Principal(name, "machine", owner="ann") for name in names),
        ),
        grants=tuple(
            Grant(f"g-{name}", name, "machine", "compute", "meet", "", Right.EXECUTE)
            for name in names
        ),
        tools=(),
    )
    tasks = (
        Task(
            agent=name,
            id=name,
            steps=tuple({"tool": "meet", "args": {"agent": name, "turn": turn}} for turn in (0, 1)),
        )
        for name in names
    )
    done = {}
    async with Runtime(policy, tools=(meet,), log=sys.argv[2]) as rt:
        async for result in rt.run_batch(tasks, concurrency=RUNS):
            done[result.task] = [step.value for step in result.steps]
    print(json.dumps({
        "done": len(done),
        "whole": all(turns == [0, 1] for turns in done.values()),
        "ordered": all(turns == [0, 1] for turns in order.values()),
        "peak_mb": peak() * 1024 / 1e6,
    }))

configure("error")
anyio.run(main, backend=sys.argv[1])
"""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_ten_thousand_runs_at_once(loop: str, tmp_path: object) -> None:
    """All are under way together, none is lost, each keeps its order, in under 300 MB."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", PROGRAM, loop, f"{tmp_path}/log"],
        capture_output=True,
        check=False,
        text=True,
        env={},  # measuring coverage would be measured too
    )
    assert done.returncode == 0, done.stderr[-2000:]
    seen = json.loads(done.stdout)

    assert (seen["done"], seen["whole"], seen["ordered"]) == (10_000, True, True)
    assert seen["peak_mb"] < 300
