"""Both kernels on random trees of budgets; and that no tree ever uses more than it has."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from authgate_async import _native, reference
from authgate_async.wire import (
    Action,
    Enrol,
    Grant,
    Redemption,
    Register,
    Request,
    Settlement,
    SignedVerdict,
    Verdict,
)

SECRET = b"\x01" * 32
THOROUGH = settings(max_examples=300, derandomize=True, deadline=None)
HOLDERS = ("a", "b", "c")

encode = msgspec.msgpack.encode
decode = msgspec.msgpack.decode

limits = st.sampled_from([0, 1, 2, 3, 5, 2**63 - 1])
trees = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 5), limits, limits), min_size=1, max_size=6
)
moves = st.lists(
    st.one_of(
        st.tuples(st.just("decide"), st.integers(0, 2), st.integers(0, 3), st.integers(1, 3)),
        st.tuples(st.just("redeem"), st.integers(0, 9), st.just(0), st.just(0)),
        st.tuples(st.just("settle"), st.integers(0, 9), st.integers(0, 4), st.integers(0, 3)),
        st.tuples(st.just("wait"), st.integers(1, 6), st.just(0), st.just(0)),
    ),
    max_size=25,
)  # fmt: skip


def _tree(nodes: list[tuple[int, int, int, int]]) -> list[Grant]:
    """Grants of which each but the first hangs on an earlier one; half of them narrow."""
    grants: list[Grant] = []
    for holder, above, max_calls, max_cost in nodes:
        parent = grants[above % len(grants)] if grants else None
        narrows = parent is not None and above % 2
        calls = min(max_calls, parent.max_calls) if parent and narrows else max_calls
        cost = min(max_cost, parent.max_cost) if parent and narrows else max_cost
        grants.append(
            Grant(
                f"g{len(grants)}", HOLDERS[holder], "human", "f", "n", "", 9,
                parent=parent.id if parent else "", max_calls=calls, max_cost=cost,
            )
        )  # fmt: skip
    return grants


class Twins:
    """Both kernels, given the same and held to the same, and what each call was charged."""

    def __init__(self, grants: list[Grant]) -> None:
        self.kernels = [
            _native.Kernel(SECRET, SECRET, 5),
            reference.ReferenceKernel(SECRET, SECRET, 5),
        ]
        self.grants = {grant.id: grant for grant in grants}
        self.permits: list[tuple[bytes, Verdict, int]] = []
        self.charged: dict[bytes, tuple[set[str], int, int]] = {}
        self.running: set[bytes] = set()
        self.now = 1
        people = [Enrol(name, "human") for name in HOLDERS]
        self._both("change", [*people, *map(Register, grants)], 1)

    def _both(self, method: str, message: object, *more: Any) -> Any:
        answers = [getattr(kernel, method)(encode(message), *more) for kernel in self.kernels]
        assert answers[0] == answers[1]
        return decode(answers[0])

    def decide(self, holder: int, cost: int, count: int) -> None:
        """Decide some equal actions in one batch."""
        self._lapse()
        asked = [
            Action("x", HOLDERS[holder], "human", "t", b"", (Request("f", "n", "", 1),), cost=cost)
        ] * count
        entropy = len(self.permits).to_bytes(2, "big") + self.now.to_bytes(30, "big")
        for signed in self._both("decide", asked, self.now, entropy):
            permit = msgspec.convert(signed, SignedVerdict)
            verdict = decode(permit.verdict, type=Verdict)
            if verdict.permitted:
                self.permits.append((encode(permit), verdict, cost))
                chain = {grant for grants in verdict.chains for grant in grants}
                self.charged[verdict.nonce] = (chain, 1, cost)

    def _lapse(self) -> None:
        """Forget what was held for permits that have ended unused."""
        for _, verdict, _ in self.permits:
            if verdict.expires_at <= self.now and verdict.nonce not in self.running:
                self.charged.pop(verdict.nonce, None)

    def redeem(self, index: int) -> None:
        """Start a call."""
        if self.permits:
            permit, verdict, _ = self.permits[index % len(self.permits)]
            ((code, _, _),) = self._both("redeem", [Redemption(permit, "t", b"")], self.now)
            if not code:
                self.running.add(verdict.nonce)

    def settle(self, index: int, used: int, state: int) -> None:
        """End a call, or say that it never started."""
        if not self.permits:
            return
        _, verdict, cost = self.permits[index % len(self.permits)]
        redeemed, started = bool(state & 2), bool(state & 1)
        settlement = Settlement(verdict.nonce, redeemed, started, 0, 0, used)
        (held,) = self._both("settle", [settlement])
        if held:
            chain, _, _ = self.charged[verdict.nonce]
            self.charged[verdict.nonce] = (chain, 1, min(used, cost)) if started else (chain, 0, 0)
            self.running.add(verdict.nonce)

    def check(self) -> None:
        """No grant, and nothing below it, has used more than it may."""
        for grant_id, grant in self.grants.items():
            below = [
                (calls, cost) for chain, calls, cost in self.charged.values() if grant_id in chain
            ]
            assert sum(calls for calls, _ in below) <= grant.max_calls
            assert sum(cost for _, cost in below) <= grant.max_cost


@THOROUGH
@given(trees, moves)
def test_no_tree_of_grants_uses_more_than_it_has(
    nodes: list[tuple[int, int, int, int]], program: list[tuple[str, int, int, int]]
) -> None:
    """However calls are decided, started, ended, cancelled and left lying, at any depth."""
    twins = Twins(_tree(nodes))
    for op, first, second, third in program:
        match op:
            case "decide":
                twins.decide(first, second, third)
            case "redeem":
                twins.redeem(first)
            case "settle":
                twins.settle(first, second, third)
            case "wait":
                twins.now += first
        twins.check()
