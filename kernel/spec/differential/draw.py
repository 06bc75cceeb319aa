"""Draws programs from a seed: what would be permitted, but for a step to one side of a boundary.

A chain of grants and an action under it are made sound first. Then fields of a few of them are
drawn anew, from pools that lie around the present, the epoch, the limits and the scopes in use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pools
from draw_registry import RegistryDrawer, as_json
from pools import CAST, NO_LIMIT, NOW
from program import KEYS, WEAK_KEY, Act, Approval, End, Program, Step

from authgate_async.wire import (
    Action,
    AdvanceEpoch,
    AdvanceHolderEpoch,
    Declare,
    Enrol,
    Own,
    Request,
    Revoke,
    RevokeHeld,
    RevokeHolder,
)

if TYPE_CHECKING:
    from random import Random

    from authgate_async.wire import Change

_NEEDS = ("wall_us", "output_bytes", "cost")


class Drawer(RegistryDrawer):
    """Draws one program after another."""

    def __init__(self, rng: Random) -> None:
        super().__init__(rng)
        self._asked: list[Act] = []
        self._approved: list[Act] = []

    def program(self) -> Program:
        """Draw the next program."""
        self._grants, self._asked, self._approved = [], [], []
        pick = self._rng.random
        steps = [Step("change", NOW - 2, (*self._people(), *self._things(), *self._chains()))]
        steps.append(self._batch())
        while pick() < 0.8 and len(steps) < 9:
            steps.append(self._rng.choice((self._batch, self._batch, self._changes, self._redeem,
                                           self._settle))())  # fmt: skip
        return Program(tuple(steps))

    def _moment(self) -> int:
        return self._rng.choice((NOW - 1, NOW, NOW, NOW, NOW + 1, NOW + 2, NOW + 4))

    # Actions

    def _batch(self) -> Step:
        size = self._rng.choice((2, 4, 6, 8, 10))
        acts = [self._act() for _ in range(size)]
        if self._approved and self._chance(0.8):
            acts += self._approved * self._rng.choice((1, 1, 2))
            self._approved = []
        if self._asked and self._chance(0.2):
            acts.append(self._rng.choice(self._asked))
        self._asked += acts
        return Step("decide", self._moment(), tuple(acts), len(self._asked) % 200)

    def _act(self) -> Act:
        grant = self._rng.choice(self._grants[-4:] if self._chance(0.2) else self._grants)
        who = (grant["holder"], grant["holder_kind"])
        action: dict[str, Any] = {
            "id": f"i{self._rng.randrange(4)}", "actor": who[0], "kind": who[1], "tool": "t",
            "args": self._args(), "requests": self._requests(grant),
        }  # fmt: skip
        if self._chance(0.3):
            action |= {name: self._rng.choice((0, 1, 1, 2, 3)) for name in _NEEDS}
        while self._chance(0.12):
            field = self._rng.choice(_ACTION_FIELDS)
            action[field] = getattr(self, f"_other_{field}")()
        signer = self._keyed.get((action["actor"], action["kind"]), "")
        if self._chance(0.06):
            signer = self._rng.choice(("", "k", "l", "bad"))
        if signer:
            action["proof"] = b""
        return Act(Action(**action), signer)

    def _args(self) -> bytes:
        pick = self._rng.choice
        if self._chance(0.03):
            return pick(pools.BROKEN_ARGS)
        names = [name for name in pools.ARGS if self._chance(0.6)]
        values = {name: pick(pools.fitting(name)) for name in names}
        if self._chance(0.1):
            values[pick((*pools.ARGS, "other"))] = pick(pools.VALUES)
        return as_json(values).encode()

    def _requests(self, grant: dict[str, Any]) -> tuple[Request, ...]:
        found = [self._request(grant)]
        while self._chance(0.2):
            found.append(self._request(self._rng.choice(self._grants)))
        return tuple(found)

    def _request(self, grant: dict[str, Any]) -> Request:
        pick = self._rng.choice
        rtype, name, scope = grant["rtype"], grant["name"], grant["scope"]
        right = pick((1, 1, 2, 2, 4, 8))
        if self._chance(0.3):
            scope += pick(("/b", "b", "/", "/..", "/../x", "\\b"))
        if self._chance(0.1):
            scope = pick(pools.SCOPES)
        if self._chance(0.03):
            rtype = pick(("f", "g", "h", *pools.ODD_TEXTS))
        if self._chance(0.03):
            name = pick(("n", "m", *pools.ODD_TEXTS))
        if self._chance(0.02):
            right = pick((0, 3, 5, 16, 2**40))
        if self._chance(0.01):
            scope = pick(pools.ODD_SCOPES)
        return Request(rtype, name, scope, right)

    def _other_id(self) -> str:
        return self._rng.choice(("i", *pools.ODD_TEXTS))

    def _other_actor(self) -> str:
        return self._rng.choice(("ann", "bob", "cat", "eve", "zoe", "dan", *pools.ODD_TEXTS))

    def _other_kind(self) -> str:
        return self._rng.choice(("human", "machine", "human", "machine", "", "Machine"))

    def _other_tool(self) -> str:
        return self._rng.choice(("t", *pools.ODD_TEXTS))

    def _other_args(self) -> bytes:
        if self._chance(0.03):
            return b'{"other":"' + b"x" * self._rng.choice((65_524, 65_525)) + b'"}'
        return self._rng.choice(pools.BROKEN_ARGS)

    def _other_requests(self) -> tuple[Request, ...]:
        one = self._request(self._grants[0])
        return self._rng.choice(((), (one,) * 2, (one,) * 64, (one,) * 65))

    def _other_governs_humans(self) -> tuple[str, ...]:
        return self._rng.choice((("ann",), ("ann", ""), ("",), ("", "ann"), ("ann",) * 65))

    def _other_flags(self) -> int:
        return self._rng.choice(pools.FLAGS)

    def _other_min_epoch(self) -> int:
        return self._rng.choice((0, 1, 1, 2, 3))

    def _other_proof(self) -> bytes:
        return self._rng.choice((b"x", bytes(64), bytes(65)))

    def _other_salt(self) -> bytes:
        return self._rng.choice((bytes(32), bytes(32), b"s" * 32, b"s", bytes(33)))

    def _other_cost(self) -> int:
        return self._rng.choice((4, 5, NO_LIMIT))

    # Later calls

    def _changes(self) -> Step:
        items = [self._rng.choice(self._LATER)(self) for _ in range(self._rng.choice((1, 2, 3, 4)))]
        return Step("change", self._moment(), tuple(items))

    def _revoke(self) -> Change:
        return Revoke(self._rng.choice((*self._grants, {"id": "nowhere"}))["id"])

    def _advance(self) -> Change:
        return AdvanceEpoch(self._rng.choice((0, 1, 1, 2, 2, 3)))

    def _holder(self) -> tuple[str, str]:
        known = self._rng.choice(self._grants)
        usual = (known["holder"], known["holder_kind"])
        return usual if self._chance(0.9) else (self._other_actor(), self._other_kind())

    def _revoke_holder(self) -> Change:
        return RevokeHolder(*self._holder())

    def _revoke_held(self) -> Change:
        known = self._rng.choice(self._grants)
        resource = (known["rtype"], known["name"])
        return RevokeHeld(*self._holder(), *self._rng.choice((resource, resource, ("f", "o"))))

    def _advance_holder(self) -> Change:
        return AdvanceHolderEpoch(*self._holder(), self._rng.choice((0, 1, 1, 2, 2, 3)))

    def _enter(self) -> Change:
        known = self._rng.choice(self._grants)
        if self._chance(0.2):
            return self._entry(known)
        return self._entry(self._child(known))

    def _enrol(self) -> Change:
        name, kind = self._rng.choice(CAST)
        usual = self._keyed.get((name, kind), "")
        key = KEYS.get(self._rng.choice((usual, usual, "", "l")), b"")
        if self._chance(0.1):
            key = self._rng.choice((WEAK_KEY, b"short"))
        domain = self._rng.choice(("", "east", *self._odd_text()))
        return Enrol(name, kind, key, domain)

    def _declare(self) -> Change:
        domain = self._rng.choice(("", "east", "west"))
        return Declare("f", "n", self._chance(0.5), domain)

    def _own(self) -> Change:
        return Own(self._rng.choice(("bob", "cat", "ann")), self._rng.choice(("ann", "bob", "cat")))

    def _approve(self) -> Approval:
        end = self._rng.choice((NOW, NOW + 1, NOW + 2, NOW + 4, NOW + 5, NOW + 86_400_000_001))
        usual = self._keyed.get(("eve", "human"), "k")
        signer = usual if self._chance(0.95) else self._rng.choice(("l", "bad"))
        approver = "eve" if self._chance(0.9) else self._rng.choice(("ann", "bob", "cat", ""))
        signer = self._keyed.get((approver, "human"), signer)
        nonce = self._rng.randrange(8)
        place = self._place()
        self._approved.append(self._asked[place])
        return Approval(place, approver, end, nonce, signer, not self._chance(0.03))

    _LATER = (_revoke, _revoke, _revoke_holder, _revoke_held, _advance, _advance_holder,
              _enter, _enter, _enrol, _declare, _own,
              _approve, _approve, _approve)  # fmt: skip

    def _place(self) -> int:
        return self._rng.randrange(len(self._asked))

    def _redeem(self) -> Step:
        places = [self._place() for _ in range(self._rng.choice((1, 3, 5)))]
        return Step("redeem", self._moment(), tuple(places))

    def _settle(self) -> Step:
        flag = self._chance
        ends = [
            End(self._place(), flag(0.7), flag(0.7), tuple(self._rng.choices((0, 1, 2, 3), k=3)))
            for _ in range(self._rng.choice((1, 3, 5)))
        ]
        return Step("settle", NOW, tuple(ends))


_ACTION_FIELDS = (
    "id", "actor", "kind", "tool", "args", "requests", "governs_humans", "flags", "min_epoch",
    "min_epoch", "min_epoch", "proof", "cost", "actor", "salt",
)  # fmt: skip
