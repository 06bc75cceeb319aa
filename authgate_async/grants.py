"""Grants as a person writes them, and as the kernel takes them."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Literal, cast

from authgate_async.errors import UsageError
from authgate_async.wire import Grant, Right

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

__all__ = ["make_grant", "parse_principal"]

PPM = 1_000_000


def parse_principal(text: str) -> tuple[Literal["human", "machine"], str]:
    """Split `human:NAME` or `machine:NAME`; raises `UsageError` for anything else."""
    kind, _, name = text.partition(":")
    if kind not in ("human", "machine") or not name:
        raise UsageError(f"`{text}` is no principal; write `human:NAME` or `machine:NAME`")
    return cast("Literal['human', 'machine']", kind), name


def make_grant(
    holder: str,
    rights: str | Iterable[str],
    resource: str,
    *,
    scope: str,
    confidence: float,
    expires_at: datetime | None,
    epoch: int,
    cross_domain: bool,
    grant_id: str,
    parent: str = "",
) -> Grant:
    """Return the grant in the kernel's terms; an empty `grant_id` gets a new one.

    Raises:
        UsageError: a part is not of its form; the kernel judges the rest.
    """
    kind, name = parse_principal(holder)
    rtype, colon, resource_name = resource.partition(":")
    if not colon or not rtype or not resource_name:
        raise UsageError(f"`{resource}` is no resource; write `TYPE:NAME`, say `file:workspace`")
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
    )


def _rights(rights: str | Iterable[str]) -> int:
    bits = 0
    for right in (rights,) if isinstance(rights, str) else rights:
        try:
            bits |= Right[right.upper()]
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
    if when.tzinfo is None:
        raise UsageError(f"`{when}` has no time zone; give `expires_at` one, say datetime.UTC")
    return int(when.timestamp() * 1_000_000)
