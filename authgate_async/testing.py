"""For tests of code that waits: event loops on which time is virtual.

Time stands still while any task can run, and jumps to the next deadline when none can. A day of
back-off passes in a millisecond, and two timers never race. Not for code with threads or processes
in flight: the loop looks idle, and time jumps past them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import asyncio  # noqa: TID251 - a test picks its loop
    from selectors import SelectorKey

__all__ = ["virtual_clock"]


def virtual_clock(backend: Literal["asyncio", "trio"]) -> tuple[str, dict[str, Any]]:
    """Backend and options with a clock of its own that starts near 0 and jumps.

    It is what anyio's pytest plugin wants of an `anyio_backend` fixture, and fits
    `anyio.run(main, backend=NAME, backend_options=OPTIONS)`. Use each once.
    """
    if backend == "trio":
        from trio.testing import MockClock  # noqa: PLC0415, TID251 - a test picks its loop

        return "trio", {"clock": MockClock(autojump_threshold=0)}
    return "asyncio", {"loop_factory": _jump_loop}


def _jump_loop() -> asyncio.AbstractEventLoop:
    import asyncio  # noqa: PLC0415, TID251 - a test picks its loop
    from selectors import DefaultSelector  # noqa: PLC0415

    class JumpSelector(DefaultSelector):
        now = 0.0

        def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
            # With no timer set there is nowhere to jump to: wait for whatever else wakes it.
            ready = super().select(None if timeout is None else 0)
            if not ready and timeout is not None:
                self.now += timeout
            return ready

    class JumpLoop(asyncio.SelectorEventLoop):
        def time(self) -> float:
            return selector.now

    selector = JumpSelector()
    return JumpLoop(selector)
