"""The calls that wait for a human to approve them: data in a table, and one timer for all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import msgspec

from authgate_async.actors.envelope import Envelope
from authgate_async.approvals import WaitingCall
from authgate_async.errors import ClosedError
from authgate_async.messages import Propose
from authgate_async.wire import Action, Approve, Changed, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authgate_async.wire import Change

__all__ = ["MOST", "Call", "Waiting"]

MOST = 1_000
"""Calls that wait at once; a further one is turned away."""

_CANCELLED = "the call was cancelled while it waited for an approval; it never started"
_CLOSED = "the runtime ended while the call waited for an approval; it never started"


class Call(msgspec.Struct, eq=False):
    """A call that waits: its verdict so far, and when that ends, in seconds of the loop's clock.

    `until` is the same moment as it is recorded, in microseconds since the Unix epoch. Nobody is
    asked before the log has the question (`recorded`).
    """

    envelope: Envelope[Propose]
    action: Action
    verdict: Verdict
    deadline: float
    until: int
    recorded: bool = False

    def shown(self) -> WaitingCall:
        """Return what a human needs in order to decide."""
        action, verdict = self.action, self.verdict
        return WaitingCall(
            action_id=action.id,
            action_digest=verdict.action_digest,
            agent=action.actor,
            agent_kind=action.kind,
            tool=action.tool,
            args=action.args.decode(),
            requests=action.requests,
            approvers=verdict.approvers,
            sentences=tuple([sentence for _, sentence in verdict.violations]),
            deadline=self.until,
            instance=verdict.instance,
            salt=action.salt,
        )


class Waiting:
    """All of them, in the order of their deadlines: each waits `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._calls: dict[Envelope[Propose], Call] = {}
        self._first = anyio.Event()

    def __iter__(self) -> Iterator[Call]:
        return iter(tuple(self._calls.values()))

    @property
    def full(self) -> bool:
        """Whether no further call may wait."""
        return len(self._calls) >= MOST

    def shown(self) -> tuple[WaitingCall, ...]:
        """Return what humans may decide."""
        return tuple([call.shown() for call in self if call.recorded])

    def add(self, envelope: Envelope[Propose], action: Action, verdict: Verdict) -> Call:
        """Let a call wait, until it is taken out, cancelled or late."""
        until = verdict.issued_at + int(self.seconds * 1_000_000)
        deadline = anyio.current_time() + self.seconds
        call = self._calls[envelope] = Call(envelope, action, verdict, deadline, until)
        self._first.set()
        envelope.on_abandoned(lambda: self._drop(envelope, _CANCELLED))
        return call

    def take(self, call: Call) -> bool:
        """Take a call out, to answer it; false if it was cancelled or late meanwhile."""
        return self._calls.pop(call.envelope, None) is not None

    def has(self, call: Call) -> bool:
        """Whether it still waits."""
        return call.envelope in self._calls

    def close(self) -> None:
        """Turn away whoever still waits."""
        for envelope in tuple(self._calls):
            self._drop(envelope, _CLOSED)

    def _drop(self, envelope: Envelope[Propose], why: str) -> None:
        if self._calls.pop(envelope, None) is not None:
            envelope.fail(ClosedError(why))

    async def late(self) -> list[Call]:
        """Wait for the next whose time is over, and take them out. For one task."""
        while True:
            self._first = anyio.Event()
            first = next(iter(self._calls.values()), None)
            if first is None:
                await self._first.wait()
                continue
            with anyio.CancelScope(deadline=first.deadline):
                await anyio.sleep_forever()
            now = anyio.current_time()
            if due := [call for call in self if call.deadline <= now and self.take(call)]:
                return due

    def refusal(self, changes: Sequence[Change]) -> Changed | None:
        """Say why an approval is of no use to any call that waits; None if it may be."""
        if len(changes) != 1 or not isinstance(changes[0], Approve):
            return None
        approval = changes[0]
        found = [call for call in self if call.verdict.action_digest == approval.action_digest]
        if not found:
            what = approval.action_digest.hex()
            return Changed("approval_unknown", f"no call waits for an approval of digest {what}", 0)
        named = dict.fromkeys(name for call in found for name in call.verdict.approvers)
        if approval.approver not in named:
            who = " or ".join(f"human `{name}`" for name in named)
            sentence = f"human `{approval.approver}` may not approve this call; {who} may"
            return Changed("approval_unnamed", sentence, 0)
        return None
