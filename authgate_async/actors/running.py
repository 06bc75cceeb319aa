"""The calls that run, by what their permits rest on."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import anyio

from authgate_async.wire import Settlement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authgate_async.launchers.protocol import Ended
    from authgate_async.messages import Withdraw
    from authgate_async.wire import Verdict

__all__ = ["Permit", "Running"]


class Permit:
    """What is kept of a permit while its call runs; `budgeted` is known once it is redeemed."""

    def __init__(self, verdict: Verdict, cost: int) -> None:
        self.action_digest = verdict.action_digest
        self.cost = cost
        self.redeemed = False
        self.budgeted = False
        self.withdrawn = ""
        """Why it holds no longer, if it does not."""
        self._nonce = verdict.nonce
        self._chains = verdict.chains
        self._epoch = verdict.epoch

    @cached_property
    def scope(self) -> anyio.CancelScope:
        """The call runs in it, unless it is over at once."""
        return anyio.CancelScope()

    def rests_on(self, withdrawn: Withdraw) -> str:
        """Return what of it was taken away, as a sentence; nothing if it still holds."""
        for grant in withdrawn.grants:
            if any(grant in chain for chain in self._chains):
                return f"grant `{grant}` was revoked while the call ran"
        if self._epoch < withdrawn.epoch:
            return f"the epoch rose to {withdrawn.epoch} while the call ran"
        return ""

    def settlement(self, ended: Ended) -> Settlement:
        """Say what a call used that started."""
        output = len(ended.result) + len(ended.stdout) + len(ended.stderr)
        return Settlement(
            self._nonce,
            redeemed=True,
            started=True,
            wall_us=ended.usage.wall_us,
            output_bytes=output,
            cost=self.cost,
        )

    def returned(self) -> Settlement:
        """Say that a call never started."""
        return Settlement(self._nonce, self.redeemed, started=False)


class Running:
    """The permits of all calls that have started, or are about to."""

    def __init__(self) -> None:
        self._permits: set[Permit] = set()

    def add(self, permit: Permit) -> None:
        """From here on a withdrawal reaches this call."""
        self._permits.add(permit)

    def discard(self, permit: Permit) -> None:
        """It is over."""
        self._permits.discard(permit)

    def withdraw(self, withdrawn: Withdraw) -> None:
        """End every call whose permit rests on what was taken away."""
        for permit, why in self._resting(withdrawn):
            permit.withdrawn = why
            permit.scope.cancel()

    def _resting(self, withdrawn: Withdraw) -> Iterator[tuple[Permit, str]]:
        for permit in self._permits:
            why = permit.rests_on(withdrawn)
            if why:
                yield permit, why
