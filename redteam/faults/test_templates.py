"""The template of tool processes dies: before a call, in the middle of it, behind it, again."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from authgate_async import Policy
from authgate_async.policy import Principal, Resource
from authgate_async.wire import Grant, Right
from redteam.bodies.lingering import LINGER

if TYPE_CHECKING:
    from collections.abc import Callable


def _children() -> list[int]:
    tasks = Path("/proc/self/task").glob("*/children")
    return [int(pid) for task in tasks for pid in task.read_text().split()]


async def _kill() -> None:
    """Kill them all, and wait until the runtime has noticed."""
    killed = set(_children())
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    while killed & set(_children()):  # noqa: ASYNC110 - it ends in another process
        await anyio.sleep(0.01)


def _policy(board: Path) -> Policy:
    rights = Right.READ | Right.WRITE
    return Policy(
        principals=(Principal("ann", "human"), Principal("bot", "machine", owner="ann")),
        resources=(Resource("board", "marks", str(board)),),
        grants=(
            Grant("v", "bot", "machine", "vault", "a", "", Right.READ),
            Grant("b", "bot", "machine", "board", "marks", "", rights),
        ),
        tools=(),
    )


@pytest.mark.parametrize("level", sorted(LINGER))
async def test_a_template_that_is_killed_takes_only_what_runs_with_it(
    house: Callable[..., Any], tmp_path: Path, level: str
) -> None:
    """A call in the middle ends as `sandbox_died`; each other one has a new template."""
    before, board = _children(), tmp_path / "board"
    board.mkdir()
    async with house(policy=_policy(board), tools=(LINGER[level],)) as own:
        for number in range(3):
            token = f"whole{number}"
            (board / f"{token}-go").touch()
            assert (await own.act("linger", name="a", token=token)).steps[0].cause == "returned"
            await _kill()
        own.begin("linger", name="a", token="cut")  # noqa: S106 - a name
        while not (board / "cut-began").exists():  # noqa: ASYNC110 - it begins in another process
            await anyio.sleep(0.01)
        await _kill()
        await own.until(lambda: own.results)
        (board / "after-go").touch()
        after = await own.act("linger", name="a", token="after")  # noqa: S106 - same

    step = own.results[0].steps[0]
    assert (step.cause, after.steps[0].cause) == ("sandbox_died", "returned")
    assert step.error
    assert _children() == before
    await own.whole()
