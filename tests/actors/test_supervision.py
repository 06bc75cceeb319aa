from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest

from authgate_async.actors.supervision import Restarts, Supervisor
from authgate_async.errors import (
    ActorDiedError,
    AskTimeoutError,
    ClosedError,
    InternalError,
)

House = Callable[[], AbstractAsyncContextManager[Supervisor]]
Crashes = list[tuple[str, Exception]]
AT_ONCE = Restarts(limit=2, first_pause=0)


@pytest.fixture
def adder(words: Any) -> type:
    """An actor that adds, dies of 13, dies silently holding 14, and hangs on 15."""

    class Adder:
        """Counts its incarnations."""

        born = 0

        def __init__(self) -> None:
            type(self).born += 1

        async def run(self, inbox: Any) -> None:
            """One message at a time."""
            async for envelope in inbox:
                if envelope.message.left == 14:
                    raise ZeroDivisionError("14")
                with envelope:
                    if envelope.message.left == 13:
                        raise ValueError("13")
                    if envelope.message.left == 15:
                        await anyio.sleep_forever()
                    envelope.reply(words.Sum(envelope.message.left + envelope.message.right))

    return Adder


async def test_ask_and_answer(house: House, adder: Any, words: Any) -> None:
    """An ask gets its answer, and the actor's figures show it."""
    async with house() as supervisor:
        ref = supervisor.start("adder", adder, words.union)
        assert (await ref.ask(words.Add(1, 2), words.Sum, timeout=60)).value == 3
        assert (ref.stats().taken, ref.stats().in_hand) == (1, 0)


async def test_a_crash_is_seen_and_the_actor_lives_on(
    house: House, adder: Any, words: Any, crashes: Crashes
) -> None:
    """The asker sees the bug, the supervisor is told, the next incarnation answers."""
    async with house() as supervisor:
        ref = supervisor.start("adder", adder, words.union, restarts=AT_ONCE)
        with pytest.raises(InternalError, match="met a bug: ValueError: 13"):
            await ref.ask(words.Add(13), words.Sum, timeout=60)
        with pytest.raises(ActorDiedError, match="`adder` died with the request in its hands"):
            await ref.ask(words.Add(14), words.Sum, timeout=60)
        assert (await ref.ask(words.Add(1), words.Sum, timeout=60)).value == 1
    assert adder.born == 3
    assert [(name, type(error)) for name, error in crashes] == [
        ("adder", ValueError),
        ("adder", ZeroDivisionError),
    ]


async def test_what_was_accepted_survives_a_crash(house: House, adder: Any, words: Any) -> None:
    """Requests that wait while the actor dies are answered by its next incarnation."""
    answers: list[int] = []
    async with house() as supervisor:
        ref = supervisor.start("adder", adder, words.union, restarts=AT_ONCE)

        async def ask(left: int) -> None:
            if left == 13:
                with pytest.raises(InternalError):
                    await ref.ask(words.Add(left), words.Sum, timeout=60)
            else:
                answers.append((await ref.ask(words.Add(left), words.Sum, timeout=60)).value)

        async with anyio.create_task_group() as group:
            for left in (1, 13, 2, 3):
                group.start_soon(ask, left)
    assert sorted(answers) == [1, 2, 3]


async def test_a_told_message_that_dies_with_its_actor_is_counted(
    house: House, adder: Any, words: Any
) -> None:
    """Nobody waits for a tell, so its loss shows in the figures."""
    async with house() as supervisor:
        ref = supervisor.start("adder", adder, words.union, restarts=AT_ONCE)
        await ref.tell(words.Add(14))
        await ref.ask(words.Add(1), words.Sum, timeout=60)
        assert ref.stats().lost == 1


async def test_a_spent_budget_escalates(house: House, adder: Any, words: Any) -> None:
    """The crash after the last allowed one ends the block, naming the actor and the cause."""
    with pytest.raises(ActorDiedError, match=r"`adder` crashed 3 times .* ValueError: 13") as error:  # noqa: PT012 - the block is what fails
        async with house() as supervisor:
            ref = supervisor.start("adder", adder, words.union, restarts=AT_ONCE)
            other = supervisor.start("other", adder, words.union)
            for _ in range(3):
                with pytest.raises(InternalError):
                    await ref.ask(words.Add(13), words.Sum, timeout=60)
            await anyio.sleep_forever()
    assert isinstance(error.value.__cause__, ValueError)
    for each in (ref, other):
        with pytest.raises(ClosedError):
            await each.tell(words.Add(1))


async def test_leaving_drains(house: House, adder: Any, words: Any) -> None:
    """What was accepted before the end is still answered, and nothing comes after."""
    answers: list[int] = []

    async def ask(ref: Any, left: int) -> None:
        answers.append((await ref.ask(words.Add(left), words.Sum, timeout=60)).value)

    async with anyio.create_task_group() as outside:
        async with house() as supervisor:
            ref = supervisor.start("adder", adder, words.union)
            for left in range(100, 120):
                outside.start_soon(ask, ref, left)
            while ref.stats().depth + ref.stats().taken < 20:
                await anyio.lowlevel.checkpoint()
        assert (ref.stats().depth, ref.stats().in_hand, ref.stats().taken) == (0, 0, 20)
        with pytest.raises(ClosedError, match="`adder` is closed"):
            await ref.ask(words.Add(1), words.Sum, timeout=60)
    assert sorted(answers) == list(range(100, 120))


async def test_a_crash_while_draining_loses_nothing(house: House, adder: Any, words: Any) -> None:
    """An actor that dies during the drain is started again to finish it."""
    async with house() as supervisor:
        ref = supervisor.start("adder", adder, words.union, restarts=AT_ONCE)
        await ref.tell(words.Add(14))
        await ref.tell(words.Add(1))
    assert (ref.stats().taken, ref.stats().lost) == (2, 1)


async def test_the_youngest_stops_first(house: House, adder: Any, words: Any) -> None:
    """While an actor drains it can still ask those that were started before it."""
    got: list[int] = []

    async with house() as supervisor:
        elder = supervisor.start("elder", adder, words.union)

        class Younger:
            """Asks the elder."""

            async def run(self, inbox: Any) -> None:
                """Once it is told to stop."""
                async for envelope in inbox:
                    envelope.done()
                got.append((await elder.ask(words.Add(7), words.Sum, timeout=60)).value)

        supervisor.start("younger", Younger, words.union)
    assert got == [7]


async def test_cancelling_the_block_ends_everything_at_once(
    house: House, adder: Any, words: Any
) -> None:
    """A cancelled block waits for no grace, and every asker is told."""
    seen: list[str] = []

    async def ask(ref: Any, left: int) -> None:
        try:
            await ref.ask(words.Add(left), words.Sum, timeout=60)
        except (ActorDiedError, ClosedError) as error:
            seen.append(type(error).__name__)

    async with anyio.create_task_group() as outside:
        with anyio.CancelScope() as scope:
            async with house() as supervisor:
                ref = supervisor.start("adder", adder, words.union)
                outside.start_soon(ask, ref, 15)
                await anyio.wait_all_tasks_blocked()
                outside.start_soon(ask, ref, 1)
                await anyio.wait_all_tasks_blocked()
                scope.cancel()
    assert sorted(seen) == ["ActorDiedError", "ClosedError"]


async def test_one_error_is_raised_as_itself(house: House) -> None:
    """The block's own error comes out bare, after the drain."""
    with pytest.raises(KeyError, match="mine"):
        async with house():
            raise KeyError("mine")


async def test_several_errors_come_as_a_group(house: House, adder: Any, words: Any) -> None:
    """An error of the block does not hide an actor that could not be kept alive."""
    with pytest.raises(ExceptionGroup) as group:  # noqa: PT012 - the block is what fails
        async with house() as supervisor:
            ref = supervisor.start("adder", adder, words.union, restarts=Restarts(limit=0))
            await ref.tell(words.Add(14))
            raise KeyError("mine")
    assert {type(error) for error in group.value.exceptions} == {KeyError, ActorDiedError}


async def test_stopping_one_actor(house: House, adder: Any, words: Any) -> None:
    """One actor can be stopped before the others, and twice does no harm."""
    async with house() as supervisor:
        first = supervisor.start("first", adder, words.union)
        second = supervisor.start("second", adder, words.union)
        await supervisor.stop(first)
        await supervisor.stop(first)
        with pytest.raises(ClosedError):
            await first.tell(words.Add(1))
        assert (await second.ask(words.Add(2), words.Sum, timeout=60)).value == 2


async def test_an_actor_that_returns_early_has_crashed(
    house: House, words: Any, crashes: Crashes
) -> None:
    """Returning while the mailbox is open is a bug of the actor, and it is started again."""

    class Sprinter:
        """Handles one message, then goes home."""

        async def run(self, inbox: Any) -> None:
            """Once."""
            for envelope in await inbox.batch(1):
                envelope.reply(words.Sum(envelope.message.left))

    async with house() as supervisor:
        ref = supervisor.start("sprinter", Sprinter, words.union, restarts=AT_ONCE)
        for left in (1, 2):
            assert (await ref.ask(words.Add(left), words.Sum, timeout=60)).value == left
        await supervisor.stop(ref)
    assert {str(error) for _, error in crashes} == {
        "`sprinter` returned while its mailbox was open or not empty"
    }


async def test_a_name_is_given_once(house: House, adder: Any, words: Any) -> None:
    """Two actors of one name could not be told apart."""
    async with house() as supervisor:
        supervisor.start("adder", adder, words.union)
        with pytest.raises(InternalError, match="another name"):
            supervisor.start("adder", adder, words.union)


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan")])
async def test_an_ask_needs_a_deadline(
    house: House,
    adder: Any,
    words: Any,
    timeout: float,  # noqa: ASYNC109 - it is what is tested
) -> None:
    """A deadline that never comes, or has passed, is a bug of the asker."""
    async with house() as supervisor:
        ref = supervisor.start("adder", adder, words.union)
        with pytest.raises(InternalError, match="timeout of"):
            await ref.ask(words.Add(1), words.Sum, timeout=timeout)


async def test_a_deadline_ends_an_ask(house: House, adder: Any, words: Any) -> None:
    """In real time too, on every loop, an actor that hangs does not hang its asker."""
    async with house() as supervisor:
        ref = supervisor.start("adder", adder, words.union)
        with pytest.raises(AskTimeoutError, match="it was taken and may still take effect"):
            await ref.ask(words.Add(15), words.Sum, timeout=0.01)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await supervisor.stop(ref)
        supervisor._cells["adder"].scope.cancel()
