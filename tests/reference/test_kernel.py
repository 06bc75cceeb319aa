"""The reference kernel's door: lengths, ranges, threads."""

from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any

import msgspec
import pytest

from authgate_async import _native
from authgate_async.backends import make_kernel, verify_signed
from authgate_async.reference import verify_json
from authgate_async.wire import (
    Action,
    Enrol,
    Grant,
    Redeemed,
    Redemption,
    Register,
    Request,
    SignedVerdict,
    Verdict,
)

SEED = b"\x01" * 32
EMPTY = msgspec.msgpack.encode([])
ACTION = Action("a", "al", "human", "t", b"", (Request("f", "n", "", 1),))
GRANT = Grant("g", "al", "human", "f", "n", "", 1)
encode = msgspec.msgpack.encode


@pytest.fixture(params=["rust", "python"])
def kernel(request: pytest.FixtureRequest) -> Any:
    """A kernel in which `al` may read `f:n`."""
    made = make_kernel(request.param, seed=SEED, entropy=SEED)
    made.change(encode([Enrol("al", "human"), Register(GRANT)]), 0)
    return made


@pytest.mark.parametrize("backend", ["rust", "python"])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seed", b""),
        ("seed", b"s" * 31),
        ("entropy", b"e" * 33),
        ("permit_ttl", 2**63),
    ],
)
def test_a_wrong_setting_is_refused_by_name(backend: Any, field: str, value: Any) -> None:
    """Each argument is checked, and the sentence names it."""
    settings: Any = {"seed": SEED, "entropy": SEED, "permit_ttl": 1, field: value}
    with pytest.raises(ValueError, match=f"`{field}`"):
        make_kernel(backend, **settings)


@pytest.mark.parametrize("now", [2**63, 2**64 - 1])
def test_a_time_out_of_range_is_refused(kernel: Any, now: int) -> None:
    """Times are from 0 to 2^63 - 1, in every method that takes one."""
    for call in (kernel.change, kernel.redeem):
        with pytest.raises(ValueError, match="`now`"):
            call(EMPTY, now)
    with pytest.raises(ValueError, match="`now`"):
        kernel.decide(EMPTY, now, SEED)


def test_a_negative_time_is_refused(kernel: Any) -> None:
    """No kernel decides before the epoch."""
    with pytest.raises((ValueError, OverflowError)):
        kernel.decide(EMPTY, -1, SEED)


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_entropy_of_another_length_is_refused(kernel: Any, length: int) -> None:
    """Nonces come from 32 bytes, no fewer."""
    with pytest.raises(ValueError, match="`entropy`"):
        kernel.decide(EMPTY, 1, bytes(length))


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_root_of_another_length_is_not_signed(kernel: Any, length: int) -> None:
    """A root is 32 bytes."""
    with pytest.raises(ValueError, match="`root`"):
        kernel.sign_checkpoint("log", 1, bytes(length))


@pytest.mark.parametrize("origin", ["", "a b", "a+b", "a\nb", "a\0b", "ä", "\x7f"])
def test_an_origin_that_names_no_key_is_not_signed(kernel: Any, origin: str) -> None:
    """A note's key name has no space, plus or line break, so that a text has one reading."""
    with pytest.raises(ValueError, match="`origin`"):
        kernel.sign_checkpoint(origin, 1, SEED)


def test_a_size_out_of_range_is_not_signed(kernel: Any) -> None:
    """A size is a number of the wire."""
    with pytest.raises(ValueError, match="`size`"):
        kernel.sign_checkpoint("log", 2**63, SEED)


def _permit(kernel: Any, action: Action = ACTION) -> bytes:
    answer = kernel.decide(encode([action]), 1, SEED)
    (signed,) = msgspec.msgpack.decode(answer, type=tuple[SignedVerdict])
    return encode(signed)


def _redeem(kernel: Any, permit: bytes) -> str:
    answer = kernel.redeem(encode([Redemption(permit, "t", b"")]), 1)
    return msgspec.msgpack.decode(answer, type=list[Redeemed])[0].code


def test_a_restarted_kernel_takes_no_permit_from_before(kernel: Any) -> None:
    """It has the same key but forgot what was used and revoked; an auditor still knows the key."""
    backend = "rust" if isinstance(kernel, _native.Kernel) else "python"
    restarted = make_kernel(backend, seed=SEED, entropy=b"\x02" * 32)
    restarted.change(encode([Enrol("al", "human"), Register(GRANT)]), 0)
    permit = _permit(kernel)
    assert (_redeem(restarted, permit), _redeem(kernel, permit)) == ("permit_forged", "")
    assert _redeem(restarted, _permit(restarted)) == ""
    assert verify_signed(restarted.public_key, permit)


def test_the_instance_is_a_digest_of_the_entropy(kernel: Any) -> None:
    """Whoever has the entropy can tell the instance, and nobody the entropy from the instance."""
    signed = msgspec.msgpack.decode(_permit(kernel), type=SignedVerdict)
    verdict = msgspec.msgpack.decode(signed.verdict, type=Verdict)
    assert verdict.instance == sha256(b"authgate_async instance v1\x00" + SEED).digest()[:16]


def test_of_many_threads_one_redeems(kernel: Any) -> None:
    """A permit is good once, however many try at the same time."""
    redemption = encode([Redemption(_permit(kernel), "t", b"")])
    with ThreadPoolExecutor(8) as pool:
        outputs = list(pool.map(lambda _: kernel.redeem(redemption, 1), range(64)))
    answers = [msgspec.msgpack.decode(output, type=list[Redeemed])[0].code for output in outputs]
    assert sorted(answers) == ["", *["permit_replayed"] * 63]


@pytest.mark.parametrize("length", [0, 31, 33])
def test_verify_json_checks_its_arguments(length: int) -> None:
    """A seed or entropy of another length is an error, not a weaker signature."""
    text = '{"registry":{},"action":{"action_id":"a","actor":{"name":"b","kind":"HUMAN"}}}'
    with pytest.raises(ValueError, match="`seed`"):
        verify_json(text, bytes(length), 1, SEED)
    with pytest.raises(ValueError, match="`entropy`"):
        verify_json(text, SEED, 1, bytes(length))
