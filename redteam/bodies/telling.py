"""Tools that give back, print or raise whatever text they are given."""

from __future__ import annotations

import sys

from authgate_async import tool

__all__ = ["TELL"]


def _tell(text: str, how: str) -> str:
    if how == "raise":
        raise RuntimeError(text)
    if how == "print":
        print(text)  # noqa: T201 - what it is for
    if how == "complain":
        print(text, file=sys.stderr)  # noqa: T201 - what it is for
    return text


@tool(name="tell", resource="voice:loud", right="execute", record_outputs="full")
def tell_in_jail(text: str, how: str) -> str:
    """Tell a text in some way."""
    return _tell(text, how)


@tool(name="tell", resource="voice:loud", right="execute", record_outputs="full", level="process")
def tell_in_process(text: str, how: str) -> str:
    """Do the same at the other level."""
    return _tell(text, how)


TELL = {"jail": tell_in_jail, "process": tell_in_process}
