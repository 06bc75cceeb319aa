"""The Merkle tree of a batch: RFC 6962's hashes, RFC 9162's verification.

Source of the algorithms: RFC 6962 sections 2.1 and 2.1.1, RFC 9162 section 2.1.3.2.
"""

from __future__ import annotations

from functools import reduce
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CompactRange", "leaf_hash", "levels", "path", "root_of"]

_HASH = 32


def leaf_hash(data: bytes) -> bytes:
    """Hash one leaf."""
    return sha256(b"\x00" + data).digest()


def _node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def levels(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """Hash the tree level by level, from the leaves' hashes to the root alone.

    An odd node at the end of a level moves up as it is, which gives the same tree as RFC 6962's
    split at the largest power of two.
    """
    level = [leaf_hash(leaf) for leaf in leaves]
    built = [level]
    while len(level) > 1:
        pairs = [_node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = pairs + level[2 * len(pairs) :]
        built.append(level)
    return built


def path(built: Sequence[Sequence[bytes]], index: int) -> bytes:
    """The inclusion path of leaf `index`: the sibling at each level that has one, leaf first."""
    steps = []
    for level in built[:-1]:
        sibling = index ^ 1
        if sibling < len(level):
            steps.append(level[sibling])
        index >>= 1
    return b"".join(steps)


def root_of(leaf: bytes, index: int, size: int, steps: bytes) -> bytes | None:
    """The root that an inclusion path leads to; None if it cannot be one of such a tree."""
    if index >= size or len(steps) % _HASH:
        return None
    node, last, found = index, size - 1, leaf_hash(leaf)
    for start in range(0, len(steps), _HASH):
        if last == 0:
            return None
        step = steps[start : start + _HASH]
        if node & 1 or node == last:
            found = _node_hash(step, found)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            found = _node_hash(found, step)
        node, last = node >> 1, last >> 1
    return found if last == 0 else None


class CompactRange:
    """The right edge of a tree that grows: the roots of its largest perfect subtrees.

    `nodes` are those of a tree of `size` leaves, the largest first, one after another. Raises
    `ValueError` if such a tree has not as many.
    """

    def __init__(self, size: int, nodes: bytes) -> None:
        if len(nodes) != _HASH * size.bit_count():
            raise ValueError("a tree of that size has not these nodes")
        self.size = size
        self._nodes = [nodes[at : at + _HASH] for at in range(0, len(nodes), _HASH)]

    @property
    def nodes(self) -> bytes:
        """What to keep in order to go on later."""
        return b"".join(self._nodes)

    def push(self, leaf: bytes) -> None:
        """Add a leaf that is hashed already; `ValueError` for one without 32 bytes."""
        if len(leaf) != _HASH:
            raise ValueError("a leaf's hash has 32 bytes")
        rest = self.size
        while rest & 1:
            leaf = _node_hash(self._nodes.pop(), leaf)
            rest >>= 1
        self._nodes.append(leaf)
        self.size += 1

    def extend(self, leaves: bytes) -> None:
        """Add leaves, one behind the other."""
        for at in range(0, len(leaves), _HASH):
            self.push(leaves[at : at + _HASH])

    def root(self) -> bytes:
        """The root; of no leaves, the hash of nothing."""
        if not self._nodes:
            return sha256(b"").digest()
        return reduce(lambda right, left: _node_hash(left, right), reversed(self._nodes))
