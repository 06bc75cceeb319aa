"""What a kernel knows: principals, owners, resources, grants and the epoch (`docs/rules.md`, 1)."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from authgate_async.reference.approvals import Approvals
from authgate_async.reference.budget import Ledger
from authgate_async.reference.scope import covering
from authgate_async.wire import Grant, Right

__all__ = ["Entered", "Principal", "Registry", "Resource"]


class Principal(NamedTuple):
    """A human or machine that was enrolled."""

    key: bytes = b""
    trust_domain: str = ""


class Resource(NamedTuple):
    """The nature of a resource; the defaults are those of one that was never declared."""

    public: bool = False
    trust_domain: str = ""


class Entered(NamedTuple):
    """A grant, and its place in the order of entry."""

    sequence: int
    grant: Grant


_Holder = tuple[str, str]
_Resource = tuple[str, str]
_Place = tuple[str, str, str]
_Held = tuple[str, str, str, str, str]


class Registry:
    """Tables that answer a decision's questions by lookup."""

    def __init__(self, instance: bytes = b"") -> None:
        self.principals: dict[tuple[str, str], Principal] = {}
        self.owners: dict[str, str] = {}
        self.resources: dict[tuple[str, str], Resource] = {}
        self.grants: dict[str, Entered] = {}
        self.revoked: set[str] = set()
        self.epoch = 0
        self.epochs: dict[tuple[str, str], int] = {}
        self.ledger = Ledger()
        self.approvals = Approvals(instance)
        self._held: defaultdict[_Held, list[Entered]] = defaultdict(list)
        self._holdings: defaultdict[_Holder, defaultdict[_Resource, list[str]]] = defaultdict(
            lambda: defaultdict(list)
        )
        self._writers: defaultdict[_Place, list[Entered]] = defaultdict(list)

    def enter(self, grant: Grant) -> None:
        """Enter a grant whose id is free."""
        entered = Entered(len(self.grants), grant)
        self.grants[grant.id] = entered
        self._held[_held(grant)].append(entered)
        self._holdings[grant.holder, grant.holder_kind][grant.rtype, grant.name].append(grant.id)
        if grant.rights & Right.WRITE:
            self._writers[_place(grant)].append(entered)

    def revoke(self, grant_id: str) -> None:
        """End a grant; doing it again changes nothing."""
        if grant_id in self.revoked:
            return
        entered = self.grants[grant_id]
        self.revoked.add(grant_id)
        self._held[_held(entered.grant)].remove(entered)
        if entered.grant.rights & Right.WRITE:
            self._writers[_place(entered.grant)].remove(entered)

    def revoke_holder(self, holder: str, kind: str) -> None:
        """End all that somebody holds."""
        for resource in self._holdings[holder, kind]:
            self.revoke_held(holder, kind, *resource)

    def revoke_held(self, holder: str, kind: str, rtype: str, name: str) -> None:
        """End all that somebody holds on a resource."""
        held = self._holdings[holder, kind][rtype, name]
        while held:
            self.revoke(held.pop())

    def ever_held(self, holder: str, kind: str, rtype: str, name: str) -> bool:
        """Whether somebody has had a grant on a resource."""
        return (rtype, name) in self._holdings[holder, kind]

    def epoch_of(self, holder: str, kind: str) -> int:
        """The least epoch of a holder's grants that counts."""
        return max(self.epoch, self.epochs.get((holder, kind), 0))

    def gone(self, grant_id: str) -> str:
        """Why nothing may rest on a grant; empty if something may."""
        if grant_id not in self.grants:
            return "is not there"
        return "was revoked" if grant_id in self.revoked else ""

    def stale(self, grant_id: str) -> str:
        """Why nothing may rest on a grant, its epoch included."""
        if gone := self.gone(grant_id):
            return gone
        grant = self.grants[grant_id].grant
        least = self.epoch_of(grant.holder, grant.holder_kind)
        return f"is of epoch {grant.epoch}, below {least}" if grant.epoch < least else ""

    def alternatives(self, grant: Grant) -> int:
        """Count the live grants of the same holder on the same scope."""
        return len(self._held.get(_held(grant), ()))

    def held(self, holder: str, kind: str, rtype: str, name: str, scope: str) -> list[Entered]:
        """The holder's live grants whose scope covers `scope`, in order of entry."""
        found = [
            entered
            for part in covering(scope)
            for entered in self._held.get((holder, kind, rtype, name, part), ())
        ]
        return sorted(found, key=lambda entered: entered.sequence)

    def writers(self, rtype: str, name: str, scope: str) -> list[Grant]:
        """Everybody's live grants with write whose scope covers `scope`."""
        return [
            entered.grant
            for part in covering(scope)
            for entered in self._writers.get((rtype, name, part), ())
        ]


def _held(grant: Grant) -> _Held:
    return grant.holder, grant.holder_kind, grant.rtype, grant.name, grant.scope


def _place(grant: Grant) -> _Place:
    return grant.rtype, grant.name, grant.scope
