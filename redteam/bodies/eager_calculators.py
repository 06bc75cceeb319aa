"""A calculator that evaluates what it gets: what the real one must be told from."""

from __future__ import annotations

from authgate_async import tool


@tool(name="calculator", resource="compute:calculator", right="execute")
def eager_in_jail(expression: str) -> str:
    """Compute whatever Python can."""
    return str(eval(expression))  # noqa: S307 - that is what is wrong with it


@tool(name="calculator", resource="compute:calculator", right="execute", level="process")
def eager_in_process(expression: str) -> str:
    """Compute whatever Python can."""
    return str(eval(expression))  # noqa: S307 - that is what is wrong with it


CALCULATOR = {"jail": eager_in_jail, "process": eager_in_process}
