"""What a runtime leaves behind: a log that verifies, whatever happened in it."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import anyio
import msgspec
import pytest
from anyio import to_thread

from authgate_async import Policy, Rotation, Runtime, Task
from authgate_async.errors import LogUnavailableError, TaskError, UsageError
from authgate_async.log.verify import verify
from authgate_async.policy.model import ToolEntry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HI = {"tool": "echo", "args": {"text": "hi"}}


async def checked(folder: Path) -> Any:
    """Verify in a thread: reading a log is no work for an event loop."""
    return await to_thread.run_sync(verify, folder)


def kinds(folder: Path) -> list[str]:
    """Return the kinds of the records, in order, without those that come with any commit."""
    lines = (folder / "log.jsonl").read_bytes().splitlines()
    found = [json.loads(line)["record"]["kind"] for line in lines]
    return [kind for kind in found if kind != "checkpoint"]


async def test_each_step_is_recorded_before_and_after(
    runtime: Callable[..., Any], tmp_path: Path
) -> None:
    """Opening, intent, outcome and closing stand in the log in this order, and it verifies."""
    async with runtime(log=tmp_path / "log") as rt:
        await rt.run(Task(agent="bot", steps=(HI, {"tool": "fail"}, {"tool": "nonsense"})))

    report = await checked(tmp_path / "log")
    changes = await to_thread.run_sync(kinds, tmp_path / "log")

    assert report.ok, report
    assert [kind for kind in changes if kind != "change"] == [
        *("log_opened", "run_opened", "intent", "outcome", "intent", "outcome"),
        *("rejected", "run_closed", "sealed"),
    ]


@pytest.mark.parametrize("backend", ["rust", "python"])
@pytest.mark.parametrize("agent", ["bot\n", "\x1b[2J", "b" * 257])
async def test_an_agent_with_a_hostile_name_gets_nowhere(
    runtime: Callable[..., Any], tmp_path: Path, backend: str, agent: str
) -> None:
    """The runtime takes no such task; past its door the gate denies it, and the log stays whole."""
    async with runtime(log=tmp_path / "log", backend=backend) as rt:
        with pytest.raises(TaskError, match="cannot be an agent"):
            await rt.run(Task(agent=agent, steps=(HI,)))
        run = rt._driver.open(Task(agent=agent, steps=(HI,)), "machine")
        await rt._driver.drive(run)

    assert [step.codes for step in run.results] == [("malformed",)]
    report = await checked(tmp_path / "log")
    assert report.ok, report


async def test_both_backends_leave_the_same_story(
    runtime: Callable[..., Any], tmp_path: Path
) -> None:
    """The reference kernel decides and signs like the Rust one."""
    seen = []
    for backend in ("rust", "python"):
        folder = tmp_path / backend
        async with runtime(log=folder, backend=backend) as rt:
            results = [
                await rt.run(
                    Task(agent=agent, steps=(HI, {"tool": "file_read", "args": {"path": "a"}}))
                )
                for agent in ("bot", "eve", "ann")
            ]
        assert (await checked(folder)).ok
        seen.append([[(s.permitted, s.codes, s.sentences) for s in r.steps] for r in results])

    assert seen[0] == seen[1]


async def test_a_log_is_continued_and_still_verifies(
    runtime: Callable[..., Any], tmp_path: Path
) -> None:
    """A second runtime on the same folder goes on where the first ended."""
    for _ in range(2):
        async with runtime(log=tmp_path / "log", key=bytes(32)) as rt:
            await rt.run(Task(agent="bot", steps=(HI,)))

    assert (await checked(tmp_path / "log")).ok
    assert (await to_thread.run_sync(kinds, tmp_path / "log")).count("log_opened") == 2


async def test_two_runtimes_on_one_log_are_refused(
    runtime: Callable[..., Any], tmp_path: Path
) -> None:
    """The second one is told that the first has it."""
    async with runtime(log=tmp_path / "log"):
        with pytest.raises(LogUnavailableError, match="log"):
            async with runtime(log=tmp_path / "log"):
                pass


@pytest.mark.parametrize("how", ["cancel", "error", "shutdown"])
async def test_however_it_ends_the_log_is_whole(
    runtime: Callable[..., Any], tmp_path: Path, waiting: list[float], how: str
) -> None:
    """Cancelled, left by an error, shut down: calls have outcomes, runs an end, the log a seal."""

    async def act(rt: Any, scope: anyio.CancelScope) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(rt.run, Task(agent="bot", steps=({"tool": "wait"},)))
            while not waiting:
                await anyio.lowlevel.checkpoint()
            if how == "cancel":
                scope.cancel()
            elif how == "error":
                raise ValueError("the caller's own")
            else:
                rt.shutdown()
                rt.shutdown()

    try:
        with anyio.CancelScope() as scope:
            async with runtime(log=tmp_path / "log", grace=30) as rt:
                await act(rt, scope)
    except* ValueError:
        pass

    report = await checked(tmp_path / "log")
    story = [kind for kind in await to_thread.run_sync(kinds, tmp_path / "log") if kind != "change"]

    assert report.ok, report
    assert story == ["log_opened", "run_opened", "intent", "outcome", "run_closed", "sealed"]


async def test_hostile_text_is_recorded_and_does_no_harm(
    runtime: Callable[..., Any], tmp_path: Path
) -> None:
    """Quotes, line breaks and escapes in arguments and names leave a log that verifies."""
    text = 'a"b\\c\n\r\x1b[31m\u2028\u202e\U0001f600\x7f'
    async with runtime(log=tmp_path / "log") as rt:
        result = await rt.run(
            Task(
                agent="bot", id=text, intent=text, steps=({"tool": "echo", "args": {"text": text}},)
            )
        )

    assert result.steps[0].value == text
    assert (await checked(tmp_path / "log")).ok


@pytest.mark.parametrize("record_args", ["full", "digest"])
async def test_secrets_in_arguments_can_be_kept_off_the_log(
    runtime: Callable[..., Any], policy: Callable[..., Any], tmp_path: Path, record_args: str
) -> None:
    """With `digest` no argument is in the log, also none that does not fit; and it verifies."""
    tools = (ToolEntry("calculator", record_args=record_args),)  # type: ignore[arg-type]
    secretive = msgspec.structs.replace(policy(), tools=tools)
    async with runtime(policy=secretive, log=tmp_path / "log") as rt:
        for args in ({"expression": "271828"}, {"271828": "1"}):
            result = await rt.run(Task(agent="bot", steps=({"tool": "calculator", "args": args},)))
            assert result.status == "denied"

    assert (await checked(tmp_path / "log")).ok
    written = await anyio.Path(tmp_path / "log" / "log.jsonl").read_text()
    # Elsewhere the digits could stand by chance, in a digest say.
    found = [text for text in ('"271828', "`271828", '\\"271828') if text in written]
    assert bool(found) == (record_args == "full")
    digest = sha256(b'{"expression":"271828"}').hexdigest()
    assert (f'"args_digest":"{digest}"' in written) == (record_args == "full")


async def test_a_runtime_divides_its_log_and_removes_what_is_old(
    runtime: Callable[..., Any], tmp_path: Path
) -> None:
    """Runs go on over the boundary; what is left verifies and says what is gone."""
    rule = Rotation(file_bytes=2**16, keep_seconds=0)
    long = {"tool": "echo", "args": {"text": "x" * 20_000}}
    async with runtime(log=tmp_path / "log", rotation=rule) as rt:
        results = [await rt.run(Task(agent="bot", steps=(long, HI))) for _ in range(12)]
    assert {result.status for result in results} == {"done"}
    report = await checked(tmp_path / "log")
    assert (report.bad, report.sealed, report.open_runs) == (None, True, 0)
    assert report.removed[0][0] == 0


def test_the_policy_says_how_a_log_is_divided() -> None:
    """What the runtime is told comes before it, and nonsense is refused at once."""
    policy = Policy(log={"file_bytes": 2**20, "keep_seconds": 5})
    assert Runtime(policy)._settings.rotation == Rotation(file_bytes=2**20, keep_seconds=5)
    rule = Rotation(file_seconds=60)
    assert Runtime(policy, rotation=rule)._settings.rotation is rule
    with pytest.raises(UsageError, match="at least 65536"):
        Runtime(Policy(log={"file_bytes": 1}))
