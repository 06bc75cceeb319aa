from __future__ import annotations

import anyio
import pytest

from authgate_async.actors.crew import Crew, sole
from authgate_async.errors import InternalError


async def fail(sentence: str) -> None:
    """Crash."""
    raise ValueError(sentence)


async def test_a_crew_is_bounded() -> None:
    """The third child of a crew of two starts when a place is free."""
    running: list[int] = []
    gate = anyio.Event()

    async def child(number: int) -> None:
        running.append(number)
        await gate.wait()

    async def fill(crew: Crew) -> None:
        for number in range(3):
            await crew.start(child, number)

    async with anyio.create_task_group() as group, Crew(2, on_crash=None) as crew:
        group.start_soon(fill, crew)
        await anyio.wait_all_tasks_blocked()
        assert len(running) == 2
        gate.set()
        await anyio.wait_all_tasks_blocked()
        assert sorted(running) == [0, 1, 2]


async def test_leaving_waits_for_the_children() -> None:
    """When the block is over, every child is."""
    done: list[int] = []

    async def child(number: int) -> None:
        await anyio.lowlevel.checkpoint()
        done.append(number)

    async with Crew(5, on_crash=None) as crew:
        for number in range(5):
            await crew.start(child, number)
    assert sorted(done) == [0, 1, 2, 3, 4]


async def test_a_crash_ends_the_crew() -> None:
    """Without `on_crash` a child's error comes out bare, and its siblings are cancelled."""
    with pytest.raises(ValueError, match="mine"):  # noqa: PT012 - the block is what fails
        async with Crew(2, on_crash=None) as crew:
            await crew.start(anyio.sleep_forever)
            await crew.start(fail, "mine")


async def test_a_reported_crash_ends_nothing() -> None:
    """With `on_crash` the crew goes on, and the crashed child's place is free."""
    told: list[Exception] = []
    async with Crew(1, on_crash=told.append) as crew:
        await crew.start(fail, "first")
        await crew.start(fail, "second")
    assert [str(error) for error in told] == ["first", "second"]


async def test_one_child_can_be_cancelled() -> None:
    """The handle that `start` returns ends that child only, and frees its place."""
    done: list[str] = []

    async def child() -> None:
        done.append("other")

    async with Crew(1, on_crash=None) as crew:
        handle = await crew.start(anyio.sleep_forever)
        handle.cancel()
        await crew.start(child)
    assert handle.status is anyio.TaskHandle.Status.CANCELLED
    assert done == ["other"]


async def test_an_error_in_the_block_cancels_the_children() -> None:
    """A crew does not outlive the actor that it belongs to."""
    with pytest.raises(KeyError, match="mine"):  # noqa: PT012 - the block is what fails
        async with Crew(1, on_crash=None) as crew:
            await crew.start(anyio.sleep_forever)
            raise KeyError("mine")


def test_a_crew_has_places() -> None:
    """A crew of nobody would wait for ever."""
    with pytest.raises(InternalError, match="at least 1 place"):
        Crew(0, on_crash=None)


def test_sole_keeps_groups_of_several() -> None:
    """One error is unwrapped however deep it lies; two stay together."""
    one = ValueError("one")
    two = ExceptionGroup("two", [one, KeyError()])
    assert sole(ExceptionGroup("a", [ExceptionGroup("b", [one])])) is one
    assert sole(ExceptionGroup("a", [two])) is two
