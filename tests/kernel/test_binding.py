"""The native kernel's surface: attributes, constants, errors."""

from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from authgate_async import _native, wire

SEED = b"\x01" * 32
EMPTY = b"\x90"
TEXT = (
    '{"registry": {}, "action": {"action_id": "a", "actor": {"name": "x", "kind": "HUMAN"}, '
    '"resources_read": [{"name": "n", "rtype": "r"}]}}'
)


def test_the_public_key_is_the_seeds(world: Any) -> None:
    """The seed is an Ed25519 private key, and the key id opens its public key's hash."""
    public = Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw()
    assert world.kernel.public_key == public
    assert world.kernel.key_id == sha256(public).hexdigest()[:16]


@pytest.mark.parametrize("name", ["DENIAL_CODES", "REFUSAL_CODES", "WARNING_CODES", "FLAGS"])
def test_the_constants_are_the_wires(name: str) -> None:
    """What the Rust enums export equals what Python declares, order included."""
    assert getattr(_native, name) == getattr(wire, name)


def test_the_stub_names_everything_that_the_kernel_exports() -> None:
    """Each name of the binding has an entry in `_native.pyi`."""
    text = Path(wire.__file__).with_name("_native.pyi").read_text(encoding="utf-8")
    exported = [name for name in vars(_native) if not name.startswith("_")]
    exported += [name for name in vars(_native.Kernel) if not name.startswith("_")]
    assert [name for name in exported if name not in text] == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((b"", SEED, 1), "`seed` must have 32 bytes, not 0"),
        ((SEED, SEED + b"x", 1), "`entropy` must have 32 bytes, not 33"),
        ((SEED, SEED, -1), "`permit_ttl` must be from 0 to 9223372036854775807"),
        ((SEED, SEED, 2**63), "`permit_ttl` must be from 0 to 9223372036854775807"),
    ],
)
def test_a_kernel_needs_sound_arguments(arguments: Any, sentence: str) -> None:
    """A wrong length or number is a `ValueError` that names the argument."""
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        _native.Kernel(*arguments)


@pytest.mark.parametrize("now", [-1, 2**63, 2**64, 2**200])
def test_a_time_out_of_range_is_refused(world: Any, now: int) -> None:
    """Every method that takes a time refuses one that the wire cannot carry."""
    kernel = world.kernel
    calls: list[tuple[Any, tuple[Any, ...]]] = [
        (kernel.decide, (EMPTY, now, SEED)),
        (kernel.change, (EMPTY, now)),
        (kernel.redeem, (EMPTY, now)),
        (_native.verify_json, (TEXT, SEED, now, SEED)),
    ]
    for call, arguments in calls:
        with pytest.raises(ValueError, match=r"^`now` must be from 0 to 9223372036854775807$"):
            call(*arguments)


def test_a_wrong_type_is_a_type_error(world: Any) -> None:
    """Text where bytes belong, or a float for a time, never reaches the kernel."""
    with pytest.raises(TypeError):
        world.kernel.decide("[]", 0, SEED)
    with pytest.raises(TypeError):
        world.kernel.change(EMPTY, 1.5)


def test_bytes_that_do_not_decode_tell_the_place(world: Any) -> None:
    """The sentence says at which byte, and what should stand there."""
    sentence = "the bytes do not decode: at byte 1, an array was expected"
    with pytest.raises(ValueError, match=sentence):
        world.kernel.decide(b"\x91\x00", 0, SEED)


def test_deciding_needs_32_bytes_of_entropy(world: Any) -> None:
    """Too little entropy would repeat nonces."""
    with pytest.raises(ValueError, match="`entropy` must have 32 bytes, not 16"):
        world.kernel.decide(EMPTY, 0, bytes(16))


def test_a_checkpoint_verifies_with_the_public_key(world: Any) -> None:
    """Signing and verifying are a pair; anything else is false, never an error."""
    key, root = world.kernel.public_key, bytes(32)
    signature = world.kernel.sign_checkpoint("log", 7, root)
    assert _native.verify_checkpoint(key, "log", 7, root, signature)
    assert not _native.verify_checkpoint(key, "log", 7, b"\x01" * 32, signature)
    assert not _native.verify_checkpoint(key, "log", 8, root, signature)
    assert not _native.verify_checkpoint(key, "a b", 7, root, signature)
    assert not _native.verify_checkpoint(key, "log", 7, b"", signature)
    assert not _native.verify_checkpoint(b"", "log", 7, root, b"")
    with pytest.raises(ValueError, match="`root` must have 32 bytes, not 31"):
        world.kernel.sign_checkpoint("log", 7, bytes(31))
    with pytest.raises(ValueError, match="`origin` must be printable ASCII"):
        world.kernel.sign_checkpoint("a b", 7, root)


def test_the_footprint_grows_with_the_grants(world: Any) -> None:
    """A thousand grants occupy some memory, and less than 600 bytes each."""
    before = world.kernel.footprint()
    grants = [wire.Grant(f"g{n}", "bot", "machine", "file", f"f{n}", "", 1) for n in range(1_000)]
    world.done(*map(wire.Register, grants))
    assert before < world.kernel.footprint() < before + 600_000


def test_a_wrong_document_is_a_value_error_that_names_the_field() -> None:
    """`verify_json` tells the path of what is wrong."""
    text = '{"registry": {"claims": [{"holder": 1}]}, "action": {}}'
    with pytest.raises(ValueError, match=r"^`registry.claims\[0\].resource` is missing$"):
        _native.verify_json(text, SEED, 0, SEED)


def test_verify_json_gives_one_line_of_json() -> None:
    """The answer can be parsed, and its verdict is the one that was signed."""
    answer = msgspec.json.decode(_native.verify_json(TEXT, SEED, 7, SEED))
    verdict = msgspec.msgpack.decode(bytes.fromhex(answer["verdict"]), type=wire.Verdict)
    assert answer["violations"] == [": ".join(pair) for pair in verdict.violations]
    assert (answer["permitted"], answer["timestamp"]) == (False, 7)
