"""The choice of a kernel, and the doors that need none."""

import json
import sys
from hashlib import sha256
from typing import Any

import msgspec
import pytest
import structlog

from authgate_async import backends, reference
from authgate_async.backends import (
    compact_range,
    make_kernel,
    verify_checkpoint,
    verify_json,
    verify_signed,
)
from authgate_async.errors import BackendMissingError, UsageError, WireError
from authgate_async.reference.tree import leaf_hash, levels
from authgate_async.wire import Action, SignedVerdict, Verdict

SEED, ENTROPY = b"\x01" * 32, b"\x02" * 32
ALICE = {"name": "alice", "kind": "HUMAN"}
TEXT = json.dumps({"registry": {}, "action": {"action_id": "a", "actor": ALICE}})
ACTION = Action("a", "alice", "human", "t", b"{}", ())


@pytest.fixture
def no_extension(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine where the extension was never built."""
    monkeypatch.setitem(sys.modules, "authgate_async._native", None)


@pytest.fixture(params=[True, False], ids=["extension", "reference"])
def either(request: pytest.FixtureRequest) -> None:
    """With the extension and without it."""
    if not request.param:
        request.getfixturevalue("no_extension")


def _module(kernel: object) -> str:
    return type(kernel).__module__


def test_rust_is_the_default() -> None:
    """Who asks for nothing gets the extension."""
    kernel = make_kernel(seed=SEED, entropy=ENTROPY)
    assert _module(kernel) == "authgate_async._native"


def test_python_is_the_reference() -> None:
    """Who asks for the reference gets it, also where the extension is there."""
    assert isinstance(make_kernel("python", seed=SEED, entropy=ENTROPY), reference.ReferenceKernel)


def test_auto_takes_the_extension_in_silence() -> None:
    """Where it is there, nothing needs to be said."""
    with structlog.testing.capture_logs() as logs:
        kernel = make_kernel("auto", seed=SEED, entropy=ENTROPY)
    assert (_module(kernel), logs) == ("authgate_async._native", [])


@pytest.mark.usefixtures("no_extension")
def test_auto_warns_when_it_takes_the_reference() -> None:
    """The fallback that was asked for is still told, as a warning with a remedy."""
    with structlog.testing.capture_logs() as logs:
        kernel = make_kernel("auto", seed=SEED, entropy=ENTROPY)
    assert isinstance(kernel, reference.ReferenceKernel)
    assert [(log["log_level"], log["event"]) for log in logs] == [("warning", "backend.reference")]
    assert "make demo" in logs[0]["remedy"]


@pytest.mark.usefixtures("no_extension")
def test_rust_without_the_extension_says_how_to_build_it() -> None:
    """Nothing falls back: not the kernel, not the text."""
    with pytest.raises(BackendMissingError, match=r"`make demo` or `maturin develop`"):
        make_kernel("rust", seed=SEED, entropy=ENTROPY)
    with pytest.raises(BackendMissingError, match=r"`make demo` or `maturin develop`"):
        verify_json(TEXT)


@pytest.mark.parametrize("backend", ["", "Rust", "go", None])
def test_another_backend_is_refused(backend: Any) -> None:
    """A misspelt choice is an error that names the choices."""
    with pytest.raises(UsageError, match="choose rust, python or auto"):
        make_kernel(backend, seed=SEED, entropy=ENTROPY)


@pytest.mark.parametrize("backend", ["rust", "python"])
def test_a_kernel_has_the_surface_of_the_protocol(backend: Any) -> None:
    """Both have every attribute, and the same key for the same seed."""
    kernel = make_kernel(backend, seed=SEED, entropy=ENTROPY)
    names = {name for name in vars(backends.Kernel) if not name.startswith("_")}
    assert names <= set(dir(kernel))
    assert kernel.public_key == reference.ReferenceKernel(SEED, ENTROPY).public_key
    assert kernel.key_id == reference.ReferenceKernel(SEED, ENTROPY).key_id


@pytest.mark.parametrize("backend", ["rust", "python"])
def test_the_default_life_of_a_permit_is_a_minute(backend: Any) -> None:
    """`permit_ttl` defaults to 60 seconds in microseconds."""
    kernel = make_kernel(backend, seed=SEED, entropy=ENTROPY)
    output = kernel.decide(msgspec.msgpack.encode([ACTION]), 5, ENTROPY)
    verdict = msgspec.msgpack.decode(msgspec.msgpack.decode(output)[0][0], type=Verdict)
    assert (verdict.issued_at, verdict.expires_at) == (5, 60_000_005)


@pytest.mark.parametrize("backend", ["rust", "python", "auto"])
def test_a_text_is_decided_now_with_a_key_of_the_process(backend: Any) -> None:
    """Without a key and a time, one key signs all, the clock is read, and nonces differ."""
    first, second = (json.loads(verify_json(TEXT, backend=backend)) for _ in range(2))
    assert first["signing_key"] == second["signing_key"]
    assert first["nonce"] != second["nonce"]
    assert 1_600_000_000_000_000 < first["timestamp"] <= second["timestamp"]


@pytest.mark.parametrize("backend", ["rust", "python"])
def test_a_text_is_decided_with_the_key_and_time_that_are_given(backend: Any) -> None:
    """`key` signs, `now` is the time."""
    answer = json.loads(verify_json(TEXT, backend=backend, key=SEED, now=7))
    assert answer["timestamp"] == 7
    assert answer["signing_key"] == reference.ReferenceKernel(SEED, ENTROPY).public_key.hex()


@pytest.mark.parametrize("backend", ["rust", "python"])
@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "JSON"),
        ("{}", "`registry` is missing"),
        (TEXT.replace("HUMAN", "human"), "`action.actor.kind` must be HUMAN or MACHINE"),
        (TEXT.replace("}}}", '}, "extra": 1}}'), "`action.extra` is not a known field"),
        ("\ud800", r"."),
    ],
)
def test_a_wrong_text_is_an_error_that_names_the_field(backend: Any, text: str, named: str) -> None:
    """Both backends raise `WireError`, which is a `ValueError` too."""
    with pytest.raises(WireError, match=named) as caught:
        verify_json(text, backend=backend)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("backend", ["rust", "python"])
@pytest.mark.parametrize(("key", "now"), [(b"short", 1), (SEED, -1), (SEED, 2**63), (SEED, 2**64)])
def test_a_wrong_key_or_time_is_an_error_too(backend: Any, key: bytes, now: int) -> None:
    """Arguments out of range raise the same error in both."""
    with pytest.raises(WireError):
        verify_json(TEXT, backend=backend, key=key, now=now)


@pytest.mark.usefixtures("either")
def test_an_auditor_checks_a_verdict_without_a_kernel() -> None:
    """A signed verdict verifies under its kernel's key alone, changed or not."""
    kernel = reference.ReferenceKernel(SEED, ENTROPY)
    output = kernel.decide(msgspec.msgpack.encode([ACTION]), 5, ENTROPY)
    (one,) = msgspec.msgpack.decode(output, type=tuple[SignedVerdict])
    signed = msgspec.msgpack.encode(one)
    assert verify_signed(kernel.public_key, signed)
    assert not verify_signed(reference.ReferenceKernel(ENTROPY, SEED).public_key, signed)
    assert not verify_signed(kernel.public_key, signed[:-1] + bytes([signed[-1] ^ 1]))
    assert not verify_signed(b"", signed)


@pytest.mark.usefixtures("either")
def test_an_auditor_checks_a_checkpoint_without_a_kernel() -> None:
    """A checkpoint's signature verifies under the kernel's key alone."""
    kernel = reference.ReferenceKernel(SEED, ENTROPY)
    signature = kernel.sign_checkpoint("log", 7, ENTROPY)
    assert verify_checkpoint(kernel.public_key, "log", 7, ENTROPY, signature)
    assert not verify_checkpoint(kernel.public_key, "log", 7, SEED, signature)
    assert not verify_checkpoint(kernel.public_key, "log", 7, ENTROPY + b"x", signature)


@pytest.mark.usefixtures("either")
def test_a_tree_grows_alike_in_both() -> None:
    """Whichever implementation is there, a tree has the root of the whole one, and goes on."""
    tree = compact_range()
    for size in range(70):
        assert tree.root() == (_whole(size) if size else sha256(b"").digest())
        assert compact_range(tree.size, tree.nodes).root() == tree.root()
        tree.push(leaf_hash(bytes([size])))
    with pytest.raises(ValueError, match="32 bytes"):
        tree.push(b"short")
    with pytest.raises(ValueError, match="not these nodes"):
        compact_range(3, bytes(32))
    with pytest.raises(ValueError, match="not these nodes"):
        compact_range(1, bytes(33))


def _whole(size: int) -> bytes:
    return levels([bytes([leaf]) for leaf in range(size)])[-1][0]


def test_both_kernels_sign_alike() -> None:
    """Both kernels sign a checkpoint with the same bytes, so an auditor need not know which."""
    kernels = [make_kernel(b, seed=SEED, entropy=ENTROPY) for b in ("rust", "python")]
    assert kernels[0].sign_checkpoint("log", 7, SEED) == kernels[1].sign_checkpoint("log", 7, SEED)
