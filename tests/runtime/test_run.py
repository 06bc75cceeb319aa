"""One run: what is permitted runs, what is denied does not, and the result says which."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from authgate_async import Runtime, Step, Task, tool
from authgate_async.errors import ClosedError, RefusedError, TaskError, UsageError
from authgate_async.messages import Execute, Finished, Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from authgate_async import StepResult


async def test_a_permitted_step_runs_and_gives_its_value(
    runtime: Callable[..., Any], step: Callable[..., Any]
) -> None:
    """A granted call runs and its value is in the result."""
    async with runtime() as rt:
        result = await rt.run(Task(agent="bot", steps=(step("echo", text="hi"),)))

    assert result.status == "done"
    assert [(s.permitted, s.cause, s.value) for s in result.steps] == [(True, "returned", "hi")]


async def test_a_place_is_free_again_however_its_call_ended(
    runtime: Callable[..., Any], step: Callable[..., Any]
) -> None:
    """A plain function, a coroutine that fails, and a permit that was refused, one by one."""

    @tool(resource="compute:echo", right="execute", level="inline")
    def plain() -> str:
        return "hi"

    @tool(resource="compute:echo", right="execute", level="inline")
    async def fails() -> NoReturn:
        raise ValueError

    steps = (step("plain"), step("fails"), step("plain"), step("fails"))
    async with runtime(tools=(plain, fails), max_calls=1) as rt:
        junk = Execute("r", 0, "bot", b"no permit", "plain", b"{}")
        refused = await rt._required().supervisor.ask(junk, Finished, timeout=60)
        result = await rt.run(Task(agent="bot", steps=steps))

    assert refused.refusal == "permit_forged"
    assert [s.cause for s in result.steps] == ["returned", "raised"] * 2


async def test_a_denied_step_stops_its_run(
    runtime: Callable[..., Any], step: Callable[..., Any]
) -> None:
    """After a denial no later step of the run is tried."""
    steps = (step("calculator", expression="1+1"), step("echo", text="hi"))
    async with runtime() as rt:
        result = await rt.run(Task(agent="bot", steps=steps))

    assert result.status == "denied"
    assert [s.codes for s in result.steps] == [("no_grant",)]


async def test_a_tool_that_fails_is_an_outcome_and_the_run_goes_on(
    runtime: Callable[..., Any], step: Callable[..., Any]
) -> None:
    """A tool's error is told in its step; it is no crash."""
    steps = (step("fail"), step("echo", text="hi"))
    async with runtime() as rt:
        result = await rt.run(Task(agent="bot", steps=steps))

    assert result.status == "done"
    assert [(s.cause, s.error) for s in result.steps] == [
        ("raised", "ValueError: the tool's own fault"),
        ("returned", ""),
    ]


@pytest.mark.parametrize(
    ("tool", "args", "code"),
    [
        ("nonsense", {}, "unknown_tool"),
        ("echo", {}, "bad_arguments"),
        ("echo", {"text": 5}, "bad_arguments"),
        ("echo", {"text": "hi", "more": 1}, "bad_arguments"),
        ("file_read", {"path": "../secret"}, "no_grant"),
    ],
)
async def test_what_a_planner_gets_wrong_is_a_denial(
    runtime: Callable[..., Any], tool: str, args: dict[str, Any], code: str
) -> None:
    """An unknown tool or malformed arguments are denied, with a sentence."""
    async with runtime() as rt:
        result = await rt.run(Task(agent="bot", steps=({"tool": tool, "args": args},)))

    assert (result.status, result.steps[0].codes) == ("denied", (code,))
    assert result.steps[0].sentences[0]


@pytest.mark.parametrize(
    ("agent", "codes"),
    [
        ("eve", ("unowned_machine", "identity_mismatch", "no_grant")),
        ("ann", ("no_grant",)),
    ],
)
async def test_only_a_holder_may_act(
    runtime: Callable[..., Any], step: Callable[..., Any], agent: str, codes: tuple[str, ...]
) -> None:
    """Neither a stranger nor the owner acts by a grant of the machine's."""
    async with runtime() as rt:
        result = await rt.run(Task(agent=agent, steps=(step("echo", text="hi"),)))

    assert result.steps[0].codes == codes


class Observer:
    """Plans a second step from the first one's value."""

    async def plan(self, task: Task, results: Sequence[StepResult]) -> object:  # noqa: ARG002 - its form
        """Echo `a`, then `aa`, then stop."""
        if not results:
            return [{"tool": "echo", "args": {"text": "a"}}]
        if len(results) == 1:
            return [{"tool": "echo", "args": {"text": results[0].value * 2}}]
        return []


async def test_a_planner_observes_and_plans_again(runtime: Callable[..., Any]) -> None:
    """The planner is called with the results so far until it has no more steps."""
    async with runtime(planner=Observer()) as rt:
        result = await rt.run("anything", agent="bot")

    assert [s.value for s in result.steps] == ["a", "aa"]


class Mute(Exception):  # noqa: N818
    """An exception that cannot be shown."""

    def __str__(self) -> NoReturn:
        raise RuntimeError


READ = Plan(tuple(Step("echo", {"text": "a"}) for _ in range(200)))
"""What the planner actor makes of a plan that it has read."""


class Broken:
    """Raises, or returns what is no plan."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    async def plan(self, task: Task, results: Sequence[StepResult]) -> object:  # noqa: ARG002 - its form
        """Answer badly."""
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Blunt(Broken):
    """Does it at once."""

    def plan(self, task: Task, results: Sequence[StepResult]) -> object:  # type: ignore[override] # noqa: ARG002
        """Answer badly."""
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize("kind", [Broken, Blunt])
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (RuntimeError("no model"), "the planner failed: RuntimeError: no model"),
        (5, "the plan is malformed"),
        ([{"tool": 7}], "the plan is malformed"),
        ([{"tool": "echo", "args": [1]}], "the plan is malformed"),
        (None, "the plan is malformed"),
        (READ, "the plan is malformed"),
        (Mute(), "the planner failed: Mute: its message cannot be read"),
        (RuntimeError("\x1b[2J" * 999), "the planner failed: RuntimeError: \\x1b[2J\\x1b[2J"),
    ],
)
async def test_a_planner_that_fails_fails_its_run(
    runtime: Callable[..., Any], answer: object, words: str, kind: type[Broken]
) -> None:
    """What a planner does wrong is told in the result, nothing runs, and it is asked again."""
    async with runtime(planner=kind(answer)) as rt:
        results = [await rt.run("anything", agent="bot") for _ in range(12)]

    for result in results:
        assert (result.status, result.steps) == ("failed", ())
        assert words in result.error
        assert len(result.error) < 600


async def test_authority_changes_in_the_middle(
    runtime: Callable[..., Any], step: Callable[..., Any]
) -> None:
    """Grant, revoke and epoch take effect for the next step that is proposed."""
    task = Task(agent="bot", steps=(step("calculator", expression="6*7"),))
    async with runtime() as rt:
        grant = await rt.grant("machine:bot", "execute", "compute:calculator")
        first = await rt.run(task)
        await rt.revoke(grant)
        second = await rt.run(task)
        await rt.grant("machine:bot", "execute", "compute:calculator", epoch=1)
        await rt.advance_epoch()
        third = await rt.run(task)
        fourth = await rt.run(Task(agent="bot", steps=(step("echo", text="hi"),)))

    assert [r.status for r in (first, second, third, fourth)] == [
        "done",
        "denied",
        "done",
        "denied",
    ]
    assert first.steps[0].value == "42"
    assert fourth.steps[0].codes == ("epoch_stale",)


async def test_a_grant_bounds_the_arguments_of_its_calls(
    runtime: Callable[..., Any], step: Callable[..., Any]
) -> None:
    """A call outside the bounds is denied with the grant, the argument, and what was allowed."""

    def asks(text: str) -> Task:
        return Task(agent="bot", steps=(step("calculator", expression=text),))

    async with runtime() as rt:
        args = {"expression": {"regex": "[0-9+]+", "max_len": 5}}
        await rt.grant("machine:bot", "execute", "compute:calculator", args=args, grant_id="sums")
        good = await rt.run(asks("1+2"))
        bad = await rt.run(asks("6*7"))
        with pytest.raises(RefusedError, match="must be a number") as refused:
            await rt.grant("machine:bot", "execute", "compute:x", args={"n": {"le": "1"}})
        with pytest.raises(UsageError, match="`le` of argument `n` has no JSON form"):
            await rt.grant("machine:bot", "execute", "compute:x", args={"n": {"le": object()}})

    assert (good.status, good.steps[0].value) == ("done", "3")
    assert (bad.status, bad.steps[0].codes) == ("denied", ("constraint",))
    allowed = 'only as text that matches `"[0-9+]+"` as a whole; it is text'
    (sentence,) = bad.steps[0].sentences
    assert sentence == f"grant `sums` allows argument `expression` {allowed}"
    assert refused.value.code == "malformed"


async def test_delegation_narrows_or_is_refused(
    runtime: Callable[..., Any], step: Callable[..., Any]
) -> None:
    """A holder hands on a part of what it may; more than that is refused by name."""
    async with runtime("bot", "helper") as rt:
        parent = await rt.grant("machine:bot", ("execute", "delegate"), "compute:calculator")
        with pytest.raises(RefusedError, match="rights") as refused:
            await rt.delegate(
                parent,
                "machine:helper",
                ("execute", "read"),
                "compute:calculator",
                by="machine:bot",
            )
        await rt.delegate(
            parent, "machine:helper", "execute", "compute:calculator", by="machine:bot"
        )
        steps = (step("calculator", expression="1+1"),)
        result = await rt.run(Task(agent="helper", steps=steps))
        await rt.revoke(parent)
        after = await rt.run(Task(agent="helper", steps=steps))

    assert refused.value.code == "attenuation"
    assert result.status == "done"
    assert after.steps[0].codes == ("chain_broken",)


async def test_a_runtime_without_a_policy_permits_what_it_is_told(
    runtime: Callable[..., Any],
) -> None:
    """Principals and grants can all be made by calls."""
    async with runtime(policy=None) as rt:
        await rt.enrol("human:ben")
        await rt.enrol("machine:new", owner="ben")
        before = await rt.agent("new").call("echo", text="hi")
        await rt.grant(
            "machine:new", "execute", "compute:echo", expires_at=datetime(2999, 1, 1, tzinfo=UTC)
        )
        after = await rt.agent("new").call("echo", text="hi")

    assert (before.permitted, after.permitted) == (False, True)


async def _sync(call: Callable[..., Any], *args: Any, **options: Any) -> None:
    call(*args, **options)


@pytest.mark.parametrize(
    "call",
    [
        lambda rt: rt.enrol("bot"),
        lambda rt: rt.enrol("robot:x"),
        lambda rt: rt.enrol("machine:x", owner="nobody"),
        lambda rt: rt.grant("machine:bot", "fly", "compute:echo"),
        lambda rt: rt.grant("machine:bot", "read", "compute"),
        lambda rt: rt.grant("machine:bot", "read", "compute:echo", confidence=2),
        lambda rt: rt.grant("machine:bot", "read", "compute:echo", expires_at=datetime(2999, 1, 1)),  # noqa: DTZ001 - the point
        lambda rt: rt.grant(
            "machine:bot", "read", "a:b", expires_at=datetime(1970, 1, 1, tzinfo=UTC)
        ),
        lambda rt: rt.grant(
            "machine:bot", "read", "a:b", expires_at=datetime(1960, 1, 1, tzinfo=UTC)
        ),
        lambda rt: rt.grant("machine:bot", "read", "a:b", expires_at="2030"),
        lambda rt: rt.grant("machine:bot", [1], "a:b"),
        lambda rt: rt.grant("machine:bot", "read", "a:b", epoch=-1),
        lambda rt: rt.advance_epoch(-5),
        lambda rt: _sync(rt.agent, "x", key=b"abc"),
        lambda rt: _sync(rt.run_batch, [], concurrency=0),
        lambda rt: rt.run(Task(agent="b" * 257)),
        lambda rt: rt.run(Task(agent="a\nb")),
        lambda rt: rt.grant("machine:nobody", "read", "compute:echo"),
        lambda rt: rt.revoke("nothing"),
        lambda rt: rt.delegate("none", "machine:bot", "read", "a:b", by="human:ann"),
        lambda rt: rt.run(Task(agent="")),
        lambda rt: rt.run(Task(agent=5)),
        lambda rt: rt.run("\ud800", agent="bot"),
    ],
)
async def test_wrong_calls_are_refused_with_a_sentence(
    runtime: Callable[..., Any], call: Callable[[Runtime], Any]
) -> None:
    """A mistake of the caller's is a `UsageError` that says what to do."""
    async with runtime() as rt:
        with pytest.raises(UsageError, match=r"\w+ \w+"):
            await call(rt)


async def test_a_runtime_is_entered_once_and_only_works_inside() -> None:
    """Before its block and after it there is no work."""
    rt = Runtime(log=None)
    with pytest.raises(UsageError, match="async with"):
        await rt.run("x", agent="bot")
    async with rt:
        pass
    with pytest.raises(ClosedError):
        await rt.run("x", agent="bot")
    with pytest.raises(UsageError, match="once"):
        async with rt:
            pass


async def test_decide_gives_verdicts_and_nothing_else(runtime: Callable[..., Any]) -> None:
    """`decide` asks the kernel; nothing is recorded or run."""
    from authgate_async.wire import Action, Request, Right  # noqa: PLC0415 - only here

    action = Action(
        "a-1", "bot", "machine", "echo", b"{}", (Request("compute", "echo", "", Right.EXECUTE),)
    )
    async with runtime() as rt:
        verdicts = await rt.decide([action])
        taken = rt.stats()["gate"].taken

    assert [v.permitted for v in verdicts] == [True]
    assert taken == 0


async def test_a_call_that_cannot_be_proposed_is_a_task_error(
    runtime: Callable[..., Any],
) -> None:
    """`Agent.call` never returns half a result."""
    async with runtime() as rt:
        with pytest.raises(TaskError, match="gate"):
            await rt.agent("bot").call("a\nb")
