"""What the calls of `benches.sandbox` run. The template imports this file; it stays light."""

from __future__ import annotations

import os
import signal

from authgate_async import tool

__all__ = ["crowd", "four"]


@tool(resource="compute:four", right="execute", level="jail")
def four() -> int:
    """Print 2 + 2 and return it, as the rivals' Python prints it."""
    print(2 + 2)
    return 2 + 2


@tool(resource="compute:crowd", right="execute", level="jail")
def crowd(children: int) -> None:
    """Start processes that wait, say so, and wait too."""
    for _ in range(children):
        if os.fork() == 0:
            signal.pause()
    print("all there")
    signal.pause()
