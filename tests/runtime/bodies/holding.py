"""A tool that holds a pipe open, with a process of its own beside it, and never ends."""

from __future__ import annotations

import os
import time

from authgate_async import tool


@tool(
    resource="test:holding",
    right="execute",
    also=(("file:shared", "", "read"), ("file:shared", "", "write")),
    programs=True,
)
def holding(path: str) -> None:
    """Write to the pipe from two processes, and wait for ever."""
    pipe = os.open(path, os.O_WRONLY)
    os.fork()
    os.write(pipe, b"alive")
    time.sleep(3600)
