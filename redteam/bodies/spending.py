"""A tool whose calls are counted where they run."""

from __future__ import annotations

from collections import Counter

from anyio.lowlevel import checkpoint

from authgate_async import tool

__all__ = ["PRICE", "SPENT", "spend"]

PRICE = 3
"""Units of cost that a call takes."""

SPENT: Counter[tuple[str, str]] = Counter()
"""Bodies that began, by purse and spender."""


@tool(resource="purse:{purse}", right="execute", level="inline", cost=PRICE)
async def spend(purse: str, spender: str, turns: int = 0) -> str:
    """Spend from a purse, for so many turns of the event loop."""
    SPENT[purse, spender] += 1
    for _ in range(turns):
        await checkpoint()
    return spender
