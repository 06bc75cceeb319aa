from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authgate_async.policy import load
from authgate_async.policy.trial import try_policy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Write = Callable[[str], Path]

NOW = 1_700_000_000_000_000
GRANT = """[[grants]]
holder = "human:ann"
resource = "program:{}"
rights = ["execute"]
[[principals]]
name = "ann"
kind = "human"
"""


def _doubts(path: Path) -> list[tuple[int, str]]:
    trial = try_policy(load(path), path.read_text(), NOW, "python")
    assert trial.refused == ()
    return [(problem.line, problem.sentence) for problem in trial.doubtful]


@pytest.mark.parametrize("name", ["no-such-program", "../bin/sh", "/bin/sh", "..", "sh -c"])
def test_a_program_that_cannot_be_started_is_doubted(write: Write, name: str) -> None:
    """A grant on a program that is not there, or on a path, is told with its line."""
    ((line, sentence),) = _doubts(write(GRANT.format(name)))
    assert line == 1
    assert sentence.startswith(f"`program:{name}` is no program in /usr/bin or /bin here; install")


def test_a_program_that_is_there_is_not_doubted(write: Write) -> None:
    """What can be started is left alone."""
    assert _doubts(write(GRANT.format("sh"))) == []


def test_programs_of_other_tools_are_not_doubted(write: Write) -> None:
    """Where `run_program` is off, a program may be whatever another tool calls so."""
    path = write(GRANT.format("no-such-program") + "[tools.run_program]\nenabled = false\n")
    assert _doubts(path) == []


def test_a_grant_that_waits_for_an_approval_is_not_doubted(write: Write) -> None:
    """That nobody approved the trial says nothing of the grant."""
    key = 'key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"\n'
    text = GRANT.format("sh").replace("[[principals]]", 'approvers = ["ann"]\n[[principals]]')
    assert _doubts(write(text + key)) == []


CALCULATING = """
[[principals]]
name = "ann"
kind = "human"
[[grants]]
id = "up"
holder = "human:ann"
resource = "{resource}"
rights = ["execute", "delegate"]
{grant}
[tools.calculator]
{limits}
[tools.python_exec]
"""


@pytest.mark.parametrize(
    ("grant", "why"),
    [
        (
            "args.expresion = {max_len = 9}",
            "asks for argument `expresion`, and `calculator` has",
        ),
        ("args.code = {max_len = 9}", "asks for argument `code`, and `calculator` has expression"),
        (
            "budget.wall_seconds = 9",
            "has a budget of 9000000 microseconds of wall time, and a call of `calculator` may use",
        ),
        ("budget.output_bytes = 9", "has a budget of 9 bytes of output, and a call of `calculato"),
    ],
)
def test_a_grant_that_serves_no_tool_is_doubted(write: Write, grant: str, why: str) -> None:
    """A misspelt argument, or a budget that is smaller than one call's reservation."""
    text = CALCULATING.format(resource="compute:calculator", grant=grant, limits="")
    ((line, sentence),) = _doubts(write(text))
    assert line == 5
    assert sentence.startswith(f"grant `up` serves no tool of this policy: grant `up` {why}")


@pytest.mark.parametrize(
    ("resource", "grant", "limits"),
    [
        ("compute:calculator", "args.expression = {max_len = 9}", ""),
        ("compute:calculator", "args.other = {absent = true}", ""),
        ("compute:calculator", "budget.wall_seconds = 9", "limits.wall_ms = 9000"),
        ("compute:python", "args.code = {max_len = 9}", ""),
        ("compute:mine", "args.mine = {max_len = 9}", ""),
    ],
)
def test_a_grant_that_serves_some_tool_is_not(
    write: Write, resource: str, grant: str, limits: str
) -> None:
    """Nor one for tools that the policy does not know."""
    assert _doubts(write(CALCULATING.format(resource=resource, grant=grant, limits=limits))) == []


def test_a_child_is_held_against_the_budget_above_it(write: Write) -> None:
    """The chain is charged as a whole."""
    child = """budget.wall_seconds = 1
[[grants]]
id = "down"
parent = "up"
holder = "human:ann"
resource = "compute:calculator"
rights = ["execute"]
budget.wall_seconds = 1
"""
    text = CALCULATING.format(resource="compute:calculator", grant=child, limits="")
    assert [line for line, _ in _doubts(write(text))] == [5, 11]
