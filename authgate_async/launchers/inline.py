"""The `inline` level: trusted code, in this process, under a cancel scope.

Held: the wall-clock deadline, for as long as the function lets go of the event loop, and the cap on
its result. Nothing else: this level is for functions that you wrote and trust, never for what a
planner wrote.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Protocol, Self

import anyio

from authgate_async.launchers.protocol import Call, Ended, Folder, Level, Limits, ToolRef, Usage
from authgate_async.launchers.sentences import describe

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["InlineLauncher"]


class InlineTool(Protocol):
    """What this level runs; `authgate_async.tools.Tool` is one."""

    is_async: bool
    """Whether the function is a coroutine function; a plain one must not block."""

    def invoke(self, args: bytes, folders: tuple[Folder, ...]) -> bytes:
        """Call a plain function with JSON arguments; return its result as JSON."""
        ...

    async def ainvoke(self, args: bytes, folders: tuple[Folder, ...]) -> bytes:
        """Call the function with JSON arguments; return its result as JSON."""
        ...


class InlineLauncher:
    """Runs each call as a coroutine. `tools` maps the references of calls to the tools."""

    level: Level = "inline"
    layers: tuple[str, ...] = ("deadline", "output_caps")

    def __init__(self, tools: Mapping[ToolRef, InlineTool]) -> None:
        self._tools = tools

    async def __aenter__(self) -> Self:
        """Do nothing: there is nothing to get ready."""
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Do nothing: a call lives in the task that launched it."""

    def launch_now(self, call: Call) -> Ended | None:
        """Run a plain function; None for a coroutine function, which has to be launched."""
        tool = self._tools.get(call.tool)
        if tool is None or tool.is_async:
            return None
        begun = monotonic()
        try:
            result = tool.invoke(call.args, call.folders)
        except (Exception, SystemExit) as raised:  # noqa: BLE001 - a tool's error is its outcome
            return Ended("raised", error=describe(raised), usage=_usage(monotonic() - begun))
        return _returned(result, call.limits, _usage(monotonic() - begun))

    async def launch(self, call: Call) -> Ended:
        """Run one call to its end or its deadline; never raises for what the tool did."""
        tool = self._tools.get(call.tool)
        if tool is None:
            name = f"{call.tool.module}.{call.tool.qualname}"
            return Ended("raised", error=f"`{name}` is not an inline tool of this launcher")
        limits = call.limits
        begun = anyio.current_time()
        result: bytes | Exception | SystemExit = b""
        with anyio.CancelScope(deadline=begun + limits.wall_ms / 1000) as scope:
            try:
                result = await tool.ainvoke(call.args, call.folders)
            except (Exception, SystemExit) as raised:  # noqa: BLE001 - a tool's error is its outcome
                result = raised
        usage = _usage(anyio.current_time() - begun)
        if scope.cancelled_caught:
            error = f"the call was not done after {limits.wall_ms} ms"
            return Ended("deadline", error=error, usage=usage)
        if isinstance(result, bytes):
            return _returned(result, limits, usage)
        return Ended("raised", error=describe(result), usage=usage)


def _usage(seconds: float) -> Usage:
    return Usage(wall_us=int(seconds * 1_000_000))


def _returned(result: bytes, limits: Limits, usage: Usage) -> Ended:
    if len(result) > limits.result_bytes:
        error = f"the result has more than {limits.result_bytes} bytes"
        return Ended("output_cap", error=error, capped=("result",), usage=usage)
    return Ended("returned", result=result, usage=usage)
