"""Keeping actors alive, and ending them in order.

A mailbox outlives its actor. When an incarnation crashes, what it held and had not settled is
returned to the askers, since nobody can know how far it came; what still waited is handled by the
next incarnation.
"""

from __future__ import annotations

from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import anyio
import msgspec

from authgate_async.actors.crew import sole
from authgate_async.actors.mailbox import Inbox, Mailbox
from authgate_async.actors.reference import Deadlines, Ref
from authgate_async.errors import ActorDiedError, ClosedError, InternalError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from anyio.abc import TaskGroup

__all__ = ["Actor", "Restarts", "Supervisor", "supervise"]

M = TypeVar("M")


class Actor(Protocol[M]):
    """One incarnation of an actor."""

    async def run(self, inbox: Inbox[M]) -> None:
        """Handle what comes in; return when the inbox is closed and drained."""
        ...


class Restarts(msgspec.Struct, frozen=True):
    """How often an actor may crash, and how long it pauses after a crash.

    More than `limit` crashes within `window` seconds are too many. The first pause lasts
    `first_pause` seconds, each further one within the window twice as long, up to `longest_pause`.
    """

    limit: int = 5
    window: float = 60.0
    first_pause: float = 0.05
    longest_pause: float = 5.0

    def pause(self, crashes: int) -> float:
        """Seconds to wait after so many crashes within the window."""
        return min(self.first_pause * 2.0 ** (crashes - 1), self.longest_pause)


class _Cell:
    """An actor, seen by its supervisor."""

    def __init__(
        self, mailbox: Mailbox[Any], factory: Callable[[], Actor[Any]], restarts: Restarts
    ) -> None:
        self.name = mailbox.name
        self.mailbox = mailbox
        self.factory = factory
        self.restarts = restarts
        self.crashes: deque[float] = deque()
        self.scope = anyio.CancelScope()
        self.ended = anyio.Event()

    async def live(self) -> Exception | None:
        """One incarnation, from birth to death; the crash that ended it, if it was one."""
        try:
            await self.factory().run(self.mailbox)
        except Exception as error:  # noqa: BLE001 - whatever kills an actor is its supervisor's business
            return error
        finally:
            sentence = f"`{self.name}` died with the request in its hands; it may have taken effect"
            self.mailbox.give_back(ActorDiedError(sentence))
        if self.mailbox.exhausted:
            return None
        return InternalError(f"`{self.name}` returned while its mailbox was open or not empty")

    def count(self, crash: Exception) -> int:
        """How many crashes there were within the window, this one included; raises if too many."""
        now = anyio.current_time()
        self.crashes.append(now)
        while self.crashes[0] <= now - self.restarts.window:
            self.crashes.popleft()
        if len(self.crashes) > self.restarts.limit:
            often = f"{len(self.crashes)} times within {self.restarts.window:g} s"
            last = f"{type(crash).__name__}: {crash}"
            raise ActorDiedError(f"`{self.name}` crashed {often}, at last by {last}") from crash
        return len(self.crashes)


class Supervisor:
    """Starts actors and restarts them; made by `supervise`."""

    def __init__(
        self,
        group: TaskGroup,
        *,
        grace: float,
        on_crash: Callable[[str, Exception], object],
        clock: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._group = group
        self._grace = grace
        self._on_crash = on_crash
        self._cells: dict[str, _Cell] = {}
        self._deadlines = Deadlines(clock)
        group.start_soon(self._deadlines.run)

    def start(
        self,
        name: str,
        factory: Callable[[], Actor[M]],
        messages: Any,
        *,
        capacity: int = 1024,
        restarts: Restarts = Restarts(),  # noqa: B008 - frozen
    ) -> Ref[M]:
        """Start an actor, made anew by `factory` for each incarnation; `messages` is what it takes.

        Raises:
            InternalError: the name is taken, or `messages` is no union of frozen, tagged structs.
        """
        if name in self._cells:
            raise InternalError(f"there is an actor `{name}` already; give this one another name")
        mailbox: Mailbox[M] = Mailbox(name, messages, capacity=capacity, clock=self._clock)
        cell = self._cells[name] = _Cell(mailbox, factory, restarts)
        self._group.start_soon(self._keep_alive, cell)
        return Ref(mailbox, self._deadlines)

    async def stop(self, ref: Ref[Any]) -> None:
        """Close an actor's mailbox and wait until it has drained; after the grace, cancel it."""
        await self._stop(self._cells[ref.name])

    async def stop_all(self) -> None:
        """Stop all, the youngest first: an actor may ask those started before it to the end."""
        for cell in reversed(self._cells.values()):
            await self._stop(cell)

    async def _stop(self, cell: _Cell) -> None:
        cell.mailbox.close()
        with anyio.move_on_after(self._grace):
            await cell.ended.wait()
        cell.scope.cancel()
        await cell.ended.wait()

    async def _keep_alive(self, cell: _Cell) -> None:
        try:
            with cell.scope:
                while (crash := await cell.live()) is not None:
                    self._on_crash(cell.name, crash)
                    await anyio.sleep(cell.restarts.pause(cell.count(crash)))
        finally:
            sentence = f"`{cell.name}` ended before it took the request; nothing happened"
            cell.mailbox.abort(ClosedError(sentence))
            cell.ended.set()


@asynccontextmanager
async def supervise(
    *,
    grace: float,
    on_crash: Callable[[str, Exception], object],
    clock: Callable[[], float] = anyio.current_time,
) -> AsyncIterator[Supervisor]:
    """A block in which actors live; leaving it drains and stops them, the youngest first.

    Each actor has `grace` seconds to handle what is queued, then it is cancelled. Cancelling the
    block cancels them at once. `on_crash` is told the actor's name and the error of each crash.
    `clock` is in seconds; `time.monotonic` is cheaper than the default, which knows virtual time.

    Raises:
        ActorDiedError: an actor crashed more often than it may; the block and all other actors were
        cancelled. ExceptionGroup: several errors at once; a single one is raised as itself.
    """
    try:
        async with anyio.create_task_group() as group:
            supervisor = Supervisor(group, grace=grace, on_crash=on_crash, clock=clock)
            try:
                yield supervisor
            except Exception as error:  # noqa: BLE001 - it is raised again, after the drain
                try:
                    await supervisor.stop_all()
                finally:  # even if an actor falls for good while the others drain
                    raise error
            await supervisor.stop_all()
            group.cancel_scope.cancel()
    except BaseExceptionGroup as errors:
        one = sole(errors)
        raise one from one.__cause__
