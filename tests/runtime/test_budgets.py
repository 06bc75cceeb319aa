"""Budgets of grants over whole runs: reserved with the verdict, settled by the outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from authgate_async import Task, tool
from authgate_async.errors import LogUnavailableError, RefusedError, UsageError
from authgate_async.launchers.protocol import Limits
from authgate_async.log.storage import Storage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


BEGAN: list[anyio.Event] = []
SAID: list[str] = []
SMALL = Limits(wall_ms=60_000, result_bytes=100, stdout_bytes=0, stderr_bytes=0)


@tool(resource="compute:paid", right="execute", level="inline", limits=SMALL, cost=4)
async def say(text: str) -> str:
    """Give the text back, at a price."""
    SAID.append(text)
    return text


@tool(resource="compute:paid", right="execute", level="inline", limits=SMALL, cost=4)
async def hang() -> None:
    """Never end."""
    BEGAN[0].set()
    await anyio.sleep_forever()


TOOLS = (say, hang)


def _say(text: str = "hi", times: int = 1) -> Task:
    return Task(agent="bot", steps=({"tool": "say", "args": {"text": text}},) * times)


async def test_a_grant_is_good_for_as_many_calls_as_it_says(runtime: Callable[..., Any]) -> None:
    """The next one is denied with what is left, and the run ends."""
    async with runtime(tools=TOOLS) as rt:
        budget = {"calls": 2}
        await rt.grant("machine:bot", "execute", "compute:paid", budget=budget, grant_id="g")
        result = await rt.run(_say(times=3))

    assert [step.permitted for step in result.steps] == [True, True, False]
    assert result.steps[2].codes == ("budget",)
    assert result.steps[2].sentences == ("grant `g` has 0 of 2 calls left, and the call needs 1",)


async def test_what_a_call_did_not_put_out_is_there_for_the_next(
    runtime: Callable[..., Any],
) -> None:
    """A call reserves what its tool may put out at most, and is charged for what it did."""
    async with runtime(tools=TOOLS) as rt:
        budget = {"output_bytes": 108}
        await rt.grant("machine:bot", "execute", "compute:paid", budget=budget, grant_id="g")
        result = await rt.run(_say(times=4))

    assert [step.permitted for step in result.steps] == [True, True, True, False]
    assert result.steps[3].sentences == (
        "grant `g` has 96 of 108 bytes of output left, and the call needs 100",
    )


async def test_wall_time_and_cost_are_charged(runtime: Callable[..., Any]) -> None:
    """A minute is reserved and next to nothing of it used; a price is paid in full."""
    async with runtime(tools=TOOLS) as rt:
        budget = {"wall_seconds": 119, "cost": 9}
        await rt.grant("machine:bot", "execute", "compute:paid", budget=budget)
        result = await rt.run(_say(times=3))

    assert [step.permitted for step in result.steps] == [True, True, False]
    assert "1 of 9 units of cost left" in result.steps[2].sentences[0]


async def test_calls_at_once_never_use_more_than_there_is(runtime: Callable[..., Any]) -> None:
    """Of many agents that share a parent's budget, as many are served as it is good for."""
    names = tuple(f"bot-{i}" for i in range(20))
    async with runtime("bot", *names, tools=TOOLS) as rt:
        rights = ("execute", "delegate")
        budget = {"calls": 7, "output_bytes": 100_000}
        await rt.grant("machine:bot", rights, "compute:paid", budget=budget, grant_id="root")
        for name in names:
            await rt.delegate(
                "root", f"machine:{name}", "execute", "compute:paid", by="machine:bot",
                budget={"calls": 1, "output_bytes": 100},
            )  # fmt: skip
        tasks = [Task(agent=name, steps=_say().steps) for name in names]
        results = [result async for result in rt.run_batch(tasks, concurrency=20)]

    assert [result.status for result in results].count("done") == 7
    assert {step.codes for result in results for step in result.steps} == {(), ("budget",)}


async def test_a_call_that_is_cancelled_gives_back_what_it_did_not_use(
    runtime: Callable[..., Any],
) -> None:
    """While it runs its minute is taken; then all but its moments are back. It was one call."""
    began = BEGAN[:] = [anyio.Event()]
    hanging = Task(agent="bot", steps=({"tool": "hang", "args": {}},))
    async with runtime(tools=TOOLS) as rt:
        budget = {"calls": 2, "wall_seconds": 119}
        await rt.grant("machine:bot", "execute", "compute:paid", budget=budget)
        async with anyio.create_task_group() as group:
            group.start_soon(rt.run, hanging)
            await began[0].wait()
            meanwhile = await rt.run(_say())
            group.cancel_scope.cancel()
        after = [await rt.run(_say()) for _ in range(2)]

    assert "of 119000000 microseconds of wall time left" in meanwhile.steps[0].sentences[0]
    assert [run.status for run in after] == ["done", "denied"]
    assert "has 0 of 2 calls left" in after[1].steps[0].sentences[0]


async def test_a_call_that_is_cancelled_before_it_starts_holds_nothing(
    runtime: Callable[..., Any],
) -> None:
    """Whether it is being decided, decided and not read, or on its way to its place."""
    async with runtime(tools=TOOLS) as rt:
        for turns in range(120):
            grant = await rt.grant("machine:bot", "execute", "compute:paid", budget={"calls": 1})
            SAID.clear()
            async with anyio.create_task_group() as group:
                group.start_soon(rt.run, _say("first"))
                for _ in range(turns):
                    await anyio.lowlevel.checkpoint()
                group.cancel_scope.cancel()
            for _ in range(
                50
            ):  # a decision under way when it was cancelled may come to its end first
                if SAID:
                    break
                await rt.run(_say("second"))
            await rt.revoke(grant)
            assert SAID in (["first"], ["second"]), turns


async def test_a_call_that_is_cancelled_while_it_waits_for_a_place_holds_nothing(
    runtime: Callable[..., Any],
) -> None:
    """Its run ends though no place becomes free, and what was reserved for it is there again."""
    began = BEGAN[:] = [anyio.Event()]
    SAID.clear()
    hanging = Task(agent="bot", steps=({"tool": "hang", "args": {}},))
    later: list[Any] = []
    async with runtime(tools=TOOLS, max_calls=1) as rt, anyio.create_task_group() as group:
        await rt.grant("machine:bot", "execute", "compute:paid", budget={"calls": 3})
        supervisor = rt._required().supervisor

        async def in_hand(calls: int) -> None:
            while supervisor.stats().in_hand != calls and not later:
                await anyio.lowlevel.checkpoint()

        async def act() -> None:
            later.append(await rt.run(_say("has what the third gave up")))

        group.start_soon(rt.run, hanging)
        await began[0].wait()
        group.start_soon(rt.run, _say("waits"))
        await in_hand(2)
        async with anyio.create_task_group() as third:
            third.start_soon(rt.run, _say("waits behind it"))
            await in_hand(3)
            third.cancel_scope.cancel()
        assert supervisor.stats().in_hand == 2
        group.start_soon(act)
        await in_hand(3)
        assert not later, "it was denied"
        group.cancel_scope.cancel()
    assert not SAID


async def test_a_decision_that_cannot_be_recorded_holds_nothing(
    runtime: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The disk is full for a moment; the one call that there is a budget for is still there."""
    async with runtime(tools=TOOLS, log=tmp_path / "log") as rt:
        await rt.grant("machine:bot", "execute", "compute:paid", budget={"calls": 1})
        with monkeypatch.context() as full:
            full.setattr(Storage, "write", _no_room)
            first = await rt.run(_say())
        after = await rt.run(_say())

    assert first.steps[0].codes == ("log_unavailable",)
    assert after.status == "done"


def _no_room(*_: object) -> None:
    raise LogUnavailableError("no room")


async def test_a_call_that_is_cancelled_is_charged_for_its_time(
    runtime: Callable[..., Any],
) -> None:
    """However short it was: with just a minute, no second call that may take one fits."""
    began = BEGAN[:] = [anyio.Event()]
    hanging = Task(agent="bot", steps=({"tool": "hang", "args": {}},))
    async with runtime(tools=TOOLS) as rt:
        budget = {"wall_seconds": 60}
        await rt.grant("machine:bot", "execute", "compute:paid", budget=budget)
        async with anyio.create_task_group() as group:
            group.start_soon(rt.run, hanging)
            await began[0].wait()
            group.cancel_scope.cancel()
        after = await rt.run(_say())

    assert after.steps[0].codes == ("budget",)


async def test_a_budget_is_handed_on_in_part_or_not_at_all(runtime: Callable[..., Any]) -> None:
    """A delegation with more than its parent, or without its limit, is refused by name."""
    async with runtime("bot", "helper", tools=TOOLS) as rt:
        rights = ("execute", "delegate")
        root = await rt.grant("machine:bot", rights, "compute:paid", budget={"calls": 2})
        for budget in ({"calls": 3}, {"cost": 1}):
            with pytest.raises(RefusedError, match="in budget") as refused:
                await rt.delegate(
                    root, "machine:helper", "execute", "compute:paid", by="machine:bot",
                    budget=budget,
                )  # fmt: skip
            assert refused.value.code == "attenuation"
        for bad in ({"calls": -1}, {"cals": 1}):
            with pytest.raises(UsageError, match="give calls, wall_seconds, output_bytes, cost"):
                await rt.grant("machine:bot", "execute", "compute:paid", budget=bad)
