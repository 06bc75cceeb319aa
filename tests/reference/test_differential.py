"""Both kernels on the same random programs: the same bytes out, whatever goes in.

What is drawn is biased towards near misses: few names, scopes over a small alphabet, expiries and
epochs around the present.
"""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authgate_async import _native, reference
from authgate_async.wire import (
    Action,
    AdvanceEpoch,
    AdvanceHolderEpoch,
    Change,
    Declare,
    Delegate,
    Enrol,
    Grant,
    Own,
    Redemption,
    Register,
    Request,
    Revoke,
    RevokeHeld,
    RevokeHolder,
    Settlement,
    SignedVerdict,
)

SEED, ENTROPY = b"\x01" * 32, b"\x02" * 32
ARGS = b"{}"
TTL = 2
THOROUGH = settings(max_examples=300, derandomize=True, deadline=None)

encode = msgspec.msgpack.encode
decode = msgspec.msgpack.decode

now = st.integers(9, 12)
name = st.sampled_from(["a", "b", "b"])
kind = st.sampled_from(["human", "machine", "machine"])
rtype = st.sampled_from(["f", "f", "f", "g"])
grant_id = st.sampled_from([f"g{i}" for i in range(12)])
epoch = st.sampled_from([0, 1, 1, 2])
expiry = st.sampled_from([0, 0, 10, 11, 12])
confidence = st.sampled_from([1_000_000, 1_000_000, 800_000, 799_999, 0])
domain = st.sampled_from(["", "", "", "east", "west"])
scope = st.one_of(
    st.sampled_from(["", "", "a", "a/", "a/b"]),
    st.lists(st.sampled_from(["a", "b", "/", "\\", "..", "."]), max_size=5).map("".join),
)
rights = st.sampled_from([15, 15, 15, 10, 9, 3, 1, 2])
odd_text = st.text(max_size=3) | st.sampled_from(["", "\x7f", "n" * 257, "\x85", "/" * 64])

DIMENSIONS: dict[str, st.SearchStrategy[Any]] = {
    "holder": name,
    "holder_kind": kind,
    "rtype": rtype,
    "name": name,
    "scope": scope,
    "rights": rights,
    "confidence": confidence,
    "expires_at": expiry,
    "epoch": epoch,
    "cross_domain": st.booleans(),
    "max_calls": st.integers(0, 4),
    "max_cost": st.integers(0, 4),
}
PLAIN = Grant("g0", "b", "machine", "f", "a", "", 15, epoch=1)


def _varied(base: Any, fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """The same struct with a few of its fields drawn anew."""
    few = st.lists(st.sampled_from(sorted(fields)), unique=True, max_size=3)
    drawn = few.flatmap(lambda keys: st.fixed_dictionaries({key: fields[key] for key in keys}))
    return drawn.map(lambda values: msgspec.structs.replace(base, **values))


grants = _varied(PLAIN, {"id": grant_id, "parent": st.just("") | grant_id, **DIMENSIONS})
requests = st.builds(Request, rtype, name, scope, st.sampled_from([1, 1, 2, 2, 4, 8]))
odd_requests = st.builds(Request, odd_text, name, odd_text, st.integers(0, 16))
odd_changes = st.one_of(
    st.builds(Enrol, name, kind, st.just(b""), domain),
    st.builds(Own, name, name),
    st.builds(Declare, rtype, name, st.booleans(), domain),
    st.builds(Declare, st.just("f"), st.just("a"), st.booleans(), domain),
    st.builds(Revoke, grant_id),
    st.builds(RevokeHolder, name, kind),
    st.builds(RevokeHeld, name, kind, rtype, name),
    st.builds(RevokeHeld, odd_text, kind, odd_text, odd_text),
    st.builds(AdvanceEpoch, st.sampled_from([0, 1, 2])),
    st.builds(AdvanceHolderEpoch, name, kind, st.sampled_from([0, 1, 2, 3])),
    st.builds(Enrol, odd_text, kind, st.sampled_from([b"", bytes(32), b"\x02" + bytes(31)])),
    st.builds(Register, st.builds(Grant, odd_text, odd_text, kind, rtype, name, odd_text, rights)),
    st.builds(Delegate, grants, name, kind),
)
ACTION_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "id": odd_text,
    "actor": st.sampled_from(["a", "c", "c"]),
    "kind": kind,
    "requests": st.lists(requests | odd_requests, max_size=3).map(tuple),
    "governs_humans": st.sampled_from([(), ("a",), ("",)]),
    "flags": st.sampled_from([0, 1, 768, 1024]),
    "min_epoch": epoch,
    "proof": st.sampled_from([bytes(64), b"x"]),
    "cost": st.integers(0, 3),
    "salt": st.sampled_from([bytes(32), b"s"]),
}
READER = Action("x", "b", "machine", "t", ARGS, (Request("f", "a", "a", 1),))
actions = _varied(READER, ACTION_FIELDS)


@st.composite
def _children(draw: st.DrawFn, known: list[Grant]) -> Change:
    """A grant handed on from one that is known, mostly as it should be."""
    parent = draw(st.sampled_from(known))
    fields = {key: value for key, value in DIMENSIONS.items() if draw(st.integers(0, 7)) == 0}
    child_id = f"c{len(known)}" if draw(st.integers(0, 9)) else draw(grant_id)
    holder = draw(name)
    child = msgspec.structs.replace(parent, id=child_id, parent=parent.id, holder=holder)
    child = msgspec.structs.replace(child, **{key: draw(fields[key]) for key in fields})
    known.append(child)
    by = (parent.holder, parent.holder_kind)
    return Register(child) if draw(st.booleans()) else Delegate(child, *by)


@st.composite
def _aimed(draw: st.DrawFn, known: list[Grant]) -> Action:
    """An action that a known grant may permit."""
    grant = draw(st.sampled_from(known))
    below = draw(st.sampled_from(["", "", "/b", "b", "/.."]))
    right = draw(st.sampled_from([1, 2, 2, 4, 8]))
    more = draw(st.lists(requests, max_size=1))
    return msgspec.structs.replace(
        READER,
        actor=grant.holder,
        kind=grant.holder_kind,
        requests=(Request(grant.rtype, grant.name, grant.scope + below, right), *more),
        min_epoch=draw(st.sampled_from([0, 0, 0, 1, 2])),
        cost=draw(st.integers(0, 2)),
    )


@st.composite
def programs(draw: st.DrawFn) -> list[tuple[str, list[Any], int]]:
    """Changes, decisions and redemptions that are about each other."""
    known = draw(st.lists(grants, max_size=4, unique_by=lambda grant: grant.id))
    known.append(PLAIN)
    first = [*map(Register, known), *draw(st.lists(_children(known), max_size=6))]
    change = st.one_of(_children(known), _children(known), grants.map(Register), odd_changes)
    contents = {
        "change": st.lists(change, max_size=3),
        "decide": st.lists(st.one_of(_aimed(known), _aimed(known), actions), max_size=4),
        "redeem": st.lists(st.integers(0, 5), max_size=4),
        "stale": st.lists(st.integers(0, 5), max_size=4),
        "settle": st.lists(
            st.tuples(st.integers(0, 5), st.booleans(), st.booleans(), st.integers(0, 3)),
            max_size=3,
        ),
    }
    ops = draw(st.lists(st.sampled_from(sorted(contents)), min_size=3, max_size=10))
    later = [(op, draw(contents[op]), draw(now)) for op in ops]
    return [("change", first, 9), *later]


people: list[Change] = [Enrol(n, k) for n in "ab" for k in ("human", "machine")]
people += [Own("a", "b"), Own("b", "a")]


def _pair() -> tuple[Any, Any]:
    settings = (SEED, ENTROPY, TTL)
    return _native.Kernel(*settings), reference.ReferenceKernel(*settings)


class Twins:
    """Both kernels, given the same and held to the same."""

    def __init__(self) -> None:
        self.rust, self.python = _pair()
        self.permits: list[bytes] = [b""]

    def call(self, method: str, data: bytes, *more: Any) -> bytes:
        """Call both, and return their one answer."""
        answers = [_outcome(getattr(k, method), data, *more) for k in (self.rust, self.python)]
        assert answers[0] == answers[1]
        return answers[0]

    def _settlement(self, index: int, redeemed: bool, started: bool, cost: int) -> Settlement:  # noqa: FBT001
        permit = self.permits[-1 - index % len(self.permits)]
        nonce = decode(decode(permit)[0])[14] if permit else b"x"
        return Settlement(nonce, redeemed, started, 0, 0, cost)

    def step(self, op: str, items: list[Any], moment: int) -> None:
        """Take one step of a program."""
        if op == "redeem":
            permits = [self.permits[-1 - index % len(self.permits)] for index in items]
            salts = [b"", b"", b"", bytes(32)]
            items = [
                Redemption(permit, "t", ARGS, salts[index % 4])
                for permit, index in zip(permits, items, strict=True)
            ]
        if op == "stale":
            permits = [self.permits[-1 - index % len(self.permits)] for index in items]
            self.call(op, encode([decode(permit)[0] for permit in permits if permit]))
            return
        if op == "settle":
            self.call(op, encode([self._settlement(*item) for item in items]))
            return
        more = [bytes([moment % 2]) * 32] if op == "decide" else []
        output = self.call(op, encode(items), moment, *more)
        if op == "decide":
            self.permits += map(encode, decode(output, type=list[SignedVerdict]))


def _outcome(function: Any, *arguments: Any) -> Any:
    """What a call gives; every error is the same."""
    try:
        return function(*arguments)
    except (ValueError, OverflowError):
        return b"raised"


@THOROUGH
@given(programs())
def test_programs_of_calls_give_the_same_bytes(program: list[Any]) -> None:
    """Any registry, decisions, redemptions and changes come out alike, sentence for sentence."""
    twins = Twins()
    twins.step("change", people, 0)
    for step in program:
        twins.step(*step)


chained = st.builds(
    lambda links, changed: [
        msgspec.structs.replace(
            Grant(f"l{i}", "b" if i == 0 else "a", "machine", "f", "a", "", 15, epoch=1),
            **{"parent": f"l{i + 1}" if i < links - 1 else "", **changed.get(i, {})},
        )
        for i in range(links)
    ],
    st.integers(1, 18),
    st.dictionaries(
        st.integers(0, 17),
        st.fixed_dictionaries(
            {}, optional={**DIMENSIONS, "parent": st.sampled_from(["", "none", "l0", "l3"])}
        ),
        max_size=3,
    ),
)


@THOROUGH
@given(chained, st.lists(actions, min_size=1, max_size=3), now, st.lists(grant_id, max_size=1))
def test_long_chains_give_the_same_bytes(
    chain: list[Grant], batch: list[Action], moment: int, revoked: list[str]
) -> None:
    """Chains up to and over the limit, with links that widen or lapse, are judged alike."""
    twins = Twins()
    ends = [Revoke(each.replace("g", "l")) for each in revoked]
    twins.step("change", [*people, *map(Register, chain), *ends], 0)
    twins.step("decide", [READER, *batch], moment)


crowds = st.lists(
    st.builds(
        Grant,
        id=st.integers(0, 40).map("g{}".format),
        holder=name,
        holder_kind=kind,
        rtype=st.just("f"),
        name=st.just("a"),
        scope=st.sampled_from(["", "a", "a/b"]),
        rights=st.sampled_from([2, 2, 10, 1]),
        expires_at=expiry,
        epoch=epoch,
    ).map(Register)
    | st.integers(0, 40).map("g{}".format).map(Revoke)
    | st.builds(RevokeHolder, name, kind)
    | st.builds(RevokeHeld, name, kind, st.just("f"), st.just("a"))
    | st.builds(AdvanceHolderEpoch, name, kind)
    | st.just(AdvanceEpoch()),
    max_size=40,
)


@THOROUGH
@given(crowds, now)
def test_contested_writes_give_the_same_bytes(crowd: list[Change], moment: int) -> None:
    """Writers who come, expire, are revoked and go stale contest a write alike."""
    twins = Twins()
    for change in [*people, *crowd]:
        twins.step("change", [change], 0)
    writes = (Request("f", "a", "a/b", 2),)
    asking = [Action("x", n, k, "t", ARGS, writes) for n in "ab" for k in ("human", "machine")]
    twins.step("decide", asking, moment)


@st.composite
def _damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """Bytes with some of them replaced, put in or taken out."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 2))
        data[place : place + length] = draw(st.binary(max_size=2))
    return bytes(data)


WHOLE = {
    "decide": encode([Action("x", "b", "machine", "t", ARGS, (Request("f", "a", "", 1),))]),
    "change": encode([Enrol("c", "human"), Register(Grant("g", "b", "machine", "f", "a", "", 1))]),
    "redeem": encode([Redemption(b"permit", "t", ARGS)]),
}


@THOROUGH
@given(st.data(), st.sampled_from(sorted(WHOLE)))
def test_damaged_bytes_fare_the_same(data: st.DataObject, op: str) -> None:
    """What decodes gives the same answer; what does not raises in both and does nothing."""
    twins = Twins()
    twins.step("change", people, 0)
    more = [ENTROPY] if op == "decide" else []
    twins.call(op, data.draw(_damaged(WHOLE[op])), 1, *more)
    twins.call("decide", WHOLE["decide"], 1, ENTROPY)


@THOROUGH
@given(st.data(), st.integers(1, 5))
def test_damaged_permits_fare_the_same(data: st.DataObject, size: int) -> None:
    """A damaged permit is redeemed by neither kernel, and verified by neither."""
    twins = Twins()
    twins.step("change", [*people, Register(Grant("g", "b", "machine", "f", "a", "", 1))], 0)
    twins.step("decide", [READER] * size, 1)
    permit = data.draw(_damaged(data.draw(st.sampled_from(twins.permits[1:]))))
    twins.call("redeem", encode([Redemption(permit, "t", ARGS)]), 1)
    verdicts = [m.verify_signed(twins.rust.public_key, permit) for m in (_native, reference)]
    assert verdicts[0] == verdicts[1]


LONGER = {
    b"\xa1x": b"\xd9\x01x",
    b"\x91\x94": b"\xdc\x00\x01\xdd\x00\x00\x00\x04",
    b"\x00\x00\xc4\x00": b"\xcc\x00\xd3" + bytes(8) + b"\xc6" + bytes(4),
}


@pytest.mark.parametrize("short", sorted(LONGER))
def test_longer_headers_are_refused_by_both(short: bytes) -> None:
    """An encoding that is not the shortest is no action: equal values are equal bytes."""
    twins = Twins()
    whole = WHOLE["decide"]
    assert short in whole
    longer = whole.replace(short, LONGER[short], 1)
    assert twins.call("decide", longer, 1, ENTROPY) == b"raised"
