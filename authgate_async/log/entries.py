"""Records made from the kernel's messages.

`verify` builds each intent again from the verdict that it carries: what these functions do is part
of the format.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, cast, get_args, get_origin

import msgspec

from authgate_async import wire
from authgate_async.log.records import (
    FORMAT,
    MAX_INT,
    ApprovalAsked,
    Asked,
    Big,
    Intent,
    LogOpened,
    Proof,
    RegistryChange,
)

if TYPE_CHECKING:
    from authgate_async.backends import Kernel

__all__ = ["CHANGE_FIELDS", "asked_of", "change_from", "change_of", "intent_of", "opening_of"]


def opening_of(
    kernel: Kernel,
    *,
    backend: str,
    cut_bytes: int,
    layers: tuple[str, ...],
    time: int,
    auditor: str = "",
) -> LogOpened:
    """Return the record that a session under the key of `kernel` begins with."""
    return LogOpened(
        auditor=auditor,
        backend=backend,
        cut_bytes=cut_bytes,
        format=FORMAT,
        key_id=kernel.key_id,
        layers=layers,
        public_key=kernel.public_key.hex(),
        time=time,
        version=version("authgate_async"),
    )


def intent_of(
    signed: wire.SignedVerdict,
    verdict: wire.Verdict,
    *,
    run: str,
    seq: int,
    args: str = "",
    sealed_args: str = "",
    run_seq: int = 0,
) -> Intent:
    """Return the record of a decision; `verdict` is `signed.verdict` decoded.

    `args` is the canonical argument JSON, or empty (the default) to keep only its digest, with or
    without `sealed_args`, which is for the auditor. `run_seq` is left to the writer.
    """
    return Intent(
        action_digest=verdict.action_digest.hex(),
        action_id=verdict.action_id,
        agent=verdict.actor,
        agent_kind=verdict.kind,
        arbitration=1 if verdict.requires_human_arbitration else 0,
        args=args,
        args_digest=verdict.args_digest.hex(),
        chains=verdict.chains,
        codes=tuple([code for code, _ in verdict.violations]),
        confidence=verdict.confidence,
        epoch=_big(verdict.epoch),
        expires_at=_big(verdict.expires_at),
        issued_at=_big(verdict.issued_at),
        nonce=verdict.nonce.hex(),
        permitted=1 if verdict.permitted else 0,
        proof=_proof(signed),
        requests=_requests(verdict),
        run=run,
        run_seq=run_seq,
        sealed_args=sealed_args,
        sentences=tuple([sentence for _, sentence in verdict.violations]),
        seq=seq,
        tool=verdict.tool,
        warnings=verdict.warnings,
    )


def asked_of(
    signed: wire.SignedVerdict,
    verdict: wire.Verdict,
    *,
    run: str,
    seq: int,
    args: str,
    sealed_args: str = "",
    deadline: Big,
    run_seq: int = 0,
) -> ApprovalAsked:
    """Return the record of a call that waits for an approval; as `intent_of`.

    `deadline` is in microseconds.
    """
    return ApprovalAsked(
        action_digest=verdict.action_digest.hex(),
        action_id=verdict.action_id,
        agent=verdict.actor,
        agent_kind=verdict.kind,
        approvers=verdict.approvers,
        args=args,
        args_digest=verdict.args_digest.hex(),
        deadline=deadline if isinstance(deadline, str) else _big(deadline),
        instance=verdict.instance.hex(),
        issued_at=_big(verdict.issued_at),
        proof=_proof(signed),
        requests=_requests(verdict),
        run=run,
        run_seq=run_seq,
        sealed_args=sealed_args,
        sentences=tuple([sentence for _, sentence in verdict.violations]),
        seq=seq,
        tool=verdict.tool,
    )


def _requests(verdict: wire.Verdict) -> tuple[Asked, ...]:
    return tuple([Asked(r.name, _big(r.right), r.rtype, r.scope) for r in verdict.requests])


def change_of(change: wire.Change, changed: wire.Changed, *, by: str, time: int) -> RegistryChange:
    """Return the record of a registry change and of what became of it.

    `by` is who asked for it; `time` is in microseconds.
    """
    return RegistryChange(
        by=by,
        change=str(change.__struct_config__.tag),
        code=changed.code,
        epoch=_big(changed.epoch),
        fields=_fields(change),
        sentence=changed.sentence,
        time=time,
    )


def change_from(record: RegistryChange) -> wire.Change:
    """Return the change that a record is of: what `change_of` was given.

    Raises:
        ValueError: A field holds what no such change can have.
    """
    kind = _MESSAGES.get(record.change)
    if kind is None or record.fields.keys() != CHANGE_FIELDS[record.change]:
        raise ValueError(f"its fields are not those of the change `{record.change}`")
    return cast("wire.Change", _message(kind, record.fields))


_fields_of = cache(msgspec.structs.fields)  # it evaluates annotations, each time


def _message(kind: type[msgspec.Struct], fields: dict[str, int | str]) -> msgspec.Struct:
    return kind(**{one.name: _value(one, fields) for one in _fields_of(kind)})


def _value(field: msgspec.structs.FieldInfo, fields: dict[str, int | str]) -> object:
    if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
        return _message(field.type, fields)
    value = fields[field.name]
    if field.type is bytes:
        return bytes.fromhex(str(value))
    if get_origin(field.type) is tuple:
        return msgspec.json.decode(str(value), type=field.type)
    return msgspec.convert(value, field.type, strict=False)


def _field_names(message: type[msgspec.Struct]) -> frozenset[str]:
    names = set(message.__struct_fields__)
    if "grant" in names:
        names = names - {"grant"} | set(wire.Grant.__struct_fields__)
    return frozenset(names)


_MESSAGES: dict[str, type[msgspec.Struct]] = {
    str(message.__struct_config__.tag): message for message in get_args(wire.Change)
}

CHANGE_FIELDS = {tag: _field_names(message) for tag, message in _MESSAGES.items()}
"""For each kind of change, the names in its record's `fields`."""


def _proof(signed: wire.SignedVerdict) -> Proof:
    return Proof(
        index=signed.index,
        path=signed.path.hex(),
        signature=signed.signature.hex(),
        size=signed.size,
        verdict=signed.verdict.hex(),
    )


def _fields(message: msgspec.Struct) -> dict[str, int | str]:
    """Flatten: no field of a grant has the name of a field beside the grant."""
    fields: dict[str, int | str] = {}
    for name in message.__struct_fields__:
        value = getattr(message, name)
        if isinstance(value, msgspec.Struct):
            fields.update(_fields(value))
        else:
            fields[name] = _plain(value)
    return fields


def _plain(value: Any) -> int | str:
    match value:
        case str():
            return value
        case bytes():
            return value.hex()
        case tuple():
            return json.dumps(msgspec.to_builtins(value), separators=(",", ":"))
        case _:
            return _big(int(value))


def _big(value: int) -> Big:
    return value if value <= MAX_INT else str(value)
