"""The seam between the sandbox supervisor and whatever runs a tool body.

A launcher gets calls whose permit is already verified. It knows nothing of permits, grants or logs:
it starts one body, holds it to its limits, and says how it ended.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal, Protocol, Self

import msgspec

__all__ = [
    "CAUSES",
    "LAYERS",
    "Call",
    "Cause",
    "Clear",
    "Ended",
    "Folder",
    "Launcher",
    "LayerName",
    "Level",
    "Limits",
    "ToolRef",
    "Usage",
    "cleared",
]

Level = Literal["inline", "process", "jail"]
"""How a tool is confined; see `docs/design.md`."""

LayerName = Literal[
    "deadline",
    "output_caps",
    "cpu",
    "memory",
    "file_size",
    "open_files",
    "processes",
    "tree_kill",
    "no_new_privs",
    "capabilities",
    "empty_environment",
    "private_folder",
    "user_namespace",
    "pid_namespace",
    "mount_namespace",
    "network_namespace",
    "ipc_namespace",
    "uts_namespace",
    "landlock",
    "seccomp",
    "tasks",
    "landlock_scope",
    "cgroup",
]
"""Something that holds a call: at level `inline` the first two, at `process` the first twelve, in a
`jail` all, but for the last three, which not every machine has."""

LAYERS: tuple[LayerName, ...] = LayerName.__args__  # type: ignore[attr-defined]

Cause = Literal[
    "returned",
    "raised",
    "deadline",
    "output_cap",
    "cpu_limit",
    "memory_limit",
    "process_limit",
    "killed",
    "cancelled",
    "revoked",
    "sandbox_died",
]
"""How a call ended. `returned` has a result; `raised` is the tool's own error (also one about a
file or descriptors, and a status that it exited with); `memory_limit` is a `MemoryError` that it
did not catch, or in a jail with the layer `cgroup` that the call in all took more than it may;
`killed` is a signal that the sandbox did not send; `revoked` means that what the
permit rests on was taken back while it ran; `sandbox_died` means that the template process was
lost, or could not confine the body."""

CAUSES: tuple[Cause, ...] = Cause.__args__  # type: ignore[attr-defined]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one call may use. All are hard: soft limit and hard limit are the same.

    `processes` counts the processes of the call at one time, the first one too. `cpu_seconds`,
    `memory_bytes` (address space), `file_bytes` and `open_files` hold for each process.
    `scratch_bytes` is what the working folder holds in all; only a jail keeps to it. With the layer
    `cgroup` a call in all, its working folder included, takes no more memory than both together.
    """

    wall_ms: int = 10_000
    cpu_seconds: int = 5
    memory_bytes: int = 512 * 2**20
    file_bytes: int = 16 * 2**20
    open_files: int = 64
    scratch_bytes: int = 64 * 2**20
    processes: int = 8
    stdout_bytes: int = 64 * 2**10
    stderr_bytes: int = 64 * 2**10
    result_bytes: int = 1 * 2**20

    @property
    def output_bytes(self) -> int:
        """What a call may put out in all."""
        return self.result_bytes + self.stdout_bytes + self.stderr_bytes


def numbers(limits: Limits) -> tuple[int, int, int, int, int, int]:
    """Return limits in the order in which native code takes them."""
    return (
        limits.cpu_seconds,
        limits.memory_bytes,
        limits.file_bytes,
        limits.open_files,
        limits.processes,
        limits.scratch_bytes,
    )


class ToolRef(msgspec.Struct, frozen=True):
    """Where another process finds the tool: a module and a name in it.

    `file` is set when the module is a script that was run as `__main__`.
    """

    module: str
    qualname: str
    file: str = ""


class Folder(msgspec.Struct, frozen=True):
    """A resource of the permit that lies on this machine: what the body may reach, and how.

    `path` is absolute, `scope` is the part below it that was granted, `rights` are `wire.Right`
    bits.
    """

    rtype: str
    name: str
    path: str
    scope: str
    rights: int


class Call(msgspec.Struct, frozen=True):
    """One tool call. `args` is a canonical JSON object; `folders` come from the permit.

    `programs` says that it may start programs and further processes; without it a jail lets it
    have threads only.
    """

    action_id: str
    tool: ToolRef
    args: bytes
    folders: tuple[Folder, ...] = ()
    limits: Limits = Limits()
    programs: bool = False


class Usage(msgspec.Struct, frozen=True):
    """What the call used: wall and CPU time in microseconds, peak resident memory in bytes."""

    wall_us: int = 0
    cpu_us: int = 0
    memory_bytes: int = 0


class Ended(msgspec.Struct, frozen=True):
    """How a call ended.

    `result` is JSON, empty unless the cause is `returned`; `error` is one sentence, empty if it is;
    `stdout` and `stderr` hold at most their cap. `capped` names the streams that reached it.
    `denials` are sentences on what a jail refused the call, where it could be told: they come from
    the call's own process, so they explain and prove nothing.
    """

    cause: Cause
    result: bytes = b""
    error: str = ""
    stdout: bytes = b""
    stderr: bytes = b""
    capped: tuple[str, ...] = ()
    denials: tuple[str, ...] = ()
    usage: Usage = Usage()


Clear = Callable[[], Awaitable[None]]
"""Asked once, when a call has its place and nothing of it has started: raises if it may not."""


async def cleared() -> None:
    """Let a call start."""


class Launcher(Protocol):
    """Runs tool bodies of one level. Entered once, by the task that leaves it."""

    level: Level
    layers: tuple[LayerName, ...]
    """What is enforced, once it was entered; recorded with each outcome."""

    async def __aenter__(self) -> Self:
        """Get ready; raises `SandboxUnavailableError` when the level cannot be had."""
        ...

    async def __aexit__(self, *exc_info: object) -> None:
        """End every call that still runs; no process is left."""
        ...

    def launch_now(self, call: Call) -> Ended | None:
        """Run a call that needs no waiting at once; None for one that has to be launched."""
        ...

    async def launch(self, call: Call, clear: Clear = cleared) -> Ended:
        """Run one call to its end; never raises for what the tool did.

        Cancelling it kills the call's whole process tree before the cancellation goes on.
        """
        ...
