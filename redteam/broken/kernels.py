"""Kernels that let through what they should not; all but the first are the Python reference."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unicodedata import normalize
from unittest import mock

import msgspec

from authgate_async import assembly, backends
from authgate_async.reference import chain, changes, registry, rules
from authgate_async.reference.approvals import Approvals
from authgate_async.reference.budget import Ledger
from authgate_async.reference.permit import _Spent, sign_batch
from authgate_async.reference.registry import Registry
from authgate_async.reference.signing import Signer
from authgate_async.wire import Change, Register, SignedVerdict, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from authgate_async.reference.registry import Entered

__all__ = [
    "believes_every_proof",
    "counts_nothing",
    "covers_what_begins_alike",
    "folds_names",
    "forgets_approvals_are_used",
    "forgets_epochs",
    "forgets_permits_are_used",
    "forgets_revocations",
    "gives_back_all",
    "judges_no_arguments",
    "knows_nobody_by_kind",
    "lets_delegations_widen",
    "lets_no_grant_expire",
    "permits_everything",
    "walks_one_link",
]

_signed = msgspec.msgpack.Decoder(tuple[SignedVerdict, ...]).decode
_changes = msgspec.msgpack.Decoder(list[Change]).decode
_verdict = msgspec.msgpack.Decoder(Verdict).decode
_encode = msgspec.msgpack.encode


class _Generous:
    """A kernel that turns each denial into a permit, and signs that."""

    def __init__(self, backend: Any, *, seed: bytes, **options: Any) -> None:
        self._kernel = backends.make_kernel(backend, seed=seed, **options)
        self._signer = Signer(seed)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kernel, name)

    def decide(self, actions: bytes, now: int, entropy: bytes) -> bytes:
        """Permit all of them."""
        decided = _signed(self._kernel.decide(actions, now, entropy))
        verdicts = [_encode(_permitted(_verdict(each.verdict))) for each in decided]
        return _encode(sign_batch(self._signer, verdicts))


def _permitted(verdict: Verdict) -> Verdict:
    return msgspec.structs.replace(verdict, permitted=True, violations=(), approvers=())


def permits_everything() -> AbstractContextManager[object]:
    """Replace the maker of kernels: the gate's permits everything, under either backend."""
    return mock.patch.object(assembly, "make_kernel", _Generous)


class _Endless:
    """A kernel that enters each grant as one that never ends."""

    def __init__(self, backend: Any, **options: Any) -> None:
        self._kernel = backends.make_kernel(backend, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kernel, name)

    def change(self, changes: bytes, now: int) -> bytes:
        """Make the changes."""
        given = [_endless(each) for each in _changes(changes)]
        return self._kernel.change(_encode(given), now)


def _endless(change: Change) -> Change:
    if not isinstance(change, Register):
        return change
    grant = msgspec.structs.replace(change.grant, expires_at=0)
    return msgspec.structs.replace(change, grant=grant)


def lets_no_grant_expire() -> AbstractContextManager[object]:
    """Replace the maker of kernels: what was granted for a time is granted for ever."""
    return mock.patch.object(assembly, "make_kernel", _Endless)


def knows_nobody_by_kind() -> AbstractContextManager[object]:
    """Leave out that the actor is the principal that was enrolled, and has its key."""
    return mock.patch.object(rules, "_impostor", return_value="")


def believes_every_proof() -> AbstractContextManager[object]:
    """Leave out the check of signatures: any proof will do."""
    return mock.patch.object(rules, "verifies", return_value=True)


def forgets_revocations() -> AbstractContextManager[object]:
    """Leave out that a revoked grant is gone."""
    return mock.patch.object(Registry, "revoke")


def forgets_epochs() -> AbstractContextManager[object]:
    """Leave out that a grant of an epoch before its holder's is stale."""
    return mock.patch.object(Registry, "epoch_of", return_value=0)


def covers_what_begins_alike() -> AbstractContextManager[object]:
    """Compare scopes as texts: `a/b` covers `a/bc`."""

    def covering(scope: str) -> list[str]:
        return [scope[:end] for end in range(len(scope) + 1)]

    return mock.patch.object(registry, "covering", covering)


@contextmanager
def lets_delegations_widen() -> Iterator[None]:
    """Leave out that a grant which is handed on only narrows, at both places."""
    with (
        mock.patch.object(chain, "narrows", return_value=()),
        mock.patch.object(changes, "narrows", return_value=()),
    ):
        yield


def counts_nothing() -> AbstractContextManager[object]:
    """Leave out what is used of budgets."""
    return mock.patch.object(Ledger, "lacking", return_value=[])


def judges_no_arguments() -> AbstractContextManager[object]:
    """Leave out the constraints on arguments."""
    return mock.patch.object(rules, "forbidden", return_value=[])


def forgets_permits_are_used() -> AbstractContextManager[object]:
    """Leave out that a permit is good once."""
    return mock.patch.object(_Spent, "spend", return_value=True)


def forgets_approvals_are_used() -> AbstractContextManager[object]:
    """Leave out that an approval serves one permit."""
    return mock.patch.object(Approvals, "spend")


def walks_one_link() -> AbstractContextManager[object]:
    """Leave out all of a chain but the grant itself, at a decision."""
    return mock.patch.object(rules, "walk", lambda _, grant, *__: chain.Chain([grant], []))


def gives_back_all() -> AbstractContextManager[object]:
    """Leave out what a call has used when it is over."""
    settle = Ledger._settle
    nothing = (0,) * 4
    return mock.patch.object(Ledger, "_settle", lambda self, nonce, _: settle(self, nonce, nothing))


def _folded(name: str) -> str:
    return "".join(c for c in normalize("NFKD", name).casefold() if c.isalnum())


def _held_by_name(  # noqa: PLR0917 - as the function that it stands for
    known: Registry, holder: str, kind: str, rtype: str, name: str, scope: str
) -> list[Entered]:
    del kind
    return [
        entered
        for entered in known.grants.values()
        if _folded(entered.grant.holder) == _folded(holder)
        and (entered.grant.rtype, entered.grant.name) == (rtype, name)
        and entered.grant.scope in {"", scope}
    ]


def folds_names() -> AbstractContextManager[object]:
    """Look holders up as a person reads them: without case, accents, spaces and kind."""
    return mock.patch.object(Registry, "held", _held_by_name)
