"""Grants as a person writes them, and as the kernel takes them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypedDict, cast

from authgate_async.errors import UsageError
from authgate_async.wire import Constraint, Grant, Right

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Literal

    from authgate_async.wire import Kind

__all__ = [
    "LARGEST",
    "Bounds",
    "Budget",
    "bound_text",
    "limits_of",
    "make_grant",
    "parse_principal",
    "parse_resource",
]

Bounds = Mapping[str, object]
"""What must hold of one argument: bounds by operator, such as `{"ge": 1, "le": 10}`."""


class Budget(TypedDict, total=False):
    """What a grant and all that is handed on from it may use together; without an entry, no end.

    `calls` and `output_bytes` count, `wall_seconds` are kept in microseconds, `cost` is in the
    units in which tools declare theirs.
    """

    calls: int
    wall_seconds: float
    output_bytes: int
    cost: int


PPM = 1_000_000
_MICROSECONDS = 1_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LARGEST = 2**63 - 1


def parse_principal(text: str) -> tuple[Kind, str]:
    """Split `human:NAME` or `machine:NAME`; raises `UsageError` for anything else."""
    kind, _, name = text.partition(":")
    if kind not in ("human", "machine") or not name:
        raise UsageError(f"`{text}` is no principal; write `human:NAME` or `machine:NAME`")
    return cast("Kind", kind), name


def parse_resource(text: str) -> tuple[str, str]:
    """Split `TYPE:NAME`; raises `UsageError` for anything else."""
    rtype, _, name = text.partition(":")
    if not rtype or not name:
        raise UsageError(f"`{text}` is no resource; write `TYPE:NAME`, say `file:workspace`")
    return rtype, name


def make_grant(
    holder: str,
    rights: str | Iterable[str],
    resource: str,
    *,
    epoch: int = 0,
    scope: str = "",
    confidence: float = 1.0,
    expires_at: datetime | None = None,
    cross_domain: bool = False,
    grant_id: str = "",
    parent: str = "",
    args: Mapping[str, Bounds] | None = None,
    other_args: Literal["", "any", "none"] = "",
    budget: Budget | None = None,
    approvers: Sequence[str] = (),
) -> Grant:
    """Return the grant in the kernel's terms; an empty `grant_id` gets a new one.

    Raises:
        UsageError: a part is not of its form; the kernel judges the rest.
    """
    kind, name = parse_principal(holder)
    rtype, resource_name = parse_resource(resource)
    if not 0 <= epoch <= LARGEST:
        raise UsageError(f"an epoch of {epoch} makes no sense; give a whole number from 0 on")
    return Grant(
        id=grant_id or f"grant-{secrets.token_hex(8)}",
        holder=name,
        holder_kind=kind,
        rtype=rtype,
        name=resource_name,
        scope=scope,
        rights=_rights(rights),
        confidence=_ppm(confidence),
        expires_at=_microseconds(expires_at),
        epoch=epoch,
        parent=parent,
        cross_domain=cross_domain,
        constraints=tuple(_constraints(args or {})),
        other_args=other_args,
        **limits_of(budget or {}),
        approvers=_humans(approvers),
    )


def _humans(approvers: Sequence[str]) -> tuple[str, ...]:
    if isinstance(approvers, str):
        raise UsageError(f'`{approvers}` is no list of humans; write `("{approvers}",)`')
    return tuple(approvers)


def _constraints(args: Mapping[str, Bounds]) -> Iterator[Constraint]:
    for arg, bounds in args.items():
        for op, bound in bounds.items():
            try:
                text = bound_text(bound)
            except ValueError:
                raise UsageError(
                    f"`{op}` of argument `{arg}` has no JSON form; give text, numbers, true or "
                    "false, or lists of these"
                ) from None
            yield Constraint(arg, op, text)


def limits_of(budget: Budget) -> dict[str, int]:
    """Return a grant's limits in the kernel's terms.

    Raises:
        UsageError: one is unknown, or not from 0 on.
    """
    known = Budget.__annotations__
    limits: dict[str, int] = {}
    for name, amount in cast("dict[str, float]", budget).items():
        unit = _MICROSECONDS if name == "wall_seconds" else 1
        if name not in known or not 0 <= amount * unit < LARGEST:
            raise UsageError(
                f"a budget of {amount} `{name}` makes no sense; give {', '.join(known)} from 0 on"
            )
        limits["max_wall_us" if name == "wall_seconds" else f"max_{name}"] = round(amount * unit)
    return limits


def bound_text(bound: object) -> str:
    """Write what an argument is held against as the kernel takes it.

    Raises:
        ValueError: it has no JSON form.
    """
    try:
        return json.dumps(bound, allow_nan=False, separators=(",", ":"))
    except (TypeError, RecursionError) as error:
        raise ValueError(str(error)) from None


def _rights(rights: str | Iterable[str]) -> int:
    bits = 0
    for right in (rights,) if isinstance(rights, str) else rights:
        try:
            bits |= Right[str(right).upper()]
        except KeyError:
            raise UsageError(
                f"there is no right `{right}`; use read, write, execute or delegate"
            ) from None
    return bits


def _ppm(confidence: float) -> int:
    if not 0 <= confidence <= 1:
        raise UsageError(f"a confidence of {confidence} makes no sense; give 0 to 1")
    return round(confidence * PPM)


def _microseconds(when: datetime | None) -> int:
    if when is None:
        return 0
    if getattr(when, "tzinfo", None) is None:
        raise UsageError(f"`{when}` has no time zone; give a datetime with one, say datetime.UTC")
    microseconds = (when - EPOCH) // timedelta(microseconds=1)
    if microseconds <= 0:  # 0 would mean never
        raise UsageError(f"`{when}` is not after 1970; give a time to come")
    return microseconds
