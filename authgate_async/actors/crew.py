"""Bounded child tasks: how an actor waits for something slow without blocking its mailbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from authgate_async.errors import InternalError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType
    from typing import Self, TypeVarTuple, Unpack

    Ts = TypeVarTuple("Ts")

__all__ = ["Crew", "acquire", "alone", "sole"]


def sole(error: BaseException) -> BaseException:
    """The one error inside an exception group, however deep; a group of several stays as it is."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


async def acquire(places: anyio.Semaphore) -> None:
    """Take a place; one that is free at once, without asking the loop what task this is."""
    try:
        places.acquire_nowait()
    except anyio.WouldBlock:
        await places.acquire()


async def alone(
    on_crash: Callable[[Exception], object] | None,
    function: Callable[[Unpack[Ts]], Awaitable[object]],
    *args: *Ts,
) -> None:
    """Call something whose bug `on_crash` is told, and which ends nothing else; None raises it."""
    try:
        await function(*args)
    except Exception as error:
        if on_crash is None:
            raise
        on_crash(error)


class Crew:
    """At most `size` child tasks, all ended when its block is left.

    Leaving the block waits for them; leaving it by an error or a cancellation cancels them. If a
    child crashes, `on_crash` is called with the error and the others go on; with `on_crash=None`
    the crash ends the whole crew and is raised from the block.
    """

    def __init__(self, size: int, *, on_crash: Callable[[Exception], object] | None) -> None:
        if size < 1:
            raise InternalError(f"a crew of {size} can do nothing; give it at least 1 place")
        self._size = size
        self._on_crash = on_crash

    async def __aenter__(self) -> Self:
        self._places = anyio.Semaphore(self._size)
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        try:
            return await self._group.__aexit__(kind, error, trace)
        except BaseExceptionGroup as group:
            one = sole(group)
            raise one from one.__cause__

    async def room(self, places: int) -> None:
        """Wait until so many children can start without waiting; all places, if it is as many.

        Only whoever starts the children can count on it.
        """
        if self._places.value >= places:
            return
        for _ in range(min(places, self._size)):
            await acquire(self._places)
        for _ in range(min(places, self._size)):
            self._places.release()

    async def start(
        self, function: Callable[[Unpack[Ts]], Awaitable[object]], *args: *Ts
    ) -> anyio.TaskHandle[None]:
        """Wait for a free place and start a child; cancel it by the handle that is returned."""
        await acquire(self._places)
        return self._group.create_task(self._work(function, args))

    async def _work(
        self, function: Callable[[Unpack[Ts]], Awaitable[object]], args: tuple[*Ts]
    ) -> None:
        try:
            await alone(self._on_crash, function, *args)
        finally:
            self._places.release()
