"""One message on its way to an actor, and what becomes of it.

An envelope has two ends. The actor's end is settled exactly once: answered, failed, or returned
because the actor died with it; a second time is a bug and says so. The asker's end may go away at
any moment, by cancellation or at its deadline: before the envelope is taken it is then withdrawn
and no actor ever sees it, afterwards it is *abandoned*, and settling it is still due but reaches
nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from authgate_async.actors.channel import Failure, encode
from authgate_async.actors.waiter import Waiter
from authgate_async.errors import (
    ActorDiedError,
    AskTimeoutError,
    AuthgateError,
    InternalError,
    UsageError,
)

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from authgate_async.actors.mailbox import Mailbox  # noqa: TC004 - it imports this module

__all__ = ["Envelope"]

M = TypeVar("M")


class Envelope(msgspec.Struct, Generic[M], eq=False):
    """A message that was taken from a mailbox, to be settled exactly once.

    As a context manager it settles itself: a block that ends by an error fails it (and the error
    goes on), one that ends well completes a `tell`. It may be settled later and from another task
    of the same actor.

    A struct only because that is made in a third of the time; it never crosses a channel.
    """

    message: M
    _holder: Mailbox[Any]
    asks: bool
    sent_at: float
    _wake: Waiter | None
    accepted: bool = False
    withdrawn: bool = False
    _outcome: bytes | Failure = b""
    _settled: bool = False
    _gone: bool = False
    _when_gone: Callable[[], object] | None = None

    def reply(self, answer: msgspec.Struct) -> None:
        """Answer the asker; for a `tell`, complete it.

        An answer that has no MessagePack form fails the envelope instead: content must not crash an
        actor.

        Raises:
            InternalError: it was settled before.
        """
        try:
            outcome = encode(answer)
        except UsageError as error:
            self.fail(error)
        else:
            self._settle(outcome)

    def fail(self, error: AuthgateError) -> None:
        """Have the asker's `ask` raise this error, by its class's name and its sentence.

        Raises:
            InternalError: it was settled before.
        """
        self._settle(Failure.of(error))

    def done(self) -> None:
        """Complete a `tell`.

        Raises:
            InternalError: it was settled before, or somebody waits for an answer.
        """
        if self.asks:
            error = InternalError(f"{self} was done without an answer; call `reply` or `fail`")
            if not self._settled:
                self.fail(error)
            raise error
        self._settle(b"")

    def on_abandoned(self, call: Callable[[], object]) -> None:
        """Call this once the asker has gone (now, if it has): the place to cancel a scope.

        It has also gone if it was given an answer and left before it read it.
        """
        if self._gone:
            call()
        else:
            self._when_gone = call

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._settled:
            return
        if error is None:
            self.done()
        elif isinstance(error, AuthgateError):
            self.fail(error)
        elif isinstance(error, Exception):
            self.fail(InternalError(f"{self} met a bug: {type(error).__name__}: {error}"))
        else:
            self.fail(ActorDiedError(f"{self} was cancelled half-way; it may have taken effect"))

    def __str__(self) -> str:
        return f"`{type(self.message).__name__}` in the hands of `{self._holder.name}`"

    @property
    def settled(self) -> bool:
        """Whether the actor's end is settled."""
        return self._settled

    @property
    def abandoned(self) -> bool:
        """Whether its asker has gone, so that an answer reaches nobody."""
        return self._gone

    def _settle(self, outcome: bytes | Failure) -> None:
        if self._settled:
            raise InternalError(f"{self} was settled twice")
        self._settled = True
        self._holder.release(self)
        if not self._gone:
            self.conclude(outcome)

    # What follows is for the mailbox and the reference.

    def conclude(self, outcome: bytes | Failure) -> None:
        """Fix what the sender will see, and wake it."""
        self._outcome = outcome
        self._rouse()

    def admit(self) -> None:
        """The mailbox has room for it now: the sender of a `tell` may go on."""
        self.accepted = True
        if not self.asks:
            self._rouse()

    def waiter(self) -> Waiter:
        """Return what is set once an `ask` is settled, or a `tell` admitted or refused."""
        if self._wake is None:
            self._wake = self._holder.waiter()
        return self._wake

    def _rouse(self) -> None:
        wake = self._wake
        if wake is not None and not wake.done():
            wake.set_result(None)

    def abandon(self) -> None:
        """Let go of the asker's end, whose answer, if there is one, reaches nobody."""
        if self._gone:
            return
        self._gone = True
        if not self._settled and self._holder.withdraw(self):
            self._settled = self.withdrawn = True
        elif self._when_gone is not None:
            self._when_gone()

    def expire(self) -> None:
        """Abandon it in the asker's name, who sees an `AskTimeoutError`."""
        if not self.live:
            return
        self.abandon()
        fate = "it was not taken" if self._settled else "it was taken and may still take effect"
        what = f"`{self._holder.name}` did not answer `{type(self.message).__name__}` in time"
        self.conclude(Failure.of(AskTimeoutError(f"{what}; {fate}")))

    @property
    def live(self) -> bool:
        """Whether its sender still waits for an outcome."""
        return not self._settled and not self._gone

    def outcome(self) -> bytes:
        """The answer as it came over the channel; raises the error if it failed."""
        if isinstance(self._outcome, Failure):
            raise self._outcome.error()
        return self._outcome
