"""A policy, checked and ready for the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from authgate_async.launchers.protocol import LayerName, Limits
from authgate_async.redaction import ArgsKept, Kept, OutputsKept
from authgate_async.wire import Change, Declare, Enrol, Grant, Kind, Own, Register

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Policy", "Principal", "Resource", "RunLimits", "ToolEntry"]

_DEFAULT = Limits()
_KEPT = Kept()


class Principal(msgspec.Struct, frozen=True):
    """A human or a machine; `owner` names the human who answers for a machine, empty for none."""

    name: str
    kind: Kind
    owner: str = ""
    key: bytes = b""
    trust_domain: str = ""


class Resource(msgspec.Struct, frozen=True):
    """Something that tools reach; `path` is the absolute place of it, empty for none."""

    rtype: str
    name: str
    path: str = ""
    public: bool = False
    trust_domain: str = ""


class ToolEntry(msgspec.Struct, frozen=True):
    """One tool of the policy.

    `source` is `package.module:attribute` for a tool of the user's own, empty for a built-in one.
    `limits` has the fields of `Limits` that the policy sets for this tool. `record_args` and
    `record_outputs` say how the log has them; None leaves that to the tool's declaration.
    """

    name: str
    enabled: bool = True
    source: str = ""
    limits: dict[str, int] = {}
    record_args: ArgsKept | None = None
    record_outputs: OutputsKept | None = None


class RunLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of a whole runtime.

    `permit_ttl_ms`, `approval_ms` and `grace_ms` are milliseconds; `concurrency` bounds runs in
    flight and `max_processes` tool processes, 0 leaving the choice to the runtime. `tool` holds for
    calls of tools that have no limits of their own.
    """

    permit_ttl_ms: int = 60_000
    approval_ms: int = 900_000
    concurrency: int = 256
    max_processes: int = 0
    grace_ms: int = 5_000
    tool: Limits = Limits()


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Who there is, what may be used, and who may do what with it.

    Without principals and grants everything is denied. `tools` is None where the policy does not
    speak of tools; an empty tuple means that there are none. `require` names the layers that must
    hold every call of every tool; a runtime that lacks one does not start. `log` has the fields of
    `Rotation` that the policy sets.
    """

    principals: tuple[Principal, ...] = ()
    resources: tuple[Resource, ...] = ()
    grants: tuple[Grant, ...] = ()
    tools: tuple[ToolEntry, ...] | None = None
    limits: RunLimits = RunLimits()
    require: tuple[LayerName, ...] = ()
    log: dict[str, int] = {}
    source: str = ""

    def changes(self) -> list[Change]:
        """Return what makes a kernel know this policy, in an order in which nothing is refused."""
        people = sorted(self.principals, key=lambda p: p.kind)
        return [
            *(Enrol(p.name, p.kind, p.key, p.trust_domain) for p in people),
            *(Own(p.name, p.owner) for p in people if p.owner),
            *(Declare(r.rtype, r.name, r.public, r.trust_domain) for r in self.resources),
            *(Register(grant) for grant in self.grants),
        ]

    @property
    def folders(self) -> Mapping[tuple[str, str], str]:
        """The absolute place of each resource that has one, by type and name."""
        return {(r.rtype, r.name): r.path for r in self.resources if r.path}

    def entry(self, tool: str) -> ToolEntry | None:
        """Return what the policy says of a tool; None if the tool is off."""
        if self.tools is None:
            return ToolEntry(tool)
        return next((entry for entry in self.tools if entry.name == tool and entry.enabled), None)

    def kept_for(self, tool: str, declared: Kept = _KEPT) -> Kept:
        """Return what the log keeps of a tool's calls: as the policy says, else as it declares."""
        # Also of one that is off here: it may have been handed to the runtime.
        entry = next((each for each in self.tools or () if each.name == tool), None)
        if entry is None:
            return declared
        args, outputs = entry.record_args, entry.record_outputs
        return Kept(args or declared.args, outputs or declared.outputs)

    def limits_for(self, tool: str, declared: Limits = _DEFAULT) -> Limits:
        """Return the limits of a tool's calls, field by field.

        What the policy says of this tool comes first, then what the tool declares unlike the
        default, then the policy's own default.
        """
        entry = self.entry(tool)
        default = msgspec.structs.asdict(_DEFAULT)
        own = {k: v for k, v in msgspec.structs.asdict(declared).items() if v != default[k]}
        return msgspec.structs.replace(self.limits.tool, **(own | (entry.limits if entry else {})))
