"""A tool that is trusted with secrets: what it gets and gives is kept off the log."""

from __future__ import annotations

import os
import sys
import time

from authgate_async import tool

__all__ = ["KEEP", "OPEN"]


def _keep(secret: str, how: str) -> str:
    if how == "raise":
        raise RuntimeError(secret)
    if how == "raise by name":
        raise type(secret, (Exception,), {})
    if how == "print":
        print(secret)  # noqa: T201 - what it is for
    if how == "complain":
        print(secret, file=sys.stderr)  # noqa: T201 - what it is for
    if how == "exit":
        sys.exit(secret)
    if how == "die":
        print(secret, flush=True)  # noqa: T201 - what it is for
        os.abort()
    if how == "hang":
        print(secret, flush=True)  # noqa: T201 - what it is for
        time.sleep(60)
    if how == "flood":
        print(secret * 10_000)  # noqa: T201 - what it is for
    return secret


@tool(
    name="keep",
    resource="safe:box",
    right="execute",
    record_args="digest",
    record_outputs="digest",
)
def keep_in_jail(secret: str, how: str) -> str:
    """Do something with a secret."""
    return _keep(secret, how)


@tool(
    name="keep",
    resource="safe:box",
    right="execute",
    record_args="digest",
    record_outputs="digest",
    level="process",
)
def keep_in_process(secret: str, how: str) -> str:
    """Do the same at the other level."""
    return _keep(secret, how)


@tool(name="open", resource="safe:box", right="execute", level="inline", record_outputs="full")
async def open_inline(secret: str) -> str:
    """Take what is no secret."""
    return secret


KEEP = {"jail": keep_in_jail, "process": keep_in_process}
OPEN = open_inline
