"""Texts that are sealed to the auditor."""

from __future__ import annotations

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from authgate_async.log.lines import Fault
from authgate_async.log.sealing import (
    MIN_SEALED,
    Place,
    SealedArgs,
    SealedOutputs,
    open_sealed,
    seal,
)

KEY = X25519PrivateKey.from_private_bytes(b"\x07" * 32)
PLACE = Place("intent", "run", 3, "ab" * 32)
TEXT = SealedArgs(b"s" * 32, b'{"pin":"4711"}')


@pytest.fixture
def sealed() -> str:
    """The text, sealed for its place."""
    return seal(TEXT, KEY.public_key(), PLACE)


def test_what_is_sealed_is_opened_by_its_key(sealed: str) -> None:
    """The auditor gets back salt and text; nobody sees them before."""
    opened = open_sealed(sealed, KEY, PLACE, SealedArgs)
    assert (opened.salt, opened.args) == (TEXT.salt, TEXT.args)
    assert b"4711" not in bytes.fromhex(sealed)


@pytest.mark.parametrize(
    "place",
    [
        Place("outcome", "run", 3, "ab" * 32),
        Place("intent", "other", 3, "ab" * 32),
        Place("intent", "run", 4, "ab" * 32),
        Place("intent", "run", 3, "cd" * 32),
    ],
)
def test_a_sealed_text_opens_in_its_own_record_only(sealed: str, place: Place) -> None:
    """Kind, run, step and action digest: a text that was moved to another record does not open."""
    with pytest.raises(Fault, match="changed, or sealed for another record"):
        open_sealed(sealed, KEY, place, SealedArgs)


def test_another_key_opens_nothing(sealed: str) -> None:
    """Only the auditor's does."""
    with pytest.raises(Fault, match="does not open"):
        open_sealed(sealed, X25519PrivateKey.generate(), PLACE, SealedArgs)


def test_no_byte_of_a_sealed_text_can_be_changed(sealed: str) -> None:
    """Neither one of the encapsulated key nor one of the ciphertext, nor can any be left out."""
    data = bytes.fromhex(sealed)
    for at in range(len(data)):
        odd = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        for forged in (odd, data[:at]):
            with pytest.raises(Fault, match="does not open"):
                open_sealed(forged.hex(), KEY, PLACE, SealedArgs)


def test_a_length_does_not_tell_yes_from_no() -> None:
    """Short texts are of one length when they are sealed, long ones of few."""

    def length(args: bytes) -> int:
        return len(seal(SealedArgs(b"s" * 32, args), KEY.public_key(), PLACE)) // 2

    assert {length(b'{"pay":true}'), length(b'{"pay":false}')} == {256 + MIN_SEALED}
    assert {(length(b"x" * size) - MIN_SEALED) % 256 for size in range(0, 70_000, 997)} == {0}


def test_two_seals_of_one_text_differ(sealed: str) -> None:
    """Equal arguments do not show."""
    assert seal(TEXT, KEY.public_key(), PLACE) != sealed


def test_what_is_no_sealed_text_is_a_fault() -> None:
    """Another form inside, sealed as it should be, is told and not raised."""
    outputs = SealedOutputs(b"", b"", b"", b"", "", ())
    sealed = seal(outputs, KEY.public_key(), PLACE)
    with pytest.raises(Fault, match="has not the form of `SealedArgs`"):
        open_sealed(sealed, KEY, PLACE, SealedArgs)
    with pytest.raises(Fault, match="does not open"):
        open_sealed("xyz", KEY, PLACE, SealedArgs)


def _expand(secret: bytes, label: bytes, info: bytes, length: int, suite: bytes) -> bytes:
    full = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return HKDFExpand(SHA256(), length, full).derive(secret)


def _extract(salt: bytes, label: bytes, key: bytes, suite: bytes) -> bytes:
    made = HMAC(salt or bytes(32), SHA256())
    made.update(b"HPKE-v1" + suite + label + key)
    return made.finalize()


def test_the_form_is_that_of_the_standard(sealed: str) -> None:
    """RFC 9180, sections 4.1 and 5.1, from its parts: DHKEM(X25519), HKDF-SHA256, ChaCha20."""
    data = bytes.fromhex(sealed)
    enc, ciphertext = data[:32], data[32:]
    info = b'["authgate_async sealed v1","intent","run",3,"' + b"ab" * 32 + b'"]'
    kem, suite = b"KEM\x00\x20", b"HPKE\x00\x20\x00\x01\x00\x03"
    agreed = KEY.exchange(X25519PublicKey.from_public_bytes(enc))
    both = enc + KEY.public_key().public_bytes_raw()
    shared = _expand(_extract(b"", b"eae_prk", agreed, kem), b"shared_secret", both, 32, kem)
    context = b"\x00" + _extract(b"", b"psk_id_hash", b"", suite)
    context += _extract(b"", b"info_hash", info, suite)
    secret = _extract(shared, b"secret", b"", suite)
    key = _expand(secret, b"key", context, 32, suite)
    nonce = _expand(secret, b"base_nonce", context, 12, suite)
    plain = ChaCha20Poly1305(key).decrypt(nonce, ciphertext, b"")
    salt, args, padding = msgspec.msgpack.decode(plain)
    assert (salt, args, set(padding)) == (TEXT.salt, TEXT.args, {0})
