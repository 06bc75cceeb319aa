"""What strict Ed25519 refuses, and that the Rust kernel refuses the same."""

from hashlib import sha512

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from authgate_async import _native, reference
from authgate_async.reference import signing
from authgate_async.reference.permit import checkpoint_text
from authgate_async.reference.signing import Signer, is_point, is_small_order

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
Y8 = int.from_bytes(
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"
)
SMALL_Y = [0, 1, P - 1, Y8, P - Y8]
ROOT = b"h" * 32
SIGNER = Signer(b"\x05" * 32)
SIGNATURE = SIGNER.sign(checkpoint_text("log", 7, ROOT))

Point = tuple[int, int]


def _encode(y: int, sign: int = 0) -> bytes:
    return (y | sign << 255).to_bytes(32, "little")


def _double(point: Point) -> Point:
    """Double a point; RFC 8032 section 5.1.4, in affine coordinates."""
    x, y = point
    product = D * x * x * y * y
    doubled_x = 2 * x * y * pow(1 + product, -1, P)
    doubled_y = (y * y + x * x) * pow(1 - product, -1, P)
    return doubled_x % P, doubled_y % P


def _x(y: int) -> int:
    """One x that belongs to y."""
    x2 = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    root = pow(x2, (P + 3) // 8, P)
    return root if root * root % P == x2 else root * pow(2, (P - 1) // 4, P) % P


ENCODED_SMALL = [_encode(y, sign) for y in SMALL_Y for sign in (0, 1)]
SECOND_ENCODINGS = [_encode(P + y, sign) for y in range(19) for sign in (0, 1)]
NO_POINTS = [_encode(y) for y in range(2, 40) if not is_point(_encode(y))]
WRONG_KEYS = [*ENCODED_SMALL, *SECOND_ENCODINGS, *NO_POINTS, b"", b"k" * 31, b"k" * 33]


def _taken(public_key: bytes, signature: bytes) -> tuple[bool, bool]:
    """Whether either implementation takes the signature over `ROOT`."""
    arguments = (public_key, "log", 7, ROOT, signature)
    return reference.verify_checkpoint(*arguments), _native.verify_checkpoint(*arguments)


@pytest.mark.parametrize("y", SMALL_Y)
def test_a_point_on_the_list_has_small_order(y: int) -> None:
    """Doubling it three times gives the identity, and the check knows it."""
    point = (_x(y), y)
    for _ in range(3):
        point = _double(point)
    assert point == (0, 1)
    assert is_small_order(_encode(y))
    assert is_point(_encode(y))


def test_an_honest_signature_verifies() -> None:
    """Both implementations take it, and neither takes it over another root."""
    assert _taken(SIGNER.public_key, SIGNATURE) == (True, True)
    assert not reference.verify_checkpoint(SIGNER.public_key, "log", 7, b"i" * 32, SIGNATURE)
    assert not reference.verify_checkpoint(SIGNER.public_key, "log", 7, b"h" * 31, SIGNATURE)


@pytest.mark.parametrize("key", WRONG_KEYS)
def test_a_key_that_binds_nothing_is_refused(key: bytes) -> None:
    """With a small-order or doubly encoded key, R of the identity and s = 0 proves nothing."""
    assert _taken(key, _encode(1) + bytes(32)) == (False, False)
    assert _taken(key, SIGNATURE) == (False, False)


@pytest.mark.parametrize("r", [*ENCODED_SMALL, *SECOND_ENCODINGS])
def test_an_r_that_binds_nothing_is_refused(r: bytes) -> None:
    """A signature whose R is of small order, or in a second encoding, is refused by both."""
    assert _taken(SIGNER.public_key, r + SIGNATURE[32:]) == (False, False)


def _scalar(seed: bytes) -> int:
    """The secret scalar of a seed; RFC 8032 section 5.1.5."""
    expanded = bytearray(sha512(seed).digest()[:32])
    expanded[0] &= 248
    expanded[31] = expanded[31] & 127 | 64
    return int.from_bytes(expanded, "little")


def _lax(public_key: bytes, signature: bytes) -> None:
    """Check as the library does; raises if it refuses."""
    Ed25519PublicKey.from_public_bytes(public_key).verify(
        signature, checkpoint_text("log", 7, ROOT)
    )


def test_a_fitting_signature_with_an_r_of_small_order_is_refused() -> None:
    """Who has the key can sign with R the identity; a lax check takes that, the strict does not."""
    hashed = sha512(_encode(1) + SIGNER.public_key + checkpoint_text("log", 7, ROOT)).digest()
    s = int.from_bytes(hashed, "little") * _scalar(b"\x05" * 32) % ORDER
    signature = _encode(1) + s.to_bytes(32, "little")
    _lax(SIGNER.public_key, signature)
    assert _taken(SIGNER.public_key, signature) == (False, False)


def test_a_fitting_signature_under_a_key_of_small_order_is_refused() -> None:
    """Under the identity as key, one signature fits every message; only a lax check takes it."""
    s = _scalar(b"\x05" * 32) % ORDER
    signature = SIGNER.public_key + s.to_bytes(32, "little")
    _lax(_encode(1), signature)
    assert _taken(_encode(1), signature) == (False, False)


@pytest.mark.parametrize("encoded", SECOND_ENCODINGS)
def test_a_second_encoding_is_not_strict(encoded: bytes) -> None:
    """Nobody can sign for such a key, so that the check is tested by itself."""
    assert not signing._strict(encoded)


@pytest.mark.parametrize("multiple", [1, 2, 7, 15])
def test_an_s_that_is_not_reduced_is_refused(multiple: int) -> None:
    """Adding the group's order to s gives no second signature."""
    s = int.from_bytes(SIGNATURE[32:], "little") + multiple * ORDER
    signature = SIGNATURE[:32] + (s % 2**256).to_bytes(32, "little")
    assert _taken(SIGNER.public_key, signature) == (False, False)


@pytest.mark.parametrize("length", [0, 1, 32, 63, 65, 128])
def test_a_signature_of_another_length_is_refused(length: int) -> None:
    """Wrong lengths are an answer, not an error."""
    assert _taken(SIGNER.public_key, (SIGNATURE * 2)[:length]) == (False, False)


def test_half_of_the_small_numbers_are_points() -> None:
    """`is_point` tells points from the rest, as the library does that makes keys."""
    keys = [Ed25519PrivateKey.from_private_bytes(bytes([i]) * 32).public_key() for i in range(32)]
    assert all(is_point(key.public_bytes_raw()) for key in keys)
    assert 10 <= len(NO_POINTS) <= 28
