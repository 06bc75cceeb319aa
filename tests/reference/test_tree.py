"""The tree of a batch, against RFC 6962's own recursive definition."""

from hashlib import sha256

import pytest

from authgate_async.reference.tree import leaf_hash, levels, path, root_of

SIZES = [*range(1, 20), 31, 32, 33, 64, 65, 100]


def _leaves(size: int) -> list[bytes]:
    return [bytes([i]) for i in range(size)]


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


def _root(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    at = _split(len(leaves))
    return sha256(b"\x01" + _root(leaves[:at]) + _root(leaves[at:])).digest()


def _path(index: int, leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return b""
    at = _split(len(leaves))
    if index < at:
        return _path(index, leaves[:at]) + _root(leaves[at:])
    return _path(index - at, leaves[at:]) + _root(leaves[:at])


@pytest.mark.parametrize("size", SIZES)
def test_the_root_is_that_of_the_definition(size: int) -> None:
    """Hashing level by level gives the root that section 2.1 defines."""
    assert levels(_leaves(size))[-1] == [_root(_leaves(size))]


@pytest.mark.parametrize("size", SIZES)
def test_every_path_is_that_of_the_definition_and_leads_to_the_root(size: int) -> None:
    """Each leaf's path is the one of section 2.1.1, and verifies."""
    leaves = _leaves(size)
    built = levels(leaves)
    for index, leaf in enumerate(leaves):
        steps = path(built, index)
        assert steps == _path(index, leaves)
        assert root_of(leaf, index, size, steps) == built[-1][0]


@pytest.mark.parametrize("size", SIZES)
def test_no_leaf_verifies_in_another_place(size: int) -> None:
    """A path proves one index in a tree of one size only."""
    built = levels(_leaves(size))
    for index, leaf in enumerate(_leaves(size)):
        steps = path(built, index)
        others = [root_of(leaf, other, size, steps) for other in range(size + 1) if other != index]
        assert built[-1][0] not in others


@pytest.mark.parametrize("size", SIZES)
def test_a_path_of_another_length_leads_nowhere(size: int) -> None:
    """One step more, one less, or half a step is no path."""
    steps = path(levels(_leaves(size)), size - 1)
    assert root_of(bytes([size - 1]), size - 1, size, steps + bytes(32)) is None
    assert root_of(bytes([size - 1]), size - 1, size, steps + bytes(16)) is None
    if steps:
        assert root_of(bytes([size - 1]), size - 1, size, steps[:-32]) is None


def test_the_greatest_numbers_are_answered_at_once() -> None:
    """An index and size near 2^63 cost no more steps than the path has."""
    assert root_of(b"leaf", 2**63 - 2, 2**63 - 1, b"") is None
    assert root_of(b"leaf", 0, 0, b"") is None
