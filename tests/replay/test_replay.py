"""A log that real runs left, decided again under the same and under other grants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from authgate_async import Policy, Task, tool
from authgate_async.approvals import sign_approval
from authgate_async.errors import LogCorruptError, PolicyError, RefusedError
from authgate_async.launchers.protocol import Limits
from authgate_async.log.lines import Line
from authgate_async.log.verify import verify
from authgate_async.policy import Principal, Resource, RunLimits, ToolEntry
from authgate_async.replay import replay
from authgate_async.replay.replay import Last, Least
from authgate_async.wire import Constraint

if TYPE_CHECKING:
    from conftest import House

SEED = bytes(range(32))
PUBLIC = Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw()
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()

WITHHELD = (ToolEntry("calculator", record_args="digest"),)
BOTH = pytest.mark.parametrize("backend", ["rust", "python"])
CALCULATOR = "compute:calculator"
SHORT = (Constraint("expression", "max_len", "3"),)


@tool(resource="compute:echo", right="read", level="inline")
async def look() -> str:
    """Look at something public."""
    return "seen"


@BOTH
async def test_under_its_own_policy_a_log_is_decided_as_it_was(house: House, backend: str) -> None:
    """Budgets, bounds, keys, delegation, revocation, a new epoch and a second session included."""
    policy = house.policy(
        house.grant("root", holder="ann", holder_kind="human", rights=12, max_calls=5),
        house.grant("bounded", constraints=SHORT, epoch=1, parent="", max_wall_us=60_000_000),
        house.grant("keyed", holder="sealed"),
    )
    sealed = Principal("sealed", "machine", owner="ann", key=PUBLIC)
    policy = msgspec.structs.replace(policy, principals=(*policy.principals, sealed))
    for _ in range(2):
        async with house.open(policy, backend=backend) as rt:
            await rt.run(house.sums("1+1", "11+11"))
            child = await rt.delegate(
                "root",
                "machine:bot",
                "execute",
                CALCULATOR,
                by="human:ann",
                budget={"calls": 2},
            )
            await rt.run(house.sums("11+11", "1+1"))
            await rt.revoke(child)
            await rt.run(house.sums("11+11"))
            for key in (SEED, None):
                await rt.agent("sealed", key=key).call("calculator", expression="2*2")
            await rt.advance_epoch()
            await rt.run(house.sums("1+1", "11+11"))
            with pytest.raises(RefusedError):
                await rt.delegate("root", "machine:bot", "execute", CALCULATOR, by="human:ann")
            await rt.run(Task(agent="bot", steps=({"tool": "none", "args": {}},)))

    found = await house.again(policy, backend)
    recorded = [bool(one.intent.permitted) for one in found.intents]
    assert found.permitted == recorded
    assert recorded == [True, False, True, True, False, True, False, True, False] * 2
    for one in found.intents:
        assert tuple(code for code, _ in one.violations) == one.intent.codes
        chains = tuple(tuple(chain) for chain in one.intent.chains)
        assert one.chains == chains
    summary = found.summary
    assert (summary.intents, summary.as_recorded, summary.rejected) == (18, 18, 2)
    assert summary.changes == {"applied": 6, "refused": 2, "replaced": 16}
    assert summary.unused == ()
    assert summary.least.grants == ("root", "bounded", "keyed")
    assert summary.least.how == "least"


@BOTH
async def test_what_would_flip_is_told(house: House, backend: str) -> None:
    """In both directions, with the code or the chain that decides it now."""
    async with house.open(house.policy(house.grant("g"), house.grant("x", name="echo"))) as rt:
        await rt.run(house.sums("1+1", "11+11"))
        await rt.run(Task(agent="bot", steps=({"tool": "echo", "args": {"text": "a"}},)))
        await rt.run(Task(agent="bot", steps=({"tool": "file_read", "args": {"path": "a"}},)))

    file = house.grant("f", rtype="file", name="workspace", rights=1)
    other = house.policy(
        house.grant("short", constraints=SHORT), file, house.grant("idle", name="none")
    )
    found = await house.again(other, backend)
    assert found.permitted == [True, False, False, True]
    assert [one.violations and one.violations[0][0] for one in found.intents[1:3]] == [
        "constraint",
        "no_grant",
    ]
    assert found.intents[3].chains == (("f",),)
    summary = found.summary
    assert (summary.as_recorded, summary.now_denied, summary.now_permitted) == (1, 2, 1)
    assert [used.id for used in summary.grants] == ["short", "f"]
    assert summary.unused == ("idle",)
    # `f` permits nothing that was permitted.
    assert (summary.least.grants, summary.least.how) == (("short",), "least")


async def test_the_least_set_takes_a_chain_whole_and_leaves_doubles_out(house: House) -> None:
    """Of a chain and a grant of its own the latter; never used is what no permit rests on."""
    root = house.grant("root", holder="ann", holder_kind="human", rights=12)
    policy = house.policy(root, house.grant("child", parent="root"), house.grant("own", rights=5))
    async with house.open(policy) as rt:
        await rt.run(house.sums("1+1"))
    summary = (await house.again(policy)).summary
    assert [(used.id, used.rights_not_needed) for used in summary.grants] == [
        ("root", ()),
        ("child", ()),
    ]
    assert summary.unused == ("own",)
    assert summary.least.grants == ("own",)
    bare = house.policy(root, house.grant("child", parent="root"))
    assert (await house.again(bare)).summary.least.grants == ("root", "child")


async def test_rights_that_nothing_needed_are_told(house: House) -> None:
    """So that a grant can be narrowed."""
    policy = house.policy(house.grant(rights=15))
    async with house.open(policy) as rt:
        await rt.run(house.sums("1+1"))
    (used,) = (await house.again(policy)).summary.grants
    assert (used.permits, used.rights_not_needed) == (1, ("read", "write", "delegate"))


# Changes


async def test_changes_behind_the_first_run_are_made_again(house: House) -> None:
    """Those before it are what the policy replaces; a later one may be refused now."""
    async with house.open(house.policy()) as rt:
        await rt.grant("machine:bot", "execute", CALCULATOR, grant_id="before")
        await rt.run(house.sums("1+1"))
        await rt.revoke("before")
        await rt.grant("machine:bot", "execute", CALCULATOR, grant_id="late")
        await rt.run(house.sums("1+1"))
        await rt.revoke("late")
        await rt.run(house.sums("1+1"))

    found = await house.again(house.policy())
    assert found.permitted == [False, True, False]
    assert found.summary.changes == {"applied": 2, "refused": 1, "replaced": 4}
    assert found.summary.least.grants == ()
    found = await house.again(house.policy(house.grant("before")))
    assert found.permitted == [True, True, False]
    assert found.summary.least.grants == ("before",)


EVE = Principal("eve", "human", key=PUBLIC)


@BOTH
async def test_a_call_that_waited_for_an_approval(house: House, backend: str) -> None:
    """It is decided again when the approval came, or when it was given up without one."""
    people = (*house.policy().principals, EVE)
    asking = house.policy(house.grant(approvers=("eve",)), principals=people)
    async with house.open(asking, backend=backend) as rt:
        for answered in (True, False):
            async with anyio.create_task_group() as group:
                group.start_soon(rt.run, house.sums("1+1"))
                while not (calls := await rt.waiting()):
                    await anyio.lowlevel.checkpoint()
                if answered:
                    await rt.approve(sign_approval(calls[0], "eve", SEED))
                else:
                    group.cancel_scope.cancel()

    found = await house.again(asking, backend)
    assert found.permitted == [True, False]
    assert [bool(one.intent.permitted) for one in found.intents] == [True, False]
    assert found.intents[1].violations[0][0] == "approval_required"
    assert (found.summary.as_recorded, found.summary.rejected) == (2, 0)
    free = await house.again(house.policy(house.grant(), principals=people), backend)
    assert (free.permitted, free.summary.now_permitted) == ([True, True], 1)


@BOTH
async def test_a_call_that_nobody_approved_in_time(house: House, backend: str) -> None:
    """It was turned away, and is decided again at that time."""
    people = (*house.policy().principals, EVE)
    limits = RunLimits(approval_ms=1)
    asking = house.policy(house.grant(approvers=("eve",)), principals=people, limits=limits)
    async with house.open(asking, backend=backend) as rt:
        result = await rt.run(house.sums("1+1"))
    assert result.steps[0].codes == ("approval_timeout",)

    found = await house.again(asking, backend)
    assert (found.permitted, found.summary.rejected) == ([False], 0)
    free = await house.again(house.policy(house.grant(), principals=people), backend)
    assert free.permitted == [True]


# What the log does not hold


async def test_arguments_of_which_there_is_a_digest_only(house: House) -> None:
    """Nothing is said where a grant that may permit it judges them; else it is decided."""
    async with house.open(house.policy(house.grant(), tools=WITHHELD)) as rt:
        await rt.run(house.sums("1+1"))

    free = await house.again(house.policy(house.grant()))
    assert (free.permitted, free.summary.undecided) == ([True], {})
    for bound in ({"constraints": SHORT}, {"other_args": "none"}):
        found = await house.again(house.policy(house.grant("b", **bound), house.grant("free")))
        assert (found.permitted, found.summary.undecided) == ([None], {"arguments": 1})
        assert "grant `b`" in found.intents[0].doubt.sentence
    chained = house.policy(
        house.grant("up", rights=12, constraints=SHORT), house.grant("b", parent="up")
    )
    assert (await house.again(chained)).permitted == [None]
    # They change nothing where the grant is no good anyway, or the agent has no owner.
    gone = house.policy(house.grant(constraints=SHORT, expires_at=1))
    assert (await house.again(gone)).permitted == [False]
    people = (Principal("bot", "machine"),)
    unowned = house.policy(house.grant(constraints=SHORT), principals=people)
    assert (await house.again(unowned)).permitted == [False]


@pytest.mark.parametrize(
    ("key", "permitted"),
    [(PUBLIC, [True, False]), (b"", [True, True]), (OTHER, [None, None])],
)
@BOTH
async def test_a_signature_is_believed_as_far_as_it_was_checked(
    house: House, key: bytes, permitted: Any, backend: str
) -> None:
    """Under the key that the log names; under another one nobody knows."""
    human = Principal("ann", "human")

    def policy(key: bytes) -> Policy:
        people = (human, Principal("bot", "machine", owner="ann", key=key))
        return house.policy(house.grant(), principals=people)

    async with house.open(policy(PUBLIC)) as rt:
        for seed in (SEED, bytes(32)):
            await rt.agent("bot", key=seed).call("calculator", expression="1+1")
    found = await house.again(policy(key), backend)
    assert found.permitted == permitted
    assert found.summary.undecided == ({"signature": 2} if key == OTHER else {})


async def test_a_tool_that_the_policy_does_not_know(house: House) -> None:
    """One that is off is denied; one that the program offered lacks only what it may use."""
    echo = house.grant("e", name="echo")
    async with house.open(house.policy(echo)) as rt:
        await rt.run(Task(agent="bot", steps=({"tool": "echo", "args": {"text": "a"}},)))

    off = await house.again(house.policy(echo, tools=(ToolEntry("calculator"),)))
    assert off.permitted == [False]
    assert off.intents[0].violations == (("unknown_tool", "the policy turns the tool `echo` off"),)
    assert (await house.again(house.policy(echo))).permitted == [True]
    counted = await house.again(house.policy(house.grant("e", name="echo", max_calls=1)))
    assert counted.permitted == [True]
    timed = await house.again(house.policy(house.grant("e", name="echo", max_wall_us=1)))
    assert timed.summary.undecided == {"tool": 1}


# Budgets


@BOTH
async def test_budgets_are_spent_in_the_order_of_the_log(house: House, backend: str) -> None:
    """What a call used is in the log; one that was denied then is charged in full."""
    async with house.open(house.policy(house.grant(max_calls=3))) as rt:
        await rt.run(house.sums(*["1+1"] * 4))

    assert (await house.again(house.policy(house.grant(max_calls=2)), backend)).permitted == [
        True, True, False, False,
    ]  # fmt: skip
    more = await house.again(house.policy(house.grant(max_calls=4)), backend)
    assert more.permitted == [True] * 4
    # A call may take 10 s, and three of them took next to nothing.
    short = await house.again(house.policy(house.grant(max_wall_us=10_000_000)), backend)
    assert short.permitted == [False] * 4 or short.permitted[1:] == [False] * 3
    timed = await house.again(house.policy(house.grant(max_wall_us=19_000_000)), backend)
    assert timed.permitted == [True] * 4


async def test_output_that_nobody_counted_is_not_guessed(house: House) -> None:
    """A permit holds if all that could have been put out was; a denial might not."""
    limits = RunLimits(tool=Limits(result_bytes=100, stdout_bytes=0, stderr_bytes=0))
    async with house.open(house.policy(house.grant(), limits=limits)) as rt:
        await rt.run(house.sums(*["1+1"] * 3))

    enough = await house.again(house.policy(house.grant(max_output_bytes=300), limits=limits))
    assert enough.permitted == [True] * 3
    scarce = await house.again(house.policy(house.grant(max_output_bytes=299), limits=limits))
    assert scarce.permitted == [True, True, None]
    assert scarce.summary.undecided == {"budget": 1}
    # Which of two it rested on, and so what it left in each, is not known.
    two = (house.grant("a", max_output_bytes=300), house.grant("b", max_output_bytes=300))
    assert (await house.again(house.policy(*two, limits=limits))).permitted == [True, None, None]
    none = await house.again(house.policy(house.grant(max_output_bytes=99), limits=limits))
    assert none.permitted == [False] * 3


async def test_what_is_undecided_makes_a_budget_doubtful(house: House) -> None:
    """It may have used it or not."""
    people = (*house.policy().principals, Principal("bot2", "machine", owner="ann"))
    free = (house.grant("g", max_calls=1), house.grant("g2", holder="bot2"))
    async with house.open(house.policy(*free, principals=people, tools=WITHHELD)) as rt:
        await rt.agent("bot2").call("calculator", expression="1")
        await rt.run(house.sums("1+1"))
        await rt.agent("bot2").call("calculator", expression="1")

    root = house.grant("root", holder="ann", holder_kind="human", rights=12, max_calls=9)
    bounded = house.grant("b", constraints=SHORT, parent="root", max_calls=9)
    other = house.grant("c", holder="bot2", parent="root", max_calls=9)
    found = await house.again(house.policy(root, bounded, other, principals=people))
    assert found.permitted == [True, None, None]
    assert [one.doubt and one.doubt.code for one in found.intents] == [None, "arguments", "budget"]


async def test_a_smaller_set_that_budgets_forbid_is_not_called_enough(house: House) -> None:
    """It is tried, as every set that is told."""
    async with house.open(house.policy(house.grant())) as rt:
        await rt.run(house.sums("1+1", "1+1"))

    policy = house.policy(*(house.grant(f"g{n}", max_calls=1) for n in range(3)))
    summary = (await house.again(policy)).summary
    assert (summary.least.grants, summary.least.how) == (("g0", "g1"), "used")


# The log itself


def test_a_log_that_is_replaced_meanwhile_is_refused() -> None:
    """The last line that was verified stands for all before it."""
    last = Last()
    last.see(Line(3, "", b"", "a"), None)  # type: ignore[arg-type]
    last.check(Line(2, "", b"", "b"))
    last.check(Line(3, "", b"", "a"))
    with pytest.raises(LogCorruptError):
        last.check(Line(3, "", b"", "b"))


async def test_only_what_was_verified_is_decided(house: House) -> None:
    """Not what a runtime added meanwhile, nor another log in its place."""
    async with house.open(house.policy(house.grant())) as rt:
        await rt.run(house.sums("1+1", "1+1"))
    found = await house.again(house.policy(house.grant()))
    await anyio.to_thread.run_sync(_replay_in_part, house, found.intents[0].number)


def _replay_in_part(house: House, until: int) -> None:
    last, policy = Last(), house.policy(house.grant())
    verify(house.log, see=lambda line, each: line.number <= until and last.see(line, each))
    assert replay(house.log, last, policy, "rust", lambda _: None).intents == 1
    last.see(Line(until, "", b"", "another"), None)  # type: ignore[arg-type]
    with pytest.raises(LogCorruptError):
        replay(house.log, last, policy, "rust", lambda _: None)


async def test_a_public_read_needs_no_grant(house: House) -> None:
    """It asks for none in the least set either."""
    notes = Resource("compute", "echo", public=True)
    policy = house.policy(house.grant("e", name="echo"), resources=(notes,))
    async with house.open(policy, tools=(look,)) as rt:
        await rt.run(Task(agent="bot", steps=({"tool": "look", "args": {}},)))
    found = await house.again(policy)
    assert (found.permitted, found.summary.unused) == ([True], ("e",))
    assert found.summary.least == Least((), "least")


async def test_a_policy_that_the_kernel_refuses_is_an_error(house: House) -> None:
    """Nothing is decided under half of it."""
    async with house.open(house.policy(house.grant())) as rt:
        await rt.run(house.sums("1+1"))
    with pytest.raises(PolicyError, match=r"p\.toml: the kernel refuses it: "):
        await house.again(house.policy(house.grant(), house.grant()))
