"""The tools that one runtime offers, by name."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from authgate_async.errors import ToolDefinitionError
from authgate_async.tools.definition import Tool

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["ToolSet"]


class ToolSet:
    """A name leads to one tool.

    Raises:
        ToolDefinitionError: two tools have one name, or one that is not inline would not be found
            by the process that is to run it.
    """

    def __init__(self, tools: Iterable[Tool] = ()) -> None:
        self._tools: dict[str, Tool] = {}
        for tool in tools:
            self.add(tool)

    @classmethod
    def builtin(cls) -> ToolSet:
        """Return calculator, file_read, python_exec, run_program and web_search."""
        # Importing them here keeps SQLite and `ast` out of processes that only define tools.
        from authgate_async.tools.calculator import calculator  # noqa: PLC0415
        from authgate_async.tools.file_read import file_read  # noqa: PLC0415
        from authgate_async.tools.python_exec import python_exec  # noqa: PLC0415
        from authgate_async.tools.run_program import run_program  # noqa: PLC0415
        from authgate_async.tools.web_search import web_search  # noqa: PLC0415

        return cls((calculator, file_read, python_exec, run_program, web_search))

    def add(self, tool: Tool) -> None:
        """Take one more tool; see the class for what is refused."""
        if not isinstance(tool, Tool):
            raise ToolDefinitionError("a tool set holds tools; put `@tool(...)` over the function")
        if tool.name in self._tools:
            msg = (
                f"two tools are called `{tool.name}`; give one another name with `@tool(name=...)`"
            )
            raise ToolDefinitionError(msg)
        if tool.level != "inline" and _found(tool) is not tool:
            msg = (
                f"another process would not find tool `{tool.name}` as "
                f"`{tool.ref.module}.{tool.ref.qualname}`; put `@tool(...)` directly over "
                "the function, at the top of its module"
            )
            raise ToolDefinitionError(msg)
        self._tools[tool.name] = tool

    def get(self, name: str) -> Tool | None:
        """Return the tool of this name, or None."""
        return self._tools.get(name)

    def __getitem__(self, name: str) -> Tool:
        return self._tools[name]

    def __contains__(self, name: object) -> bool:
        return name in self._tools

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    def __len__(self) -> int:
        return len(self._tools)


def _found(tool: Tool) -> object:
    # What was started by `python -m` goes by another name here than in another process.
    home = tool.function.__module__
    found: object = sys.modules.get("__main__" if home == "__main__" else tool.ref.module)
    for part in tool.ref.qualname.split("."):
        found = getattr(found, part, None)
    return found
