from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest

from authgate_async.actors.supervision import Restarts, Supervisor
from authgate_async.errors import ActorDiedError, AskTimeoutError, AuthgateError, ClosedError
from authgate_async.testing import virtual_clock

House = Callable[[], AbstractAsyncContextManager[Supervisor]]


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Time is virtual in this file."""
    return virtual_clock(request.param)


@pytest.fixture
def sleeper(words: Any) -> type:
    """An actor that takes `left` seconds for an answer, and dies if `right` is set."""

    class Sleeper:
        """Notes when each incarnation was born."""

        births: list[float] = []  # noqa: RUF012 - one class a test

        async def run(self, inbox: Any) -> None:
            """One message at a time."""
            self.births.append(anyio.current_time())
            async for envelope in inbox:
                with envelope:
                    await anyio.sleep(envelope.message.left)
                    if envelope.message.right:
                        raise ValueError("told to die")
                    envelope.reply(words.Sum(envelope.message.left))

    return Sleeper


async def test_a_day_passes_at_once() -> None:
    """Sleeping jumps to the next deadline, exactly."""
    begin = anyio.current_time()
    with anyio.move_on_after(3600) as scope:
        await anyio.sleep(86_400)
    assert scope.cancelled_caught
    assert anyio.current_time() - begin == pytest.approx(3600, abs=1e-6)


async def test_timers_fire_in_their_order() -> None:
    """However close two timers are, the earlier one is first."""
    order: list[float] = []

    async def note(seconds: float) -> None:
        await anyio.sleep(seconds)
        order.append(seconds)

    async with anyio.create_task_group() as group:
        for seconds in (3.0, 1.0, 2.0, 1.001, 90_000.0):
            group.start_soon(note, seconds)
    assert order == [1.0, 1.001, 2.0, 3.0, 90_000.0]


@pytest.mark.parametrize(
    ("waiting", "fate"), [(False, "it was taken and may still take effect"), (True, "not taken")]
)
async def test_a_deadline_ends_an_ask_and_says_what_is_known(
    house: House, sleeper: Any, words: Any, *, waiting: bool, fate: str
) -> None:
    """The asker learns in time whether the actor ever saw the message."""
    async with house() as supervisor, anyio.create_task_group() as group:
        ref = supervisor.start("sleeper", sleeper, words.union)
        if waiting:
            group.start_soon(lambda: ref.ask(words.Add(100), words.Sum, timeout=1000))
            await anyio.wait_all_tasks_blocked()
        begin = anyio.current_time()
        with pytest.raises(
            AskTimeoutError, match=f"`sleeper` did not answer `Add` in time.*{fate}"
        ):
            await ref.ask(words.Add(50), words.Sum, timeout=30)
        assert anyio.current_time() - begin == pytest.approx(30, abs=1e-6)
    assert ref.stats().taken == 1


async def test_a_sooner_deadline_is_not_kept_waiting(
    house: House, sleeper: Any, words: Any
) -> None:
    """Asks end in the order of their deadlines, not in that of their coming."""
    ended: list[float] = []

    async def ask(ref: Any, timeout: float) -> None:  # noqa: ASYNC109 - it is what is tested
        with pytest.raises(AskTimeoutError):
            await ref.ask(words.Add(999), words.Sum, timeout=timeout)
        ended.append(timeout)

    async with house() as supervisor:
        ref = supervisor.start("sleeper", sleeper, words.union)
        async with anyio.create_task_group() as group:
            for timeout in (40, 10, 30, 20):
                group.start_soon(ask, ref, timeout)
                await anyio.wait_all_tasks_blocked()
    assert ended == [10, 20, 30, 40]


async def test_answered_asks_do_not_pile_up(house: House, sleeper: Any, words: Any) -> None:
    """Deadlines are watched of live asks only."""
    async with house() as supervisor:
        ref = supervisor.start("sleeper", sleeper, words.union)
        for timeout in range(3600, 3700):
            await ref.ask(words.Add(0), words.Sum, timeout=timeout)
        assert not supervisor._deadlines._lanes


async def test_overdue_asks_are_found_by_a_late_sweeper(ref: Any, words: Any) -> None:
    """An ask that was made before the sweeper ran still ends at its deadline."""
    deadlines = ref._deadlines
    async with anyio.create_task_group() as group:

        async def ask() -> None:
            with pytest.raises(AskTimeoutError):
                await ref.ask(words.Add(1), words.Sum, timeout=5)
            group.cancel_scope.cancel()

        group.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(deadlines.run)


async def test_pauses_double_up_to_a_ceiling(house: House, sleeper: Any, words: Any) -> None:
    """Each crash within the window doubles the pause before the next incarnation."""
    restarts = Restarts(limit=9, window=1000, first_pause=1, longest_pause=5)
    async with house() as supervisor:
        ref = supervisor.start("sleeper", sleeper, words.union, restarts=restarts)
        for _ in range(5):
            await ref.tell(words.Add(0, 1))
        await ref.ask(words.Add(0), words.Sum, timeout=900)
    gaps = [
        after - before for before, after in zip(sleeper.births, sleeper.births[1:], strict=False)
    ]
    assert gaps == pytest.approx([1, 2, 4, 5, 5], abs=1e-3)


async def test_old_crashes_are_forgiven(house: House, sleeper: Any, words: Any) -> None:
    """Only crashes within the window count against the budget, and towards the pause."""
    restarts = Restarts(limit=1, window=60, first_pause=1)
    async with house() as supervisor:
        ref = supervisor.start("sleeper", sleeper, words.union, restarts=restarts)
        for _ in range(4):
            await ref.tell(words.Add(0, 1))
            await anyio.sleep(61)
        await ref.ask(words.Add(0), words.Sum, timeout=9)
    assert len(sleeper.births) == 5


async def test_too_many_crashes_escalate(house: House, sleeper: Any, words: Any) -> None:
    """The same crashes, closer together, spend the budget."""
    restarts = Restarts(limit=1, window=60, first_pause=1)
    with pytest.raises(ActorDiedError, match="`sleeper` crashed 2 times within 60 s"):  # noqa: PT012 - the block is what fails
        async with house() as supervisor:
            ref = supervisor.start("sleeper", sleeper, words.union, restarts=restarts)
            for _ in range(4):
                await ref.tell(words.Add(0, 1))
                await anyio.sleep(20)


async def test_escalation_fails_everybody_who_waits(house: House, sleeper: Any, words: Any) -> None:
    """Who waits in the queue, for room, or at another actor gets an error, whoever caused it."""
    seen: dict[str, str] = {}

    async def ask(name: str, ref: Any, left: int, right: int) -> None:
        try:
            await ref.ask(words.Add(left, right), words.Sum, timeout=900)
        except AuthgateError as error:
            seen[name] = type(error).__name__

    async with anyio.create_task_group() as outside:
        with pytest.raises(ActorDiedError, match="crashed 2 times"):  # noqa: PT012 - the block is what fails
            async with house() as supervisor:
                restarts = Restarts(limit=1, first_pause=5)
                ref = supervisor.start("s", sleeper, words.union, capacity=2, restarts=restarts)
                other = supervisor.start("other", sleeper, words.union)
                outside.start_soon(ask, "elsewhere", other, 800, 0)
                await ref.tell(words.Add(0, 1))
                await anyio.sleep(1)
                for name, right in (("fatal", 1), ("queued", 0), ("no room", 0)):
                    outside.start_soon(ask, name, ref, 1, right)
                    await anyio.wait_all_tasks_blocked()
                await anyio.sleep_forever()
    assert seen == {
        "fatal": "InternalError",
        "queued": "ClosedError",
        "no room": "ClosedError",
        "elsewhere": "ActorDiedError",
    }


async def test_a_drain_ends_at_its_grace(house: House, sleeper: Any, words: Any) -> None:
    """After five seconds what is in hand is returned and what waits is refused."""
    seen: list[str] = []

    async def ask(ref: Any) -> None:
        try:
            await ref.ask(words.Add(100), words.Sum, timeout=900)
        except (ActorDiedError, ClosedError) as error:
            seen.append(type(error).__name__)

    async with anyio.create_task_group() as outside:
        async with house() as supervisor:
            ref = supervisor.start("sleeper", sleeper, words.union)
            for _ in range(3):
                outside.start_soon(ask, ref)
            await anyio.wait_all_tasks_blocked()
            begin = anyio.current_time()
        assert anyio.current_time() - begin == pytest.approx(5, abs=1e-3)
    assert sorted(seen) == ["ActorDiedError", "ClosedError", "ClosedError"]


async def test_a_drain_cuts_a_pause_short_of_its_grace(
    house: House, sleeper: Any, words: Any
) -> None:
    """An actor that pauses after a crash longer than the grace is not waited for."""
    async with house() as supervisor:
        restarts = Restarts(first_pause=1000, longest_pause=1000)
        ref = supervisor.start("sleeper", sleeper, words.union, restarts=restarts)
        await ref.tell(words.Add(0, 1))
        await anyio.wait_all_tasks_blocked()
        await ref.tell(words.Add(0))
    assert ref.stats().lost == 1


async def test_waits_are_measured(house: House, sleeper: Any, words: Any) -> None:
    """Wait time runs from sending to taking, room included."""
    async with house() as supervisor:
        ref = supervisor.start("sleeper", sleeper, words.union, capacity=1)
        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(lambda: ref.ask(words.Add(10), words.Sum, timeout=900))
        stats = ref.stats()
    assert (stats.wait_total, stats.wait_max) == pytest.approx((60, 30), abs=1e-3)
    assert stats.peak_depth == 1


@pytest.mark.parametrize(("crashes", "pause"), [(1, 0.05), (2, 0.1), (5, 0.8), (99, 5), (999, 5)])
def test_the_default_pauses(crashes: int, pause: float) -> None:
    """From fifty milliseconds to five seconds, however often it crashed."""
    assert math.isclose(Restarts().pause(crashes), pause)
