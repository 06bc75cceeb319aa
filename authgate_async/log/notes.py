"""Checkpoints of the log: C2SP `tlog-checkpoint` in a signed note, Ed25519.

Sources: c2sp.org/signed-note (key id, form), c2sp.org/tlog-checkpoint (the text).
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from hashlib import sha256
from typing import NamedTuple

from authgate_async.backends import verify_checkpoint
from authgate_async.log.lines import Fault

__all__ = [
    "Note",
    "b64",
    "check_note",
    "make_note",
    "origin_of",
    "read_note",
    "unb64",
    "verifier_key",
]

_ED25519 = b"\x01"
_ID_BYTES = 4
_ORIGIN_DIGITS = 32
_LONGEST = 2**16
_HASH_LINE = "[A-Za-z0-9+/]{43}="
_NOTE = re.compile(
    "(?P<origin>[!-*,-~]+)\n(?P<size>0|[1-9][0-9]{0,15})\n"
    f"(?P<root>{_HASH_LINE})\n\n(?P<signatures>(?:— [^ \n]+ [A-Za-z0-9+/]+={{0,2}}\n)+)"
)


class Note(NamedTuple):
    """A checkpoint as it is written; `signatures` are names with key id and signature in one."""

    origin: str
    size: int
    root: bytes
    signatures: tuple[tuple[str, bytes], ...]


def origin_of(first: str) -> str:
    """Return the name of a log whose first line has this `sum`; no other log has it."""
    return f"authgate_async/{first[:_ORIGIN_DIGITS]}"


def verifier_key(origin: str, public_key: bytes) -> str:
    """Return the key in the form in which tools for signed notes take it."""
    return f"{origin}+{_key_id(origin, public_key).hex()}+{b64(_ED25519 + public_key)}"


def make_note(origin: str, size: int, root: bytes, public_key: bytes, signature: bytes) -> str:
    """Return the note of a checkpoint that was signed."""
    signed = b64(_key_id(origin, public_key) + signature)
    return f"{origin}\n{size}\n{b64(root)}\n\n— {origin} {signed}\n"


def read_note(text: str) -> Note:
    """Take a checkpoint apart, without its signatures being checked; raises `Fault`.

    Extension lines, which the specification discourages, are not taken: a log here signs none.
    """
    match = _NOTE.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        raise Fault("it is not a checkpoint in a signed note")
    lines = [line.split(" ") for line in match["signatures"].splitlines()]
    signatures = tuple((name, unb64(signed)) for _, name, signed in lines)
    return Note(match["origin"], int(match["size"]), unb64(match["root"]), signatures)


def check_note(text: str, public_key: bytes) -> Note:
    """Read a checkpoint that must be signed with this key, in the log's own name; raises `Fault`.

    Signatures of others, witnesses say, are passed over.
    """
    note = read_note(text)
    ours = (note.origin, _key_id(note.origin, public_key))
    found = [sig[_ID_BYTES:] for name, sig in note.signatures if (name, sig[:_ID_BYTES]) == ours]
    if not found:
        raise Fault("no signature of the checkpoint is of this key")
    if not all(verify_checkpoint(public_key, *note[:3], signature) for signature in found):
        raise Fault("the signature of the checkpoint does not verify")
    return note


def b64(data: bytes) -> str:
    """Return RFC 4648 section 4, on one line."""
    return b64encode(data).decode()


def unb64(text: str) -> bytes:
    """Read it; raises `Fault` where the bytes have another spelling."""
    try:
        data = b64decode(text, validate=True)
    except ValueError:
        data = b""
    if not data or b64(data) != text:
        raise Fault("its base64 is not what the encoder writes")
    return data


def _key_id(name: str, public_key: bytes) -> bytes:
    return sha256(f"{name}\n".encode() + _ED25519 + public_key).digest()[:_ID_BYTES]
