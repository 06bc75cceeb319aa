"""What grants may use in all, what is used, and what is reserved (`docs/rules.md`, section 9).

A call is charged to each grant of its chains that has a budget, once, in full when it is permitted.
What it did not use is given back when it has ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from authgate_async.wire import NO_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from authgate_async.wire import Action, Grant, Settlement

__all__ = ["UNITS", "Amounts", "Ledger", "has_budget", "limits"]

UNITS = ("calls", "microseconds of wall time", "bytes of output", "units of cost")

Amounts = tuple[int, ...]
"""Four of them, in the order of `UNITS`."""

_NOTHING: Amounts = (0, 0, 0, 0)


def limits(grant: Grant) -> Amounts:
    """What a grant and all that is handed on from it may use."""
    return grant.max_calls, grant.max_wall_us, grant.max_output_bytes, grant.max_cost


def has_budget(grant: Grant) -> bool:
    """Whether a grant limits anything."""
    return any(limit != NO_LIMIT for limit in limits(grant))


class _Hold(NamedTuple):
    """What a call is charged with; `until` is when that ends by itself, None once it may run."""

    grants: list[str]
    amounts: Amounts
    until: int | None


class Ledger:
    """What is used and reserved, by the ids of grants and the nonces of verdicts."""

    def __init__(self) -> None:
        self._used: dict[str, Amounts] = {}
        self._holds: dict[bytes, _Hold] = {}

    def lacking(self, chain: Iterable[Grant], action: Action) -> list[tuple[str, str]]:
        """Tell what is missing in the budgets of a chain, the first grant first."""
        return [
            ("budget", _sentence(grant.id, unit, (limit, limit - used, need)))
            for grant in chain
            for unit, limit, used, need in zip(
                UNITS, limits(grant), self._of(grant.id), _needs(action), strict=True
            )
            if limit != NO_LIMIT and need > limit - used
        ]

    def hold(self, nonce: bytes, links: Iterable[Grant], action: Action, until: int) -> None:
        """Charge a permitted call to those of its grants that have a budget."""
        grants = list(dict.fromkeys(grant.id for grant in links if has_budget(grant)))
        amounts = _needs(action)
        for grant in grants:
            self._used[grant] = _sum(self._of(grant), amounts)
        if grants:
            self._holds[nonce] = _Hold(grants, amounts, until)

    def release(self, now: int) -> None:
        """Give back what is held for permits that have ended unused."""
        for nonce, hold in list(self._holds.items()):
            if hold.until is not None and hold.until <= now:
                self._settle(nonce, _NOTHING)

    def start(self, nonce: bytes) -> bool:
        """Let a call run on what is held for it; False if nothing is any more."""
        hold = self._holds.get(nonce)
        if hold is not None:
            self._holds[nonce] = hold._replace(until=None)
        return hold is not None

    def settle(self, settlement: Settlement) -> bool:
        """Charge what a call used, at most what was held; False if nothing was held."""
        hold = self._holds.get(settlement.nonce)
        if not settlement.redeemed and hold is not None and hold.until is None:
            return False
        spent = (1, settlement.wall_us, settlement.output_bytes, settlement.cost)
        return self._settle(settlement.nonce, spent if settlement.started else _NOTHING)

    def _settle(self, nonce: bytes, spent: Amounts) -> bool:
        hold = self._holds.pop(nonce, None)
        if hold is None:
            return False
        back = tuple(max(held - used, 0) for held, used in zip(hold.amounts, spent, strict=True))
        for grant in hold.grants:
            left = zip(self._of(grant), back, strict=True)
            self._used[grant] = tuple(used - less for used, less in left)
        return True

    def _of(self, grant: str) -> Amounts:
        return self._used.get(grant, _NOTHING)


def _needs(action: Action) -> Amounts:
    return 1, action.wall_us, action.output_bytes, action.cost


def _sum(left: Amounts, right: Amounts) -> Amounts:
    return tuple(map(sum, zip(left, right, strict=True)))


def _sentence(grant: str, unit: str, amounts: Amounts) -> str:
    limit, left, need = amounts
    return f"grant `{grant}` has {left} of {limit} {unit} left, and the call needs {need}"
