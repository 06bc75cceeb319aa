# ruff: noqa: PYI021 - an extension has no source to read, so its promises stand here
"""The extension module: the decision kernel (`kernel/`) and the jail (`sandbox/`)."""

from collections.abc import Callable, Sequence
from typing import Never, Self, TypeAlias, final

DENIAL_CODES: tuple[str, ...]
WARNING_CODES: tuple[str, ...]
REFUSAL_CODES: tuple[str, ...]
FLAGS: tuple[str, ...]

@final
class Kernel:
    """Decides, permits and redeems by `docs/rules.md`; may be called from several threads.

    The messages are the MessagePack of lists of the structs in `authgate_async.wire`. Times are
    microseconds. Raises `ValueError` for what does not decode or is out of range: nothing was done.
    """

    def __new__(cls, seed: bytes, entropy: bytes, permit_ttl: int) -> Kernel: ...
    @property
    def public_key(self) -> bytes: ...
    @property
    def key_id(self) -> str: ...
    def decide(self, actions: bytes, now: int, entropy: bytes) -> bytes: ...
    def redeem(self, redemptions: bytes, now: int) -> bytes: ...
    def change(self, changes: bytes, now: int) -> bytes: ...
    def stale(self, verdicts: bytes) -> bytes: ...
    def settle(self, settlements: bytes) -> bytes: ...
    def sign_checkpoint(self, origin: str, size: int, root: bytes) -> bytes: ...
    def footprint(self) -> int:
        """How many bytes the registry's tables occupy."""

@final
class CompactRange:
    """The right edge of an RFC 6962 tree that grows.

    `nodes` are the roots of its largest perfect subtrees, one after another, 32 bytes each. Raises
    `ValueError` if a tree of that size has not as many, or for a leaf of another length.
    """

    def __new__(cls, size: int, nodes: bytes) -> CompactRange: ...
    @property
    def size(self) -> int: ...
    @property
    def nodes(self) -> bytes: ...
    def push(self, leaf: bytes) -> None: ...
    def extend(self, leaves: bytes) -> None: ...
    def root(self) -> bytes: ...

@final
class Scan:
    """Lines of a piece of a log that are whole and in order; see `authgate_async.backends.Scan`."""

    @property
    def length(self) -> int: ...
    def seen(self) -> list[tuple[object, ...] | None]: ...
    def sums(self, begin: int, end: int) -> bytes: ...
    def place(self, index: int) -> tuple[int, int, int]: ...

def scan(piece: bytes, index: int, head: str) -> Scan:
    """Read the lines at the beginning of a piece, from a number on and behind a sum, in hex.

    The GIL is released meanwhile. What is not in order ends it, and is no error.
    """

def verify_json(text: str, seed: bytes, now: int, entropy: bytes) -> str: ...
def verify_checkpoint(
    public_key: bytes, origin: str, size: int, root: bytes, signature: bytes
) -> bool: ...
def verify_signed(public_key: bytes, signed: bytes) -> bool: ...

# --- the sandbox crate: Linux only; see `authgate_async/launchers/template.py` ---

_Limits: TypeAlias = tuple[int, int, int, int, int, int]

def sandbox_freeze() -> int | None:
    """Move the memory of this process into a sealed file: a child pays for what it touches of it.

    Returns from which address on it may neither be given up nor grow; None if it may everywhere.

    Raises `OSError` when this process has a second thread, or the system refuses.
    """

def sandbox_harden() -> None:
    """Adopt orphans and forbid tracing; raises `OSError` when `/proc` lists no children."""

def sandbox_signals() -> int:
    """Block every signal; return a descriptor that is readable when a child changes state."""

def sandbox_sweep(keep: list[int]) -> bool:
    """Kill and reap every child not in `keep` and all below it; True when none is left."""

def sandbox_lead() -> None:
    """Become the leader of a session and the parent of all orphans below."""

def sandbox_watch(fds: tuple[int, int, int], body: int, processes: int, wall_ms: int) -> None:
    """Watch a call until its whole tree is gone, and report on the first descriptor.

    `fds` are the status socket and the pidfds of runtime and template; all others are closed.
    """

def sandbox_confine(
    warden: int,
    streams: tuple[int, int, int],
    folder: str,
    limits: _Limits,
) -> None:
    """Confine this process; raises `OSError` naming the step that failed.

    `limits` are CPU seconds, bytes of memory and of a file, open files, processes, scratch
    bytes.
    """

def sandbox_remove_tree(path: str) -> None:
    """Remove a folder and all in it, however deep; one that is not there is removed already."""

def sandbox_hand_back(kind: int, content: bytes, notes: bytes) -> Never:
    """Write one frame to the result stream, and one of `notes` if there are any; end this process.

    Nothing runs at its end. The exit code is 0, or 70 if nobody reads.
    """

def jail_divide() -> None:
    """Enter namespaces: user, mount, network, IPC, UTS, and pid for the next child."""

def jail_keep(address: int) -> None:
    """Refuse for good that memory is given up or grows from this address of `sandbox_freeze` on."""

def jail_denied() -> list[tuple[str, int]]:
    """Return the system calls that were refused to this process, with the start of an argument."""

def jail_landlock_abi() -> int:
    """Return the version of Landlock that this machine enforces, 0 for none."""

def jail_forks_into_groups() -> bool:
    """Whether a cell can be forked into a control group here."""

@final
class JailBase:
    """The namespaces of a template, and what its calls may see."""

    def __new__(
        cls,
        paths: Sequence[str],
        devices: Sequence[str],
        links: Sequence[tuple[str, str]],
        programs: bool,
    ) -> Self: ...
    @property
    def bounds_tasks(self) -> bool:
        """Whether each call has a limit of its own on tasks."""

    def serve(
        self,
        control: int,
        watched: Sequence[int],
        armed: int,
        scratch_bytes: int,
        group: int | None,
        warm_cell: Callable[[], object],
    ) -> _Given | None:
        """Keep cells armed, tell how they ended; return a call in each cell that is locked.

        Each cell calls `warm_cell` once, before it has its call; one that raises there is none.

        Returns None when `control` hangs up or one of `watched` is readable. The process must have
        one thread; the hooks of `os.fork` do not run. With a `group`, the open folder of a control
        group, which this takes over, each cell is in one of its own in there.
        """

_Given: TypeAlias = tuple[int, bytes, list[tuple[str, str, str, str, int]], bool]
"""The number of its tool, arguments, folders, and whether it may start programs."""
