"""Why no call of a tool can rest on a grant, whatever its arguments are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate_async.policy.problems import quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authgate_async.launchers.protocol import Limits
    from authgate_async.tools import Tool
    from authgate_async.wire import Grant

__all__ = ["unfit"]


def unfit(tool: Tool, limits: Limits, chain: Sequence[Grant]) -> str:
    """Say what a chain asks of a call that one of this tool never has; empty if nothing is found.

    `limits` are those of its calls: what they may use at most is reserved from budgets.
    """
    return next((why for grant in chain for why in _reasons(tool, limits, grant)), "")


def _reasons(tool: Tool, limits: Limits, grant: Grant) -> Iterator[str]:
    known = tool.arguments
    for one in grant.constraints:
        if one.op != "absent" and one.arg not in known:
            there = ", ".join(known) or "none"
            yield (
                f"grant {quote(grant.id)} asks for argument {quote(one.arg)}, and `{tool.name}` "
                f"has {there}"
            )
    for most, need, unit in (
        (grant.max_wall_us, limits.wall_ms * 1000, "microseconds of wall time"),
        (grant.max_output_bytes, limits.output_bytes, "bytes of output"),
        (grant.max_cost, tool.cost, "units of cost"),
    ):
        if need > most:
            yield (
                f"grant {quote(grant.id)} has a budget of {most} {unit}, and a call of "
                f"`{tool.name}` may use {need}"
            )
