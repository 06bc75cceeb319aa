"""Both kernels on random approvals; and that no approval ever serves twice."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from authgate_async import _native, reference
from authgate_async.reference.approvals import approval_statement
from authgate_async.reference.permit import instance_of
from authgate_async.reference.rules import action_digest
from authgate_async.reference.signing import Signer
from authgate_async.wire import (
    Action,
    Approve,
    Changed,
    Enrol,
    Grant,
    Register,
    Request,
    Revoke,
    SignedVerdict,
    Verdict,
)

SECRET = b"\x01" * 32
INSTANCE = instance_of(SECRET)
THOROUGH = settings(max_examples=300, derandomize=True, deadline=None)
SIGNERS = {name: Signer(bytes([number]) * 32) for number, name in enumerate(("a", "b", "c"), 1)}

encode = msgspec.msgpack.encode
decode = msgspec.msgpack.decode

names = st.sampled_from(["a", "b", "c"])
approvers = st.lists(names, max_size=2).map(tuple)
trees = st.lists(st.tuples(approvers, st.integers(0, 5)), min_size=1, max_size=4)
moves = st.lists(
    st.one_of(
        st.tuples(
            st.just("approve"),
            st.integers(0, 1),
            names,
            names,
            st.integers(1, 6),
            st.integers(0, 3),
        ),
        st.tuples(st.just("decide"), st.lists(st.integers(0, 1), min_size=1, max_size=3)),
        st.tuples(st.just("decide"), st.lists(st.integers(0, 1), min_size=1, max_size=3)),
        st.tuples(st.just("revoke"), st.integers(0, 9)),
        st.tuples(st.just("wait"), st.integers(-2, 4)),
    ),
    max_size=20,
)
ACTIONS = [
    Action(f"x{n}", "bot", "human", "t", b"{}", (Request("f", "n", "", 1),)) for n in range(2)
]


def _tree(nodes: list[tuple[tuple[str, ...], int]]) -> list[Grant]:
    """Grants of which each but the first hangs on an earlier one, or on none."""
    grants: list[Grant] = []
    for asked, above in nodes:
        parent = grants[above % len(grants)].id if grants and above else ""
        grant = Grant(f"g{len(grants)}", "bot", "human", "f", "n", "", 9, parent=parent)
        grants.append(msgspec.structs.replace(grant, approvers=asked))
    return grants


def _approval(which: int, by: str, signer: str, end: int, nonce: int) -> Approve:
    bare = Approve(INSTANCE, action_digest(ACTIONS[which]), by, end, bytes([nonce]) * 16, b"")
    signature = SIGNERS[signer].sign(approval_statement(bare))
    return msgspec.structs.replace(bare, signature=signature)


class _Twins:
    """Both kernels, given the same and held to the same."""

    def __init__(self, grants: list[Grant]) -> None:
        self.kernels = [
            kernel(SECRET, SECRET, 9) for kernel in (_native.Kernel, reference.ReferenceKernel)
        ]
        people = [Enrol(name, "human", key.public_key) for name, key in SIGNERS.items()]
        self.change([*people, Enrol("bot", "human"), *map(Register, grants)], 5)

    def change(self, changes: list[Any], now: int) -> list[Changed]:
        """Make changes."""
        one, other = [kernel.change(encode(changes), now) for kernel in self.kernels]
        assert one == other
        return decode(one, type=list[Changed])

    def decide(self, actions: list[Action], now: int) -> list[Verdict]:
        """Decide actions."""
        one, other = [kernel.decide(encode(actions), now, SECRET) for kernel in self.kernels]
        assert one == other
        return [decode(s.verdict, type=Verdict) for s in decode(one, type=list[SignedVerdict])]


@THOROUGH
@given(trees, moves)
def test_no_approval_serves_twice(nodes: list[Any], steps: list[Any]) -> None:
    """The kernels agree on every byte, and no more calls rest on a human than were approved."""
    twins, now = _Twins(_tree(nodes)), 5
    taken = {(name, action.id): 0 for name in SIGNERS for action in ACTIONS}
    for op, *rest in steps:
        if op == "approve":
            which, by, signer, ahead, nonce = rest
            (changed,) = twins.change([_approval(which, by, signer, now + ahead, nonce)], now)
            assert not changed.code or changed.code.startswith("approval_")
            taken[by, ACTIONS[which].id] += not changed.code
        elif op == "decide":
            for verdict in twins.decide([ACTIONS[which] for which in rest[0]], now):
                for name in verdict.approvers if verdict.permitted else ():
                    taken[name, verdict.action_id] -= 1
        elif op == "revoke":
            twins.change([Revoke(f"g{rest[0]}")], now)
        else:
            now = max(0, now + rest[0])
    assert min(taken.values()) >= 0
