"""The calls that run, by their permits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from authgate_async.wire import Settlement

if TYPE_CHECKING:
    from authgate_async.launchers.protocol import Ended
    from authgate_async.wire import Redeemed, Verdict

__all__ = ["Permit", "Running"]


class Permit:
    """What is kept of a permit while its call runs; `budgeted` is known once it is redeemed.

    `signed` are the bytes of its verdict, which the kernel is asked about again.
    """

    __slots__ = (  # thousands of calls may run
        "_nonce",
        "_scope",
        "action_digest",
        "budgeted",
        "redeemed",
        "verdict",
        "withdrawn",
    )

    def __init__(self, signed: bytes, verdict: Verdict) -> None:
        self.verdict = signed
        self.action_digest = verdict.action_digest
        self.redeemed = False
        self.budgeted = False
        self.withdrawn = ""
        """Why it holds no longer, if it does not."""
        self._nonce = verdict.nonce
        self._scope: anyio.CancelScope | None = None

    @property
    def scope(self) -> anyio.CancelScope:
        """The call runs in it, unless it is over at once."""
        if self._scope is None:
            self._scope = anyio.CancelScope()
        return self._scope

    def note(self, redeemed: Redeemed) -> None:
        """Keep what the kernel said when it was shown."""
        self.redeemed = not redeemed.code
        self.budgeted = redeemed.budgeted

    def withdraw(self, why: str) -> None:
        """End the call, or keep it from starting."""
        self.withdrawn = why
        self.scope.cancel()

    def settlement(self, ended: Ended, cost: int) -> Settlement:
        """Say what a call used that started."""
        output = len(ended.result) + len(ended.stdout) + len(ended.stderr)
        return Settlement(
            self._nonce,
            redeemed=True,
            started=True,
            wall_us=ended.usage.wall_us,
            output_bytes=output,
            cost=cost,
        )

    def returned(self) -> Settlement:
        """Say that a call never started."""
        return Settlement(self._nonce, self.redeemed, started=False)


class Running:
    """The permits of all calls that have started, or are about to.

    The sandbox supervisor enters each before it is redeemed, so that whatever is taken away is
    found either by the kernel at the redemption or here afterwards.
    """

    def __init__(self) -> None:
        self._permits: set[Permit] = set()

    def add(self, permit: Permit) -> None:
        """From here on a withdrawal reaches this call."""
        self._permits.add(permit)

    def discard(self, permit: Permit) -> None:
        """It is over."""
        self._permits.discard(permit)

    def permits(self) -> tuple[Permit, ...]:
        """Those that are there now."""
        return tuple(self._permits)
