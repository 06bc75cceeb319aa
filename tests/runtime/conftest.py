"""What the runtime's tests share: a small policy, inline tools, a runtime without a log file."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from authgate_async import Policy, Runtime, tool
from authgate_async.policy import Principal
from authgate_async.wire import Grant, Right

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


WAITING: list[float] = []


@tool(resource="compute:echo", right="execute", level="inline")
async def echo(text: str) -> str:
    """Give the text back."""
    return text


@tool(resource="compute:echo", right="execute", level="inline")
async def wait() -> None:
    """Never end."""
    WAITING.append(anyio.current_time())
    await anyio.sleep_forever()


@tool(resource="compute:echo", right="execute", level="inline")
async def fail() -> None:
    """Fail."""
    raise ValueError("the tool's own fault")


TOOLS = (echo, wait, fail)


@pytest.fixture
def policy() -> Callable[..., Policy]:
    """Make a policy: one human, machines, and a grant on `compute:echo` for each."""

    def make(*machines: str) -> Policy:
        names = machines or ("bot",)
        return Policy(
            principals=(
                Principal("ann", "human"),
                *(Principal(name, "machine", owner="ann") for name in names),
            ),
            grants=tuple(
                Grant(f"g-{name}", name, "machine", "compute", "echo", "", Right.EXECUTE)
                for name in names
            ),
        )

    return make


@pytest.fixture
def runtime(policy: Callable[..., Policy]) -> Callable[..., Any]:
    """Open a runtime whose agents may echo, wait and fail; keywords go to `Runtime`."""

    @asynccontextmanager
    async def open_runtime(*machines: str, **options: Any) -> AsyncIterator[Runtime]:
        options = {"policy": policy(*machines), "tools": TOOLS, "log": None, **options}
        async with Runtime(**options) as rt:
            yield rt

    return open_runtime


@pytest.fixture
def waiting() -> list[float]:
    """Tell how many calls of `wait` have begun in this test."""
    WAITING.clear()
    return WAITING


@pytest.fixture
def step() -> Callable[..., dict[str, Any]]:
    """Write a step of a plan."""

    def make(name: str, **args: Any) -> dict[str, Any]:
        return {"tool": name, "args": args}

    return make
