from __future__ import annotations

from typing import Any

import pytest

from authgate_async.errors import ToolDefinitionError
from authgate_async.tools import ToolSet, tool
from authgate_async.tools.calculator import calculator


def _hidden(value: str) -> str:
    return value


def test_the_built_in_tools_are_five() -> None:
    """A calculator, files, Python, programs and a search are built in, each in a jail."""
    tools = ToolSet.builtin()
    names = ["calculator", "file_read", "python_exec", "run_program", "web_search"]
    assert [each.name for each in tools] == names
    assert {each.level for each in tools} == {"jail"}
    assert len(tools) == 5


def test_a_tool_is_found_by_name() -> None:
    """A name leads to its tool; an unknown one to nothing."""
    tools = ToolSet((calculator,))
    assert tools["calculator"] is tools.get("calculator") is calculator
    assert "calculator" in tools
    assert tools.get("x") is None


def test_two_tools_of_one_name_are_refused() -> None:
    """A second tool cannot take the name of the first."""
    with pytest.raises(ToolDefinitionError, match="two tools are called `calculator`"):
        ToolSet((calculator, calculator))


@pytest.mark.parametrize("thing", [_hidden, len, "calculator", None])
def test_only_tools_go_into_a_set(thing: Any) -> None:
    """An undecorated function is refused with a remedy."""
    with pytest.raises(ToolDefinitionError, match=r"put `@tool"):
        ToolSet((thing,))


def test_a_process_tool_that_would_not_be_found_is_refused() -> None:
    """A tool whose name in its module is the bare function would run something else."""
    made = tool(resource="a:b", right="read")(_hidden)
    with pytest.raises(ToolDefinitionError, match="would not find"):
        ToolSet((made,))
