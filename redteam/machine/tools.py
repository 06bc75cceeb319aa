"""Tools of every level. What stands in for a process does the work itself; it needs the names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate_async import tool
from authgate_async.launchers.protocol import Limits

if TYPE_CHECKING:
    from authgate_async.tools.definition import Tool
    from redteam.machine.world import World

__all__ = ["DEADLINE", "NAMES", "tools_of"]

DEADLINE = 60
"""Seconds that a body may take."""

NAMES = ("quick", "slow", "quick_jail", "slow_jail", "quick_process", "slow_process")
"""What is quick returns at once, what is slow when it is let go."""

LIMITS = Limits(wall_ms=DEADLINE * 1000)


@tool(resource="work:{place}", right="execute", limits=LIMITS)
def quick_jail(token: str, place: str, amount: int) -> str:
    """Do the work at once, in a jail."""
    raise NotImplementedError


@tool(resource="work:{place}", right="execute", limits=LIMITS)
def slow_jail(token: str, place: str, amount: int) -> str:
    """Work until let go, in a jail."""
    raise NotImplementedError


@tool(resource="work:{place}", right="execute", level="process", limits=LIMITS)
def quick_process(token: str, place: str, amount: int) -> str:
    """Do the work at once, in a process."""
    raise NotImplementedError


@tool(resource="work:{place}", right="execute", level="process", limits=LIMITS)
def slow_process(token: str, place: str, amount: int) -> str:
    """Work until let go, in a process."""
    raise NotImplementedError


def tools_of(world: World) -> tuple[Tool, ...]:
    """Return all of them; those without a process are this world's own."""

    @tool(resource="work:{place}", right="execute", level="inline")
    def quick(token: str, place: str, amount: int) -> str:
        """Do the work at once."""
        call = world.begun(token, place, amount)
        call.running, call.body = False, "returned"
        return token

    @tool(resource="work:{place}", right="execute", level="inline", limits=LIMITS)
    async def slow(token: str, place: str, amount: int) -> str:
        """Work until let go."""
        return await world.work(token, place, amount, lingers=True)

    return quick, slow, quick_jail, slow_jail, quick_process, slow_process
