"""From the tools that a policy names to the tools themselves."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from authgate_async.errors import PolicyError
from authgate_async.policy.problems import escape, quote
from authgate_async.tools import Tool, ToolSet

if TYPE_CHECKING:
    from authgate_async.policy.model import Policy, ToolEntry

__all__ = ["find_tools"]


def find_tools(policy: Policy) -> tuple[Tool, ...]:
    """Return the tools that a policy turns on: the built-in ones and those it imports.

    Importing runs the module's code: a policy is as trusted as the programs on this machine.

    Raises:
        PolicyError: an import does not lead to a tool of that name.
    """
    built_in = {tool.name: tool for tool in ToolSet.builtin()}
    if policy.tools is None:
        return tuple(built_in.values())
    return tuple(
        _imported(entry, policy.source) if entry.source else built_in[entry.name]
        for entry in policy.tools
        if entry.enabled
    )


def _imported(entry: ToolEntry, file: str) -> Tool:
    module, _, attribute = entry.source.partition(":")
    place = f"{escape(file)}: `import` of tool {quote(entry.name)}"
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a user's module may raise anything
        why = escape(f"{type(error).__name__}: {error}")
        raise PolicyError(f"{place}: {quote(module)} cannot be imported ({why}); mend it") from None
    if not isinstance(found, Tool):
        remedy = "put `@tool(...)` over a function and name that"
        raise PolicyError(f"{place}: {quote(entry.source)} is no tool; {remedy}")
    if found.name != entry.name:
        remedy = f"write [tools.{found.name}]"
        raise PolicyError(f"{place}: the tool there is called {quote(found.name)}; {remedy}")
    return found
