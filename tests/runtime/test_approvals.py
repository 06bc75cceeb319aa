"""A call that needs the approval of a human waits for it, and for nothing else."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from authgate_async import Task, assembly
from authgate_async.actors import waiting
from authgate_async.approvals import WaitingCall, read_approval, sign_approval, write_approval
from authgate_async.errors import ClosedError, LogUnavailableError, RefusedError, UsageError
from authgate_async.log.verify import verify
from authgate_async.log.writer import LogFile
from authgate_async.messages import GATE_CODES
from authgate_async.policy.model import RunLimits, ToolEntry
from authgate_async.reference import ReferenceKernel
from authgate_async.wire import Grant, Right

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from authgate_async import RunResult, Runtime
    from authgate_async.log.verify import Report
    from authgate_async.policy import Policy

ANN, EVE = b"a" * 32, b"e" * 32
HI = {"tool": "echo", "args": {"text": "hi"}}
ASKING = Grant(
    "g", "bot", "machine", "compute", "echo", "", Right.EXECUTE | Right.DELEGATE, approvers=("ann",)
)
ABOVE = msgspec.structs.replace(ASKING, id="root", holder="ann", holder_kind="human", approvers=())


def _public(seed: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def _policy(make: Callable[..., Policy], *grants: Grant, **limits: int) -> Policy:
    """The shared policy, in which `ann` and `eve` have keys, with these grants."""
    bare = make()
    ann, *others = bare.principals
    keyed = msgspec.structs.replace(ann, key=_public(ANN))
    eve = msgspec.structs.replace(ann, name="eve", key=_public(EVE))
    return msgspec.structs.replace(
        bare,
        principals=(keyed, eve, *others),
        grants=grants or (ASKING,),
        limits=RunLimits(**limits),
    )


class Asking:
    """A runtime, and what came of the runs that were begun in it."""

    def __init__(self, rt: Runtime, group: anyio.abc.TaskGroup) -> None:
        self.rt = rt
        self.results: list[RunResult] = []
        self._group = group

    def begin(self, *steps: dict[str, Any]) -> None:
        """Begin a run of `bot`; with no steps it echoes."""
        self._group.start_soon(self._run, Task(agent="bot", steps=steps or (HI,)))

    async def _run(self, task: Task) -> None:
        self.results.append(await self.rt.run(task))

    async def waiting(self, count: int = 1) -> tuple[WaitingCall, ...]:
        """Wait until so many calls wait."""
        while len(calls := await self.rt.waiting()) != count:
            await anyio.lowlevel.checkpoint()
        return calls

    async def approve(self, by: str = "ann", key: bytes = ANN) -> None:
        """Approve the first that waits."""
        (call, *_) = await self.rt.waiting()
        await self.rt.approve(sign_approval(call, by, key))


@pytest.fixture
def asking(runtime: Callable[..., Any], policy: Callable[..., Policy]) -> Callable[..., Any]:
    """Open a runtime in which `bot` needs the approval of `ann` to echo."""

    @asynccontextmanager
    async def make(*grants: Grant, limits: Any = (), **options: Any) -> AsyncIterator[Asking]:
        own = _policy(policy, *grants, **dict(limits))
        async with (
            runtime(**{"policy": own, **options}) as rt,
            anyio.create_task_group() as group,
        ):
            yield Asking(rt, group)

    return make


async def _records(folder: Path) -> list[dict[str, Any]]:
    text = await anyio.Path(folder / "log.jsonl").read_text()
    return [json.loads(line)["record"] for line in text.splitlines()]


async def _verified(folder: Path) -> Report:
    return await anyio.to_thread.run_sync(verify, folder / "log.jsonl")


@pytest.mark.parametrize("backend", ["rust", "python"])
async def test_a_call_goes_on_when_it_is_approved(
    asking: Callable[..., Any], tmp_path: Path, backend: str
) -> None:
    """It waits, a human sees what it would do, and it runs; the log tells all in order."""
    async with asking(backend=backend, log=tmp_path / "log") as it:
        it.begin()
        (call,) = await it.waiting()
        assert (call.agent, call.tool, call.args) == ("bot", "echo", '{"text":"hi"}')
        assert call.approvers == ("ann",)
        assert it.results == []
        await it.approve()
    (step,) = it.results[0].steps
    assert (it.results[0].status, step.value) == ("done", "hi")
    records = await _records(tmp_path / "log")
    told = [one["kind"] for one in records if one["kind"] not in {"change", "checkpoint"}]
    assert told == [
        "log_opened", "run_opened", "approval_asked", "intent", "outcome", "run_closed", "sealed"
    ]  # fmt: skip
    (given,) = [one for one in records if one.get("change") == "approve"]
    assert (given["by"], given["code"]) == ("human:ann", "")
    assert given["fields"]["action_digest"] == call.action_digest.hex()
    report = await _verified(tmp_path / "log")
    assert (report.bad, report.sealed, report.open_runs) == (None, True, 0)


async def test_an_approval_is_of_one_call(asking: Callable[..., Any]) -> None:
    """The next call of the same agent, with the same arguments, waits for its own."""
    async with asking() as it:
        it.begin(HI, HI)
        await it.waiting()
        (first,) = await it.waiting()
        approval = sign_approval(first, "ann", ANN)
        await it.rt.approve(approval)
        while (second := (await it.waiting())[0]).action_id == first.action_id:
            await anyio.lowlevel.checkpoint()
        with pytest.raises(RefusedError, match="approval_unknown: no call waits for"):
            await it.rt.approve(approval)
        assert second.args == first.args
        await it.approve()
    assert [step.value for step in it.results[0].steps] == ["hi", "hi"]


@pytest.mark.parametrize(
    ("by", "key", "altered", "code"),
    [
        ("ann", EVE, {}, "approval_forged"),
        ("eve", EVE, {}, "approval_unnamed"),
        ("bob", ANN, {}, "approval_unnamed"),
        ("ann", ANN, {"action_digest": b"d" * 32}, "approval_unknown"),
        ("ann", ANN, {"instance": b"i" * 16}, "approval_forged"),
        ("ann", ANN, {"expires_at": 2**62}, "approval_forged"),
        ("ann", ANN, {"nonce": b""}, "malformed"),
    ],
)
async def test_what_is_no_approval_is_refused(
    asking: Callable[..., Any], by: str, key: bytes, altered: dict[str, Any], code: str
) -> None:
    """With a code and a sentence; the call waits on, and a true approval is taken after it."""
    async with asking() as it:
        it.begin()
        (call,) = await it.waiting()
        wrong = msgspec.structs.replace(sign_approval(call, by, key), **altered)
        with pytest.raises(RefusedError) as refused:
            await it.rt.approve(wrong)
        assert refused.value.code == code
        assert await it.rt.waiting() == (call,)
        await it.approve()
    assert it.results[0].status == "done"


async def test_a_late_approval_is_refused(asking: Callable[..., Any]) -> None:
    """One that has ended before it came is told so."""
    async with asking() as it:
        it.begin()
        (call,) = await it.waiting()
        with pytest.raises(RefusedError, match="approval_expired: the approval ended at 5"):
            await it.rt.approve(sign_approval(call, "ann", ANN, expires_at=5))
        await it.approve()


async def test_nobody_signs_more_than_they_see(asking: Callable[..., Any]) -> None:
    """A call that shows other arguments than its digest is of is not signed."""
    async with asking() as it:
        it.begin()
        (call,) = await it.waiting()
        for shown in ({"args": '{"text":"ho"}'}, {"agent": "x"}, {"requests": ()}, {"tool": "t"}):
            with pytest.raises(UsageError, match="shows something else"):
                sign_approval(msgspec.structs.replace(call, **shown), "ann", ANN)
        await it.approve()


async def test_both_of_two_grants_must_be_approved(asking: Callable[..., Any]) -> None:
    """One approval is taken, and the call waits for the other; who may give that is told."""
    root = msgspec.structs.replace(ABOVE, approvers=("eve",))
    child = msgspec.structs.replace(ASKING, parent="root")
    async with asking(root, child) as it:
        it.begin()
        (call,) = await it.waiting()
        assert call.approvers == ("ann", "eve")
        await it.approve()
        (call,) = await it.waiting()
        assert call.approvers == ("eve",)
        await it.approve("eve", EVE)
    assert it.results[0].status == "done"


async def test_what_is_handed_on_asks_as_well(asking: Callable[..., Any]) -> None:
    """A delegation without approvers does not get around its parent's."""
    async with asking() as it:
        await it.rt.enrol("machine:other", owner="ann")
        await it.rt.delegate("g", "machine:other", "execute", "compute:echo", by="machine:bot")
        task = Task(agent="other", steps=(HI,))
        it._group.start_soon(it._run, task)
        (call,) = await it.waiting()
        assert (call.agent, call.approvers) == ("other", ("ann",))
        await it.approve()
    assert it.results[0].status == "done"


async def test_the_deadline_ends_it(asking: Callable[..., Any], tmp_path: Path) -> None:
    """Nobody came: the step is denied with a code of its own, and the log says so."""
    async with asking(limits={"approval_ms": 1}, log=tmp_path / "log") as it:
        it.begin()
    (step,) = it.results[0].steps
    assert (it.results[0].status, step.codes) == ("denied", ("approval_timeout",))
    assert step.sentences[0].startswith("no approval came within 0.001 s: grant `g` requires")
    kinds = [one["kind"] for one in await _records(tmp_path / "log")]
    assert [kind for kind in kinds if kind in {"approval_asked", "rejected", "intent"}] == [
        "approval_asked",
        "rejected",
    ]
    assert (await _verified(tmp_path / "log")).bad is None


@pytest.mark.parametrize(
    ("how", "code"), [("revoke", "no_grant"), ("epoch", "epoch_stale"), ("parent", "chain_broken")]
)
async def test_what_is_taken_away_ends_it(
    asking: Callable[..., Any], tmp_path: Path, how: str, code: str
) -> None:
    """A call whose grant is gone is denied at once, in the kernel's own words; none revives it."""
    child = msgspec.structs.replace(ASKING, parent="root")
    grants = {"parent": (ABOVE, child)}.get(how, (ASKING,))
    async with asking(*grants, log=tmp_path / "log") as it:
        it.begin()
        (call,) = await it.waiting()
        await (
            it.rt.advance_epoch()
            if how == "epoch"
            else it.rt.revoke("root" if how == "parent" else "g")
        )
        await it.waiting(0)
        with pytest.raises(RefusedError, match="approval_unknown"):
            await it.rt.approve(sign_approval(call, "ann", ANN))
    assert code in it.results[0].steps[0].codes
    assert (await _verified(tmp_path / "log")).bad is None


async def test_a_change_that_takes_nothing_away_ends_nothing(asking: Callable[..., Any]) -> None:
    """Others are enrolled and granted something, and another grant is revoked."""
    async with asking() as it:
        it.begin()
        calls = await it.waiting()
        await it.rt.enrol("machine:other", owner="ann")
        other = await it.rt.grant("machine:other", "execute", "compute:echo")
        await it.rt.revoke(other)
        assert await it.rt.waiting() == calls
        await it.approve()
    assert it.results[0].status == "done"


async def test_a_cancelled_run_leaves_nothing_behind(
    asking: Callable[..., Any], tmp_path: Path
) -> None:
    """It no longer waits, its end is recorded, and an approval finds nobody."""
    async with asking(log=tmp_path / "log") as it:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(it._run, Task(agent="bot", steps=(HI,)))
                (call,) = await it.waiting()
                scope.cancel()
        assert await it.rt.waiting() == ()
        with pytest.raises(RefusedError, match="approval_unknown"):
            await it.rt.approve(sign_approval(call, "ann", ANN))
    closed = [one for one in await _records(tmp_path / "log") if one["kind"] == "run_closed"]
    assert [one["status"] for one in closed] == ["interrupted"]
    report = await _verified(tmp_path / "log")
    assert (report.bad, report.open_runs) == (None, 0)


async def test_a_call_that_is_cancelled_while_it_is_decided_anew(
    asking: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decision reaches nobody, nothing runs, and the gate goes on."""
    decide, scope, over = ReferenceKernel.decide, anyio.CancelScope(), anyio.Event()
    cancels = iter([scope.cancel])

    def cancelling(kernel: ReferenceKernel, *args: Any) -> bytes:
        if approved:
            for cancel in cancels:
                anyio.from_thread.run_sync(cancel)
                anyio.from_thread.run(over.wait)
        return decide(kernel, *args)

    monkeypatch.setattr(ReferenceKernel, "decide", cancelling)
    crashed: list[object] = []
    monkeypatch.setattr(assembly._Crashes, "__call__", lambda *told: crashed.append(told))
    approved = False
    async with asking(backend="python") as it:

        async def act() -> None:
            with scope:
                await it.rt.run(Task(agent="bot", steps=(HI,)))
            over.set()

        it._group.start_soon(act)
        await it.waiting()
        approved = True
        await it.approve()
        it.begin()
        await it.waiting()
        await it.approve()
    assert [result.status for result in it.results] == ["done"]
    assert crashed == []


async def test_the_end_of_the_runtime_ends_it(
    runtime: Callable[..., Any], policy: Callable[..., Policy], tmp_path: Path
) -> None:
    """What still waits when the grace is over is interrupted; the log is whole and sealed."""
    async with (
        anyio.create_task_group() as group,
        runtime(policy=_policy(policy), grace=0, log=tmp_path / "log") as rt,
    ):
        it = Asking(rt, group)
        it.begin()
        await it.waiting()
    assert it.results[0].status == "interrupted"
    report = await _verified(tmp_path / "log")
    assert (report.bad, report.sealed, report.open_runs) == (None, True, 0)


async def test_what_waits_at_the_end_may_still_be_approved(asking: Callable[..., Any]) -> None:
    """A runtime that drains takes nothing new, and lets a human answer what is asked."""
    async with asking(grace=60) as it:
        it.begin()
        await it.waiting()
        it.rt.shutdown()
        with pytest.raises(ClosedError):
            await it.rt.grant("machine:bot", "execute", "compute:echo")
        await it.approve()
    assert it.results[0].status == "done"


async def test_while_the_disk_is_full_nothing_is_asked_or_approved(
    asking: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A question that cannot be recorded is a denial; an approval counts once it is recorded."""
    append, full = LogFile.append_groups, True

    def appended(*args: Any, **more: Any) -> Any:
        if full:
            raise LogUnavailableError("the disk is full; make room")
        return append(*args, **more)

    async with asking(log=tmp_path / "log") as it:
        monkeypatch.setattr(LogFile, "append_groups", appended)
        refused = await it.rt.run(Task(agent="bot", steps=(HI,)))
        assert refused.steps[0].codes == ("log_unavailable",)
        assert await it.rt.waiting() == ()
        full = False
        it.begin()
        (call,) = await it.waiting()
        full = True
        with pytest.raises(LogUnavailableError, match="in force, but nothing is decided until"):
            await it.approve()
        assert await it.rt.waiting() == (call,)
        full = False
        await it.rt.run(Task(agent="bot", steps=({"tool": "nonsense"},)))
    assert it.results[0].status == "done"
    assert (await _verified(tmp_path / "log")).bad is None


async def test_a_permit_that_cannot_be_recorded_runs_nothing(
    asking: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The disk fills between the approval and the decision: denied, and the run is closed later."""
    append, left = LogFile.append_groups, [10**9]

    def appended(*args: Any, **more: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            raise LogUnavailableError("the disk is full; make room")
        return append(*args, **more)

    monkeypatch.setattr(LogFile, "append_groups", appended)
    async with asking(log=tmp_path / "log") as it:
        it.begin()
        await it.waiting()
        left[0] = 2  # the approval is recorded, the decision is not
        await it.approve()
    assert it.results[0].steps[0].codes == ("log_unavailable",)
    report = await _verified(tmp_path / "log")
    assert (report.bad, report.open_runs) == (None, 0)


async def test_only_so_many_wait(
    asking: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One more is turned away with a sentence, and there is room again when one has ended."""
    monkeypatch.setattr(waiting, "MOST", 2)
    async with asking() as it:
        it.begin()
        it.begin()
        await it.waiting(2)
        refused = await it.rt.run(Task(agent="bot", steps=(HI,)))
        assert refused.steps[0].codes == ("approvals_full",)
        await it.approve()
        await it.waiting(1)
        it.begin()
        await it.waiting(2)
        await it.approve()
        await it.waiting(1)
        await it.approve()
    assert [result.status for result in it.results] == ["done"] * 3


async def test_a_budget_is_asked_when_it_is_approved(asking: Callable[..., Any]) -> None:
    """Nothing is reserved for a call that waits; of two, the budget serves the first approved."""
    async with asking(msgspec.structs.replace(ASKING, max_calls=1)) as it:
        it.begin()
        it.begin()
        await it.waiting(2)
        await it.approve()
        await it.waiting(1)
        await it.approve()
    assert sorted(result.status for result in it.results) == ["denied", "done"]
    (denied,) = [result for result in it.results if result.status == "denied"]
    assert denied.steps[0].codes == ("budget",)


async def test_arguments_that_the_log_does_not_keep_are_shown_in_the_program(
    asking: Callable[..., Any], policy: Callable[..., Policy], tmp_path: Path
) -> None:
    """`waiting` has them, the record has not."""
    own = msgspec.structs.replace(
        _policy(policy), tools=(ToolEntry("echo", enabled=False, record_args="digest"),)
    )
    async with asking(policy=own, log=tmp_path / "log") as it:
        it.begin()
        (call,) = await it.waiting()
        assert call.args == '{"text":"hi"}'
        await it.approve()
    (asked,) = [one for one in await _records(tmp_path / "log") if one["kind"] == "approval_asked"]
    assert asked["args"] == ""
    assert (await _verified(tmp_path / "log")).bad is None


async def test_an_approval_travels_as_json(asking: Callable[..., Any]) -> None:
    """What was written is read, and taken."""
    async with asking() as it:
        it.begin()
        (call,) = await it.waiting()
        await it.rt.approve(read_approval(write_approval(sign_approval(call, "ann", ANN))))
    assert it.results[0].status == "done"


FIELDS = {
    "instance": "",
    "action_digest": "",
    "approver": "",
    "expires_at": 1,
    "nonce": "",
    "signature": "",
}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 4000,
        b" " * 4096 + json.dumps(FIELDS).encode(),
        json.dumps(FIELDS).replace("{", '{"nonce": "", ').encode(),
        *(
            json.dumps(FIELDS | altered).encode()
            for altered in (
                {"approver": 1},
                {"instance": "x"},
                {"nonce": 0},
                {"expires_at": -1},
                {"expires_at": 2**63},
                {"expires_at": True},
                {"expires_at": "1"},
                {"more": ""},
            )
        ),
        *(
            json.dumps({name: FIELDS[name] for name in FIELDS if name != gone}).encode()
            for gone in FIELDS
        ),
    ],
)
def test_what_is_no_json_of_an_approval_is_refused(data: bytes) -> None:
    """Strictly: no field more, none missing, none twice, each of its type."""
    with pytest.raises(UsageError, match="it is "):
        read_approval(data)


def test_the_gates_codes_have_their_tests() -> None:
    """The two that this file shows are among those that the gate declares."""
    assert {"approval_timeout", "approvals_full"} < set(GATE_CODES)
