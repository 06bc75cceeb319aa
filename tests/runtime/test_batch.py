"""Many runs: bounded, ordered per agent, each result as it is there, none hurt by another."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from authgate_async import Task, tool
from authgate_async.batch import BURST, Batch
from authgate_async.errors import ClosedError
from authgate_async.runs import RunResult

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator


class Room:
    """Where calls wait until there are four, and are counted."""

    here = 0
    most = 0
    full: anyio.Event


@tool(resource="compute:echo", right="execute", level="inline")
async def crowd() -> None:
    """Wait until four have been here at once."""
    Room.here += 1
    Room.most = max(Room.most, Room.here)
    if Room.here == 4:
        Room.full.set()
    await Room.full.wait()
    Room.here -= 1


def echoes(agents: int, each: int) -> list[Task]:
    """Return tasks in turn over the agents, whose text tells their place."""
    return [
        Task(
            agent=f"a{a}",
            id=f"{a}/{n}",
            steps=({"tool": "echo", "args": {"text": str(n)}},),
        )
        for n in range(each)
        for a in range(agents)
    ]


async def test_nothing_is_lost_and_order_is_kept_per_agent(runtime: Callable[..., Any]) -> None:
    """Each task gives one result, and those of one agent come in the order of its tasks."""
    seen: dict[str, list[str]] = defaultdict(list)
    async with runtime(*(f"a{n}" for n in range(7))) as rt:
        async for result in rt.run_batch(echoes(7, 9), concurrency=7):
            seen[result.agent].append(result.steps[0].value)

    assert dict(seen) == {f"a{n}": [str(k) for k in range(9)] for n in range(7)}


async def test_agents_run_side_by_side_up_to_the_bound(runtime: Callable[..., Any]) -> None:
    """No more than `concurrency` agents act at once, and that many do."""
    Room.here, Room.most, Room.full = 0, 0, anyio.Event()
    names = [f"a{n}" for n in range(12)]
    tasks = [Task(agent=name, steps=({"tool": "crowd"},)) for name in names]
    async with runtime(*names, tools=(crowd,)) as rt:
        results = [result async for result in rt.run_batch(tasks, concurrency=4)]

    assert {result.status for result in results} == {"done"}
    assert Room.most == 4


@pytest.mark.parametrize("bad", [Task(agent=""), Task(agent="bot", intent="\ud800"), "text", None])
async def test_one_bad_task_hurts_no_other(runtime: Callable[..., Any], bad: Any) -> None:
    """A task that is none is a failed result; the others run."""
    good = [
        Task(agent="bot", id=str(n), steps=({"tool": "echo", "args": {"text": "x"}},))
        for n in (1, 2)
    ]
    async with runtime() as rt:
        results = [result async for result in rt.run_batch([good[0], bad, good[1]])]

    assert sorted(result.status for result in results) == ["done", "done", "failed"]


async def test_tasks_may_come_from_an_async_source(runtime: Callable[..., Any]) -> None:
    """An async iterable of tasks is as good as a list, and is read only as there is room."""
    taken = []

    async def source() -> AsyncIterator[Task]:
        for task in echoes(1, 100):
            taken.append(task)
            yield task

    async with runtime("a0") as rt, rt.run_batch(source(), concurrency=1) as batch:
        first = await anext(batch)
        at_first = len(taken)

    assert first.steps[0].value == "0"
    assert at_first < 100


async def test_a_long_list_gives_way_once_a_burst() -> None:
    """Tasks that there is room for are handed out by the burst; then others have their turn."""
    taken: list[str] = []

    def source() -> Iterator[Task]:
        for task in echoes(4 * BURST, 1):
            taken.append(task.id)
            yield task

    async def run(task: Task) -> RunResult:
        return RunResult(run="", task=str(len(taken)), agent=task.agent, status="done")

    async with anyio.create_task_group() as group:
        batch = Batch(source(), run, group, concurrency=4 * BURST)
        counts = [int(result.task) async for result in batch]

    # Trio shuffles what is ready: the feeder may come before those that it gave way to, once.
    assert min(counts) <= 2 * BURST
    assert len(counts) == 4 * BURST


async def test_an_error_of_the_source_comes_after_the_results(runtime: Callable[..., Any]) -> None:
    """What was taken before the source failed is run; then its error is raised."""

    def source() -> Iterator[Task]:
        yield from echoes(1, 3)
        raise OSError("the file ends here")

    results = []

    async def read(batch: Any) -> None:
        async for result in batch:
            results.append(result)  # noqa: PERF401 - what came before the error counts

    async with runtime("a0") as rt:
        with pytest.raises(OSError, match="ends here"):
            await read(rt.run_batch(source()))

    assert [result.steps[0].value for result in results] == ["0", "1", "2"]


async def test_leaving_early_stops_what_runs(runtime: Callable[..., Any]) -> None:
    """Closing a batch cancels its runs; the runtime goes on."""
    tasks = [*echoes(1, 1), *[Task(agent=f"a{n}", steps=({"tool": "wait"},)) for n in range(1, 5)]]
    async with runtime(*(f"a{n}" for n in range(5))) as rt:
        async with rt.run_batch(tasks, concurrency=5) as batch:
            first = await anext(batch)
        again = await rt.run(echoes(1, 1)[0])

    assert (first.status, again.status) == ("done", "done")


async def test_shutdown_ends_a_batch_after_what_is_in_flight(runtime: Callable[..., Any]) -> None:
    """After `shutdown` no further task starts, and the loop ends by itself."""
    results = []
    async with runtime("a0", grace=30) as rt:
        async for result in rt.run_batch(echoes(1, 1000), concurrency=1):
            results.append(result)
            rt.shutdown()
        with pytest.raises(ClosedError):
            rt.run_batch([])

    assert 0 < len(results) < 1000
    assert {result.status for result in results} == {"done"}


async def test_a_second_shutdown_cancels_at_once(runtime: Callable[..., Any]) -> None:
    """What does not end by itself is cancelled and says so."""
    tasks = [*echoes(1, 1), Task(agent="a1", steps=({"tool": "wait"},))]
    results = []
    async with runtime("a0", "a1", grace=10_000) as rt:
        async for result in rt.run_batch(tasks, concurrency=2):
            results.append(result)
            rt.shutdown()
            rt.shutdown()

    assert sorted(result.status for result in results) == ["done", "interrupted"]


async def test_the_grace_ends_what_does_not_end(runtime: Callable[..., Any]) -> None:
    """One `shutdown` cancels after the grace."""
    tasks = [*echoes(1, 1), Task(agent="a1", steps=({"tool": "wait"},))]
    results = []
    async with runtime("a0", "a1", grace=0.05) as rt:
        async for result in rt.run_batch(tasks, concurrency=2):
            results.append(result)
            rt.shutdown()

    assert sorted(result.status for result in results) == ["done", "interrupted"]


async def test_a_batch_read_after_the_end_is_closed(runtime: Callable[..., Any]) -> None:
    """What was not begun inside the block does not begin outside."""
    async with runtime("a0") as rt:
        batch = rt.run_batch(echoes(1, 1))
    with pytest.raises(ClosedError, match="ended"):
        await anext(batch)
