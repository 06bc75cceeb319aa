"""Digests with a salt, which do not tell which of a few texts they are of."""

from __future__ import annotations

from hashlib import sha256

__all__ = ["SALT_BYTES", "args_digest", "salted"]

SALT_BYTES = 32


def salted(what: str, salt: bytes, text: bytes) -> bytes:
    """Digest a text with a salt; `what` it is keeps one digest from standing for another."""
    return sha256(f"authgate_async {what} v1\0".encode() + salt + sha256(text).digest()).digest()


def args_digest(args: bytes, salt: bytes) -> bytes:
    """Digest arguments (`docs/rules.md`, section 3); an empty salt adds nothing."""
    return salted("arguments", salt, args) if salt else sha256(args).digest()
