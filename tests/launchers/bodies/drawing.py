"""A tool that draws numbers from generators that were in use when its module was loaded."""

from __future__ import annotations

import json
import random
import secrets
import ssl
import uuid
from typing import Any


def draw() -> dict[str, str]:
    """Draw once from each."""
    return {
        "random": random.randbytes(8).hex(),  # noqa: S311 - no secret
        "secrets": secrets.token_hex(8),
        "ssl": ssl.RAND_bytes(8).hex(),
        "uuid": uuid.uuid4().hex,
    }


draw()


class Tool:
    """The part of a tool that a launcher uses."""

    def invoke(self, args: bytes, folders: tuple[Any, ...]) -> bytes:
        """Draw."""
        del args, folders
        return json.dumps(draw()).encode()


tool = Tool()
