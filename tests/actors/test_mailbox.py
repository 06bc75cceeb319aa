from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

from authgate_async.actors.mailbox import Mailbox
from authgate_async.errors import ClosedError, InternalError, UsageError

if TYPE_CHECKING:
    from authgate_async.actors.envelope import Envelope
    from authgate_async.actors.reference import Ref


def texts(batch: list[Envelope[Any]]) -> list[str]:
    """What a batch says."""
    return [envelope.message.text for envelope in batch]


async def test_order_is_kept(box: Mailbox[Any], ref: Ref[Any], words: Any) -> None:
    """First in, first out."""
    await ref.tell(words.Note("a"))
    await ref.tell(words.Note("b"))
    assert texts(await box.batch(5)) == ["a", "b"]


async def test_a_batch_is_what_waits_up_to_the_limit(
    box: Mailbox[Any], ref: Ref[Any], words: Any
) -> None:
    """A batch does not wait to fill up, and leaves the rest."""
    await ref.tell(words.Note("a"))
    await ref.tell(words.Note("b"))
    assert texts(await box.batch(1)) == ["a"]
    assert texts(await box.batch(9)) == ["b"]


async def test_a_full_mailbox_pushes_back(box: Mailbox[Any], ref: Ref[Any], words: Any) -> None:
    """The third sender of two places waits until one is free, and then only one does."""
    passed: list[str] = []

    async def send(text: str) -> None:
        await ref.tell(words.Note(text))
        passed.append(text)

    async with anyio.create_task_group() as group:
        for text in "abcd":
            group.start_soon(send, text)
            await anyio.wait_all_tasks_blocked()
        assert passed == ["a", "b"]
        assert box.stats().pushed_back == 2
        assert texts(await box.batch(1)) == ["a"]
        await anyio.wait_all_tasks_blocked()
        assert passed == ["a", "b", "c"]
        assert texts(await box.batch(9)) == ["b", "c"]
    assert box.stats().peak_depth == 2


async def test_nobody_overtakes_who_waits_for_room(
    box: Mailbox[Any], ref: Ref[Any], words: Any
) -> None:
    """A sender that comes when room was just made queues behind those that waited for it."""
    async with anyio.create_task_group() as group:
        for text in "abc":
            group.start_soon(ref.tell, words.Note(text))
            await anyio.wait_all_tasks_blocked()
        first = await box.batch(1)
        box.post(b"\x82\xa4type\xa4note\xa4text\xa1d", asks=False)
        assert texts(first + await box.batch(9) + await box.batch(9)) == ["a", "b", "c", "d"]


async def test_a_cancelled_receiver_loses_nothing(
    box: Mailbox[Any], ref: Ref[Any], words: Any
) -> None:
    """A wake-up that meets a cancelled receiver leaves the envelope for the next one."""
    got: list[Envelope[Any]] = []

    async def receive() -> None:
        got.extend(await box.batch(1))

    async with anyio.create_task_group() as group:
        group.start_soon(receive)
        await anyio.wait_all_tasks_blocked()
        await ref.tell(words.Note("a"))
        group.cancel_scope.cancel()
    await ref.tell(words.Note("b"))
    assert texts(got + await box.batch(9)) == ["a", "b"]


async def test_a_receiver_cancelled_before_it_waits_loses_nothing(
    box: Mailbox[Any], ref: Ref[Any], words: Any
) -> None:
    """Taking is a checkpoint even if something is there, and a cancelled one takes nothing."""
    await ref.tell(words.Note("a"))
    with anyio.CancelScope() as scope:
        scope.cancel()
        await box.batch(1)
    assert scope.cancelled_caught
    assert box.stats().depth == 1


async def test_a_sender_that_gives_up_leaves_nothing_behind(
    box: Mailbox[Any], ref: Ref[Any], words: Any
) -> None:
    """A tell that is cancelled while it waits for room is never handed out."""
    async with anyio.create_task_group() as group:
        for text in "abc":
            group.start_soon(ref.tell, words.Note(text))
            await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    assert texts(await box.batch(9)) == ["a", "b"]
    assert box.stats().pushed_back == 0


async def test_a_sender_cancelled_as_it_is_admitted_leaves_nothing_behind(
    box: Mailbox[Any], ref: Ref[Any], words: Any
) -> None:
    """Room and cancellation in the same turn: if the tell was cancelled, nothing was sent."""
    scope = anyio.CancelScope()

    async def send() -> None:
        with scope:
            await ref.tell(words.Note("c"))

    async with anyio.create_task_group() as group:
        await ref.tell(words.Note("a"))
        await ref.tell(words.Note("b"))
        group.start_soon(send)
        await anyio.wait_all_tasks_blocked()
        scope.cancel()
        batch = await box.batch(1)
    left = texts(batch + await box.batch(9))
    assert left == (["a", "b"] if scope.cancelled_caught else ["a", "b", "c"])


async def test_a_question_that_is_withdrawn_makes_room(
    box: Mailbox[Any], ref: Ref[Any], words: Any
) -> None:
    """The place of an ask that gave up goes to the sender that waits for room."""
    scope = anyio.CancelScope()

    async def ask() -> None:
        with scope:
            await ref.ask(words.Add(1), words.Sum, timeout=60)

    async with anyio.create_task_group() as group:
        group.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        for text in "ab":
            group.start_soon(ref.tell, words.Note(text))
            await anyio.wait_all_tasks_blocked()
        scope.cancel()
    assert texts(await box.batch(9)) == ["a", "b"]


async def test_the_door_refuses_what_does_not_decode(
    box: Mailbox[Any], ref: Ref[Any], words: Any
) -> None:
    """A message of a wrong shape is refused to its sender and counted; the mailbox goes on."""
    with pytest.raises(UsageError, match=r"`box` takes no such message: Expected `int`"):
        await ref.ask(words.Add("one"), words.Sum, timeout=9)
    with pytest.raises(UsageError, match="cannot be put on a channel"):
        await ref.tell(words.Note(object()))
    await ref.tell(words.Note("a"))
    assert texts(await box.batch(1)) == ["a"]
    assert (box.stats().refused, box.stats().taken) == (2, 1)


async def test_closing_turns_away_and_drains(box: Mailbox[Any], ref: Ref[Any], words: Any) -> None:
    """What is queued can still be taken; who waits for room, or comes later, is turned away."""
    turned_away: list[str] = []

    async def send(text: str) -> None:
        try:
            await ref.tell(words.Note(text))
        except ClosedError:
            turned_away.append(text)

    async with anyio.create_task_group() as group:
        for text in "abc":
            group.start_soon(send, text)
            await anyio.wait_all_tasks_blocked()
        box.close()
        group.start_soon(send, "d")
        assert texts([envelope async for envelope in box]) == ["a", "b"]
        assert await box.batch(1) == []
    assert sorted(turned_away) == ["c", "d"]


async def test_closing_wakes_a_receiver(box: Mailbox[Any]) -> None:
    """A receiver that waits in vain gets its empty batch."""
    async with anyio.create_task_group() as group:
        group.start_soon(box.batch, 1)
        await anyio.wait_all_tasks_blocked()
        box.close()


async def test_stats_tell_depth_and_settlement(
    box: Mailbox[Any], ref: Ref[Any], words: Any
) -> None:
    """Depth is what waits, `in_hand` what was taken and is not settled."""
    await ref.tell(words.Note("a"))
    assert (box.stats().depth, box.stats().in_hand) == (1, 0)
    (envelope,) = await box.batch(1)
    assert (box.stats().depth, box.stats().in_hand) == (0, 1)
    envelope.done()
    assert (box.stats().in_hand, box.stats().peak_depth) == (0, 1)


async def test_two_readers_are_a_bug(box: Mailbox[Any]) -> None:
    """One actor, one reader: a second one is told so."""
    async with anyio.create_task_group() as group:
        group.start_soon(box.batch, 1)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(InternalError, match="two tasks read mailbox `box`"):
            await box.batch(1)
        group.cancel_scope.cancel()


async def test_senseless_sizes_are_a_bug(box: Mailbox[Any], words: Any) -> None:
    """A capacity or a batch of nothing is told so at once."""
    with pytest.raises(InternalError, match="capacity of at least 1"):
        Mailbox("tiny", words.union, capacity=0)
    with pytest.raises(InternalError, match="ask for at least 1"):
        await box.batch(0)


async def test_a_busy_receiver_gives_way(box: Mailbox[Any], ref: Ref[Any], words: Any) -> None:
    """A receiver with work in its mailbox lets others run between two batches."""
    ran: list[str] = []

    async def other() -> None:
        await checkpoint()
        ran.append("other")

    async with anyio.create_task_group() as group:
        group.start_soon(other)
        for _ in range(20):
            await ref.tell(words.Note("a"))
            await box.batch(1)
        assert ran == ["other"]
