"""Which permits of a log rest on approvals, and that these were given, by whom they say.

Memory grows with the approvals and the grants that ask for some in one session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate_async.log.lines import Fault
from authgate_async.reference.approvals import approval_statement
from authgate_async.reference.signing import verifies
from authgate_async.wire import Approve, Delegate, Enrol, Register

if TYPE_CHECKING:
    from authgate_async.log.records import Intent
    from authgate_async.wire import Change, Verdict

__all__ = ["Approvals"]


class Approvals:
    """Takes the changes of one session in order, and holds its permits against them.

    Of a session whose beginning was removed (`partial`), what rests on humans and grants that were
    named there is left to the signed verdicts: the kernel knew them.
    """

    def __init__(self, *, partial: bool = False) -> None:
        self._partial = partial
        self._keys: dict[str, bytes] = {}
        self._asking: dict[str, frozenset[str]] = {}
        self._given: dict[bytes, list[Approve]] = {}
        self._used: set[tuple[str, bytes]] = set()

    def changed(self, change: Change) -> None:
        """Take a change that was done.

        Raises:
            Fault: it is an approval that was not signed, or was given before.
        """
        match change:
            case Enrol(kind="human"):
                self._keys[change.name] = change.key
            case Register() | Delegate() if change.grant.approvers:
                self._asking.setdefault(change.grant.id, frozenset(change.grant.approvers))
            case Approve():
                self._approved(change)
            case _:
                pass

    def _approved(self, approval: Approve) -> None:
        key = self._keys.get(approval.approver, b"")
        unknown = self._partial and approval.approver not in self._keys
        if not unknown and not verifies(key, approval_statement(approval), approval.signature):
            raise Fault(f"the approval of `{approval.approver}` is not signed with their key")
        if (approval.approver, approval.nonce) in self._used:
            raise Fault(f"the approval of `{approval.approver}` was given before")
        self._used.add((approval.approver, approval.nonce))
        self._given.setdefault(approval.action_digest, []).append(approval)

    def asks(self, grant: str) -> bool:
        """Whether a grant asks for approvals."""
        return grant in self._asking

    def check(self, record: Intent, verdict: Verdict) -> None:
        """Hold a permit against the grants that it rests on, and use its approvals up.

        Raises:
            Fault: one of them asks for an approval that nobody gave.
        """
        if self._asking.keys().isdisjoint(grant for chain in record.chains for grant in chain):
            return
        given = self._given.pop(verdict.action_digest, [])
        by = {
            approval.approver
            for approval in given
            if approval.instance == verdict.instance and verdict.issued_at < approval.expires_at
        }
        for grant in (grant for chain in record.chains for grant in chain):
            if grant in self._asking and by.isdisjoint(self._asking[grant]):
                raise Fault(f"it rests on grant `{grant}`, whose approvers did not approve it")
