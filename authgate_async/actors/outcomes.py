"""How calls ended: told to the kernel, recorded together, and answered once that is durable."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import anyio
import msgspec
from anyio import CapacityLimiter, to_thread

from authgate_async.actors.recording import record
from authgate_async.log.records import Outcome, Refusal
from authgate_async.messages import Finished, Settled

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate_async.actors.envelope import Envelope
    from authgate_async.actors.reference import Ref
    from authgate_async.backends import Kernel
    from authgate_async.messages import Append, Execute, Settle
    from authgate_async.wire import Settlement

__all__ = ["Entry", "Recorder"]

_encode = msgspec.msgpack.Encoder().encode

Entry = Outcome | Refusal


class Recorder:
    """Has outcomes recorded, all that are there in one message, and answers once they are durable.

    Before that the kernel is told what the calls used, so that the rest of what was reserved for
    them is there for the next step.

    No cancellation reaches it: what started is recorded however it ended. `on_crash` hears of an
    error of the kernel; what was reserved for the calls then stays reserved.
    """

    def __init__(
        self,
        kernel: Kernel,
        log: Ref[Append],
        timeout: float,
        on_crash: Callable[[BaseException], object],
    ) -> None:
        self._on_crash = on_crash
        self._kernel = kernel
        self._log = log
        self._timeout = timeout
        self._waiting: list[tuple[Envelope[Execute], Entry | None, Finished]] = []
        self._settlements: list[Settlement] = []
        self._thread = CapacityLimiter(1)
        self._wake = anyio.Event()
        self._closed = False
        self._expected: defaultdict[str, int] = defaultdict(int)
        self._settling: defaultdict[str, list[Envelope[Settle]]] = defaultdict(list)

    def expect(self, run: str) -> None:
        """Something of this run is to be recorded."""
        self._expected[run] += 1

    def settle(self, envelope: Envelope[Settle]) -> None:
        """Answer when no call of the run is under way or unrecorded."""
        if envelope.message.run in self._expected:
            self._settling[envelope.message.run].append(envelope)
        else:
            envelope.reply(Settled())

    def add(self, envelope: Envelope[Execute], entry: Entry | None, answer: Finished) -> None:
        """Record this next, then give the answer, if somebody still waits for it.

        A call that never started leaves no entry.
        """
        self._waiting.append((envelope, entry, answer))
        self._wake.set()

    def charge(self, settlement: Settlement) -> None:
        """Tell the kernel with the next records what a call used."""
        self._settlements.append(settlement)

    def close(self) -> None:
        """Nothing more is coming."""
        self._closed = True
        self._wake.set()

    async def run(self) -> None:
        """Record until closed."""
        with anyio.CancelScope(shield=True):
            while self._waiting or not self._closed:
                await self._wake.wait()
                self._wake = anyio.Event()
                await self._flush()

    async def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        await self._settle()
        groups = tuple([(entry,) for _, entry, _ in waiting if entry is not None])
        problems = iter(await record(self._log, groups, timeout=self._timeout))
        for envelope, entry, answer in waiting:
            problem = "" if entry is None else next(problems)
            if not envelope.settled:
                envelope.reply(_unrecorded(answer, problem) if problem else answer)
            self._recorded(envelope.message.run)

    async def _settle(self) -> None:
        settlements, self._settlements = self._settlements, []
        if not settlements:
            return
        try:
            await to_thread.run_sync(
                self._kernel.settle, _encode(settlements), limiter=self._thread
            )
        except (KeyboardInterrupt, anyio.get_cancelled_exc_class()):
            raise
        except BaseException as error:  # noqa: BLE001 - a panic, too: what ran must be recorded
            self._on_crash(error)

    def _recorded(self, run: str) -> None:
        self._expected[run] -= 1
        if self._expected[run] > 0:
            return
        del self._expected[run]
        for envelope in self._settling.pop(run, ()):
            envelope.reply(Settled())


def _unrecorded(answer: Finished, problem: str) -> Finished:
    sentence = f"how the call ended could not be recorded: {problem}"
    return msgspec.structs.replace(answer, error=sentence)
