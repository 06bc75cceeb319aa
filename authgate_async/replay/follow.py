"""Follows a log, record by record, and has every recorded intent decided again."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from authgate_async.errors import LogCorruptError
from authgate_async.log.entries import change_from
from authgate_async.log.numbering import NOT_USED
from authgate_async.log.records import (
    ApprovalAsked,
    Intent,
    LogOpened,
    Outcome,
    Refusal,
    RegistryChange,
    Rejected,
    RunClosed,
    RunOpened,
)
from authgate_async.policy.problems import quote
from authgate_async.replay.accounts import Accounts
from authgate_async.replay.asked import Asked, Keys, Tools, asked, signed, unapproved
from authgate_async.replay.doubt import Doubt, Support, doubt, supports
from authgate_async.replay.session import Session
from authgate_async.wire import Approve, Enrol, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from authgate_async.backends import Backend
    from authgate_async.log.records import Record
    from authgate_async.policy import Policy
    from authgate_async.wire import Action, Change, SignedVerdict

__all__ = ["Follower", "Judged"]

_BATCH = 512
_ALWAYS = frozenset({"malformed", "forbidden_flag", "machine_dominion"})
"""Codes that an action earns by itself, whatever is granted."""
_WHOLE = _ALWAYS | {"unowned_machine", "identity_mismatch"}

_verdict = msgspec.msgpack.Decoder(Verdict).decode

Codes = tuple[tuple[str, str], ...]


class Judged(NamedTuple):
    """A recorded intent, and what is decided about it now.

    `permitted` is None where that cannot be said; `doubt` then says why. `supports` are the chains
    that each request of a permitted one could rest on.
    """

    number: int
    intent: Intent
    permitted: bool | None
    violations: Codes = ()
    chains: tuple[tuple[str, ...], ...] = ()
    supports: Sequence[Support] = ()
    doubt: Doubt | None = None


class Follower:
    """Takes the records of a log in order, and gives each intent, decided again, to `judged`.

    Memory is bounded by the grants, and by the open runs that rest on budgets. `changes` counts
    the recorded ones: `replaced` by the policy, `applied`, or `refused` now. `rejected` counts the
    steps that no kernel decided; a call that waited for an approval in vain is none of them.

    Raises:
        PolicyError: the policy's tools cannot be found, or the kernel refuses a part of it.
        BackendMissingError: as for `make_kernel`.
    """

    def __init__(self, policy: Policy, backend: Backend, judged: Callable[[Judged], None]) -> None:
        self.changes: Counter[str] = Counter()
        self.rejected = 0
        self._policy = policy
        self._backend = backend
        self._judged = judged
        self._tools = Tools(policy)
        self._keys = Keys()
        self._batch: list[tuple[int, Intent, Asked]] = []
        self._now = 0
        self._begin(0)

    def _begin(self, now: int) -> None:
        self._session = Session(self._policy, self._backend, self._keys, now)
        self._accounts = Accounts(self._session)
        self._enrolled: dict[tuple[str, str], bytes] = {}
        self._waiting: dict[str, ApprovalAsked] = {}
        self._running = False

    def take(self, number: int, record: Record) -> None:
        """Take the next record."""
        match record:
            case Intent():
                self._waiting.pop(record.action_id, None)
                self._intent(number, record)
            case ApprovalAsked():
                self._waiting[record.action_id] = record
            case RegistryChange():
                self._change(number, record)
            case LogOpened():
                self.flush()
                self._begin(record.time)
            case RunOpened():
                self._running = True
            case Rejected():
                self._rejected(number, record)
            case Outcome() | Refusal() | RunClosed():
                if isinstance(record, RunClosed):
                    self._give_up(number, record)
                if self._session.budgets:
                    self.flush()
                    self._account(record)
            case _:
                pass

    def _account(self, record: Outcome | Refusal | RunClosed) -> None:
        match record:
            case Outcome():
                self._accounts.ended(record)
            case Refusal() if record.code in NOT_USED:
                self._accounts.refused(record.action_id)
            case RunClosed():
                self._accounts.closed(record.run)
            case _:
                pass

    # Calls that waited for an approval

    def _rejected(self, number: int, record: Rejected) -> None:
        asked = self._waiting.pop(f"{record.run}:{record.seq}", None)
        if asked is None:
            self.rejected += 1
        else:
            self._intent(number, unapproved(asked, record.time))

    def _give_up(self, number: int, record: RunClosed) -> None:
        for late in [one for one in self._waiting.values() if one.run == record.run]:
            del self._waiting[late.action_id]
            self._intent(number, unapproved(late, record.time))

    # Changes

    def _change(self, number: int, record: RegistryChange) -> None:
        """What was recorded before the first run of a session is what the policy stands for."""
        change = _read(number, record)
        if self._running:
            self.flush()
            self.changes["applied" if self._apply(change, record) else "refused"] += 1
        else:
            self.changes["replaced"] += 1
        if isinstance(change, Enrol) and not record.code:
            self._enrolled[change.name, change.kind] = change.key

    def _apply(self, change: Change, record: RegistryChange) -> bool:
        """Make a change again. What showed that an approval was signed is that it was taken."""
        if isinstance(change, Approve):
            if record.code:
                return False
            key = self._enrolled.get((change.approver, "human"), b"")
            change = self._session.approval(change, key)
        (changed,) = self._session.change([change], record.time)
        return not changed.code

    # Intents

    def _intent(self, number: int, intent: Intent) -> None:
        now = int(intent.issued_at)
        if self._batch and (now != self._now or len(self._batch) == _BATCH):
            self.flush()
        self._now = now
        if not self._tools.offers(intent.tool):
            sentence = f"the policy turns the tool {quote(intent.tool)} off"
            self._deny(number, intent, (("unknown_tool", sentence),))
            return
        found = asked(intent, self._tools.needs(intent.tool))
        if not found.whole:
            self._in_part(number, intent, found)
        elif (action := self._signed(intent, found)) is None:
            why = "its agent must sign under a key of the policy that it did not sign under"
            self._doubt(number, intent, found, Doubt("signature", why))
        else:
            self._batch.append((number, intent, found._replace(action=action)))

    def _in_part(self, number: int, intent: Intent, found: Asked) -> None:
        """Judge an action that the log does not hold whole."""
        told = zip(intent.codes, intent.sentences, strict=False)
        always = tuple(pair for pair in told if pair[0] in _ALWAYS)
        if always:
            self._deny(number, intent, always)
        else:
            why = "the log does not hold all of its action"
            self._doubt(number, intent, found, Doubt("action", why))

    def _signed(self, intent: Intent, found: Asked) -> Action | None:
        """Sign for an agent that had signed; None if nobody knows whether it could have."""
        who = (intent.agent, intent.agent_kind)
        known = self._session.registry.principals.get(who)
        if known is None or not known.key:
            return found.action
        key = self._enrolled.get(who, b"")
        if self._keys.public(key) != known.key:
            return None
        if "identity_mismatch" in intent.codes:
            return found.action
        return signed(found.action, self._keys.signer(key))

    def flush(self) -> None:
        """Decide what waits."""
        batch, self._batch = self._batch, []
        if not batch:
            return
        answers = self._session.decide([one.action for _, _, one in batch], self._now)
        for (number, intent, one), answer in zip(batch, answers, strict=True):
            self._judge(number, intent, one, answer)

    def _judge(self, number: int, intent: Intent, one: Asked, answer: SignedVerdict) -> None:
        verdict = _verdict(answer.verdict)
        codes = {code for code, _ in verdict.violations}
        doubtful = one.withheld or one.unmeasured or self._accounts.over or self._accounts.under
        found: Sequence[Support] = ()
        if verdict.permitted or (doubtful and not codes & _WHOLE):
            found = supports(self._session.registry, one, self._now)
            why = doubt(one, found, self._accounts, permitted=verdict.permitted)
            if why is not None:
                self._unsure(number, intent, found, why)
                return
        if verdict.permitted:
            self._accounts.permitted(intent, one.action, verdict, answer)
        permitted, violations, chains = verdict.permitted, verdict.violations, verdict.chains
        self._judged(Judged(number, intent, permitted, violations, chains, found))

    def _deny(self, number: int, intent: Intent, violations: Codes) -> None:
        self.flush()
        self._judged(Judged(number, intent, permitted=False, violations=violations))

    def _doubt(self, number: int, intent: Intent, one: Asked, why: Doubt) -> None:
        self.flush()
        self._unsure(number, intent, supports(self._session.registry, one, self._now), why)

    def _unsure(self, number: int, intent: Intent, found: Sequence[Support], why: Doubt) -> None:
        """Say that nobody knows, also what it would have used."""
        self._accounts.unknown(grant for each in found for chain in each.chains for grant in chain)
        self._judged(Judged(number, intent, None, doubt=why))


def _read(number: int, record: RegistryChange) -> Change:
    try:
        return change_from(record)
    except ValueError as error:
        sentence = f"record {number}: its change cannot be read: {error}"
        raise LogCorruptError(f"{sentence}; find out who wrote it") from error
