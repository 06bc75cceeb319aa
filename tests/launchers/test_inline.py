"""The inline level: trusted code under a deadline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from authgate_async.launchers.inline import InlineLauncher
from authgate_async.launchers.protocol import Call, Folder, Limits, ToolRef

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Stub:
    """A tool made of one coroutine function."""

    def __init__(self, function: Callable[[bytes], Awaitable[bytes]]) -> None:
        self.function = function

    async def ainvoke(self, args: bytes, folders: tuple[Folder, ...]) -> bytes:
        """Call it."""
        assert folders == ()
        return await self.function(args)


async def echo(args: bytes) -> bytes:
    """Give back the arguments."""
    await anyio.lowlevel.checkpoint()
    return args


async def hang(args: bytes) -> bytes:
    """Never end."""
    await anyio.sleep_forever()
    return args


async def fail(args: bytes) -> bytes:
    """Raise."""
    raise ValueError(f"bad\n{args.decode()}")


async def leave(args: bytes) -> bytes:
    """Ask the whole process to exit."""
    raise SystemExit(args)


async def late(args: bytes) -> bytes:
    """Raise a timeout of its own."""
    del args
    raise TimeoutError("the tool's own")


TOOLS = {ToolRef("m", tool.__name__): Stub(tool) for tool in (echo, hang, fail, leave, late)}


@pytest.mark.parametrize(
    ("name", "cause", "result", "error"),
    [
        ("echo", "returned", b"{}", ""),
        ("hang", "deadline", b"", "the call was not done after 50 ms"),
        ("fail", "raised", b"", "ValueError: bad\\n{}"),
        ("leave", "raised", b"", "SystemExit: b'{}'"),
        ("late", "raised", b"", "TimeoutError: the tool's own"),
        ("missing", "raised", b"", "`m.missing` is not an inline tool of this launcher"),
    ],
)
async def test_cause(name: str, cause: str, result: bytes, error: str) -> None:
    """A call ends with its cause, its result or one sentence."""
    limits = Limits(wall_ms=50 if name == "hang" else 60_000)
    async with InlineLauncher(TOOLS) as launcher:
        ended = await launcher.launch(Call("a1", ToolRef("m", name), b"{}", limits=limits))
    assert (ended.cause, ended.result, ended.error) == (cause, result, error)


@pytest.mark.parametrize(("cap", "cause"), [(10, "returned"), (9, "output_cap")])
async def test_result_cap(cap: int, cause: str) -> None:
    """A result over its cap is not handed on."""
    made = Call("a1", ToolRef("m", "echo"), b"x" * 10, limits=Limits(result_bytes=cap))
    ended = await InlineLauncher(TOOLS).launch(made)
    assert (ended.cause, ended.capped) == (cause, ("result",) if cause == "output_cap" else ())
    assert len(ended.result) <= cap


async def test_cancellation_goes_through() -> None:
    """A cancellation from outside is no outcome: it goes on."""
    with anyio.move_on_after(0.01) as scope:
        await InlineLauncher(TOOLS).launch(Call("a1", ToolRef("m", "hang"), b"{}"))
    assert scope.cancelled_caught
