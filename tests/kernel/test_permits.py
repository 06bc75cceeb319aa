"""Permits through the binding: what is signed cannot be changed, and is used once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import msgspec
import pytest

from authgate_async import _native
from authgate_async.wire import Action


@pytest.mark.parametrize("bit", range(8))
def test_a_permit_with_any_one_bit_changed_is_refused(world: Any, permit: bytes, bit: int) -> None:
    """This bit of each byte is flipped in turn; the untouched permit is good afterwards."""
    flipped = []
    for place in range(len(permit)):
        changed = bytearray(permit)
        changed[place] ^= 1 << bit
        flipped.append(bytes(changed))
    assert set(world.redeem(*flipped)) == {"permit_forged"}
    assert world.redeem(permit) == [""]


@pytest.mark.parametrize("junk", [b"", b"\x00", b"\x95", b"\xff" * 100, b"\xdd\xff\xff\xff\xff"])
def test_bytes_that_are_no_permit_are_forged(world: Any, junk: bytes) -> None:
    """Junk is an answer with a code, never an exception."""
    assert world.redeem(junk) == ["permit_forged"]
    assert not _native.verify_signed(world.kernel.public_key, junk)


def test_one_of_many_threads_redeems(world: Any, permit: bytes) -> None:
    """Eight threads try the same permit at once: exactly one gets it."""
    start = Barrier(8)

    def attempt(_: int) -> str:
        start.wait()
        code: str = world.redeem(permit)[0]
        return code

    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(attempt, range(8)))
    assert sorted(codes) == ["", *["permit_replayed"] * 7]


def test_an_auditor_needs_the_public_key_and_nothing_else(
    world: Any, permit: bytes, make_world: Callable[[], Any]
) -> None:
    """`verify_signed` is pure: it uses nothing up, and tells another kernel's key."""
    key = world.kernel.public_key
    assert _native.verify_signed(key, permit)
    assert _native.verify_signed(key, permit)
    assert not _native.verify_signed(_native.Kernel(bytes(32), bytes(32), 1).public_key, permit)
    assert not _native.verify_signed(key[:-1], permit)
    assert make_world().redeem(permit) == [""]


def test_every_permit_of_a_batch_stands_alone(world: Any, action: Action) -> None:
    """A batch has one signature and as many permits as actions, each good by itself."""
    signed = world.decide(*[action] * 100)
    assert len({each.signature for each in signed}) == 1
    permits = [msgspec.msgpack.encode(each) for each in signed]
    assert world.redeem(*permits) == [""] * 100
