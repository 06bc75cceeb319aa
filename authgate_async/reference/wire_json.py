"""One decision as JSON text in and out (`docs/rules.md`, section 7)."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import msgspec

from authgate_async.reference.kernel import ReferenceKernel
from authgate_async.reference.strict_json import (
    Field,
    boolean,
    each,
    integer,
    mapping,
    number,
    one_object,
    parse,
    text,
)
from authgate_async.wire import (
    FLAGS,
    Action,
    Change,
    Changed,
    Declare,
    Enrol,
    Grant,
    Own,
    Register,
    Request,
    Right,
    SignedVerdict,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["verify_json"]

_MILLION = 1_000_000
_MAX_TIME = 2**63 - 1
_KINDS = {"HUMAN": "human", "MACHINE": "machine"}
_ASKED = (
    ("resources_read", Right.READ),
    ("resources_write", Right.WRITE),
    ("resources_delegate", Right.DELEGATE),
)
_HELD = (("can_read", Right.READ), ("can_write", Right.WRITE), ("can_delegate", Right.DELEGATE))

_Placed = tuple[str, Change]
"""A change, and the path of the text that it comes from."""


def verify_json(source: str, seed: bytes, now: int, entropy: bytes) -> str:
    """Decide the one action in a text against the registry in the same text.

    `seed` signs the verdict, `now` is in microseconds, `entropy` is 32 bytes for the nonce.

    Raises:
        ValueError: The text is wrong; the sentence names the field by its path.
    """
    document = _DOCUMENT(parse(source), "")
    kernel = ReferenceKernel(seed, entropy)
    placed = list(_changes(document))
    changes = msgspec.msgpack.encode([change for _, change in placed])
    results = msgspec.msgpack.decode(kernel.change(changes, now), type=list[Changed])
    for (place, _), result in zip(placed, results, strict=True):
        if result.code:
            raise ValueError(f"`{place}`: {result.sentence}")
    actions = msgspec.msgpack.encode([_action(document["action"])])
    batch = kernel.decide(actions, now, entropy)
    (signed,) = msgspec.msgpack.decode(batch, type=tuple[SignedVerdict])
    return json.dumps(_shown(kernel, signed), ensure_ascii=False, separators=(",", ":"))


def _shown(kernel: ReferenceKernel, signed: SignedVerdict) -> dict[str, Any]:
    verdict = msgspec.msgpack.decode(signed.verdict, type=Verdict)
    return {
        "action_id": verdict.action_id,
        "permitted": verdict.permitted,
        "violations": [f"{code}: {sentence}" for code, sentence in verdict.violations],
        "warnings": [f"{code}: {sentence}" for code, sentence in verdict.warnings],
        "confidence": verdict.confidence / _MILLION,
        "requires_human_arbitration": verdict.requires_human_arbitration,
        "signature": signed.signature.hex(),
        "signing_key": kernel.public_key.hex(),
        "key_id": kernel.key_id,
        "timestamp": verdict.issued_at,
        "nonce": verdict.nonce.hex(),
        "verdict": signed.verdict.hex(),
    }


def _changes(document: dict[str, Any]) -> Iterator[_Placed]:
    registry, action = document["registry"], document["action"]
    principals = _principals(registry, action)
    for (name, kind), place in principals.items():
        yield place, Enrol(name, kind, b"", registry["trust_domains"].get(name, ""))
    for machine, owner in registry["machine_owners"].items():
        yield f"registry.machine_owners.{machine}", Own(machine, owner)
    yield from _declarations(registry["claims"], action)
    for index, claim in enumerate(registry["claims"]):
        grant = _grant(f"claim-{index}", claim)
        if grant.rights:
            yield f"registry.claims[{index}]", Register(grant)


def _principals(registry: dict[str, Any], action: dict[str, Any]) -> dict[tuple[str, str], str]:
    """Who is enrolled, and the path where each is first named."""
    named: dict[tuple[str, str], str] = {}
    for place, claim in enumerate(registry["claims"]):
        holder = claim["holder"]
        named.setdefault((holder["name"], holder["kind"]), f"registry.claims[{place}].holder")
    for machine, owner in registry["machine_owners"].items():
        named.setdefault((machine, "machine"), f"registry.machine_owners.{machine}")
        named.setdefault((owner, "human"), f"registry.machine_owners.{machine}")
    actor = action["actor"]
    if actor["name"] not in {name for name, _ in named}:
        named[actor["name"], actor["kind"]] = "action.actor"
    return named


def _declarations(claims: list[dict[str, Any]], action: dict[str, Any]) -> Iterator[_Placed]:
    known: dict[tuple[str, str], Declare] = {}
    for place, resource in _resources(claims, action):
        key = (resource["rtype"], resource["name"])
        declared = Declare(*key, resource["is_public"], resource["trust_domain"])
        if known.setdefault(key, declared) != declared:
            raise ValueError(f"`{place}`: resource `{':'.join(key)}` is described in two ways")
        yield place, declared


def _resources(
    claims: list[dict[str, Any]], action: dict[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    for place, claim in enumerate(claims):
        yield f"registry.claims[{place}].resource", claim["resource"]
    for field, _ in _ASKED:
        for place, resource in enumerate(action[field]):
            yield f"action.{field}[{place}]", resource


def _grant(grant_id: str, claim: dict[str, Any]) -> Grant:
    holder, resource = claim["holder"], claim["resource"]
    return Grant(
        id=grant_id,
        holder=holder["name"],
        holder_kind=holder["kind"],
        rtype=resource["rtype"],
        name=resource["name"],
        scope=resource["scope"],
        rights=sum(int(right) for field, right in _HELD if claim[field]),
        confidence=claim["confidence"],
        expires_at=claim["expires_at"],
        epoch=claim["epoch"],
    )


def _action(action: dict[str, Any]) -> Action:
    requests = [
        Request(resource["rtype"], resource["name"], resource["scope"], right)
        for field, right in _ASKED
        for resource in action[field]
    ]
    return Action(
        id=action["action_id"],
        actor=action["actor"]["name"],
        kind=action["actor"]["kind"],
        tool=action["tool"],
        args=b"",
        requests=tuple(requests),
        governs_humans=tuple(action["governs_humans"]),
        flags=sum(1 << bit for bit, flag in enumerate(FLAGS) if action[flag]),
        min_epoch=action["min_epoch"],
    )


def _kind(value: Any, path: str) -> str:
    if value not in _KINDS:
        raise ValueError(f"`{path}` must be HUMAN or MACHINE")
    return _KINDS[value]


def _confidence(value: Any, path: str) -> int:
    share = number(value, path)
    if not 0 <= share <= 1:
        raise ValueError(f"`{path}` must be from 0 to 1")
    return round(share * _MILLION)


def _expiry(value: Any, path: str) -> int:
    """Microseconds from seconds; what rounds to 0 is refused, since 0 means never."""
    if value is None:
        return 0
    moment = math.floor(number(value, path) * _MILLION)
    if not 0 < moment <= _MAX_TIME:
        raise ValueError(f"`{path}` must be above 0 and at most {_MAX_TIME // _MILLION} seconds")
    return moment


_PRINCIPAL = one_object({"name": Field(text), "kind": Field(_kind)})
_RESOURCE = one_object(
    {
        "name": Field(text),
        "rtype": Field(text),
        "scope": Field(text, ""),
        "is_public": Field(boolean, default=False),
        "trust_domain": Field(text, ""),
    }
)
_CLAIM = one_object(
    {
        "holder": Field(_PRINCIPAL),
        "resource": Field(_RESOURCE),
        "can_read": Field(boolean, default=True),
        "can_write": Field(boolean, default=False),
        "can_delegate": Field(boolean, default=False),
        "confidence": Field(_confidence, _MILLION),
        "expires_at": Field(_expiry, 0),
        "epoch": Field(integer, 0),
    }
)
_REGISTRY = one_object(
    {
        "claims": Field(each(_CLAIM), ()),
        "machine_owners": Field(mapping, {}),
        "trust_domains": Field(mapping, {}),
    }
)
_ACTION = one_object(
    {
        "action_id": Field(text),
        "actor": Field(_PRINCIPAL),
        **{field: Field(each(_RESOURCE), ()) for field, _ in _ASKED},
        "governs_humans": Field(each(text), ()),
        **{flag: Field(boolean, default=False) for flag in FLAGS},
        "min_epoch": Field(integer, 0),
        "tool": Field(text, "verify_json"),
        "description": Field(text, ""),
    }
)
_DOCUMENT = one_object({"registry": Field(_REGISTRY), "action": Field(_ACTION)})
