"""From a proposed step to the action that the kernel decides, and what a key signs of it."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import astuple

from authgate_async.wire import Action

if TYPE_CHECKING:
    from authgate_async.launchers.protocol import Limits
    from authgate_async.messages import Propose
    from authgate_async.tools.definition import Bound, Tool

__all__ = ["action_of", "needs_of", "statement_of"]

_encode = msgspec.msgpack.Encoder().encode


DIGESTED = 10
"""How many fields of an action are digested (`docs/rules.md`, section 3)."""


def action_of(
    step: Propose, bound: Bound, needs: tuple[int, int, int] = (0, 0, 0), salt: bytes = b""
) -> Action:
    """Return the action that a step asks for, once its arguments are bound to its tool.

    `needs` is what the call may use at most: microseconds, bytes of output, units of cost. `salt`
    hides the arguments behind their digest; no statement is over it.
    """
    wall_us, output_bytes, cost = needs
    return Action(
        id=f"{step.run}:{step.seq}",
        actor=step.agent,
        kind=step.kind,
        tool=step.tool,
        args=bound.args,
        requests=bound.requests,
        proof=step.proof,
        wall_us=wall_us,
        output_bytes=output_bytes,
        cost=cost,
        salt=salt,
    )


def needs_of(tool: Tool, limits: Limits) -> tuple[int, int, int]:
    """Return what a call may use at most: microseconds, bytes of output, units of cost."""
    return limits.wall_ms * 1000, limits.output_bytes, tool.cost


def statement_of(action: Action) -> bytes:
    """Return the bytes that an actor's key signs (`docs/rules.md`, section 3)."""
    args_digest = sha256(action.args).digest()
    bare = msgspec.structs.replace(action, args=args_digest, proof=b"")
    return b"authgate_async action v1\x00" + sha256(_encode(astuple(bare)[:DIGESTED])).digest()
