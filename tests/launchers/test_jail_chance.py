"""Calls are forked from one process, and no two of them may draw the same numbers."""

from __future__ import annotations

import json

from authgate_async.launchers.jail import JailLauncher
from authgate_async.launchers.protocol import Call, Limits, ToolRef

TOOL = ToolRef("drawing", "tool")


async def test_no_two_calls_draw_the_same() -> None:
    """Each generator of Python gives each call of a template numbers of its own."""
    calls = 6
    async with JailLauncher(tools=[TOOL]) as own:
        drawn = [
            json.loads((await own.launch(Call("a1", TOOL, b"{}", limits=Limits()))).result)
            for _ in range(calls)
        ]
        assert len(own._templates) == 1
    for source in ("random", "secrets", "ssl", "uuid"):
        assert len({numbers[source] for numbers in drawn}) == calls, source
