from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from authgate_async.actors.envelope import Envelope
from authgate_async.errors import (
    ActorDiedError,
    AskTimeoutError,
    InternalError,
    LogUnavailableError,
    UsageError,
)

if TYPE_CHECKING:
    from authgate_async.actors.mailbox import Mailbox
    from authgate_async.actors.reference import Ref

Handler = Callable[[Envelope[Any]], object]
Exchange = Callable[[Handler], Awaitable[int]]


@pytest.fixture
def exchange(box: Mailbox[Any], ref: Ref[Any], words: Any) -> Exchange:
    """Ask for 1 + 2, have a handler settle the envelope, and return what the asker got."""

    async def run(handler: Handler) -> int:
        async def actor() -> None:
            (envelope,) = await box.batch(1)
            handler(envelope)

        async with anyio.create_task_group() as group:
            group.start_soon(actor)
            try:
                answer = await ref.ask(words.Add(1, 2), words.Sum, timeout=60)
            except BaseException as error:  # noqa: BLE001 - taken out of the group
                caught: BaseException | None = error
            else:
                caught = None
        if caught:
            raise caught
        value: int = answer.value
        return value

    return run


async def test_a_reply_reaches_the_asker(exchange: Exchange, words: Any) -> None:
    """The answer arrives by value."""
    assert await exchange(lambda envelope: envelope.reply(words.Sum(3))) == 3


async def test_a_failure_reaches_the_asker(exchange: Exchange) -> None:
    """`fail` raises the same class with the same sentence at the asker."""
    with pytest.raises(LogUnavailableError, match="free some space"):
        await exchange(lambda envelope: envelope.fail(LogUnavailableError("free some space")))


async def test_an_answer_that_cannot_cross_fails_the_asker_only(exchange: Exchange) -> None:
    """Content with no MessagePack form is the asker's error and no crash of the actor."""

    class Odd:
        """Not a message."""

    def handler(envelope: Envelope[Any]) -> None:
        envelope.reply(Odd())  # type: ignore[arg-type]

    with pytest.raises(UsageError, match="`Odd` cannot be put on a channel"):
        await exchange(handler)


async def test_an_answer_after_the_deadline_comes_too_late(exchange: Exchange, words: Any) -> None:
    """Even before the asker has woken to its timeout, an answer does not replace it."""

    def handler(envelope: Envelope[Any]) -> None:
        envelope.expire()
        envelope.reply(words.Sum(3))

    with pytest.raises(AskTimeoutError):
        await exchange(handler)


async def test_an_answer_of_another_type_is_a_bug(exchange: Exchange, words: Any) -> None:
    """The asker decodes against the type it asked for."""
    with pytest.raises(InternalError, match="`box` gave no `Sum`"):
        await exchange(lambda envelope: envelope.reply(words.Note("3")))


@pytest.mark.parametrize(
    ("raised", "seen", "sentence"),
    [
        (ValueError("oh"), InternalError, "`Add` in the hands of `box` met a bug: ValueError: oh"),
        (LogUnavailableError("full"), LogUnavailableError, "full"),
        (GeneratorExit(), ActorDiedError, "may have taken effect"),
    ],
)
async def test_a_block_that_ends_by_an_error_fails_the_envelope(
    exchange: Exchange, raised: BaseException, seen: type[Exception], sentence: str
) -> None:
    """The asker sees the error, and the error goes on."""

    def handler(envelope: Envelope[Any]) -> None:
        with pytest.raises(type(raised)), envelope:
            raise raised

    with pytest.raises(seen, match=sentence):
        await exchange(handler)


async def test_a_block_that_forgets_its_asker_is_a_bug(exchange: Exchange) -> None:
    """Both the actor and the asker are told that nobody answered."""

    def handler(envelope: Envelope[Any]) -> None:
        with pytest.raises(InternalError, match="done without an answer"), envelope:
            pass

    with pytest.raises(InternalError, match="call `reply` or `fail`"):
        await exchange(handler)


async def test_a_block_that_settled_is_left_alone(exchange: Exchange, words: Any) -> None:
    """An error after the answer does not change the answer."""

    def handler(envelope: Envelope[Any]) -> None:
        with pytest.raises(ValueError, match="late"), envelope:  # noqa: PT012 - the block is what fails
            envelope.reply(words.Sum(3))
            raise ValueError("late")

    assert await exchange(handler) == 3


@pytest.mark.parametrize("second", ["reply", "fail", "done"])
async def test_settling_twice_is_a_bug(exchange: Exchange, words: Any, second: str) -> None:
    """The second settlement is told so; the asker keeps the first."""
    argument = {"reply": [words.Sum(4)], "fail": [UsageError("no")], "done": []}[second]

    def handler(envelope: Envelope[Any]) -> None:
        envelope.reply(words.Sum(3))
        assert envelope.settled
        with pytest.raises(InternalError, match=r"settled twice|without an answer"):
            getattr(envelope, second)(*argument)

    assert await exchange(handler) == 3


@pytest.mark.parametrize("how", ["block", "done", "reply", "fail"])
async def test_a_told_message_is_completed(
    box: Mailbox[Any], ref: Ref[Any], words: Any, how: str
) -> None:
    """A `tell` may be settled in any way; nobody waits for an answer."""
    await ref.tell(words.Note("a"))
    (envelope,) = await box.batch(1)
    with envelope:
        if how != "block":
            arguments = {"done": [], "reply": [words.Sum(0)], "fail": [UsageError("no")]}[how]
            getattr(envelope, how)(*arguments)
    assert envelope.settled
    assert box.stats().in_hand == 0
    with pytest.raises(InternalError, match="settled twice"):
        envelope.done()


async def test_an_envelope_may_be_settled_later_by_a_child(
    box: Mailbox[Any], ref: Ref[Any], words: Any
) -> None:
    """Settlement is not bound to the handler, nor to the order of taking."""
    answers: list[int] = []

    async def ask(left: int) -> None:
        answers.append((await ref.ask(words.Add(left), words.Sum, timeout=60)).value)

    async def settle(envelope: Envelope[Any]) -> None:
        envelope.reply(words.Sum(envelope.message.left))

    async with anyio.create_task_group() as group:
        group.start_soon(ask, 1)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(ask, 2)
        await anyio.wait_all_tasks_blocked()
        first, second = await box.batch(2)
        for envelope in (second, first):
            group.start_soon(settle, envelope)
            await anyio.wait_all_tasks_blocked()
    assert answers == [2, 1]


async def test_an_abandoned_envelope_is_settled_in_peace(
    box: Mailbox[Any], ref: Ref[Any], words: Any
) -> None:
    """After its asker was cancelled, an answer reaches nobody and harms nobody."""
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: ref.ask(words.Add(1), words.Sum, timeout=60))
        (envelope,) = await box.batch(1)
        group.cancel_scope.cancel()
    envelope.reply(words.Sum(1))
    assert box.stats().in_hand == 0
    with pytest.raises(InternalError, match="settled twice"):
        envelope.reply(words.Sum(1))


async def test_a_withdrawn_question_is_never_handed_out(
    box: Mailbox[Any], ref: Ref[Any], words: Any
) -> None:
    """An ask that is cancelled before it was taken makes room for the next sender."""
    async with anyio.create_task_group() as group:
        for left in (1, 2, 3):
            group.start_soon(lambda n=left: ref.ask(words.Add(n), words.Sum, timeout=60))
            await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    assert (box.stats().depth, box.stats().pushed_back) == (0, 0)
    await ref.tell(words.Note("a"))
    assert [envelope.message for envelope in await box.batch(9)] == [words.Note("a")]


@pytest.mark.parametrize("early", [True, False])
async def test_the_actor_hears_that_its_asker_left(
    box: Mailbox[Any], ref: Ref[Any], words: Any, *, early: bool
) -> None:
    """`on_abandoned` is called once, also if the asker had gone before."""
    calls: list[str] = []
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: ref.ask(words.Add(1), words.Sum, timeout=60))
        (envelope,) = await box.batch(1)
        if early:
            envelope.on_abandoned(lambda: calls.append("gone"))
        group.cancel_scope.cancel()
    if not early:
        envelope.on_abandoned(lambda: calls.append("gone"))
    envelope.reply(words.Sum(1))
    assert calls == ["gone"]
