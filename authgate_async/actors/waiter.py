"""What one task waits for, once: the cheapest thing that the running event loop has.

An `anyio.Event` takes any number of waiters and asks at each step which loop runs; on asyncio that
is four objects and a lock, for every ask. A bare future of the loop does for one waiter. Trio has
no futures, and its events are cheap: there they get a future's face.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import anyio
from anyio.lowlevel import current_token

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

__all__ = ["Waiter", "waiters"]


class Waiter(Protocol):
    """Set once, by `set_result(None)`, and awaited by one task; a future of asyncio is one."""

    def done(self) -> bool:
        """Whether it was set, or its task gave up."""
        ...

    def set_result(self, result: None, /) -> None:
        """Wake the task, or let it pass when it comes; only while not `done`."""
        ...

    def __await__(self) -> Generator[Any, Any, None]:
        """Wait until set."""
        ...


class _EventWaiter:
    """A future's face for the loop's own event."""

    __slots__ = ("_event", "done")

    def __init__(self) -> None:
        self._event = anyio.Event()
        self.done = self._event.is_set

    def set_result(self, _result: None, /) -> None:
        self._event.set()

    def __await__(self) -> Generator[Any, Any, None]:
        return self._event.wait().__await__()


def waiters() -> Callable[[], Waiter]:
    """Return what makes waiters of the running loop; cheaper than finding it out for each."""
    return getattr(current_token().native_token, "create_future", _EventWaiter)
