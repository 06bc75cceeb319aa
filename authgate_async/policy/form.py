"""The form of a policy file: tables, keys, types and ranges, and what each key means.

The descriptions serve twice: in the JSON Schema, and as the remedy in the sentence about a value
that does not fit.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from authgate_async.launchers.protocol import LayerName
from authgate_async.redaction import ArgsKept, OutputsKept

__all__ = [
    "ArgForm",
    "BudgetForm",
    "GrantForm",
    "LimitsForm",
    "LogForm",
    "PolicyForm",
    "PrincipalForm",
    "ResourceForm",
    "SandboxForm",
    "ToolForm",
    "ToolLimitsForm",
    "schema",
]

_PRINTABLE = r"^[^\u0000-\u001f\u007f-\u009f]*$"
_DAY_MS = 86_400_000


def _text(description: str, longest: int = 256, shortest: int = 0) -> Meta:
    # The lengths that count are bytes, which JSON Schema cannot say; they are checked in `rules`.
    extra = {"minLength": shortest, "maxLength": longest, "pattern": _PRINTABLE}
    return Meta(description=description, extra_json_schema=extra)


def _count(description: str, high: int, low: int = 1) -> Meta:
    return Meta(ge=low, le=high, description=f"{description}, {low} to {high}")


Name = Annotated[str, _text("a name of 1 to 256 bytes without control characters", shortest=1)]
KindName = Annotated[str, _text("`KIND:NAME` of a principal, such as machine:alice-bot", 264, 3)]
TypeName = Annotated[str, _text("`TYPE:NAME` of a resource, such as file:workspace", 513, 3)]
Scope = Annotated[
    str, _text("the part of the resource, such as reports/2026; empty is all of it", 4096)
]
Domain = Annotated[str, _text("the trust domain, up to 256 bytes; empty is none")]
Folder = Annotated[
    str, _text("what the resource is on this machine, seen from the policy file's folder", 4096, 1)
]
Key = Annotated[str, _text("an Ed25519 public key of 32 bytes, as hex or base64", 64, 43)]
Kind = Annotated[Literal["human", "machine"], Meta(description="one of human, machine")]
Rights = Annotated[
    tuple[Literal["read", "write", "execute", "delegate"], ...],
    Meta(
        description="a list with at least one of read, write, execute, delegate",
        extra_json_schema={"minItems": 1, "uniqueItems": True},
    ),
]
Confidence = Annotated[float, Meta(ge=0, le=1, description="how sure the grant is, 0 to 1")]
Expiry = Annotated[
    datetime,
    Meta(tz=True, description="a time after 1970 with an offset, such as 2030-01-31T12:00:00Z"),
]
Epoch = Annotated[int, _count("the epoch in which the grant was made", 2**63 - 1, 0)]
Public = Annotated[bool, Meta(description="true if everybody may read it")]
CrossDomain = Annotated[bool, Meta(description="true if it reaches into another trust domain")]
_VALUES = "a list of text, numbers, true or false, at least one"
Values = Annotated[tuple[Any, ...], Meta(description=_VALUES, extra_json_schema={"minItems": 1})]
Value = Annotated[Any, Meta(description="the one value that the argument may have")]
Text = Annotated[str, Meta(description="text")]
Pattern = Annotated[str, Meta(description="a pattern of docs/rules.md, section 8")]
Number = Annotated[int | float, Meta(description="a number")]
Length = Annotated[int, _count("the most characters or elements", 2**53 - 1, 0)]
Absent = Annotated[Literal[True], Meta(description="true: the argument must be left out")]
Hosts = Annotated[
    str | tuple[str, ...],
    Meta(description="a host, *.DOMAIN for all hosts below it, or a list of such"),
]
_MOST = 2**53 - 1
Calls = Annotated[int, _count("how many calls", _MOST, 0)]
WallSeconds = Annotated[
    float, Meta(ge=0, le=2**32, description="how long calls may run in all, 0 to 4294967296")
]
OutputBytes = Annotated[int, _count("how much calls may put out in all, in bytes", _MOST, 0)]
Cost = Annotated[int, _count("what calls may cost in all, in the tools' own units", _MOST, 0)]
OtherArgs = Annotated[
    Literal["any", "none"], Meta(description="any or none: whether other arguments are free")
]
Approvers = Annotated[
    tuple[Name, ...],
    Meta(
        description="a list with at least one human who is enrolled with a key",
        extra_json_schema={"minItems": 1, "maxItems": 16, "uniqueItems": True},
    ),
]
Enabled = Annotated[bool, Meta(description="true if the tool can be called")]
Source = Annotated[
    str,
    Meta(
        description="where a tool of your own is, as package.module:attribute",
        pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$",
    ),
]
Require = Annotated[
    list[LayerName],
    Meta(
        description="layers of the sandbox, as `authgate doctor` names them",
        extra_json_schema={"uniqueItems": True},
    ),
]
RecordArgs = Annotated[
    ArgsKept,
    Meta(
        description="how the log has arguments: `full`, as a salted `digest`, or `sealed` for the "
        "auditor; by default as the tool declares, else `full`"
    ),
]
RecordOutputs = Annotated[
    OutputsKept,
    Meta(
        description="how the log has outputs: as a plain `checksum`, `full`, as a salted `digest`, "
        "or `sealed` for the auditor; by default as the tool declares, else `checksum`"
    ),
]
WallMs = Annotated[int, _count("the wall-clock deadline of a call in milliseconds", _DAY_MS)]
CpuSeconds = Annotated[int, _count("the processor time of a call in seconds", 86_400)]
MemoryBytes = Annotated[int, _count("the memory of a call in bytes", 2**40, 2**20)]
FileBytes = Annotated[int, _count("the largest file a call may write, in bytes", 2**40, 0)]
ScratchBytes = Annotated[
    int, _count("what the working folder of a call holds in all, in bytes", 2**40, 2**16)
]
OpenFiles = Annotated[int, _count("how many files a call may hold open", 65_536, 8)]
Processes = Annotated[int, _count("how many processes a call may have", 4096)]
StreamBytes = Annotated[int, _count("how much of the stream is kept, in bytes", 2**30, 0)]
ResultBytes = Annotated[int, _count("how long a call's result may be, in bytes", 2**30)]
PermitTtl = Annotated[int, _count("how long a permit can be used, in milliseconds", _DAY_MS)]
ApprovalMs = Annotated[
    int, _count("how long a call waits for its approval, in milliseconds", _DAY_MS)
]
Concurrency = Annotated[int, _count("how many runs are in flight at once", 1_000_000)]
MaxProcesses = Annotated[int, _count("how many tool processes run at once", 65_536)]
GraceMs = Annotated[int, _count("how long calls may finish at a stop, in milliseconds", _DAY_MS, 0)]

LogBytes = Annotated[int, _count("how long a file of the log gets, in bytes", 2**40, 2**16)]
LogSeconds = Annotated[int, _count("how old a file of the log gets, in seconds", 2**32)]
KeepSeconds = Annotated[
    int, _count("how long a closed file of the log is kept, in seconds", 2**32, 0)
]


class _Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file: unknown keys are refused."""


class ToolLimitsForm(_Form, frozen=True, kw_only=True):
    """What one call may use."""

    wall_ms: WallMs | UnsetType = UNSET
    cpu_seconds: CpuSeconds | UnsetType = UNSET
    memory_bytes: MemoryBytes | UnsetType = UNSET
    file_bytes: FileBytes | UnsetType = UNSET
    open_files: OpenFiles | UnsetType = UNSET
    scratch_bytes: ScratchBytes | UnsetType = UNSET
    processes: Processes | UnsetType = UNSET
    stdout_bytes: StreamBytes | UnsetType = UNSET
    stderr_bytes: StreamBytes | UnsetType = UNSET
    result_bytes: ResultBytes | UnsetType = UNSET


class LimitsForm(ToolLimitsForm, frozen=True, kw_only=True):
    """The limits of the runtime, and those of the calls of tools that have none of their own."""

    permit_ttl_ms: PermitTtl | UnsetType = UNSET
    approval_ms: ApprovalMs | UnsetType = UNSET
    concurrency: Concurrency | UnsetType = UNSET
    max_processes: MaxProcesses | UnsetType = UNSET
    grace_ms: GraceMs | UnsetType = UNSET


class PrincipalForm(_Form, frozen=True, kw_only=True):
    """A human or a machine; name and kind together identify it."""

    name: Name
    kind: Kind
    owner: Name | UnsetType = UNSET
    key: Key | UnsetType = UNSET
    trust_domain: Domain = ""


class ResourceForm(_Form, frozen=True, kw_only=True):
    """Something that tools reach."""

    id: TypeName
    path: Folder | UnsetType = UNSET
    public: Public = False
    trust_domain: Domain = ""


class ArgForm(_Form, frozen=True, kw_only=True):
    """What must hold of one argument of a call; all of it must."""

    eq: Value | UnsetType = UNSET
    one_of: Values | UnsetType = UNSET
    all_in: Values | UnsetType = UNSET
    prefix: Text | UnsetType = UNSET
    regex: Pattern | UnsetType = UNSET
    not_regex: Pattern | UnsetType = UNSET
    le: Number | UnsetType = UNSET
    ge: Number | UnsetType = UNSET
    max_len: Length | UnsetType = UNSET
    absent: Absent | UnsetType = UNSET
    subpath: Text | UnsetType = UNSET
    host: Hosts | UnsetType = UNSET


Args = Annotated[
    dict[str, ArgForm], Meta(description="what must hold of the arguments of a call, by name")
]


class BudgetForm(_Form, frozen=True, kw_only=True):
    """What a grant and all that is handed on from it may use together."""

    calls: Calls | UnsetType = UNSET
    wall_seconds: WallSeconds | UnsetType = UNSET
    output_bytes: OutputBytes | UnsetType = UNSET
    cost: Cost | UnsetType = UNSET


class GrantForm(_Form, frozen=True, kw_only=True):
    """What one holder may do with one resource; its id is made from its content if it has none."""

    id: Name | UnsetType = UNSET
    holder: KindName
    resource: TypeName
    scope: Scope = ""
    rights: Rights
    confidence: Confidence = 1.0
    expires_at: Expiry | UnsetType = UNSET
    epoch: Epoch = 0
    parent: Name | UnsetType = UNSET
    cross_domain: CrossDomain = False
    args: Args = {}
    other_args: OtherArgs | UnsetType = UNSET
    budget: BudgetForm = BudgetForm()
    approvers: Approvers | UnsetType = UNSET


class ToolForm(_Form, frozen=True, kw_only=True):
    """One tool that agents may ask for; with a `tools` table, tools outside it are off."""

    enabled: Enabled = True
    source: Source | UnsetType = msgspec.field(name="import", default=UNSET)
    record_args: RecordArgs | UnsetType = UNSET
    record_outputs: RecordOutputs | UnsetType = UNSET
    limits: ToolLimitsForm = ToolLimitsForm()


class SandboxForm(_Form, frozen=True, kw_only=True):
    """What must hold every call; a runtime that cannot have it does not start."""

    require: Require = []


class LogForm(_Form, frozen=True, kw_only=True):
    """When the log begins another file, and when a closed one is removed."""

    file_bytes: LogBytes | UnsetType = UNSET
    file_seconds: LogSeconds | UnsetType = UNSET
    keep_seconds: KeepSeconds | UnsetType = UNSET


class PolicyForm(_Form, frozen=True, kw_only=True):
    """A policy of authgate_async. What it does not grant is denied."""

    limits: LimitsForm = LimitsForm()
    principals: list[PrincipalForm] = []
    resources: list[ResourceForm] = []
    grants: list[GrantForm] = []
    tools: dict[str, ToolForm] | UnsetType = UNSET
    sandbox: SandboxForm = SandboxForm()
    log: LogForm = LogForm()


def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a policy file."""
    found = msgspec.json.schema(PolicyForm)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | found
