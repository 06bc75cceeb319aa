"""Withdrawals: ends the calls that run on what was taken away meanwhile.

An actor beside the sandbox supervisor: the word that something was revoked must not wait behind
calls whose permits are being redeemed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from anyio import CapacityLimiter, to_thread

if TYPE_CHECKING:
    from authgate_async.actors.mailbox import Inbox
    from authgate_async.actors.running import Running
    from authgate_async.backends import Kernel
    from authgate_async.messages import Withdraw

__all__ = ["Withdrawals"]

BATCH = 512
"""Withdrawals that one look at the running calls serves."""

_sentences = msgspec.msgpack.Decoder(list[str]).decode
_encode = msgspec.msgpack.Encoder().encode


class Withdrawals:
    """The actor. What it costs depends on how many calls run, and not on the registry."""

    def __init__(self, kernel: Kernel, running: Running) -> None:
        self._kernel = kernel
        self._running = running
        self._thread = CapacityLimiter(1)

    async def run(self, inbox: Inbox[Withdraw]) -> None:
        """Serve until the mailbox is drained."""
        await self._look()  # an incarnation before may have died with the word in its hands
        while batch := await inbox.batch(BATCH):
            await self._look()
            for envelope in batch:
                envelope.done()

    async def _look(self) -> None:
        """End every call whose permit the registry does not stand behind any more."""
        permits = self._running.permits()
        if not permits:
            return
        verdicts = _encode([permit.verdict for permit in permits])
        stale = await to_thread.run_sync(self._kernel.stale, verdicts, limiter=self._thread)
        for permit, why in zip(permits, _sentences(stale), strict=True):
            if why:
                permit.withdraw(why)
