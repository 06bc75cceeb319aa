"""Which kernel decides: the Rust one, or the Python reference where somebody asked for it."""

from __future__ import annotations

import os
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

import structlog

from authgate_async import reference
from authgate_async.errors import BackendMissingError, UsageError, WireError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "Backend",
    "CompactRange",
    "Kernel",
    "compact_range",
    "make_kernel",
    "verify_checkpoint",
    "verify_json",
    "verify_signed",
]

Backend = Literal["rust", "python", "auto"]
"""`rust` is the native extension or an error, `python` the reference implementation, `auto` the
extension where it is there and else, with a warning in the log, the reference."""

_ENTROPY_BYTES = 32
_SEED_BYTES = 32
_EPHEMERAL_SEED = os.urandom(_SEED_BYTES)
_NATIVE = "authgate_async._native"


class Kernel(Protocol):
    """A registry and a signing key behind calls that may come from any thread.

    Bytes in and out are MessagePack arrays of the structs in `authgate_async.wire`; `now` is in
    microseconds. What does not decode raises `ValueError`, and then nothing was done.
    """

    @property
    def public_key(self) -> bytes:
        """The Ed25519 public key, 32 bytes."""
        ...

    @property
    def key_id(self) -> str:
        """The public key's name, 16 hexadecimal digits."""
        ...

    def decide(self, actions: bytes, now: int, entropy: bytes) -> bytes:
        """Turn `Action`s into `SignedVerdict`s; `entropy` is 32 fresh bytes."""
        ...

    def redeem(self, redemptions: bytes, now: int) -> bytes:
        """Turn `Redemption`s into `Redeemed`s; a permit is good once."""
        ...

    def change(self, changes: bytes, now: int) -> bytes:
        """Turn `Change`s into `Changed`s."""
        ...

    def stale(self, verdicts: bytes) -> bytes:
        """Say of permits that were redeemed why they hold no longer, given their `Verdict` bytes.

        A list of sentences, empty where the registry still stands behind the permit.
        """
        ...

    def settle(self, settlements: bytes) -> bytes:
        """Charge what calls used by `Settlement`s; a list of whether anything was held for each."""
        ...

    def sign_checkpoint(self, origin: str, size: int, root: bytes) -> bytes:
        """Sign the text of a log's checkpoint; `origin` is what may name a key in a note."""
        ...


class CompactRange(Protocol):
    """The right edge of an RFC 6962 tree that grows."""

    @property
    def size(self) -> int:
        """How many leaves there are."""
        ...

    @property
    def nodes(self) -> bytes:
        """The roots of its largest perfect subtrees: what to keep in order to go on later."""
        ...

    def push(self, leaf: bytes) -> None:
        """Add a leaf that is hashed already, 32 bytes."""
        ...

    def extend(self, leaves: bytes) -> None:
        """Add leaves, one behind the other."""
        ...

    def root(self) -> bytes:
        """Return the root, 32 bytes."""
        ...


class Scan(Protocol):
    """Lines at the beginning of a piece of a log, whole, true to their sums, and in order.

    Of an intent that agrees with its verdict, and of an outcome in its usual form, it was seen all
    that depends on other records; of other lines nothing.
    """

    @property
    def length(self) -> int:
        """How many bytes these lines have."""
        ...

    def seen(self) -> list[tuple[Any, ...] | None]:
        """Return what was seen of each line."""
        ...

    def sums(self, begin: int, end: int) -> bytes:
        """Return the sums of some lines, 32 bytes each."""
        ...

    def place(self, index: int) -> tuple[int, int, int]:
        """Return where a line begins, and where its record begins and ends."""
        ...


def make_kernel(
    backend: Backend = "rust", *, seed: bytes, entropy: bytes, permit_ttl: int = 60_000_000
) -> Kernel:
    """Make an empty kernel.

    `seed` is the signing key and `entropy` keys the hash tables, 32 bytes each; `permit_ttl` is how
    long a permit is good, in microseconds (default: one minute).

    Raises:
        BackendMissingError: `rust` was asked for and the extension is not there.
        UsageError: There is no such backend.
        ValueError: A wrong length, or a `permit_ttl` out of range.
    """
    native = _native(backend)
    if native is None:
        return reference.ReferenceKernel(seed, entropy, permit_ttl)
    return cast("Kernel", native.Kernel(seed, entropy, permit_ttl))


def verify_json(
    text: str, *, backend: Backend = "rust", key: bytes | None = None, now: int | None = None
) -> str:
    """Decide one action against the registry in the same JSON text; return the verdict as JSON.

    `key` is the 32-byte seed that signs it (default: one made for this process), `now` is in
    microseconds (default: the clock). The format: `docs/rules.md`, section 7.

    Raises:
        WireError: The text is wrong; the sentence names the field by its path.
        BackendMissingError: As for `make_kernel`.
    """
    decide = (_native(backend) or reference).verify_json
    seed = _EPHEMERAL_SEED if key is None else key
    moment = time.time_ns() // 1000 if now is None else now
    try:
        return str(decide(text, seed, moment, os.urandom(_ENTROPY_BYTES)))
    except ValueError as error:
        raise WireError(str(error)) from error


def verify_signed(public_key: bytes, signed: bytes) -> bool:
    """Whether the bytes are a `SignedVerdict` of the kernel with this key; needs no kernel."""
    return bool(_any_implementation().verify_signed(public_key, signed))


def verify_checkpoint(
    public_key: bytes, origin: str, size: int, root: bytes, signature: bytes
) -> bool:
    """Whether a checkpoint's signature is of the kernel with this key; needs no kernel.

    `size` must be from 0 to 2^63 - 1.
    """
    return bool(_any_implementation().verify_checkpoint(public_key, origin, size, root, signature))


def compact_range(size: int = 0, nodes: bytes = b"") -> CompactRange:
    """Begin a tree, or go on with one; `ValueError` if one of that size has not these nodes."""
    return cast("CompactRange", _any_implementation().CompactRange(size, nodes))


def scanner() -> Callable[[bytes, int, str], Scan] | None:
    """Return what reads many lines of a log at once; None without the extension."""
    return getattr(_any_implementation(), "scan", None)


def _native(backend: Backend) -> Any:
    """The extension for this choice, or None for the reference."""
    if backend not in {"rust", "python", "auto"}:
        raise UsageError(f"there is no backend `{backend}`; choose rust, python or auto")
    if backend == "python":
        return None
    try:
        return import_module(_NATIVE)
    except ImportError as error:
        if backend == "rust":
            raise BackendMissingError(
                "the native extension `authgate_async._native` cannot be loaded "
                f"({error}); build it with `make demo` or `maturin develop` (a checkout in the "
                "current folder hides an installed package: then start from another folder), "
                'or choose backend="python" or "auto"'
            ) from error
        structlog.get_logger("authgate_async").warning(
            "backend.reference", reason=str(error), remedy="build the extension with `make demo`"
        )
        return None


def _any_implementation() -> Any:
    """Either: what it is asked for has one answer, so that the faster is taken in silence."""
    try:
        return import_module(_NATIVE)
    except ImportError:
        return reference
