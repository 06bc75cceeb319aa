"""Ed25519, with the strictness that the rules ask for and common libraries leave out.

`cryptography` refuses an `s` that is not reduced and an `R` in another than its canonical encoding,
but takes public keys of small order or in a second encoding. Source of the arithmetic: RFC 8032
section 5.1.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

__all__ = [
    "KEY_BYTES",
    "SIGNATURE_BYTES",
    "Signer",
    "is_key",
    "is_point",
    "is_small_order",
    "verifies",
]

KEY_BYTES = 32
SIGNATURE_BYTES = 64

_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P
_ORDER_EIGHT = int.from_bytes(
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"
)
_SMALL_ORDER_Y = frozenset({0, 1, _P - 1, _ORDER_EIGHT, _P - _ORDER_EIGHT})
"""The y of the eight points whose order divides 8: a signature under one binds no message."""


def _y(encoded: bytes) -> int:
    return int.from_bytes(encoded, "little") & (2**255 - 1)


def is_point(encoded: bytes) -> bool:
    """Whether 32 bytes decode to a point of the curve."""
    y2 = pow(_y(encoded), 2, _P)
    x2 = (y2 - 1) * pow(_D * y2 + 1, -1, _P) % _P
    return pow(x2, (_P - 1) // 2, _P) != _P - 1


def is_small_order(encoded: bytes) -> bool:
    """Whether the order of an encoded point divides 8, in whichever encoding."""
    return _y(encoded) % _P in _SMALL_ORDER_Y


def _strict(encoded: bytes) -> bool:
    return _y(encoded) < _P and not is_small_order(encoded)


def is_key(encoded: bytes) -> bool:
    """Whether the bytes are a public key under which a signature can verify."""
    return len(encoded) == KEY_BYTES and _strict(encoded) and is_point(encoded)


def verifies(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the signature is the key's over the message, strictly.

    Points of small order and second encodings are refused; wrong lengths too.
    """
    if len(public_key) != KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    if not (_strict(public_key) and _strict(signature[:KEY_BYTES])):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


class Signer:
    """A signing key made from its 32-byte seed."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public_key = self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """Sign; the same message gives the same 64 bytes."""
        return self._key.sign(message)
