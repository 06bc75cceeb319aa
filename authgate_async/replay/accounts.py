"""What the recorded calls left in the budgets of another policy, and where that is not known."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from authgate_async.log.numbering import MAX_LATE
from authgate_async.reference.budget import has_budget
from authgate_async.wire import NO_LIMIT, Settlement

if TYPE_CHECKING:
    from collections.abc import Iterable

    from authgate_async.log.records import Intent, Outcome
    from authgate_async.replay.session import Session
    from authgate_async.wire import Action, Grant, SignedVerdict, Verdict

__all__ = ["Accounts"]

_NOTHING = sha256(b"").hexdigest()


class _Held(NamedTuple):
    """What is reserved for a call that the log has not ended yet."""

    nonce: bytes
    action: Action
    grants: list[Grant]

    @property
    def bounds_output(self) -> bool:
        return any(grant.max_output_bytes != NO_LIMIT for grant in self.grants)


class Accounts:
    """The budgets of one session.

    A grant is in `over` if its budget may have been charged too much, in `under` if too little:
    the log does not say how much a call put out, nor what became of each permit.
    """

    def __init__(self, session: Session) -> None:
        self.over: set[str] = set()
        self.under: set[str] = set()
        self._session = session
        self._runs: dict[str, dict[str, _Held]] = {}
        self._late: dict[str, _Held] = {}

    def permitted(
        self, intent: Intent, action: Action, verdict: Verdict, signed: SignedVerdict
    ) -> None:
        """Take a permit; one for a call that was never made is charged in full at once."""
        known = self._session.registry.grants
        ids = dict.fromkeys(grant_id for chain in verdict.chains for grant_id in chain)
        grants = [known[one].grant for one in ids if has_budget(known[one].grant)]
        if not grants:
            return
        held = _Held(verdict.nonce, action, grants)
        if not self._session.redeem(signed, action, verdict.issued_at):
            self.unknown(grants)
        if intent.permitted:
            self._runs.setdefault(intent.run, {})[intent.action_id] = held
        else:
            self._settle(held, action.wall_us, action.output_bytes)

    def unknown(self, grants: Iterable[Grant]) -> None:
        """Note that one of these may have been used, or none."""
        self.under.update(grant.id for grant in grants if has_budget(grant))

    def ended(self, outcome: Outcome) -> None:
        """Charge a call with what it used."""
        held = self._take(outcome.run, outcome.action_id)
        if held is None:
            return
        streams = (outcome.result_digest, outcome.stdout_digest, outcome.stderr_digest)
        silent = all(digest == _NOTHING for digest in streams)
        self._settle(held, outcome.wall_us, 0 if silent else held.action.output_bytes)
        if not silent and held.bounds_output:
            self._note_over(held)

    def refused(self, action_id: str) -> None:
        """Give back what was reserved for a permit that was not used in time."""
        held = self._take(action_id.rpartition(":")[0], action_id)
        if held is not None:
            self._session.settle(Settlement(held.nonce, redeemed=True, started=False))

    def closed(self, run: str) -> None:
        """Take the end of a run: a call of it may end later still, or was never made."""
        for action_id, held in self._runs.pop(run, {}).items():
            self._note_over(held)
            self._late[action_id] = held
        while len(self._late) > MAX_LATE:
            del self._late[next(iter(self._late))]

    def _take(self, run: str, action_id: str) -> _Held | None:
        return self._runs.get(run, {}).pop(action_id, None) or self._late.pop(action_id, None)

    def _note_over(self, held: _Held) -> None:
        self.over.update(grant.id for grant in held.grants)

    def _settle(self, held: _Held, wall_us: int, output_bytes: int) -> None:
        cost = held.action.cost
        spent = Settlement(
            held.nonce, redeemed=True, started=True,
            wall_us=wall_us, output_bytes=output_bytes, cost=cost,
        )  # fmt: skip
        self._session.settle(spent)
