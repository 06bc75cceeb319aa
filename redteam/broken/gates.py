"""Gates that tell too much, or that give in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest import mock

import msgspec

from authgate_async import assembly
from authgate_async.reference import rules
from authgate_async.reference.permit import sign_batch
from redteam.broken.kernels import _encode, _Generous, _permitted, _signed, _verdict

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from authgate_async.reference.registry import Registry
    from authgate_async.reference.rules import Answer, Case
    from authgate_async.wire import Request, Verdict

__all__ = ["gives_in", "names_the_holders", "quotes_arguments"]

PATIENCE = 7
_answer = rules._answer


def _telling(registry: Registry, case: Case, request: Request) -> Answer:
    answer = _answer(registry, case, request)
    others = {
        each.grant.holder for each in registry.grants.values() if each.grant.name == request.name
    }
    faults = [(code, f"{why}; ask {sorted(others)}") for code, why in answer.faults]
    return answer._replace(faults=faults)


def names_the_holders() -> AbstractContextManager[object]:
    """Have a denial say who does hold what was asked for."""
    return mock.patch.object(rules, "_answer", _telling)


def _quoting(links: Any, args: bytes) -> list[str]:
    return [f"{why}, namely {args!r}" for why in _forbidden(links, args)]


_forbidden = rules.forbidden


def quotes_arguments() -> AbstractContextManager[object]:
    """Have a denial quote the arguments that it is about."""
    return mock.patch.object(rules, "forbidden", _quoting)


class _Tired(_Generous):
    """A kernel that gives in to whoever asks often enough."""

    def __init__(self, backend: Any, **options: Any) -> None:
        super().__init__(backend, **options)
        self._asked = 0

    def decide(self, actions: bytes, now: int, entropy: bytes) -> bytes:
        """Permit every seventh denial."""
        decided = _signed(self._kernel.decide(actions, now, entropy))
        return _encode(sign_batch(self._signer, [self._worn(each.verdict) for each in decided]))

    def _worn(self, data: bytes) -> bytes:
        verdict: Verdict = _verdict(data)
        self._asked += not verdict.permitted
        if verdict.permitted or self._asked % PATIENCE:
            return data
        return msgspec.msgpack.encode(_permitted(verdict))


def gives_in() -> AbstractContextManager[object]:
    """Replace the maker of kernels: this one tires."""
    return mock.patch.object(assembly, "make_kernel", _Tired)
