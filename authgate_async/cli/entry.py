"""From a command to an event loop, and from a signal to an orderly end."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Literal, TypeVar

import anyio

from authgate_async import oplog
from authgate_async.cli.output import say
from authgate_async.runtime import Runtime

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Awaitable, Callable, Iterator

    from anyio.abc import TaskStatus

    from authgate_async.policy import Policy

__all__ = ["Loop", "configure_log", "drained", "on_loop", "runtime_of"]

Loop = Literal["asyncio", "trio"]

_STOPPING = (
    "stopping: what runs may finish, nothing new starts; once more stops at once",
    "stopping at once",
)

_T = TypeVar("_T")


def on_loop(main: Callable[[], Awaitable[_T]], loop: Loop = "asyncio") -> _T:
    """Run a coroutine function on an event loop of this kind."""
    return anyio.run(main, backend=loop)


def runtime_of(policy: Policy, args: Namespace) -> Runtime:
    """Make the runtime that the options of `run` and `batch` ask for."""
    return Runtime(
        policy,
        backend=args.backend,
        log=args.log,
        key=args.key,
        auditor=args.auditor,
        approvals=args.approvals,
    )


def configure_log(level: str | None) -> None:
    """Set the operator log up: on a terminal it says less, since a person reads along."""
    oplog.configure(level or ("warning" if sys.stderr.isatty() else "info"))


async def drained(runtime: Runtime, body: Callable[[], Awaitable[_T]]) -> _T:
    """Run `body` inside the runtime; SIGINT, SIGTERM and SIGHUP end it in order.

    The first lets what runs finish, the second stops at once; from the third on they have their
    usual effect again, in case that stopping hangs.
    """
    async with anyio.create_task_group() as group:
        signals = _Signals(runtime)
        if sys.platform != "win32":  # no loop can receive signals there: they interrupt at once
            await group.start(signals.listen)
        async with runtime:
            signals.entered()
            result = await body()
        group.cancel_scope.cancel()
    return result


class _Signals:
    """Hands signals to a runtime; those that come before it is entered are kept for it."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._early = 0
        self._entered = False

    def entered(self) -> None:
        self._entered = True
        for _ in range(self._early):
            self._runtime.shutdown()

    async def listen(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        with anyio.open_signal_receiver(*_ending()) as signals:
            task_status.started()
            for message in _STOPPING:
                await anext(signals)
                say(message)
                if self._entered:
                    self._runtime.shutdown()
                else:
                    self._early += 1


def _ending() -> Iterator[signal.Signals]:
    """Yield the signals that end a program; `nohup` turns the one of a closed terminal off."""
    yield from (signal.SIGINT, signal.SIGTERM)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        yield signal.SIGHUP
