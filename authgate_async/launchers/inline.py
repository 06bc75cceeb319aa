"""The `inline` level: trusted code, in this process, under a cancel scope.

Held: the wall-clock deadline, for as long as the function lets go of the event loop, and the cap on
    its result; a plain function is told to be late only when it has returned. Nothing else: this
    level is for functions that you wrote and trust, never for what a planner wrote.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Protocol, Self

import anyio

from authgate_async.foreign import is_ours
from authgate_async.launchers.protocol import (
    LAYERS,
    Call,
    Clear,
    Ended,
    Folder,
    Level,
    Limits,
    ToolRef,
    Usage,
    cleared,
)
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
    layers = LAYERS[:2]

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
        result: bytes | BaseException
        try:
            result = tool.invoke(call.args, call.folders)
        except KeyboardInterrupt:
            raise
        except BaseException as raised:  # noqa: BLE001 - a tool's error is its outcome
            result = raised
        seconds = monotonic() - begun
        late = seconds > call.limits.wall_ms / 1000  # nothing could stop it; at least it is told
        return _ended(result, call.limits, _usage(seconds), late=late)

    async def launch(self, call: Call, clear: Clear = cleared) -> Ended:
        """Run one call to its end or its deadline; never raises for what the tool did."""
        tool = self._tools.get(call.tool)
        if tool is None:
            name = f"{call.tool.module}.{call.tool.qualname}"
            return Ended("raised", error=f"`{name}` is not an inline tool of this launcher")
        await clear()
        limits = call.limits
        begun = anyio.current_time()
        result: bytes | BaseException = b""
        with anyio.CancelScope(deadline=begun + limits.wall_ms / 1000) as scope:
            try:
                result = await tool.ainvoke(call.args, call.folders)
            except BaseException as raised:
                if is_ours(raised, scope):
                    raise
                result = raised
        usage = _usage(anyio.current_time() - begun)
        return _ended(result, limits, usage, late=scope.cancelled_caught)


def _usage(seconds: float) -> Usage:
    return Usage(wall_us=int(seconds * 1_000_000))


def _ended(result: bytes | BaseException, limits: Limits, usage: Usage, *, late: bool) -> Ended:
    if late:
        error = f"the call was not done after {limits.wall_ms} ms"
        return Ended("deadline", error=error, usage=usage)
    if isinstance(result, BaseException):
        return Ended("raised", error=describe(result), usage=usage)
    if len(result) > limits.result_bytes:
        error = f"the result has more than {limits.result_bytes} bytes"
        return Ended("output_cap", error=error, capped=("result",), usage=usage)
    return Ended("returned", result=result, usage=usage)
