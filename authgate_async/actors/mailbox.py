"""A bounded mailbox: first in, first out, pushing back when full.

Nothing here holds a token that a cancelled task could take to its grave. A receiver that wakes
looks at the queue again; room is handed on by whoever makes it, who moves the longest waiting
envelope into the queue himself. So a wake-up that meets a cancelled task loses nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import anyio
import anyio.lowlevel
import msgspec

from authgate_async.actors.channel import UNFIT, decoder
from authgate_async.actors.envelope import Envelope
from authgate_async.actors.waiter import waiters
from authgate_async.errors import AuthgateError, ClosedError, InternalError, UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from typing import Self

    from authgate_async.actors.waiter import Waiter

__all__ = ["Inbox", "Mailbox", "MailboxStats"]

M = TypeVar("M")


class MailboxStats(msgspec.Struct, frozen=True):
    """A mailbox at one moment.

    `depth` envelopes wait to be taken (`peak_depth` at most so far), `pushed_back` senders wait for
    room, `in_hand` were taken and are not settled. Counted from the start: `taken`, `refused` (did
    not decode), `lost` (told, and died with the actor or its mailbox; an asker hears of it).
    `wait_total` and `wait_max` are the seconds from sending to taking, room included.
    """

    depth: int
    peak_depth: int
    pushed_back: int
    in_hand: int
    taken: int
    refused: int
    lost: int
    wait_total: float
    wait_max: float


class Inbox(Protocol[M]):
    """The mailbox, as its actor sees it. One task reads it."""

    async def batch(self, limit: int) -> list[Envelope[M]]:
        """Wait for envelopes and take at most `limit`; none means closed and drained."""
        ...

    def __aiter__(self) -> AsyncIterator[Envelope[M]]:
        """One envelope at a time, until the mailbox is closed and drained."""
        ...


class Mailbox(Generic[M]):
    """Takes messages of one union for one actor; it outlives the actor's incarnations.

    `capacity` envelopes wait in it; the next sender waits for room.
    """

    def __init__(
        self,
        name: str,
        messages: Any,
        *,
        capacity: int,
        clock: Callable[[], float] = anyio.current_time,
    ) -> None:
        if capacity < 1:
            raise InternalError(f"mailbox `{name}` needs a capacity of at least 1")
        self.name = name
        self._decode = decoder(messages)
        self._capacity = capacity
        # Ordered dicts, not deques: a sender that gives up leaves from the middle in constant time.
        self._queue: OrderedDict[Envelope[M], None] = OrderedDict()
        # Whoever makes room fills it from the lobby: nobody waits there unless the queue is full.
        self._lobby: OrderedDict[Envelope[M], None] = OrderedDict()
        self._in_hand: dict[Envelope[M], None] = {}
        self._clock = clock
        self.waiter: Callable[[], Waiter] = self._first_waiter
        """Makes something to wait for on the running loop."""
        self._sleeper: Waiter | None = None
        self._closed = False
        self._peak = self._taken = self._refused = self._lost = 0
        self._wait_total = self._wait_max = 0.0

    def _first_waiter(self) -> Waiter:
        self.waiter = waiters()  # a mailbox may be made before its loop runs
        return self.waiter()

    # The sender's side.

    def post(self, data: bytes, *, asks: bool) -> Envelope[M]:
        """Decode at the door and queue, or line up for room.

        Raises:
            ClosedError: the mailbox is closed.
            UsageError: the bytes are no message of this mailbox.
        """
        if self._closed:
            raise self._closed_error()
        try:
            message: M = self._decode(data)
        except UNFIT as error:
            raise self.refuse(error) from error
        envelope = Envelope(message, self, asks, self._clock(), self.waiter() if asks else None)
        if len(self._queue) >= self._capacity:
            self._lobby[envelope] = None
        else:
            self._admit(envelope)
        return envelope

    def refuse(self, error: Exception) -> UsageError:
        """Count a message that never became one, and say why."""
        self._refused += 1
        return UsageError(f"mailbox `{self.name}` takes no such message: {error}")

    def withdraw(self, envelope: Envelope[Any]) -> bool:
        """Take back an envelope that nobody took; false if somebody has."""
        if envelope in self._queue:
            del self._queue[envelope]
            self._fill()
            return True
        if envelope in self._lobby:
            del self._lobby[envelope]
            return True
        return False

    def _admit(self, envelope: Envelope[M]) -> None:
        self._queue[envelope] = None
        envelope.admit()
        self._peak = max(self._peak, len(self._queue))
        self._rouse()

    def _fill(self) -> None:
        while self._lobby and len(self._queue) < self._capacity:
            self._admit(self._lobby.popitem(last=False)[0])

    # The actor's side.

    async def batch(self, limit: int) -> list[Envelope[M]]:
        """Wait for envelopes and take those that are there, at most `limit`, oldest first.

        An empty list means that the mailbox is closed and drained. Each call gives way to other
        tasks.

        Raises:
            InternalError: `limit` is below 1, or another task reads this mailbox now.
        """
        if limit < 1:
            raise InternalError(f"`{self.name}` asked for a batch of {limit}; ask for at least 1")
        if self._queue:
            await anyio.lowlevel.checkpoint()
        while not self._queue:
            if self._closed:
                return []
            await self._sleep()
        return self._take(limit)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Envelope[M]:
        batch = await self.batch(1)
        if not batch:
            raise StopAsyncIteration
        return batch[0]

    async def _sleep(self) -> None:
        if self._sleeper is not None:
            raise InternalError(f"two tasks read mailbox `{self.name}`; one actor, one reader")
        self._sleeper = self.waiter()
        try:
            await self._sleeper
        finally:
            self._sleeper = None

    def _rouse(self) -> None:
        sleeper = self._sleeper
        if sleeper is not None and not sleeper.done():
            sleeper.set_result(None)

    def _take(self, limit: int) -> list[Envelope[M]]:
        now = self._clock()
        queue = self._queue
        batch = [queue.popitem(last=False)[0] for _ in range(min(limit, len(queue)))]
        self._in_hand.update(dict.fromkeys(batch))
        for envelope in batch:
            wait = now - envelope.sent_at
            self._wait_total += wait
            self._wait_max = max(self._wait_max, wait)
        self._taken += len(batch)
        self._fill()
        return batch

    def release(self, envelope: Envelope[Any]) -> None:
        """Forget an envelope that was taken and is now settled."""
        self._in_hand.pop(envelope, None)

    # The supervisor's side.

    @property
    def exhausted(self) -> bool:
        """Closed, and nothing waits to be taken."""
        return self._closed and not self._queue

    def close(self) -> None:
        """Take nothing new; who waits for room is turned away, what is queued stays."""
        self._closed = True
        lobby, self._lobby = self._lobby, OrderedDict()
        for envelope in lobby:
            envelope.fail(self._closed_error())
        self._rouse()

    def give_back(self, error: AuthgateError) -> None:
        """Fail what was taken and not settled: its actor is dead."""
        for envelope in list(self._in_hand):
            self._lose(envelope, error)

    def abort(self, error: AuthgateError) -> None:
        """Close, and fail everything that waits to be taken."""
        self.close()
        while self._queue:
            self._lose(self._queue.popitem(last=False)[0], error)

    def _lose(self, envelope: Envelope[M], error: AuthgateError) -> None:
        self._lost += not envelope.asks
        envelope.fail(error)

    def stats(self) -> MailboxStats:
        """The figures of this moment."""
        return MailboxStats(
            depth=len(self._queue),
            peak_depth=self._peak,
            pushed_back=len(self._lobby),
            in_hand=len(self._in_hand),
            taken=self._taken,
            refused=self._refused,
            lost=self._lost,
            wait_total=self._wait_total,
            wait_max=self._wait_max,
        )

    def _closed_error(self) -> ClosedError:
        return ClosedError(f"`{self.name}` is closed and takes nothing new; start a new runtime")
