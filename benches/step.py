"""The whole step: plan, gate, signed decision, log, inline tool, outcome; 1,000 agents at once.

Ours plans anew for each step, as the rivals' loops do, and writes a log on disk with `fsync`.
LangGraph runs its graph of a plan node and a tool node, without a checkpointer; autogen-core sends
one request and gets one reply, without any tool. No rival decides, signs or records anything.
"""

from __future__ import annotations

import asyncio  # noqa: TID251 - rivals run on it, and so do we here
import shutil
import tempfile
import time
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from authgate_async import Policy, Runtime, Task, tool
from authgate_async.oplog import configure
from authgate_async.policy import Principal
from authgate_async.wire import Grant, Right
from benches.table import Row, Subject, arguments, measure, show, version_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authgate_async import StepResult
    from authgate_async.log.writer import Durability

AGENTS = 1_000
STEPS = 5

RIVALS = {
    "langgraph": ("plan and tool", "langgraph_loop"),
    "autogen-core": ("one request", "autogen_ask"),
}


@tool(resource="compute:echo", right="execute", level="inline")
def echo(text: str) -> str:
    """Give the text back."""
    return text


class OneAtATime:
    """Plans one step a call, `STEPS` times."""

    def plan(self, task: Task, results: Sequence[StepResult]) -> object:
        """Return the next step, or none."""
        return [{"tool": "echo", "args": {"text": task.agent}}] if len(results) < STEPS else []


def policy() -> Policy:
    """Enrol the agents, each with its own grant."""
    names = [f"agent-{n}" for n in range(AGENTS)]
    return Policy(
        principals=(
            Principal("ann", "human"),
            *(Principal(name, "machine", owner="ann") for name in names),
        ),
        grants=tuple(
            Grant(f"g-{name}", name, "machine", "compute", "echo", "", Right.EXECUTE)
            for name in names
        ),
        tools=(),
    )


async def authgate(durability: Durability) -> float:
    """Run all agents' tasks; the log is opened before and sealed after the clock runs."""
    folder = Path(tempfile.mkdtemp(prefix="authgate-bench-"))
    tasks = [Task(agent=f"agent-{n}", id=str(n)) for n in range(AGENTS)]
    try:
        async with Runtime(
            policy(),
            planner=OneAtATime(),
            tools=(echo,),
            log=None if durability == "memory" else folder / "log",
            durability=durability,
        ) as rt:
            began = time.perf_counter()
            results = [result async for result in rt.run_batch(tasks, concurrency=AGENTS)]
            seconds = time.perf_counter() - began
    finally:
        shutil.rmtree(folder)
    assert all(len(r.steps) == STEPS and r.status == "done" for r in results), results[0]
    return seconds / (AGENTS * STEPS)


def main() -> None:
    """Measure and print."""
    options = arguments(__doc__).parse_args()
    configure("error")
    ours = version_of("authgate_async")
    subjects = [
        Subject("authgate_async, fsync", ours, lambda: asyncio.run(authgate("fsync"))),
        Subject("authgate_async, memory", ours, lambda: asyncio.run(authgate("memory"))),
        *[_rival(package, work, module) for package, (work, module) in RIVALS.items()],
    ]
    rows = measure(subjects, options.rounds)
    show("One step", rows, _ratios(rows), as_json=options.json)


def _rival(package: str, work: str, module: str) -> Subject:
    version = version_of(package)
    if version == "missing":
        return Subject(f"{package}, {work}", version, None)
    run = import_module(f"benches.rivals.{module}").run
    return Subject(f"{package}, {work}", version, partial(run, AGENTS, STEPS))


def _ratios(rows: Sequence[Row]) -> dict[str, float]:
    there = [(row.name.partition(",")[0], row.median) for row in reversed(rows)]
    medians = {name: median for name, median in there if median is not None}
    names = {"step_vs_langgraph": "langgraph", "step_vs_autogen_ask": "autogen-core"}
    ours = medians["authgate_async"]
    return {name: medians[rival] / ours for name, rival in names.items() if rival in medians}


if __name__ == "__main__":
    main()
