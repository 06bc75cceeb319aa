"""The phrases that sentences share."""

from __future__ import annotations

from authgate_async.wire import Right

__all__ = ["principal", "resource", "right", "rights"]


def principal(kind: str, name: str) -> str:
    """Name a principal."""
    return f"{kind} `{name}`"


def resource(rtype: str, name: str, scope: str) -> str:
    """Name a resource, with its scope if there is one."""
    return f"`{rtype}:{name}/{scope}`" if scope else f"`{rtype}:{name}`"


def right(bit: int) -> str:
    """Name a right."""
    return str(Right(bit).name).lower()


def rights(bits: int) -> str:
    """Name a set of rights."""
    return ", ".join(right(bit) for bit in Right if bits & bit)
