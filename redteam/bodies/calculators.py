"""The calculator at level `process`; in a jail it is the built-in one."""

from __future__ import annotations

from authgate_async import tool
from authgate_async.tools.calculator import calculator


@tool(name="calculator", resource="compute:calculator", right="execute", level="process")
def calculator_in_process(expression: str) -> str:
    """Compute one arithmetic expression."""
    result: str = calculator(expression)
    return result


CALCULATOR = {"jail": calculator, "process": calculator_in_process}
