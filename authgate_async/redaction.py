"""What the log keeps of a tool's calls: in full, as a digest, or sealed for an auditor."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["ArgsKept", "Kept", "OutputsKept"]

ArgsKept = Literal["full", "digest", "sealed"]
"""`full` in clear; `digest` as a salted digest that nobody can guess at; `sealed` as that, and
encrypted to the auditor's key."""

OutputsKept = Literal["checksum", "full", "digest", "sealed"]
"""As `ArgsKept`; `checksum` is a plain SHA-256, against which whoever has an output can hold it."""


class Kept(msgspec.Struct, frozen=True):
    """What the log keeps of the calls of one tool."""

    args: ArgsKept = "full"
    outputs: OutputsKept = "checksum"

    @property
    def tells(self) -> bool:
        """Whether what the tool says of itself may be told: its errors can quote anything."""
        return self.args == "full" and self.outputs in ("checksum", "full")

    @property
    def seals(self) -> bool:
        """Whether it takes an auditor's key."""
        return "sealed" in (self.args, self.outputs)
