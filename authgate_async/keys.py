"""Key files: a private one that only its owner can read, and its public half beside it.

A key that signs is Ed25519; an auditor's is X25519, and opens what a log has sealed. The private
file is PKCS#8 in PEM, not encrypted; the public one is SubjectPublicKeyInfo in PEM, at the same
path with `.pub` added.
"""

from __future__ import annotations

import os
import stat
from hashlib import sha256
from pathlib import Path
from typing import Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from authgate_async.errors import KeyFileError

__all__ = [
    "auditor_from",
    "generate",
    "key_id",
    "load_auditor",
    "load_public",
    "load_seed",
    "seed_from",
]

_MAX_BYTES = 4096
_ID_BYTES = 8
_OTHERS = stat.S_IRWXG | stat.S_IRWXO

SEED_BYTES = 32

Kind = Literal["signing", "auditor"]
"""What a key is for: to sign logs, verdicts and actions; to open what is sealed in a log."""

_FORMS: dict[Kind, tuple[str, str]] = {
    "signing": ("Ed25519", ""),
    "auditor": ("X25519", "--auditor "),
}


def generate(path: str | os.PathLike[str], kind: Kind = "signing") -> bytes:
    """Make a key, write both files, and return the public key, 32 bytes.

    The private file has mode 0600. No file is ever overwritten.

    Raises:
        KeyFileError: One of the files is there already, or cannot be written.
    """
    private, public = Path(path), _public_path(path)
    if os.path.lexists(public):
        raise KeyFileError(f"{public} is there already; choose another name or move it away")
    key = (X25519PrivateKey if kind == "auditor" else Ed25519PrivateKey).generate()
    _create(private, _private_pem(key), 0o600)
    _create(public, _public_pem(key), 0o644)
    return key.public_key().public_bytes_raw()


def load_seed(path: str | os.PathLike[str]) -> bytes:
    """Return the private key of a file, 32 bytes.

    Raises:
        KeyFileError: The file is missing, is no regular file, can be read by others than its owner,
            or holds something else than an unencrypted Ed25519 key.
    """
    key = _private(path, "signing")
    if not isinstance(key, Ed25519PrivateKey):
        raise _not_a_key(path, "private key", "signing", key)
    return key.private_bytes_raw()


def load_auditor(path: str | os.PathLike[str]) -> X25519PrivateKey:
    """Return the auditor's private key of a file.

    Raises:
        KeyFileError: as `load_seed`, of a file with another key than an X25519 one.
    """
    key = _private(path, "auditor")
    if not isinstance(key, X25519PrivateKey):
        raise _not_a_key(path, "private key", "auditor", key)
    return key


def seed_from(key: str | os.PathLike[str] | bytes) -> bytes:
    """Return the seed that a key file holds, or that was handed over as 32 bytes.

    Raises:
        KeyFileError: as `load_seed`, or the bytes are not 32.
    """
    if not isinstance(key, bytes):
        return load_seed(key)
    if len(key) != SEED_BYTES:
        raise KeyFileError(f"a seed has {SEED_BYTES} bytes, not {len(key)}; hand over a key file")
    return key


def auditor_from(key: str | os.PathLike[str] | bytes) -> bytes:
    """Return the auditor's public key that a `.pub` file holds, or that was handed over, 32 bytes.

    Raises:
        KeyFileError: as `load_public`, or nothing can be sealed to that key.
    """
    raw = key if isinstance(key, bytes) else _auditor_public(key)
    if len(raw) != SEED_BYTES:
        raise KeyFileError(f"an auditor's key has {SEED_BYTES} bytes, not {len(raw)}")
    try:
        # A point of small order agrees on zeros with everybody.
        X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(raw))
    except ValueError as error:
        advice = "make a key with `authgate keygen --auditor FILE`"
        raise KeyFileError(f"nothing can be sealed to this auditor's key; {advice}") from error
    return raw


def _auditor_public(path: str | os.PathLike[str]) -> bytes:
    key = _public(path, "auditor")
    if not isinstance(key, X25519PublicKey):
        raise _not_a_key(path, "public key", "auditor", key)
    return key.public_bytes_raw()


def load_public(path: str | os.PathLike[str]) -> bytes:
    """Return the public key of a `.pub` file, 32 bytes.

    Raises:
        KeyFileError: The file is missing, is no regular file, or holds something else.
    """
    key = _public(path, "signing")
    if not isinstance(key, Ed25519PublicKey):
        raise _not_a_key(path, "public key", "signing", key)
    return key.public_bytes_raw()


def key_id(public: bytes) -> str:
    """Return the name of a public key: 16 lower-case hexadecimal digits of its SHA-256."""
    return sha256(public).digest()[:_ID_BYTES].hex()


def _private(path: str | os.PathLike[str], kind: Kind) -> object:
    data = _read(Path(path), private=True)
    try:
        return serialization.load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _not_a_key(path, "private key without a passphrase", kind) from error


def _public(path: str | os.PathLike[str], kind: Kind) -> object:
    try:
        return serialization.load_pem_public_key(_read(Path(path), private=False))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _not_a_key(path, "public key", kind) from error


def _public_path(path: str | os.PathLike[str]) -> Path:
    return Path(f"{os.fspath(path)}.pub")


def _private_pem(key: Ed25519PrivateKey | X25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _public_pem(key: Ed25519PrivateKey | X25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _create(path: Path, data: bytes, mode: int) -> None:
    """Write a file that was not there; a link in its place is not followed."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError as error:
        advice = "choose another name or move it away"
        raise KeyFileError(f"{path} is there already; {advice}") from error
    except OSError as error:
        raise KeyFileError(f"{path} cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)  # half a key is none
        raise KeyFileError(f"{path} cannot be written: {error.strerror}") from error


def _read(path: Path, *, private: bool) -> bytes:
    """Read a key file through one descriptor, so that what was checked is what is read."""
    try:
        # A FIFO would hold up an `open` that waits for its other end.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        advice = "make a key with `authgate keygen FILE`"
        raise KeyFileError(f"{path} cannot be read: {error.strerror}; {advice}") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise KeyFileError(f"{path} is not a regular file; name the key file itself")
        if private and status.st_mode & _OTHERS:
            raise KeyFileError(f"{path} can be read by others; run `chmod 600 {path}`")
        return os.read(descriptor, _MAX_BYTES)
    except OSError as error:
        advice = "see to its disk, or name another key file"
        raise KeyFileError(f"{path} cannot be read: {error.strerror}; {advice}") from error
    finally:
        os.close(descriptor)


def _not_a_key(
    path: str | os.PathLike[str], what: str, kind: Kind, found: object = None
) -> KeyFileError:
    wanted, option = _FORMS[kind]
    name = f"{os.fspath(path)} does not hold an {wanted} {what} in PEM"
    other = next((each for each in _FORMS if each != kind and _is(found, each)), None)
    advice = f"it holds a key of the kind `{other}`; " if other else ""
    return KeyFileError(f"{name}; {advice}make one with `authgate keygen {option}FILE`")


def _is(key: object, kind: Kind) -> bool:
    return type(key).__name__.startswith(_FORMS[kind][0])
