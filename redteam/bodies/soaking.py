"""The tools of the soak, one or more at each level."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path

import anyio
import anyio.lowlevel

from authgate_async import tool
from authgate_async.launchers.protocol import Limits

SHORT = Limits(wall_ms=300, stdout_bytes=4096)
LONG = Limits(wall_ms=20_000, stdout_bytes=4096)


@tool(resource="work:inline", right="execute", level="inline")
async def add(left: int, right: int) -> int:
    """Add, on the loop."""
    await anyio.lowlevel.checkpoint()
    return left + right


@tool(resource="work:{place}", right="execute", level="inline")
async def linger(place: str) -> None:  # noqa: ARG001 - it names the grant
    """Wait for somebody to take the grant on `place` away."""
    await anyio.sleep_forever()


@tool(resource="work:asked", right="execute", level="inline")
async def asked(number: int) -> int:
    """Run when a human has approved it."""
    return number


@tool(resource="work:process", right="execute", level="process", limits=LONG)
def multiply(left: int, right: int) -> int:
    """Multiply, in a process."""
    return left * right


@tool(resource="work:jail", right="execute", limits=LONG)
def flood(size: int) -> int:
    """Write more than is kept, in a jail."""
    return os.write(1, b"x" * size)


@tool(resource="work:jail", right="execute", limits=SHORT)
def spin() -> None:
    """Never end, in a jail."""
    while True:
        pass


@tool(resource="work:jail", right="execute", limits=LONG)
def attack(secret: str) -> str:
    """Try what a jail forbids; return what was got."""
    got = []
    with suppress(OSError):
        got.append(Path(secret).read_text())
    with suppress(OSError):
        socket.socket().close()
        got.append("a socket")
    with suppress(OSError):
        Path("/etc/owned").write_text("mine")
        got.append("a file in /etc")
    return ", ".join(got)


TOOLS = (add, linger, asked, multiply, flood, spin, attack)
