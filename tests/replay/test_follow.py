"""What no run of today leaves in a log, and a log may hold all the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from authgate_async import wire
from authgate_async.backends import make_kernel
from authgate_async.errors import LogCorruptError
from authgate_async.log.entries import change_of, intent_of
from authgate_async.log.records import Outcome, Refusal, RunClosed, RunOpened
from authgate_async.policy import Principal, Resource
from authgate_async.reference.approvals import approval_statement
from authgate_async.reference.permit import instance_of
from authgate_async.reference.signing import Signer
from authgate_async.replay.follow import Follower, Judged

if TYPE_CHECKING:
    from authgate_async.backends import Kernel
    from authgate_async.log.records import Intent, Record
    from authgate_async.policy import Policy
    from conftest import House

CALL = wire.Action(
    id="r:0",
    actor="bot",
    kind="machine",
    tool="calculator",
    args=b"{}",
    requests=(wire.Request("compute", "calculator", "", 4),),
)


@pytest.fixture
def decided(house: House) -> Any:
    """Decide a call, changed a bit, under a policy that permits it; and again from its record."""

    def call(**changed: Any) -> Judged:
        action = msgspec.structs.replace(CALL, **changed)
        found: list[Judged] = []
        follower = Follower(house.policy(house.grant()), "rust", found.append)
        follower.take(0, _record(house, action))
        follower.flush()
        return found[0]

    return call


def _record(house: House, action: wire.Action) -> Intent:
    kernel = make_kernel(seed=bytes(32), entropy=bytes(32))
    changes = msgspec.msgpack.encode(house.policy(house.grant()).changes())
    kernel.change(changes, 1)
    return _decided(kernel, action)


def _decided(kernel: Kernel, action: wire.Action) -> Intent:
    answer = kernel.decide(msgspec.msgpack.encode([action]), 1, bytes(32))
    (signed,) = msgspec.msgpack.decode(answer, type=list[wire.SignedVerdict])
    verdict = msgspec.msgpack.decode(signed.verdict, type=wire.Verdict)
    return intent_of(signed, verdict, run="r", seq=0)


def test_a_call_without_arguments_needs_none_in_the_log(decided: Any) -> None:
    """The digest of none is known."""
    assert decided().permitted is True


@pytest.mark.parametrize(
    "changed", [{"min_epoch": 1}, {"governs_humans": ("ann",), "kind": "human"}]
)
def test_an_action_that_the_log_does_not_hold_whole_is_not_guessed(
    decided: Any, changed: dict[str, Any]
) -> None:
    """Its digest is over more than what is there."""
    found = decided(**changed)
    assert (found.permitted, found.doubt.code) == (None, "action")


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"actor": ""}, "malformed"),
        ({"flags": 1}, "forbidden_flag"),
        ({"governs_humans": ("ann",)}, "machine_dominion"),
    ],
)
def test_what_no_grant_can_permit_stays_denied(
    decided: Any, changed: dict[str, Any], code: str
) -> None:
    """Whatever else the log does not hold of it."""
    found = decided(**changed)
    assert found.permitted is False
    assert code in dict(found.violations)


EVE = Signer(b"e" * 32)


def _with_eve(house: House, *grants: wire.Grant, key: bytes = EVE.public_key) -> Policy:
    people = (*house.policy().principals, Principal("eve", "human", key=key))
    return house.policy(*grants, principals=people)


def _approved(house: House) -> list[Record]:
    """A call that is denied for want of an approval, gets that, and is asked for again."""
    entropy = b"a" * 32
    kernel = make_kernel(seed=bytes(32), entropy=entropy)
    enrol = wire.Enrol("eve", "human", EVE.public_key)
    policy = _with_eve(house, house.grant(approvers=("eve",)))
    kernel.change(msgspec.msgpack.encode(policy.changes()), 1)
    denied = _decided(kernel, CALL)
    digest = bytes.fromhex(denied.action_digest)
    bare = wire.Approve(instance_of(entropy), digest, "eve", 9, b"n" * 16, b"")
    signature = EVE.sign(approval_statement(bare))
    approval = msgspec.structs.replace(bare, signature=signature)
    answer = kernel.change(msgspec.msgpack.encode([approval]), 1)
    (taken,) = msgspec.msgpack.decode(answer, type=list[wire.Changed])
    opened = RunOpened(agent="bot", intent_digest="0" * 64, run="r", task="t", time=1)
    enrolled = change_of(enrol, wire.Changed("", "", 0), by="policy", time=1)
    given = change_of(approval, taken, by="eve", time=1)
    records = (enrolled, opened, denied, given, _decided(kernel, CALL))
    assert [each.permitted for each in (records[2], records[4])] == [0, 1]
    return list(records)


def _again(policy: Policy, records: list[Record]) -> list[bool | None]:
    found: list[Judged] = []
    follower = Follower(policy, "rust", found.append)
    for number, record in enumerate(records):
        follower.take(number, record)
    follower.flush()
    return [one.permitted for one in found]


def test_an_approval_counts_for_whom_it_was_signed(house: House) -> None:
    """As it did, or not at all if the policy has another key for that human, or asks another."""
    records = _approved(house)
    asking = house.grant(approvers=("eve",))
    assert _again(_with_eve(house, asking), records) == [False, True]
    assert _again(_with_eve(house, house.grant()), records) == [True, True]
    other = Signer(b"o" * 32).public_key
    assert _again(_with_eve(house, asking, key=other), records) == [False, False]


def test_an_enrolment_that_was_refused_changes_no_key(house: House) -> None:
    """Whose key it is that signed is what the kernel took."""
    records = _approved(house)
    other = wire.Enrol("eve", "human", Signer(b"o" * 32).public_key)
    refused = wire.Changed("conflict", "human `eve` is enrolled with another key", 0)
    records.insert(1, change_of(other, refused, by="ann", time=1))
    policy = _with_eve(house, house.grant(approvers=("eve",)))
    assert _again(policy, records) == [False, True]


def test_each_decision_has_its_own_time(house: House) -> None:
    """Also where nothing stands between two of them."""
    records = [_record(house, CALL) for _ in range(2)]
    records[1] = msgspec.structs.replace(records[1], issued_at=9)
    assert _again(house.policy(house.grant(expires_at=5)), records) == [True, False]


DIGEST = "0" * 64
OUTCOME = Outcome(
    action_digest=DIGEST, action_id="r:0", capped=(), cause="returned", cpu_us=0, denials=(),
    error="", layers=(), memory_bytes=0, result_digest=DIGEST, run="r", seq=0,
    stderr_digest=DIGEST, stdout_digest=DIGEST, time=1, wall_us=1,
)  # fmt: skip
CLOSED = RunClosed(run="r", status="done", time=1)


def _refused(code: str) -> Refusal:
    return Refusal(action_id="r:0", code=code, permit_digest=DIGEST, sentence="no", time=1)


@pytest.mark.parametrize(
    ("between", "second"),
    [
        ([OUTCOME, CLOSED], False),
        ([CLOSED, OUTCOME], None),
        ([CLOSED], None),
        ([_refused("permit_expired"), CLOSED], True),
        ([_refused("permit_stale")], True),
        ([_refused("permit_replayed")], False),
    ],
)
def test_what_became_of_a_permit_decides_what_is_left(
    house: House, between: list[Record], second: object
) -> None:
    """One that was used is charged, one that was refused is not; of others nobody knows."""
    other = _record(house, msgspec.structs.replace(CALL, id="s:0"))
    other = msgspec.structs.replace(other, run="s")
    policy = house.policy(house.grant(max_calls=1))
    assert _again(policy, [_record(house, CALL), *between, other]) == [True, second]


def test_a_call_that_was_never_made_is_charged_whatever_became_of_its_run(house: House) -> None:
    """Nothing more will be known of it."""
    denied = msgspec.structs.replace(_record(house, CALL), permitted=0)
    other = _record(house, msgspec.structs.replace(CALL, id="s:0"))
    policy = house.policy(house.grant(max_calls=1))
    assert _again(policy, [denied, CLOSED, other]) == [True, False]


def test_a_call_keeps_what_it_reserved_though_its_grant_expires(house: House) -> None:
    """Until the log says how it ended."""
    root = house.grant("root", holder="ann", holder_kind="human", rights=12, max_calls=1)
    short = house.grant("a", parent="root", expires_at=5, max_calls=1)
    long = house.grant("b", parent="root", max_calls=1)
    other = _record(house, msgspec.structs.replace(CALL, id="s:0"))
    other = msgspec.structs.replace(other, issued_at=8)
    policy = house.policy(root, short, long)
    assert _again(policy, [_record(house, CALL), other, OUTCOME]) == [True, False]


def test_a_clock_that_went_back_is_told_as_doubt(house: House) -> None:
    """Permits of days before the last one cannot be kept apart from used ones."""
    day = 86_400_000_000
    records = [
        msgspec.structs.replace(
            _record(house, msgspec.structs.replace(CALL, id=f"{run}:0")), issued_at=at
        )
        for run, at in (("r", 5 * day), ("s", day), ("t", day))
    ]
    policy = house.policy(house.grant(max_calls=9))
    assert _again(policy, records) == [True, True, None]


def test_what_is_denied_anyway_needs_no_arguments(house: House) -> None:
    """Another request of the same call has no grant."""
    requests = (*CALL.requests, wire.Request("file", "x", "", 1))
    call = msgspec.structs.replace(CALL, args=b'{"a":1}', requests=requests)
    record = msgspec.structs.replace(_record(house, call), args="")
    assert _again(house.policy(house.grant(other_args="none")), [record]) == [False]


def test_a_public_request_leaves_the_doubt_about_another(house: House) -> None:
    """What everybody may is no reason to deny the rest."""
    requests = (wire.Request("file", "x", "", 1), *CALL.requests)
    call = msgspec.structs.replace(CALL, args=b'{"a":1}', requests=requests)
    record = msgspec.structs.replace(_record(house, call), args="")
    policy = house.policy(
        house.grant(other_args="none"), resources=(Resource("file", "x", public=True),)
    )
    assert _again(policy, [record]) == [None]


def test_an_outcome_behind_its_run_is_settled_all_the_same(house: House) -> None:
    """A call may take 10 s; this one took a microsecond."""
    other = _record(house, msgspec.structs.replace(CALL, id="s:0"))
    policy = house.policy(house.grant(max_wall_us=15_000_000))
    records = [_record(house, CALL), CLOSED, OUTCOME, other]
    assert _again(policy, records) == [True, True]
    assert _again(policy, [*records[:2], other]) == [True, None]


def test_an_approval_is_of_arguments_that_must_be_there(house: House) -> None:
    """Of a digest alone nobody knows whether it was this action."""
    call = msgspec.structs.replace(CALL, args=b'{"a":1}')
    record = msgspec.structs.replace(_record(house, call), args="")
    policy = _with_eve(house, house.grant(approvers=("eve",)))
    assert _again(policy, [record]) == [None]


def test_a_refused_approval_is_not_given_again(house: House) -> None:
    """What was wrong with it is not in the log."""
    records = _approved(house)
    records[3] = msgspec.structs.replace(records[3], code="approval_forged")
    policy = _with_eve(house, house.grant(approvers=("eve",)))
    assert _again(policy, records) == [False, False]


def test_a_change_that_cannot_be_read_is_an_error(house: House) -> None:
    """Its place is named."""
    follower = Follower(house.policy(), "rust", lambda _: None)
    changed = wire.Changed("", "", 0)
    record = change_of(wire.Enrol("a", "human", b"\x01"), changed, by="h", time=1)
    bad = msgspec.structs.replace(record, fields=record.fields | {"key": "no hex"})
    with pytest.raises(LogCorruptError, match="record 7: its change cannot be read"):
        follower.take(7, bad)


def test_the_order_of_the_log_is_the_order_of_the_answers(house: House) -> None:
    """Also where some of them need no kernel."""
    found: list[Judged] = []
    follower = Follower(house.policy(house.grant()), "rust", found.append)
    opened = RunOpened(agent="bot", intent_digest="0" * 64, run="r", task="t", time=1)
    for number in range(0, 9, 3):
        follower.take(number, _record(house, CALL))
        follower.take(number + 1, opened)
        follower.take(number + 2, _record(house, msgspec.structs.replace(CALL, min_epoch=1)))
    follower.take(9, _record(house, CALL))
    follower.flush()
    assert [one.number for one in found] == [0, 2, 3, 5, 6, 8, 9]
    assert json.dumps([one.permitted for one in found[:2]]) == "[true, null]"
