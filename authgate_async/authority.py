"""The calls that change who may do what, in the middle of a run if need be."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, TypedDict

from authgate_async.errors import LogUnavailableError, RefusedError, UsageError
from authgate_async.grants import LARGEST, make_grant, parse_principal, parse_resource
from authgate_async.wire import (
    AdvanceEpoch,
    AdvanceHolderEpoch,
    Delegate,
    Enrol,
    Own,
    Register,
    Revoke,
    RevokeHeld,
    RevokeHolder,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from typing import Literal, Unpack

    from authgate_async.grants import Bounds, Budget
    from authgate_async.messages import Applied
    from authgate_async.wire import Approve, Change, Kind

__all__ = ["Authority", "GrantOptions"]


class GrantOptions(TypedDict, total=False):
    """The further sides of a grant.

    `scope` is the part of the resource (default: all of it), `confidence` 0 to 1 (default 1),
    `expires_at` must know its time zone (default: never), `epoch` is the lowest that it survives
    (default: its holder's), `cross_domain` lets it reach another trust domain (default: no),
    `grant_id` is its name (default: a new one). `args` says by name what must hold of the arguments
    of a call, such as `{"amount": {"le": 10}}` (`docs/policy.md` has the operators); arguments that
    it does not name are refused then, unless `other_args` is `any`. `budget` is what the grant and
    all that is handed on from it may use together, such as `{"calls": 10}` (default: no limit).
    `approvers` are humans enrolled with a key, one of whom must approve each call that rests on the
    grant, or on what is handed on from it (default: nobody must).
    """

    scope: str
    confidence: float
    expires_at: datetime | None
    epoch: int
    cross_domain: bool
    grant_id: str
    args: Mapping[str, Bounds]
    other_args: Literal["any", "none"]
    budget: Budget
    approvers: Sequence[str]


class Authority(ABC):
    """Part of `Runtime`. Each call returns when the change is in force and recorded.

    All of them raise `RefusedError` when the kernel refuses, with its code and sentence,
    `UsageError` for what is not of its form, and `LogUnavailableError` when the change is in force
    but not recorded: then nothing is decided until it is. Principals are written `human:NAME` or
    `machine:NAME`, resources `TYPE:NAME`, rights are one or more of `read`, `write`, `execute`,
    `delegate`.
    """

    def __init__(self, people: Iterable[tuple[Kind, str]]) -> None:
        self._people = set(people)
        self._epoch = 0
        self._epochs: dict[tuple[str, str], int] = {}

    async def enrol(
        self, principal: str, *, owner: str = "", key: bytes = b"", trust_domain: str = ""
    ) -> None:
        """Make a principal known.

        `owner` names the enrolled human who answers for a machine; without one it may do nothing.
        `key` is an Ed25519 public key of 32 bytes that its actions must then be signed with.
        """
        kind, name = parse_principal(principal)
        if owner and ("human", owner) not in self._people:  # before half of it is done
            raise RefusedError("unknown_principal", f"human `{owner}` is not enrolled")
        changes: list[Change] = [Enrol(name, kind, key, trust_domain)]
        if owner:
            changes.append(Own(name, owner))
        await self._change(changes)
        self._people.add((kind, name))

    async def grant(
        self,
        holder: str,
        rights: str | Iterable[str],
        resource: str,
        **options: Unpack[GrantOptions],
    ) -> str:
        """Grant rights on a resource, and return the grant's id."""
        options.setdefault("epoch", self._epoch_of(holder))
        grant = make_grant(holder, rights, resource, **options)
        await self._change([Register(grant)])
        return grant.id

    async def delegate(
        self,
        parent: str,
        holder: str,
        rights: str | Iterable[str],
        resource: str,
        *,
        by: str,
        **options: Unpack[GrantOptions],
    ) -> str:
        """Hand on a part of the grant `parent`, held by `by`; return the new grant's id.

        What is handed on may only be narrower, in every dimension; a refusal names the dimension.
        """
        kind, name = parse_principal(by)
        options.setdefault("epoch", self._epoch_of(holder))
        grant = make_grant(holder, rights, resource, parent=parent, **options)
        await self._change([Delegate(grant, name, kind)], by=by)
        return grant.id

    async def revoke(self, grant_id: str) -> None:
        """End a grant, and with it every chain that leads through it.

        Calls that run on what is revoked are ended within 100 ms, here and below; a plain inline
        function cannot be stopped.
        """
        await self._change([Revoke(grant_id)])

    async def revoke_holder(self, holder: str, resource: str = "") -> None:
        """End all grants of a holder, or those on one resource (`TYPE:NAME`), whatever their scope.

        Every chain that leads through one of them ends too. Later grants to the holder count.
        Refused as `no_grant` for a resource on which the holder never held anything.
        """
        kind, name = parse_principal(holder)
        taken = RevokeHeld(name, kind, *parse_resource(resource)) if resource else None
        await self._change([taken or RevokeHolder(name, kind)])

    async def advance_epoch(self, to: int = 0, *, holder: str = "") -> int:
        """Raise the epoch to `to`, or by one, and return it; all grants of a lower one are stale.

        With `holder` it is that of one principal (the registry's, or one of its own above that),
        and the grants are those that it holds. What is handed on to it then must come from a grant
        of that epoch.
        """
        epoch = self._epoch_of(holder) if holder else self._epoch
        if not 0 <= to <= LARGEST:
            raise UsageError(f"an epoch of {to} makes no sense; give one above {epoch}")
        if holder:
            kind, name = parse_principal(holder)
            await self._change([AdvanceHolderEpoch(name, kind, to)])
            return self._epoch_of(holder)
        await self._change([AdvanceEpoch(to)])
        return self._epoch

    async def approve(self, approval: Approve) -> None:
        """Let the one call go on that a human approved by this; the kernel decides it anew.

        Made by `approvals.sign_approval` or `approvals.read_approval`. Refused are, beside what
        `docs/rules.md` names in section 10, `approval_unknown` (no such call waits) and
        `approval_unnamed` (this human may not approve it).
        """
        await self._change([approval], by=f"human:{approval.approver}")

    def _epoch_of(self, holder: str) -> int:
        return max(self._epoch, self._epochs.get(parse_principal(holder), 0))

    def _kind_of(self, name: str) -> Kind:
        """Return what a name is enrolled as; a machine if as nothing, or as both."""
        known = ("human", name) in self._people and ("machine", name) not in self._people
        return "human" if known else "machine"

    async def _change(self, changes: Sequence[Change], *, by: str = "operator") -> None:
        applied = await self._apply(changes, by)
        for change, changed in zip(changes, applied.results, strict=True):
            if changed.code:
                raise RefusedError(changed.code, changed.sentence)
            if isinstance(change, AdvanceHolderEpoch):
                self._epochs[change.holder_kind, change.holder] = changed.epoch
            else:
                self._epoch = changed.epoch
        if applied.problem:
            raise LogUnavailableError(applied.problem)

    @abstractmethod
    async def _apply(self, changes: Sequence[Change], by: str) -> Applied:
        """Have the kernel make the changes, and the log record them."""
