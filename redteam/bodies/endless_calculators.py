"""The real calculator, which does not estimate how large a result will be."""

from __future__ import annotations

from authgate_async import tool
from authgate_async.launchers import loading
from authgate_async.tools import calculator as real

if loading.inside:
    real._small = lambda value, bits: value  # type: ignore[assignment]  # noqa: ARG005


@tool(name="calculator", resource="compute:calculator", right="execute")
def endless_in_jail(expression: str) -> str:
    """Compute one arithmetic expression, however large."""
    result: str = real.calculator(expression)
    return result


@tool(name="calculator", resource="compute:calculator", right="execute", level="process")
def endless_in_process(expression: str) -> str:
    """Compute one arithmetic expression, however large."""
    result: str = real.calculator(expression)
    return result


CALCULATOR = {"jail": endless_in_jail, "process": endless_in_process}
