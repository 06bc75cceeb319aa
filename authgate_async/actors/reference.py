"""What an actor knows of another: a reference, to tell and to ask."""

from __future__ import annotations

import math
from heapq import heapify, heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

import anyio
import msgspec

from authgate_async.actors.channel import UNFIT, decoder, encode
from authgate_async.errors import InternalError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate_async.actors.envelope import Envelope
    from authgate_async.actors.mailbox import Mailbox, MailboxStats

__all__ = ["Deadlines", "Ref"]

M = TypeVar("M")
A = TypeVar("A", bound=msgspec.Struct)

SLACK = 64
"""So many dead entries are not worth a clean-up."""


_Watch = list[Any]
"""When, a number that decides between equals, and the envelope, until it is let go."""


class Deadlines:
    """Ends overdue asks, all from one task.

    A cancel scope and a timer for each ask would cost as much as the rest of the ask. Here an ask
    costs a push onto a heap; answered ones stay in it until they are half of it, or due.
    """

    def __init__(self, clock: Callable[[], float] = anyio.current_time) -> None:
        self._clock = clock
        self._heap: list[_Watch] = []
        self._order = count()
        self._live = 0
        self._wake_at = -math.inf
        self._sooner: anyio.Event | None = None

    def watch(self, envelope: Envelope[Any], at: float) -> _Watch:
        """Expire the envelope at this time of the clock, in seconds."""
        watch: _Watch = [at, next(self._order), envelope]
        heappush(self._heap, watch)
        self._live += 1
        if at < self._wake_at and self._sooner is not None:
            self._sooner.set()
        return watch

    def forget(self, watch: _Watch) -> None:
        """Let go of an envelope that is settled or abandoned."""
        watch[2] = None
        self._live -= 1
        if len(self._heap) > 2 * self._live + SLACK:
            self._heap = [entry for entry in self._heap if entry[2] is not None]
            heapify(self._heap)

    async def run(self) -> NoReturn:
        """Sleep from deadline to deadline, until cancelled."""
        while True:
            self._sooner = anyio.Event()
            self._wake_at = self._heap[0][0] if self._heap else math.inf
            with anyio.move_on_after(self._wake_at - self._clock()):
                await self._sooner.wait()
            now = self._clock()
            while self._heap and (self._heap[0][2] is None or self._heap[0][0] <= now):
                envelope = heappop(self._heap)[2]
                if envelope is not None:
                    envelope.expire()


class Ref(Generic[M]):
    """Sends messages of one union to one actor, over all its incarnations."""

    def __init__(self, mailbox: Mailbox[M], deadlines: Deadlines) -> None:
        self.name = mailbox.name
        self._mailbox = mailbox
        self._deadlines = deadlines

    async def tell(self, message: M) -> None:
        """Send without waiting for an answer; waits while the mailbox is full.

        While there is room it does not give way to other tasks, so it works during clean-up too.
        Cancelled while it waits, it leaves nothing behind.

        Raises:
            ClosedError: the mailbox is closed.
            UsageError: the message does not decode as one of the actor's.
        """
        envelope = self._post(message, asks=False)
        if envelope.accepted:
            return
        try:
            await envelope.wait()
        except BaseException:
            envelope.abandon()
            raise
        if not envelope.accepted:
            envelope.outcome()

    async def ask(self, message: M, answer: type[A], *, timeout: float) -> A:  # noqa: ASYNC109 - one heap serves all
        """Send, and wait for an answer of this type for at most `timeout` seconds, room included.

        Cancelled or overdue, it withdraws the message if the actor has not taken it, and abandons
        it otherwise.

        Raises:
            AskTimeoutError: the deadline came first.
            ActorDiedError: the actor died with the message in its hands.
            ClosedError: the mailbox is closed, or was before the actor took the message.
            UsageError: the message does not decode as one of the actor's.
            AuthgateError: what the actor failed it with.
            InternalError: the answer is of another type, or `timeout` is not positive and finite.
        """
        if not 0 < timeout < math.inf:
            raise InternalError(f"`{self.name}` was asked with a timeout of {timeout}")
        envelope = self._post(message, asks=True)
        del message  # thousands may wait here: hold on to nothing
        watch = self._deadlines.watch(envelope, envelope.sent_at + timeout)
        try:
            await envelope.wait()
        finally:
            envelope.abandon()
            self._deadlines.forget(watch)
        data = envelope.outcome()
        try:
            decoded: A = decoder(answer)(data)
        except UNFIT as error:
            raise InternalError(f"`{self.name}` gave no `{answer.__name__}`: {error}") from error
        return decoded

    def stats(self) -> MailboxStats:
        """The figures of the actor's mailbox."""
        return self._mailbox.stats()

    def _post(self, message: M, *, asks: bool) -> Envelope[M]:
        try:
            data = encode(message)
        except UsageError as error:
            raise self._mailbox.refuse(error) from error
        return self._mailbox.post(data, asks=asks)
