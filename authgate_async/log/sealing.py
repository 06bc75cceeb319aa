"""Sealed texts: encrypted to the auditor's key, and opened in the record that they stand in only.

The form is HPKE (RFC 9180, base mode) with X25519, HKDF-SHA256 and ChaCha20-Poly1305: the
encapsulated key and the ciphertext, one behind the other, in hex. Its `info` names the record, so
that what was sealed for one does not open in another (`docs/log.md`, section 8).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag

from authgate_async.log.lines import Fault

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
    from cryptography.hazmat.primitives.hpke import Suite

__all__ = ["MIN_SEALED", "Place", "SealedArgs", "SealedOutputs", "open_sealed", "seal"]

MIN_SEALED = 32 + 16
"""Bytes of the shortest sealed text: an encapsulated key and a tag."""

_BLOCK = 256
"""What is sealed is padded to a multiple of this: lengths tell yes from no."""

_encode = msgspec.msgpack.Encoder().encode


@cache
def _suite() -> Suite:
    """Import it for those who seal: it brings in every cipher, and most runtimes seal nothing."""
    from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite  # noqa: PLC0415

    return Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


class Place(msgspec.Struct, frozen=True, array_like=True, tag="authgate_async sealed v1"):
    """The record that a sealed text is for; `kind` is the record's."""

    kind: str
    run: str
    seq: int
    action_digest: str

    @property
    def info(self) -> bytes:
        """Canonical JSON: an array of the tag and these."""
        return msgspec.json.encode(self)


class SealedArgs(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What is sealed of an intent, or of a call that waits for an approval, as MessagePack."""

    salt: bytes
    args: bytes
    padding: bytes = b""


class SealedOutputs(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What is sealed of an outcome, as MessagePack."""

    salt: bytes
    result: bytes
    stdout: bytes
    stderr: bytes
    error: str
    denials: tuple[str, ...]
    padding: bytes = b""


Sealed = TypeVar("Sealed", SealedArgs, SealedOutputs)


def seal(text: SealedArgs | SealedOutputs, auditor: X25519PublicKey, place: Place) -> str:
    """Encrypt a text to the auditor, for one record."""
    bare = len(_encode(text))
    padded = msgspec.structs.replace(text, padding=bytes(-bare % _BLOCK))
    return _suite().encrypt(_encode(padded), auditor, info=place.info).hex()


def open_sealed(sealed: str, key: X25519PrivateKey, place: Place, form: type[Sealed]) -> Sealed:
    """Decrypt what stands in a record; raises `Fault` if it was not sealed for it and this key."""
    try:
        data = _suite().decrypt(bytes.fromhex(sealed), key, info=place.info)
    except (InvalidTag, ValueError) as error:
        raise Fault(
            "its sealed text does not open: it was changed, or sealed for another record or key"
        ) from error
    try:
        return msgspec.msgpack.decode(data, type=form)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise Fault(f"what is sealed in it has not the form of `{form.__name__}`") from error
