from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest

from authgate_async.errors import PolicyError
from authgate_async.launchers.protocol import Limits
from authgate_async.policy import Policy, Problem, RunLimits, ToolEntry, schema
from authgate_async.policy.problems import escape, quote
from authgate_async.policy.tools import find_tools
from authgate_async.redaction import Kept

if TYPE_CHECKING:
    from pathlib import Path


def test_a_policy_that_does_not_speak_of_tools_leaves_them_on() -> None:
    """Without a tools table every tool can be asked for; grants still decide."""
    assert Policy().entry("calculator") == ToolEntry("calculator")
    assert len(find_tools(Policy())) == 5


def test_an_empty_tools_table_turns_every_tool_off() -> None:
    """Configured but empty denies."""
    assert Policy(tools=()).entry("calculator") is None
    assert find_tools(Policy(tools=())) == ()


def test_a_tool_can_be_turned_off_by_name() -> None:
    """A tool that is listed and not enabled is off."""
    policy = Policy(tools=(ToolEntry("calculator", enabled=False), ToolEntry("file_read")))
    assert policy.entry("calculator") is None
    assert [tool.name for tool in find_tools(policy)] == ["file_read"]


@pytest.mark.parametrize(
    ("declared", "entry", "expected"),
    [
        (Limits(), {}, (7, 5)),
        (Limits(wall_ms=8), {}, (8, 5)),
        (Limits(wall_ms=8), {"wall_ms": 9, "cpu_seconds": 1}, (9, 1)),
    ],
)
def test_the_most_special_limit_wins(
    declared: Limits, entry: dict[str, int], expected: tuple[int, int]
) -> None:
    """The policy's word on a tool beats the tool's own, which beats the policy's default."""
    policy = Policy(limits=RunLimits(tool=Limits(wall_ms=7)), tools=(ToolEntry("t", limits=entry),))
    limits = policy.limits_for("t", declared)
    assert (limits.wall_ms, limits.cpu_seconds) == expected


def test_the_policys_word_on_records_comes_before_the_tools() -> None:
    """Each of the two by itself; without any word the log has arguments, and sums of outputs."""
    entry = ToolEntry("t", record_args="sealed")
    declared = Kept("digest", "digest")
    assert Policy(tools=(entry,)).kept_for("t", declared) == Kept("sealed", "digest")
    assert Policy(tools=(ToolEntry("t"),)).kept_for("t", declared) == declared
    assert Policy().kept_for("t", declared) == declared
    assert Policy().kept_for("t") == Kept("full", "checksum")


MODULE = """
from authgate_async.tools import tool

@tool(resource="compute:mine", right="execute")
def mine() -> int:
    return 1

other = 3
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module with a tool `mine` and something that is none."""
    (tmp_path / "policy_tool_module.py").write_text(MODULE)
    (tmp_path / "policy_tool_broken.py").write_text("1 / 0")
    (tmp_path / "policy_tool_script.py").write_text("raise SystemExit(3)")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "policy_tool_module", raising=False)
    return "policy_tool_module"


def test_a_tool_of_ones_own_is_imported(module: str) -> None:
    """`import` leads to the tool of that name."""
    [tool] = find_tools(Policy(tools=(ToolEntry("mine", source=f"{module}:mine"),)))
    assert tool.name == "mine"


@pytest.mark.parametrize(
    ("name", "source", "why"),
    [
        ("mine", "policy_tool_module:other", "is no tool; put `@tool"),
        ("mine", "policy_tool_module:gone", "is no tool; put `@tool"),
        ("mine", "policy_tool_gone:mine", "cannot be imported (ModuleNotFoundError"),
        ("mine", "policy_tool_broken:mine", "cannot be imported (ZeroDivisionError"),
        ("mine", "policy_tool_script:mine", "cannot be imported (SystemExit: 3); mend it"),
        ("yours", "policy_tool_module:mine", "the tool there is called `mine`; write [tools.mine]"),
    ],
)
@pytest.mark.usefixtures("module")
def test_an_import_that_leads_to_no_tool_is_an_error(name: str, source: str, why: str) -> None:
    """What is imported must be a tool of the name that the policy gives it."""
    with pytest.raises(PolicyError) as caught:
        find_tools(Policy(tools=(ToolEntry(name, source=source),), source="p.toml"))
    assert why in str(caught.value)
    assert str(caught.value).startswith(f"p.toml: `import` of tool `{name}`")


def test_the_schema_describes_every_key() -> None:
    """Every property of the JSON Schema says what it means, and unknown keys are refused."""
    found = json.loads(msgspec.json.encode(schema()))
    assert found["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for name, part in found["$defs"].items():
        assert part["additionalProperties"] is False, name
        for key, value in part["properties"].items():
            assert name == "PolicyForm" or "description" in value or "$ref" in value, key


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("é漢", "é漢"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\u202eb", "a\\u202eb"),
        ("\ud800", "\\ud800"),
        ("a\u2028b\nc", "a\\u2028b\\nc"),
    ],
)
def test_text_from_outside_cannot_steer_a_terminal(text: str, shown: str) -> None:
    """Control, bidi and line-breaking characters are written as escapes."""
    assert escape(text) == shown


def test_a_long_value_is_cut() -> None:
    """A sentence stays readable whatever it quotes."""
    assert quote("x" * 1000) == f"`{'x' * 80}…`"


def test_a_problem_of_a_whole_file_has_no_line() -> None:
    """Line 0 is not shown, and a file name is escaped too."""
    assert str(Problem("a\nb", 0, "is gone")) == "a\\nb: is gone"
