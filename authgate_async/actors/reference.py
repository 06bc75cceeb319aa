"""What an actor knows of another: a reference, to tell and to ask."""

from __future__ import annotations

import math
from operator import itemgetter
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


class Deadlines:
    """Ends overdue asks, all from one task.

    A cancel scope and a timer for each ask would cost as much as the rest of the ask. Here asks of
    one timeout stand in a lane, which is in the order of their deadlines without being sorted: an
    ask enters at the end, and leaves from wherever it is, in constant time.
    """

    def __init__(self, clock: Callable[[], float] = anyio.current_time) -> None:
        self._clock = clock
        self._lanes: dict[float, dict[Envelope[Any], None]] = {}
        self._wake_at = -math.inf
        self._sooner: anyio.Event | None = None

    def watch(self, envelope: Envelope[Any], timeout: float) -> None:
        """Expire the envelope so many seconds after it was sent."""
        lane = self._lanes.get(timeout)
        if lane is None:
            lane = self._lanes[timeout] = {}
        lane[envelope] = None
        if envelope.sent_at + timeout < self._wake_at and self._sooner is not None:
            self._sooner.set()

    def forget(self, envelope: Envelope[Any], timeout: float) -> None:
        """Let go of an envelope that is settled or abandoned."""
        lane = self._lanes[timeout]
        del lane[envelope]
        if not lane:
            del self._lanes[timeout]

    async def run(self) -> NoReturn:
        """Sleep from deadline to deadline, until cancelled."""
        while True:
            self._sooner = anyio.Event()
            self._wake_at = min(
                (next(iter(lane)).sent_at + timeout for timeout, lane in self._lanes.items()),
                default=math.inf,
            )
            with anyio.move_on_after(self._wake_at - self._clock()):
                await self._sooner.wait()
            self._expire(self._clock())

    def _expire(self, now: float) -> None:
        """End what is due; it leaves its lane when its asker wakes, before this task does again."""
        due: list[tuple[float, Envelope[Any]]] = []
        for timeout, lane in self._lanes.items():
            for envelope in lane:
                if envelope.sent_at + timeout > now:
                    break
                due.append((envelope.sent_at + timeout, envelope))
        for _, envelope in sorted(due, key=itemgetter(0)):
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
            await envelope.waiter()
        except BaseException:
            envelope.abandon()
            raise
        if not envelope.accepted:
            envelope.outcome()

    async def ask(
        self,
        message: M,
        answer: type[A],
        *,
        timeout: float,  # noqa: ASYNC109 - one task serves all
        untaken: Callable[[], object] | None = None,
    ) -> A:
        """Send, and wait for an answer of this type for at most `timeout` seconds, room included.

        Cancelled or overdue, it withdraws the message if the actor has not taken it, and abandons
        it otherwise. `untaken` is called if it was withdrawn: the actor never saw it.

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
        self._deadlines.watch(envelope, timeout)
        try:
            await envelope.waiter()
        except BaseException:
            envelope.abandon()
            raise
        finally:
            self._deadlines.forget(envelope, timeout)
            if envelope.withdrawn and untaken is not None:
                untaken()
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
