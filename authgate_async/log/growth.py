"""The growing end of a log: what the next line must follow, and the tree over all lines so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate_async.backends import compact_range
from authgate_async.log.lines import FIRST, Fault, make_line
from authgate_async.log.notes import check_note, make_note, origin_of, read_note

if TYPE_CHECKING:
    from typing import Protocol

    from authgate_async.backends import CompactRange
    from authgate_async.log.lines import Line

    class Signer(Protocol):
        """What signs checkpoints: a kernel."""

        @property
        def public_key(self) -> bytes:
            """The Ed25519 public key, 32 bytes."""
            ...

        def sign_checkpoint(self, origin: str, size: int, root: bytes) -> bytes:
            """Sign the text of a checkpoint."""
            ...


__all__ = ["End"]


class End:
    """Where a log goes on: `count` lines, the last one's `sum`, and the tree over them.

    A line's `sum` is its leaf's hash, so that chain and tree are over the same bytes.
    """

    __slots__ = ("head", "origin", "tree")

    def __init__(
        self, tree: CompactRange | None = None, head: str = FIRST, origin: str = ""
    ) -> None:
        self.tree = compact_range() if tree is None else tree
        self.head = head
        self.origin = origin

    @property
    def count(self) -> int:
        """How many lines there are."""
        return self.tree.size

    def copy(self) -> End:
        """Return an end that grows by itself."""
        return End(compact_range(self.tree.size, self.tree.nodes), self.head, self.origin)

    def grow(self, record: bytes) -> bytes:
        """Return the next line, with this canonically encoded record, and go on behind it."""
        line, head = make_line(self.count, self.head, record)
        self._pass(head)
        return line

    def check_place(self, line: Line) -> None:
        """Raise `Fault` unless a line that was read is the next one."""
        if line.number != self.count:
            raise Fault(f"the line has index {line.number} where {self.count} is due")
        if line.prev != self.head:
            raise Fault("the line does not follow the one before it")

    def follow(self, line: Line) -> None:
        """Go on behind a line that was read."""
        self._pass(line.sum)

    def skip(self, sum_: str) -> None:
        """Go on behind a line of which only the `sum` is left."""
        self._pass(sum_)

    def sign(self, signer: Signer) -> str:
        """Return a checkpoint over all lines so far."""
        size, root, origin = self.count, self.tree.root(), self.origin
        signature = signer.sign_checkpoint(origin, size, root)
        return make_note(origin, size, root, signer.public_key, signature)

    def check(self, note: str, key: bytes) -> None:
        """Raise `Fault` unless this is the checkpoint over all lines so far, and of this key."""
        check_note(note, key)
        self.check_root(note)

    def check_root(self, note: str) -> None:
        """Raise `Fault` unless this is a checkpoint over all lines so far, whoever signed it."""
        found = read_note(note)
        if found.origin != self.origin:
            raise Fault(f"the checkpoint is of the log `{found.origin}`, not of `{self.origin}`")
        if found.size != self.count:
            raise Fault(f"the checkpoint is over {found.size} records, not over {self.count}")
        if found.root != self.tree.root():
            raise Fault("the checkpoint has another root than the records before it")

    def pass_over(self, sums: bytes) -> None:
        """Go on behind lines that were read already, given their sums, 32 bytes each."""
        if sums:
            self.tree.extend(sums)
            self.head = sums[-32:].hex()

    def _pass(self, head: str) -> None:
        self.origin = self.origin or origin_of(head)
        self.tree.push(bytes.fromhex(head))
        self.head = head
