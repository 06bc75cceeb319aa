"""What one task waits for, once: the cheapest thing that the running event loop has.

An `anyio.Event` takes any number of waiters and asks at each step which loop runs; on asyncio that
is four objects and a lock, for every ask. A bare future of the loop does for one waiter. Trio has
no futures, and its events are cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import anyio
from anyio.lowlevel import current_token

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Waiter", "waiters"]


class Waiter(Protocol):
    """Set once or more, waited for by one task."""

    def set(self) -> None:
        """Wake the task, or let it pass when it comes."""
        ...

    async def wait(self) -> None:
        """Wait until set."""
        ...


class _FutureWaiter:
    __slots__ = ("_future",)

    def __init__(self, future: Any) -> None:
        self._future = future

    def set(self) -> None:
        if not self._future.done():
            self._future.set_result(None)

    async def wait(self) -> None:
        await self._future


def waiters() -> Callable[[], Waiter]:
    """Return what makes waiters of the running loop; cheaper than finding it out for each."""
    make_future = getattr(current_token().native_token, "create_future", None)
    if make_future is None:
        return type(anyio.Event())
    return lambda: _FutureWaiter(make_future())
