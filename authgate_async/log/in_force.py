"""Which grants are in force at a place of a log, by the changes recorded before it."""

from __future__ import annotations

from collections import defaultdict
from sys import intern
from typing import TYPE_CHECKING

from authgate_async.log.records import GrantsCarried

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from authgate_async.log.records import Held, RegistryChange

__all__ = ["InForce"]

_Index = defaultdict[tuple[str, str], defaultdict[tuple[str, str], dict[str, None]]]
"""Ids of grants in force, by holder and kind and then by resource."""

_ROWS = 1000
"""Grants in one record: it stays below the longest, whatever their names are."""


class InForce:
    """Grants by id. An id stays taken: no later change brings a revoked grant back.

    With `forgets`, that is left to the kernel, whose changes these are: of revoked grants nothing
    is kept.
    """

    def __init__(self, *, forgets: bool = False) -> None:
        self._forgets = forgets
        self._grants: dict[str, Held | None] = {}
        """None for one that was revoked."""
        self._held: _Index | None = None
        """By holder, from the first revocation of one on: most logs need it never."""
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def follow(self, change: RegistryChange) -> None:
        """Take a change with the fields of its kind; one that was refused changes nothing."""
        fields = {name: str(value) for name, value in change.fields.items()}
        match "" if change.code else change.change:
            case "register" | "delegate":
                names = ("id", "holder", "holder_kind", "rtype", "name")
                grant_id, holder, kind, rtype, name = (fields[each] for each in names)
                self.enter((grant_id, holder, kind, rtype, name))
            case "revoke":
                self._revoke([fields["grant_id"]])
            case "revoke_held":
                held = self._held_by(fields["holder"], fields["holder_kind"])
                self._revoke(held.get((fields["rtype"], fields["name"]), ()))
            case "revoke_holder":
                held = self._held_by(fields["holder"], fields["holder_kind"])
                for grants in tuple(held.values()):
                    self._revoke(grants)
            case _:
                pass

    def enter(self, grant: Held) -> None:
        """Take a grant that is in force, unless its id is taken."""
        if grant[0] not in self._grants:
            grant_id, *others = grant
            # Most of these texts are those of many grants.
            holder, kind, rtype, name = map(intern, others)
            self._grants[grant_id] = grant = (grant_id, holder, kind, rtype, name)
            self._count += 1
            if self._held is not None:
                self._held[holder, kind][rtype, name][grant_id] = None

    def against(self, grant_id: str) -> str:
        """Why nothing may rest on a grant; empty if something may."""
        if self._grants.get(grant_id):
            return ""
        return "was revoked" if grant_id in self._grants else "this log never named"

    def rows(self) -> list[Held]:
        """Return the grants that are in force, in order of their ids."""
        return sorted(grant for grant in self._grants.values() if grant is not None)

    def carried(self) -> Iterator[GrantsCarried]:
        """Yield them as they are written where a file begins."""
        rows = self.rows()
        for begin in range(0, len(rows), _ROWS):
            yield GrantsCarried(grants=tuple(rows[begin : begin + _ROWS]))

    def _held_by(self, holder: str, kind: str) -> defaultdict[tuple[str, str], dict[str, None]]:
        if self._held is None:
            self._held = defaultdict(lambda: defaultdict(dict))
            for grant_id, by, by_kind, rtype, name in self.rows():
                self._held[by, by_kind][rtype, name][grant_id] = None
        return self._held[holder, kind]

    def _revoke(self, ids: Iterable[str]) -> None:
        for grant_id in tuple(ids):
            grant = self._grants.get(grant_id)
            if grant is None:
                continue
            self._count -= 1
            if self._forgets:
                del self._grants[grant_id]
            else:
                self._grants[grant_id] = None
            if self._held is not None:
                self._unlist(grant)

    def _unlist(self, grant: Held) -> None:
        """Take a grant out of the index, and what is empty then."""
        grant_id, *_, rtype, name = grant
        held = self._held_by(*grant[1:3])
        del held[rtype, name][grant_id]
        if not held[rtype, name]:
            del held[rtype, name]
