"""What the neighbours got wrong: each of these once lost a message or hung a runtime elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest

from authgate_async.actors.supervision import Restarts, Supervisor
from authgate_async.errors import InternalError, UsageError

House = Callable[[], AbstractAsyncContextManager[Supervisor]]


async def test_one_message_at_a_time(house: House, words: Any) -> None:
    """While a handler waits, the next message waits too: state needs no lock."""
    events: list[str] = []

    class Slow:
        """Lets others run half-way."""

        async def run(self, inbox: Any) -> None:
            """Note begin and end."""
            async for envelope in inbox:
                with envelope:
                    events.append(f"begin {envelope.message.text}")
                    await anyio.wait_all_tasks_blocked()
                    events.append(f"end {envelope.message.text}")

    async with house() as supervisor:
        ref = supervisor.start("slow", Slow, words.union)
        for text in "ab":
            await ref.tell(words.Note(text))
    assert events == ["begin a", "end a", "begin b", "end b"]


async def test_a_refused_message_does_not_block_the_end(house: House, words: Any) -> None:
    """Refused at the door or failed by the actor: the sender knows, and the drain ends."""

    class Refuser:
        """Says no."""

        async def run(self, inbox: Any) -> None:
            """To everything."""
            async for envelope in inbox:
                envelope.fail(UsageError("no"))

    async with house() as supervisor:
        ref = supervisor.start("refuser", Refuser, words.union)
        with pytest.raises(UsageError, match="no such message"):
            await ref.tell(words.Add("x"))
        with pytest.raises(UsageError, match=r"^no$"):
            await ref.ask(words.Add(1), words.Sum, timeout=60)
        await ref.tell(words.Note("a"))


async def test_a_crashing_handler_is_seen_and_does_not_block_the_end(
    house: House, words: Any
) -> None:
    """The sender of a message that crashes the actor gets an error, and the drain ends."""

    class Crasher:
        """Meets a bug."""

        async def run(self, inbox: Any) -> None:
            """In each message."""
            async for envelope in inbox:
                with envelope:
                    raise LookupError("bug")

    async with house() as supervisor:
        ref = supervisor.start("c", Crasher, words.union, restarts=Restarts(first_pause=0))
        with pytest.raises(InternalError, match="LookupError"):
            await ref.ask(words.Add(1), words.Sum, timeout=60)
        await ref.tell(words.Note("a"))
    assert (ref.stats().depth, ref.stats().in_hand) == (0, 0)
