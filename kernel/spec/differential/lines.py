"""Programs as the lines that the oracle reads (`oracle_main.ml` says how they are written)."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from program import KEYS, Act, Approval, End, Program, Step

from authgate_async.wire import (
    AdvanceEpoch,
    AdvanceHolderEpoch,
    Declare,
    Delegate,
    Enrol,
    Own,
    Register,
    Revoke,
    RevokeHeld,
    RevokeHolder,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authgate_async.wire import Constraint, Grant

_MANTISSA = 53


def text(value: str | bytes) -> str:
    """A text, with all but plain characters as `%XX`."""
    return quote(value, safe="/._-").replace("~", "%7E") if value else "%"


def _number(value: float) -> str:
    """A double, exactly: its mantissa, a whole number, and the power of two."""
    fraction, exponent = math.frexp(float(value))
    return f"{int(fraction * 2**_MANTISSA)}^{exponent - _MANTISSA}"


def value_parts(value: Any) -> Iterator[str]:
    """A JSON value, an object as a list of pairs or a dict."""
    match value:
        case None:
            yield "n"
        case bool():
            yield "t" if value else "f"
        case int() | float():
            yield "#" + _number(value)
        case str():
            yield '"' + text(value)
        case list():
            yield f"[{len(value)}"
            for item in value:
                yield from value_parts(item)
        case dict():
            yield "{" + str(len(value))
            for name, item in value.items():
                yield '"' + text(name)
                yield from value_parts(item)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in an object")
    return found


def _finite(number: str) -> float:
    if not math.isfinite(found := float(number)):
        raise ValueError(number)
    return found


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def json_of(data: str | bytes) -> str:
    """What JSON text says, `-` if it is none; read by Python's own library."""
    try:
        whole = data if isinstance(data, str) else data.decode()
        value = json.loads(
            whole, object_pairs_hook=_object, parse_constant=_refuse,
            parse_float=_finite, parse_int=_finite,
        )  # fmt: skip
    except (ValueError, RecursionError):
        return "-"
    return "|".join(value_parts(value))


def _flag(it: object) -> str:
    return "1" if it else "0"


def _clause(it: Constraint) -> str:
    return ",".join((text(it.arg), text(it.op), text(it.bound), json_of(it.bound)))


def _texts(them: tuple[str, ...]) -> str:
    return " ".join(map(text, them))


def _grant(it: Grant) -> list[str]:
    names = (it.id, it.holder, it.holder_kind, it.rtype, it.name, it.scope)
    numbers = (it.rights, it.confidence, it.expires_at, it.epoch)
    limits = (it.max_calls, it.max_wall_us, it.max_output_bytes, it.max_cost)
    return [
        *map(text, names), *map(str, numbers), text(it.parent), _flag(it.cross_domain),
        " ".join(map(_clause, it.constraints)), text(it.other_args), *map(str, limits),
        _texts(it.approvers),
    ]  # fmt: skip


def _key(key: bytes) -> str:
    names = [name for name, known in KEYS.items() if known == key]
    return names[0] if names else text(key)


def _change(it: Any) -> list[str]:
    if isinstance(it, Register):
        return ["register", *_grant(it.grant)]
    if isinstance(it, Delegate):
        return ["delegate", *_grant(it.grant), text(it.by), text(it.by_kind)]
    return _plain_change(it)


def _plain_change(it: Any) -> list[str]:
    match it:
        case Enrol():
            return ["enrol", text(it.name), text(it.kind), _key(it.key), text(it.trust_domain)]
        case Own():
            return ["own", text(it.machine), text(it.owner)]
        case Declare():
            public = _flag(it.public)
            return ["declare", text(it.rtype), text(it.name), public, text(it.trust_domain)]
    return _taking(it)


def _taking(it: Any) -> list[str]:
    match it:
        case Revoke():
            return ["revoke", text(it.grant_id)]
        case RevokeHolder():
            return ["revoke_holder", text(it.holder), text(it.holder_kind)]
        case RevokeHeld():
            names = (it.holder, it.holder_kind, it.rtype, it.name)
            return ["revoke_held", *map(text, names)]
        case AdvanceEpoch():
            return ["epoch", str(it.to)]
        case AdvanceHolderEpoch():
            return ["holder_epoch", text(it.holder), text(it.holder_kind), str(it.to)]
    raise TypeError(it)


class Writer:
    """Writes programs down."""

    def __init__(self) -> None:
        self._digests: dict[Any, str] = {}
        self._acts: list[str] = []

    def lines(self, program: Program) -> Iterator[str]:
        """Write one; gives a line a call."""
        self._digests.clear()
        self._acts.clear()
        yield f"kernel\t{program.ttl}"
        for step in program.steps:
            yield from self._step(step)

    def _step(self, step: Step) -> Iterator[str]:
        if step.op == "decide":
            yield f"batch\t{step.now}\te{step.entropy}"
        for item in step.items:
            yield "\t".join(self._item(step, item))

    def _item(self, step: Step, item: Any) -> list[str]:
        now = str(step.now)
        match item:
            case Act():
                return self._act(item)
            case Approval():
                about = [_flag(item.ours), self._acts[item.verdict], text(item.approver)]
                signed = [str(item.expires_at), str(item.nonce), text(item.signer)]
                return ["approve", now, *about, *signed]
            case int():
                return ["redeem", now, str(item)]
            case End():
                flags = [_flag(item.redeemed), _flag(item.started)]
                return ["settle", str(item.verdict), *flags, *map(str, item.used)]
        name, *fields = _change(item)
        return [name, now, *fields]

    def _act(self, item: Act) -> list[str]:
        it = item.action
        digest = self._digests.setdefault(item.digested, f"d{len(self._digests)}")
        self._acts.append(digest)
        parts = [(text(r.rtype), text(r.name), text(r.scope), str(r.right)) for r in it.requests]
        names = (it.id, it.actor, it.kind, it.tool)
        size = str(len(it.proof)) if not item.signer else "64"
        return [
            "act", *map(text, names), str(len(it.args)), json_of(it.args),
            " ".join(map(",".join, parts)), _texts(it.governs_humans),
            str(it.flags), str(it.min_epoch), text(item.signer), size, digest,
            str(len(it.salt)),
            str(it.wall_us), str(it.output_bytes), str(it.cost),
        ]  # fmt: skip
