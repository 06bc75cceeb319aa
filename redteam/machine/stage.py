"""A trio loop that stands still until it is told to go on, always in the same way for one seed.

A state machine is plain code that calls one rule after another, and the runtime under it lives on
an event loop. The loop has a thread of its own, and moves only while a rule waits for it. Its time
is virtual; the order in which its tasks take turns is drawn from the seed; what a worker thread
would do is done on the loop, after a number of turns that is drawn, too. So the same rules in the
same order lead to the same end, and a failure can be played again.
"""

from __future__ import annotations

import random
from contextlib import nullcontext
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread
import trio  # noqa: TID251 - the stage is one loop's own
from trio._core import _run  # noqa: TID251 - same
from trio.testing import MockClock  # noqa: TID251 - same

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    import pytest

__all__ = ["PATIENCE", "EndlessError", "Stage", "one_thread"]

PATIENCE = 100_000
"""Seconds of the loop's time after which what a rule waits for counts as hanging."""

LONGEST = 4
"""Turns that what a worker thread does may take, and its way back."""

T = TypeVar("T")


class EndlessError(Exception):
    """What should end goes on, and nothing can end it."""


class Stage:
    """Runs `world` from now until `close`; calling it runs one coroutine function to its end.

    With `virtual=False` time is real and worker threads are: then nothing replays.
    """

    def __init__(
        self, world: AbstractAsyncContextManager[object], seed: int, *, virtual: bool = True
    ) -> None:
        _run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]  # as trio's own plugin does
        _run._r.seed(seed)
        self._world = world
        self._asked: SimpleQueue[Callable[[], Awaitable[Any]] | None] = SimpleQueue()
        self._answered: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        clock = MockClock(autojump_threshold=0) if virtual else None
        self._ended = self._endless = False
        self._thread = Thread(target=self._run, args=(clock,), name="stage", daemon=True)
        self._thread.start()
        self._answer()

    def __call__(self, function: Callable[..., Awaitable[T]], *args: Any, **options: Any) -> T:
        """Run it while everything else on the loop runs beside it; raise what it raises."""
        if self._ended:
            raise RuntimeError("the world has ended already")
        self._asked.put(partial(function, *args, **options))
        answer: T = self._answer()
        return answer

    def close(self) -> None:
        """Leave the world, and end the loop; raise what that raises.

        Raises:
            EndlessError: the world does not end. Its loop stands still from then on.
        """
        try:
            if not self._ended:
                self._asked.put(None)
                self._answer()
        finally:
            if not self._endless:
                self._thread.join()

    def _answer(self) -> Any:
        answer, error = self._answered.get()
        if error is not None:
            raise error
        return answer

    def _run(self, clock: MockClock | None) -> None:
        end: BaseException | None = None
        try:
            trio.run(self._serve, clock=clock)
        except BaseException as error:  # noqa: BLE001 - it is raised where the rule is
            end = error
        self._ended = True
        self._answered.put((None, end))

    async def _serve(self) -> None:
        async with self._world:
            self._answered.put((None, None))
            while (asked := self._asked.get()) is not None:  # the loop stands still here
                try:
                    with anyio.fail_after(PATIENCE):
                        answer = await asked()
                except Exception as error:  # noqa: BLE001 - same
                    self._answered.put((None, error))
                else:
                    self._answered.put((answer, None))
            trio.lowlevel.spawn_system_task(self._give_up)

    async def _give_up(self) -> None:
        """Wait for the end of the world no longer; what is shielded cannot be cancelled."""
        await trio.sleep(PATIENCE)
        self._endless = self._ended = True
        self._answered.put((None, EndlessError("the world does not end")))


def one_thread(patch: pytest.MonkeyPatch, seed: int) -> None:
    """Have what worker threads do done on the loop, in a time that is drawn from the seed."""
    draw = random.Random(seed)  # noqa: S311 - to be drawn again

    async def turns() -> None:
        for _ in range(draw.randrange(LONGEST)):
            await anyio.lowlevel.checkpoint()

    async def run_sync(
        function: Callable[..., T], *args: Any, limiter: Any = None, **_: object
    ) -> T:
        await anyio.lowlevel.checkpoint()
        async with limiter or nullcontext():
            with anyio.CancelScope(shield=True):  # a thread cannot be cancelled
                await turns()
                answer = function(*args)
                await turns()
        return answer

    patch.setattr(anyio.to_thread, "run_sync", run_sync)
