"""Draws registries: chains of grants that are sound but for a few fields, and who holds them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pools
from pools import CAST, NO_LIMIT, NOW
from program import KEYS

from authgate_async.wire import (
    OPERATORS,
    AdvanceEpoch,
    Constraint,
    Declare,
    Delegate,
    Enrol,
    Grant,
    Own,
    Register,
)

if TYPE_CHECKING:
    from random import Random

    from authgate_async.wire import Change

_EPOCH = 1
_LENGTHS = (1, 1, 2, 2, 2, 3, 3, 4, 5)
_TALL = (15, 16, 17, 18)
_LIMITS = ("max_calls", "max_wall_us", "max_output_bytes", "max_cost")


_ROOTS = {
    "rights": (9, 10, 11, 12, 13, 14),
    "expires_at": (NOW, NOW + 1, NOW + 2, NOW + 3),
    "confidence": (900_000, 800_000, 799_999),
    "cross_domain": (True,),
    "epoch": (0, 2),
    "approvers": (("eve",), (), ()),
}
"""What is narrower in a root, so that a child can be wider."""

_UNSAID: dict[str, Any] = {
    "rights": 15,
    "expires_at": 0,
    "confidence": 1_000_000,
    "epoch": _EPOCH,
    "cross_domain": False,
    **dict.fromkeys(_LIMITS, NO_LIMIT),
}
_DIMENSIONS = tuple(_UNSAID)
_MOST = {"confidence": 1_000_000}


class RegistryDrawer:
    """Draws changes that make a registry; what it entered is known afterwards."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._grants: list[dict[str, Any]] = []
        self._keyed: dict[tuple[str, str], str] = {}

    def _chance(self, part: float) -> bool:
        return self._rng.random() < part

    def _people(self) -> list[Change]:
        pick = self._rng.choice
        self._keyed = {who: pick(("k", "l")) for who in CAST if self._chance(0.15)}
        self._keyed["eve", "human"] = "k"
        domains = ("", "", "", "", "east", "west") if self._chance(0.3) else ("",)
        people: list[Change] = [
            Enrol(name, kind, KEYS.get(self._keyed.get((name, kind), ""), b""), pick(domains))
            for name, kind in CAST
            if not self._chance(0.02)
        ]
        owned = [name for name, kind in CAST if kind == "machine" and not self._chance(0.04)]
        return people + [Own(name, "ann") for name in owned]

    def _things(self) -> list[Change]:
        if self._chance(0.6):
            return []
        pick = self._rng.choice
        return [
            Declare(pick(("f", "f", "g")), pick(("n", "n", "m")), self._chance(0.5),
                    pick(("", "", "east", "west")))
            for _ in range(pick((1, 2)))
        ]  # fmt: skip

    def _chains(self) -> list[Change]:
        changes: list[Change] = []
        for _ in range(self._rng.choice((1, 1, 2, 2, 3))):
            changes += self._chain(self._rng.choice(_LENGTHS))
        if self._chance(0.05):
            changes += self._tall()
        if self._chance(0.02):
            changes += self._crowd()
        if self._chance(0.1):
            self._rng.shuffle(changes)
        if self._chance(0.3):
            changes.append(AdvanceEpoch(1))
        return changes

    def _crowd(self) -> list[Change]:
        """So many alternatives of one holder that the next ones are too many."""
        base = dict(self._grants[-1], parent="")
        return [self._entry({**base, "id": f"x{i}"}) for i in range(self._rng.choice((63, 64, 66)))]

    def _tall(self) -> list[Change]:
        """A chain as long as one may be, or nearly: sound, and Ann's but for its last links."""
        changes: list[Change] = []
        length, parent = self._rng.choice(_TALL), ""
        for place in range(length):
            grant = self._plain("", parent)
            if place < length - 3:
                grant |= {"holder": "ann", "holder_kind": "human"}
            self._grants.append(grant)
            changes.append(self._entry(grant))
            parent = grant["id"]
        return changes

    def _chain(self, length: int) -> list[Change]:
        grant = self._root()
        changes = [self._entry(grant)]
        for _ in range(length - 1):
            grant = self._child(grant)
            changes.append(self._entry(grant))
        return changes

    def _root(self) -> dict[str, Any]:
        grant = self._plain(self._rng.choice(("", "", "a", "a/b")), "")
        if self._chance(0.3):
            grant |= self._budget()
        for field, values in _ROOTS.items():
            if self._chance(0.25):
                grant[field] = self._rng.choice(values)
        return self._varied(grant, 0.3)

    def _plain(self, scope: str, parent: str) -> dict[str, Any]:
        holder, kind = self._rng.choice(CAST)
        return {
            "id": f"g{len(self._grants)}", "holder": holder, "holder_kind": kind, "rtype": "f",
            "name": "n", "scope": scope, "rights": 15, "epoch": _EPOCH, "parent": parent,
        }  # fmt: skip

    def _budget(self) -> dict[str, int]:
        names = self._rng.sample(_LIMITS, self._rng.choice((1, 1, 2)))
        return {name: self._rng.choice((0, 1, 2, 3, 4)) for name in names}

    def _child(self, parent: dict[str, Any]) -> dict[str, Any]:
        child = {**parent, **self._plain(parent["scope"], parent["id"])}
        child |= {name: parent[name] for name in ("rights", "epoch", "rtype", "name")}
        child.pop("constraints", None)
        child.pop("other_args", None)
        child.pop("approvers", None)
        if self._chance(0.15):
            child["scope"] = parent["scope"] + self._rng.choice(("/b", "b", "/", "/.."))
        if self._chance(0.1):
            child |= self._budget()
        if self._chance(0.25):
            field = self._rng.choice(_DIMENSIONS)
            child[field] = self._beside(field, child.get(field, _UNSAID[field]))
        return self._varied(child, 0.2)

    def _beside(self, field: str, value: Any) -> Any:
        """A value one step to either side of the parent's."""
        if field == "cross_domain":
            return not value
        if field == "rights":
            return value ^ self._rng.choice((1, 2, 4, 8, 3, 5, 6))
        if field == "expires_at" and self._chance(0.4):
            return 0
        return min(max(value + self._rng.choice((-1, 1)), 0), _MOST.get(field, NO_LIMIT))

    def _varied(self, grant: dict[str, Any], chance: float) -> dict[str, Any]:
        """The grant with some of its fields drawn anew; it is known from now on."""
        while self._chance(chance):
            field = self._rng.choice(_FIELDS)
            grant[field] = getattr(self, f"_new_{field}")(grant)
        self._grants.append(grant)
        return grant

    def _entry(self, fields: dict[str, Any]) -> Change:
        grant = Grant(**fields)
        above = [known for known in self._grants if known["id"] == grant.parent]
        if above and self._chance(0.4):
            by = (above[0]["holder"], above[0]["holder_kind"])
            if self._chance(0.05):
                by = self._rng.choice(CAST)
            return Delegate(grant, *by)
        return Register(grant)

    # Fields of grants, beside what is sound

    def _new_holder(self, _: dict[str, Any]) -> str:
        return self._rng.choice(("ann", "bob", "cat", "eve", "zoe"))

    def _new_holder_kind(self, _: dict[str, Any]) -> str:
        return self._rng.choice(("human", "machine", "machine", "Human"))

    def _new_rtype(self, _: dict[str, Any]) -> str:
        return self._rng.choice(("f", "g", *self._odd_text()))

    def _new_name(self, _: dict[str, Any]) -> str:
        return self._rng.choice(("n", "m", "N", *self._odd_text()))

    def _odd_text(self) -> tuple[str, ...]:
        return (self._rng.choice(pools.ODD_TEXTS),) if self._chance(0.2) else ()

    def _new_scope(self, grant: dict[str, Any]) -> str:
        if self._chance(0.05):
            return self._rng.choice(pools.ODD_SCOPES)
        drawn = self._rng.choice(pools.SCOPES)
        return self._rng.choice((drawn, drawn, grant["scope"] + "/b", grant["scope"][:-1]))

    def _new_rights(self, grant: dict[str, Any]) -> int:
        if self._chance(0.7):
            return int(grant["rights"] ^ self._rng.choice((1, 2, 4, 8, 3, 5, 6)))
        return self._rng.choice((15, 7, 8, 1, 2, 0, 16))

    def _new_confidence(self, _: dict[str, Any]) -> int:
        return self._rng.choice((*pools.CONFIDENCES, 1_000_001))

    def _new_expires_at(self, _: dict[str, Any]) -> int:
        return self._rng.choice((0, NOW - 1, NOW, NOW + 1, NOW + 1, NOW + 2, NOW + 3))

    def _new_epoch(self, _: dict[str, Any]) -> int:
        return self._rng.choice((0, 1, 1, 2, 3))

    def _new_parent(self, _: dict[str, Any]) -> str:
        ids = [grant["id"] for grant in self._grants]
        return self._rng.choice(("", "nowhere", *ids))

    def _new_cross_domain(self, _: dict[str, Any]) -> bool:
        return self._chance(0.7)

    def _new_max_calls(self, _: dict[str, Any]) -> int:
        return self._rng.choice((0, 1, 2, 3, NO_LIMIT, NO_LIMIT - 1))

    _new_max_wall_us = _new_max_output_bytes = _new_max_cost = _new_max_calls

    def _new_constraints(self, _: dict[str, Any]) -> tuple[Constraint, ...]:
        return tuple(self._constraint() for _ in range(self._rng.choice((1, 1, 1, 2, 3))))

    def _constraint(self) -> Constraint:
        op = self._rng.choice(OPERATORS)
        arg = self._rng.choice(_USUAL[op] if self._chance(0.9) else pools.ARGS)
        if self._chance(0.02):
            return Constraint(
                arg, self._rng.choice(("", "EQ", op)), self._rng.choice(("{", "", "\x7f"))
            )
        bounds = pools.BOUNDS[op]
        if op == "eq":
            bounds = pools.fitting(arg)
        return Constraint(arg, op, as_json(self._rng.choice(bounds)))

    def _new_other_args(self, _: dict[str, Any]) -> str:
        return self._rng.choice(("", "any", "any", "none", "some"))

    def _new_approvers(self, _: dict[str, Any]) -> tuple[str, ...]:
        keyed = [name for (name, kind) in self._keyed if kind == "human"]
        names = ("eve", "eve", *keyed, *(("ann", "cat") if self._chance(0.1) else ()))
        return tuple(self._rng.choice(names) for _ in range(self._rng.choice((1, 1, 2))))


def as_json(value: Any) -> str:
    """Write a value without spaces, and text as it is."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


_FIELDS = (
    "holder", "holder_kind", "rtype", "name", "scope", "scope", "rights", "rights", "confidence",
    "confidence", "expires_at", "expires_at", "epoch", "epoch", "parent", "cross_domain",
    "max_calls", "max_wall_us", "max_output_bytes", "max_cost", "constraints", "constraints",
    "constraints", "other_args", "approvers", "approvers",
)  # fmt: skip
_USUAL = {
    "eq": "nsul", "one_of": "ns", "all_in": "l", "prefix": "su", "regex": "s", "not_regex": "s",
    "le": "n", "ge": "n", "max_len": "sl", "absent": "nsp", "subpath": "p", "host": "u",
}  # fmt: skip
