"""What `docs/rules.md` says of grants, written anew and small: what the machine compares with.

One kind of resource, one right beside that to delegate, one argument that may be bounded. It calls
nothing of the package.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

__all__ = ["Held", "Model"]

LINKS = 16


@dataclass
class Held:
    """A grant. `ends` is a time or 0, `calls` and `most` are limits or None."""

    id: str
    holder: str
    place: str
    parent: str = ""
    delegates: bool = False
    ends: int = 0
    epoch: int = 0
    calls: int | None = None
    most: int | None = None
    asks: bool = False
    revoked: bool = False

    def wider(self, than: Held) -> bool:
        """Whether it grants more than its parent would, in any dimension but arguments."""
        longer = bool(than.ends) and not 0 < self.ends <= than.ends
        more = than.calls is not None and (self.calls is None or self.calls > than.calls)
        rights = self.delegates and not than.delegates
        return self.place != than.place or rights or longer or self.epoch > than.epoch or more


class Model:
    """All grants, in order of entry, and what was used of them."""

    def __init__(self) -> None:
        self.grants: dict[str, Held] = {}
        self.used: Counter[str] = Counter()
        self._epoch = 0
        self._epochs: Counter[str] = Counter()

    def epoch_of(self, holder: str) -> int:
        """The larger of a holder's own and everybody's."""
        return max(self._epoch, self._epochs[holder])

    def chain(self, grant: str) -> list[Held]:
        """From a grant to its root, whatever was revoked."""
        links = [self.grants[grant]]
        while links[-1].parent:
            links.append(self.grants[links[-1].parent])
        return links

    def stands(self, grant: str, epoch: int) -> bool:
        """Whether a call on this grant, decided in this epoch, may go on (section 6, `stale`)."""
        links = self.chain(grant)
        live = [not link.revoked and link.epoch >= self.epoch_of(link.holder) for link in links]
        return epoch >= self._epoch and all(live)

    # Changes.

    def revoke(self, holder: str = "", place: str = "", grant: str = "") -> None:
        """Revoke those that match."""
        for held in self.grants.values():
            if grant in {"", held.id} and holder in {"", held.holder}:
                held.revoked |= place in {"", held.place}

    def advance(self, holder: str = "") -> None:
        """Raise everybody's epoch, or that of one holder."""
        if holder:
            self._epochs[holder] = self.epoch_of(holder) + 1
        else:
            self._epoch += 1

    def refusal(self, child: Held, by: str, now: int) -> str:
        """The code with which a delegation is refused, or nothing (section 1)."""
        parent = self.grants[child.parent]
        if parent.revoked or parent.holder != by:
            return "no_grant"
        links, faults = self._walk(parent, now)
        if faults:
            return faults[0]
        if not parent.delegates or len(links) == LINKS:
            return "chain_broken"
        return "attenuation" if child.wider(parent) else ""

    # Decisions.

    def judge(
        self, holder: str, place: str, amount: int, now: int, *, approved: bool
    ) -> tuple[tuple[str, ...], str]:
        """Codes and no grant, or no code and the grant that justifies the call (section 4)."""
        found = [
            (self.faults(held, amount, now, approved=approved), number, held.id)
            for number, held in enumerate(self.grants.values())
            if not held.revoked and (held.holder, held.place) == (holder, place)
        ]
        if not found:
            return ("no_grant",), ""
        faults, _, grant = min(found, key=lambda one: (*_weight(one[0]), one[1]))
        return tuple(faults), "" if faults else grant

    def faults(self, held: Held, amount: int, now: int, *, approved: bool) -> list[str]:
        """What stands against a call on this grant, in the order of the rules."""
        links, faults = self._walk(held, now)
        faults += ["constraint" for link in links if link.most is not None and amount > link.most]
        faults += ["budget" for link in links if link.calls is not None and self._spent(link)]
        return faults + ["approval_required" for link in links if link.asks and not approved]

    def _spent(self, link: Held) -> bool:
        return link.calls is not None and self.used[link.id] >= link.calls

    def use(self, grant: str) -> list[str]:
        """Count a call that started on this grant; name those whose budget that exceeds."""
        links = self.chain(grant)
        exceeded = [link.id for link in links if self._spent(link)]
        self.used.update(link.id for link in links)
        return exceeded

    def _walk(self, held: Held, now: int) -> tuple[list[Held], list[str]]:
        """Links and faults of a chain (section 5)."""
        links, faults = [held], [*self._lapses(held, now)]
        while links[-1].parent:
            parent = self.grants[links[-1].parent]
            if parent.revoked or len(links) == LINKS:
                return links, [*faults, "chain_broken"]
            faults += self._lapses(parent, now)
            faults += ["chain_broken"] * (not parent.delegates)
            links.append(parent)
        return links, faults

    def _lapses(self, link: Held, now: int) -> Iterator[str]:
        if link.ends and now >= link.ends:
            yield "expired"
        if link.epoch < self.epoch_of(link.holder):
            yield "epoch_stale"


def _weight(faults: Collection[str]) -> tuple[bool, int, int]:
    asking = sum(fault == "approval_required" for fault in faults)
    return bool(faults), len(faults) - asking, asking
