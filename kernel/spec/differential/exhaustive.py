"""Every registry and every action of a small scope.

A registry has a root and a grant handed on from it, each in every combination of the values below,
entered as the operator writes them, on a resource of each nature; then nothing, a revocation or a
new epoch. An action is of the holder of the root or of the child, reading or writing, with every
scope, least epoch and moment below.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

from program import Act, Program, Step

from authgate_async.wire import (
    Action,
    AdvanceEpoch,
    Declare,
    Enrol,
    Grant,
    Own,
    Register,
    Request,
    Revoke,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authgate_async.wire import Change

EXPIRY = 5
ROOTS = {
    "rights": (15, 9, 3), "scope": ("", "a"), "confidence": (1_000_000, 700_000),
    "expires_at": (0, EXPIRY), "epoch": (0, 1), "cross_domain": (False, True),
}  # fmt: skip
CHILDREN = {
    "rights": (15, 3, 1), "scope": ("", "a"), "confidence": (1_000_000, 700_000),
    "expires_at": (0, EXPIRY), "epoch": (0, 1), "cross_domain": (False, True),
}  # fmt: skip
NATURES = ((False, ""), (True, ""), (True, "east"))
"""Public, and trust domain, of the resource."""

LATER: tuple[tuple[Change, ...], ...] = ((), (Revoke("root"),), (AdvanceEpoch(),))
"""Nothing, the root revoked, or a new epoch."""

ACTORS = (("h", "human"), ("m", "machine"))
REQUESTS = tuple(Request("f", "n", scope, right) for scope, right in product(("", "a/b"), (1, 2)))
MOMENTS = (EXPIRY - 1, EXPIRY)
PEOPLE: tuple[Change, ...] = (Enrol("h", "human"), Enrol("m", "machine"), Own("m", "h"))


def _combinations(values: dict[str, tuple[Any, ...]]) -> list[dict[str, Any]]:
    return [dict(zip(values, each, strict=True)) for each in product(*values.values())]


_ACTS = tuple(
    Act(Action("i", *who, "t", b"{}", (request,), min_epoch=least))
    for who, request, least in product(ACTORS, REQUESTS, (0, 1))
)
PARTS = len(_combinations(ROOTS))
"""The scope is divided by its roots."""


def programs(part: int) -> Iterator[Program]:
    """Every registry with one of the roots, and all actions on it."""
    root = Register(Grant("root", "h", "human", "f", "n", **_combinations(ROOTS)[part]))
    for child, nature, later in product(_combinations(CHILDREN), NATURES, LATER):
        handed_on = Register(Grant("child", "m", "machine", "f", "n", parent="root", **child))
        changes = (*PEOPLE, Declare("f", "n", *nature), root, handed_on, *later)
        decisions = (Step("decide", moment, _ACTS, moment) for moment in MOMENTS)
        yield Program((Step("change", 0, changes), *decisions))
