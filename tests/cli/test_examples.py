from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from authgate_async.cli.actions import ActionLine, Judge
from authgate_async.cli.lines import read_tasks
from authgate_async.planners.rule_planner import Sentence
from authgate_async.policy import check, load

if TYPE_CHECKING:
    from types import ModuleType

EXAMPLES = Path(__file__).parents[2] / "examples"
NOW = 1_800_000_000_000_000


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    """The script that makes policy and tasks, as a module."""
    spec = importlib.util.spec_from_file_location("make_tasks", EXAMPLES / "make_tasks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_example_policy_is_sound() -> None:
    """The policy that the documentation starts from has no problem."""
    assert check(EXAMPLES / "policy.toml")[1] == []


def test_the_same_seed_gives_the_same_files(maker: ModuleType, tmp_path: Path) -> None:
    """Policy and tasks are a function of the seed."""
    first, second = (maker.write(tmp_path / name)[1].read_bytes() for name in "ab")
    assert first == second
    assert maker.write(tmp_path / "c", seed=21)[1].read_bytes() != first


def test_the_files_are_what_they_promise(maker: ModuleType, tmp_path: Path) -> None:
    """1,000 sound tasks for 100 agents, and for each it is known whether it may be done."""
    policy, tasks = maker.write(tmp_path)
    load(policy)
    read = read_tasks(tasks)
    assert (len(read), len({task.agent for task in read})) == (1000, 100)
    assert sum(task.id.endswith("must-not") for task in read) == 400


@pytest.mark.parametrize("backend", ["rust", "python"])
def test_each_outcome_is_as_was_known_ahead(
    maker: ModuleType, tmp_path: Path, backend: str
) -> None:
    """Each task's steps are all permitted exactly if its name says so, by either kernel."""
    policy, tasks = maker.write(tmp_path)
    judge = Judge(load(policy), backend, NOW)
    asked = [
        (task.id, ActionLine(task.id, task.agent, **_call(step)))
        for task in read_tasks(tasks)
        for step in Sentence(task.intent).steps()
    ]
    answers = judge.answers([line for _, line in asked])
    denied = {answer.id for answer in answers if not answer.permitted}
    assert denied == {name for name, _ in asked if name.endswith("must-not")}


def _call(step: object) -> dict[str, object]:
    plain = msgspec.to_builtins(step)
    return {"tool": plain["tool"], "args": plain["args"]}


def test_ten_lines_are_enough() -> None:
    """The shortest program runs one task and has another one denied."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / "ten_lines.py"], capture_output=True, check=True, text=True
    )
    assert done.stdout.startswith("ada-bot done Green tea")
    assert "clerk-bot denied" in done.stdout
