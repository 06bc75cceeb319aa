"""Building a runtime's parts, in the order in which they need each other, each with its end."""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import anyio
import msgspec
from anyio import to_thread

from authgate_async.actors.gate import Gate
from authgate_async.actors.log_writer import LogWriter
from authgate_async.actors.planner import PlannerActor
from authgate_async.actors.recording import record
from authgate_async.actors.running import Running
from authgate_async.actors.sandbox_supervisor import SandboxSupervisor
from authgate_async.actors.supervision import supervise
from authgate_async.actors.withdrawals import Withdrawals
from authgate_async.backends import make_kernel
from authgate_async.errors import (
    LogUnavailableError,
    PolicyError,
    SandboxUnavailableError,
    UsageError,
)
from authgate_async.keeping import keeper_of
from authgate_async.keys import auditor_from, seed_from
from authgate_async.launchers.inline import InlineLauncher
from authgate_async.launchers.jail import JailLauncher
from authgate_async.launchers.process import ProcessLauncher
from authgate_async.log.entries import change_of, opening_of
from authgate_async.log.writer import Durability, LogFile
from authgate_async.messages import (
    Append,
    GateMessage,
    PlanRequest,
    SupervisorMessage,
    Withdraw,
)
from authgate_async.policy.tools import find_tools
from authgate_async.reference import ReferenceKernel
from authgate_async.spool import Spool
from authgate_async.tools.toolset import ToolSet
from authgate_async.wire import Changed, SignedVerdict, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AsyncExitStack

    from authgate_async.actors.reference import Ref
    from authgate_async.actors.supervision import Supervisor
    from authgate_async.backends import Backend, Kernel
    from authgate_async.launchers.protocol import Launcher, LayerName, Level
    from authgate_async.log.keeping import Keeper
    from authgate_async.log.records import Record
    from authgate_async.log.rotation import Rotation
    from authgate_async.oplog import Logger
    from authgate_async.planners.protocol import Planner
    from authgate_async.policy.model import Policy
    from authgate_async.tools.definition import Tool
    from authgate_async.wire import Action

__all__ = ["Parts", "Settings", "assemble"]

SEED_BYTES = 32
PLAN_SECONDS = 100.0
RECORD_SECONDS = 60.0
PLANNING = 10_000
"""Plans thought about at once, at most."""

CHANGES_AT_ONCE = 1_000
"""Policy changes in one message to the kernel or the log."""

_encode = msgspec.msgpack.Encoder().encode
_changed = msgspec.msgpack.Decoder(list[Changed]).decode
_signed = msgspec.msgpack.Decoder(list[SignedVerdict]).decode
_verdict = msgspec.msgpack.Decoder(Verdict).decode


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What `Runtime` was told."""

    policy: Policy
    planner: Planner
    tools: tuple[Tool, ...]
    backend: Backend
    log: Path | None
    durability: Durability
    rotation: Rotation
    key: Path | str | bytes | None
    auditor: Path | str | bytes | None
    max_processes: int | None
    max_calls: int
    grace: float
    approvals: Path | None
    now: Callable[[], int]
    oplog: Logger

    def __post_init__(self) -> None:
        """Refuse what could only fail later, in a place that says less."""
        if not callable(getattr(self.planner, "plan", None)):
            raise UsageError("the planner has no method `plan`; see `Planner`")
        if self.max_calls < 1:
            raise UsageError(f"max_calls must be at least 1, not {self.max_calls}")
        if self.max_processes is not None and self.max_processes < 1:
            raise UsageError(f"max_processes must be at least 1, not {self.max_processes}")
        if not 0 <= self.grace < math.inf:
            raise UsageError(f"grace must be a number of seconds from 0 on, not {self.grace}")
        if self.durability not in get_args(Durability):
            raise UsageError(f"durability must be fsync, os or memory, not {self.durability}")


class Parts:
    """What a running runtime is made of."""

    def __init__(
        self,
        kernel: Kernel,
        tools: ToolSet,
        folders: Mapping[tuple[str, str], str],
        launchers: Mapping[Level, Launcher],
        supervisor_of_all: Supervisor,
    ) -> None:
        self.kernel = kernel
        self.folders = folders
        """Where resources lie, links resolved: a link that comes later leads nowhere."""
        self.launchers = launchers
        self.tools = tools
        self.supervisor_of_all = supervisor_of_all
        self.keeper: Keeper
        self.log: Ref[Append]
        self.gate: Ref[GateMessage]
        self.supervisor: Ref[SupervisorMessage]
        self.withdrawals: Ref[Withdraw]
        self.planner: Ref[PlanRequest]
        self.spool: Spool | None = None

    async def decide(self, actions: Sequence[Action], now: int) -> list[Verdict]:
        """Have the kernel decide; the permits stay here."""
        decided = await to_thread.run_sync(
            self.kernel.decide, _encode(actions), now, os.urandom(SEED_BYTES)
        )
        return [_verdict(signed.verdict) for signed in _signed(decided)]


async def assemble(settings: Settings, stack: AsyncExitStack) -> Parts:
    """Build and start everything; what was started ends when the stack is left, the youngest first.

    Raises as `Runtime` does on entering.
    """
    # Tools and kernels are imported and keys are read here: that is work for a thread.
    tools, kernel, keeper = await to_thread.run_sync(_tools_and_kernel, settings)
    file = await _open_log(settings, kernel, stack)
    launchers = await _launchers(settings, tools, stack)
    supervisor = await stack.enter_async_context(
        supervise(grace=settings.grace, on_crash=_Crashes(settings.oplog), clock=time.monotonic)
    )
    folders = await to_thread.run_sync(_resolved, settings.policy)
    parts = Parts(kernel, tools, folders, launchers, supervisor)
    parts.keeper = keeper
    parts.spool = await to_thread.run_sync(_open_spool, settings)
    _start(parts, settings, file)
    await _record_opening(parts, settings, file)
    await _load(parts, settings)
    return parts


def _tools_and_kernel(settings: Settings) -> tuple[ToolSet, Kernel, Keeper]:
    tools = ToolSet((*find_tools(settings.policy), *settings.tools))
    seed = os.urandom(SEED_BYTES) if settings.key is None else seed_from(settings.key)
    kernel = make_kernel(
        settings.backend,
        seed=seed,
        entropy=os.urandom(SEED_BYTES),
        permit_ttl=settings.policy.limits.permit_ttl_ms * 1000,
    )
    auditor = b"" if settings.auditor is None else auditor_from(settings.auditor)
    return tools, kernel, keeper_of(tools, settings.policy, seed, auditor)


def _resolved(policy: Policy) -> dict[tuple[str, str], str]:
    return {resource: os.path.realpath(path) for resource, path in policy.folders.items()}


async def _open_log(settings: Settings, kernel: Kernel, stack: AsyncExitStack) -> LogFile:
    durability = settings.durability if settings.log else "memory"
    if settings.log:
        await to_thread.run_sync(
            _keep_apart, "log", settings.log, settings.policy, "change what is recorded of it"
        )
    file = await to_thread.run_sync(
        LogFile.open, settings.log, durability, kernel, settings.rotation, _Kept(settings.oplog)
    )

    async def close() -> None:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(file.close)

    stack.push_async_callback(close)
    return file


def _open_spool(settings: Settings) -> Spool | None:
    if settings.approvals is None:
        return None
    what = "folder for approvals"
    _keep_apart(what, settings.approvals, settings.policy, "put files there, or remove them")
    return Spool(settings.approvals)


def _keep_apart(what: str, own: Path, policy: Policy, why: str) -> None:
    """See that no tool is handed a folder in which our own lies, or one that lies in it."""
    place = own.resolve()
    for (rtype, name), path in policy.folders.items():
        folder = Path(path).resolve()
        if folder.is_relative_to(place) or place.is_relative_to(folder):
            raise UsageError(
                f"the {what} {own} and the folder of `{rtype}:{name}` lie in each other: a tool "
                f"could {why}; name another {what}"
            )


async def _launchers(
    settings: Settings, tools: ToolSet, stack: AsyncExitStack
) -> dict[Level, Launcher]:
    """Enter a launcher for each level that some tool has; a level that none has may be missing."""
    made: dict[Level, Launcher] = {}
    levels = {tool.level for tool in tools}
    if "inline" in levels:
        inline = InlineLauncher({tool.ref: tool for tool in tools})
        made["inline"] = await stack.enter_async_context(inline)
    if "process" in levels:
        process = ProcessLauncher(processes=settings.max_processes)
        made["process"] = await stack.enter_async_context(process)
    if "jail" in levels:
        jailed = [tool.ref for tool in tools if tool.level == "jail"]
        jail = JailLauncher(tools=jailed, processes=settings.max_processes)
        made["jail"] = await stack.enter_async_context(jail)
    for tool in tools:
        _require(settings.policy.require, tool, made[tool.level])
    return made


def _require(layers: Sequence[LayerName], tool: Tool, launcher: Launcher) -> None:
    missing = [layer for layer in layers if layer not in launcher.layers]
    if missing:
        raise SandboxUnavailableError(
            f"the policy requires {', '.join(missing)}, which a call of `{tool.name}` at level "
            f"`{tool.level}` does not have here; `authgate doctor` tells what this machine can do"
        )


class _Kept:
    """Tells the operator of a file of the log that retention could not remove."""

    def __init__(self, oplog: Logger) -> None:
        self._oplog = oplog

    def __call__(self, sentence: str) -> None:
        self._oplog.error("log file kept", error=sentence)


class _Crashes:
    """Tells the operator of an actor that crashed."""

    def __init__(self, oplog: Logger) -> None:
        self._oplog = oplog

    def __call__(self, actor: str, error: Exception) -> None:
        self._oplog.error("actor crashed", actor=actor, error=f"{type(error).__name__}: {error}")


def _start(parts: Parts, settings: Settings, file: LogFile) -> None:
    """Start the actors, who is asked before who asks: they end in the other order."""
    start, kernel, tools = parts.supervisor_of_all.start, parts.kernel, parts.tools
    oplog, now, policy = settings.oplog, settings.now, settings.policy
    limits = {tool.name: policy.limits_for(tool.name, tool.limits) for tool in tools}
    log = parts.log = start("log writer", lambda: LogWriter(file), Append)
    running = Running()
    parts.supervisor = start(
        "sandbox supervisor",
        lambda: SandboxSupervisor(
            kernel=kernel,
            tools=tools,
            launchers=parts.launchers,
            folders=parts.folders,
            limits=limits,
            keeper=parts.keeper,
            log=log,
            running=running,
            now=now,
            oplog=oplog,
            size=settings.max_calls,
            record_timeout=RECORD_SECONDS,
        ),
        SupervisorMessage,
    )
    withdrawals = start("withdrawals", lambda: Withdrawals(kernel, running), Withdraw)
    parts.withdrawals = withdrawals
    owed: list[tuple[Record, ...]] = []
    parts.gate = start(
        "gate",
        lambda: Gate(
            kernel=kernel,
            tools=tools,
            limits=limits,
            log=log,
            withdrawals=withdrawals,
            owed=owed,
            keeper=parts.keeper,
            now=now,
            oplog=oplog,
            record_timeout=RECORD_SECONDS,
            approval_seconds=policy.limits.approval_ms / 1000,
        ),
        GateMessage,
    )
    parts.planner = start(
        "planner",
        lambda: PlannerActor(settings.planner, size=PLANNING, limit=PLAN_SECONDS, oplog=oplog),
        PlanRequest,
    )


async def _record_opening(parts: Parts, settings: Settings, file: LogFile) -> None:
    layers = {layer for launcher in parts.launchers.values() for layer in launcher.layers}
    opening = partial(
        opening_of,
        parts.kernel,
        backend="python" if isinstance(parts.kernel, ReferenceKernel) else "rust",
        cut_bytes=file.cut_bytes,
        auditor=parts.keeper.auditor_id,
        layers=tuple(sorted(layers)),
        time=settings.now(),
    )
    await _must_record(parts, (await to_thread.run_sync(opening),))


async def _load(parts: Parts, settings: Settings) -> None:
    """Enter the policy into the kernel, and into the log what was entered."""
    changes, now = settings.policy.changes(), settings.now()
    for begin in range(0, len(changes), CHANGES_AT_ONCE):
        chunk = changes[begin : begin + CHANGES_AT_ONCE]
        results = _changed(await to_thread.run_sync(parts.kernel.change, _encode(chunk), now))
        for result in results:
            if result.code:
                place = settings.policy.source or "the policy"
                raise PolicyError(f"{place}: the kernel refused a part: {result.sentence}; mend it")
        pairs = zip(chunk, results, strict=True)
        await _must_record(parts, tuple(change_of(c, r, by="policy", time=now) for c, r in pairs))


async def _must_record(parts: Parts, group: tuple[Record, ...]) -> None:
    (problem,) = await record(parts.log, (group,), timeout=RECORD_SECONDS)
    if problem:
        raise LogUnavailableError(f"the log cannot be opened: {problem}")
