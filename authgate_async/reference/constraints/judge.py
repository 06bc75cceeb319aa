"""What the grants of a chain forbid of an action's arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authgate_async.reference.constraints.arguments import kind, read_arguments
from authgate_async.reference.constraints.bounds import allowed, compiled
from authgate_async.reference.malformed import is_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from authgate_async.reference.constraints.arguments import Arguments
    from authgate_async.wire import Grant

__all__ = ["forbidden"]

_MAX_SHOWN = 200


def forbidden(chain: Iterable[Grant], args: bytes) -> Iterator[str]:
    """Say what each grant of a chain forbids, the first grant first."""
    judging = [grant for grant in chain if grant.constraints or grant.other_args == "none"]
    read = read_arguments(args) if judging else None
    for grant in judging:
        if read is None:
            those = "judges arguments, and those of this call are no JSON object"
            yield f"grant `{grant.id}` {those}"
        else:
            yield from _broken(grant, read)


def _broken(grant: Grant, args: Arguments) -> Iterator[str]:
    for arg, op, bound in _parts(grant):
        value = args.get(arg)
        if not compiled(op, bound)(value):
            only = f"allows argument `{arg}` only {allowed(op, _shown(bound))}"
            yield f"grant `{grant.id}` {only}; it is {kind(value)}"
    named = [arg for arg, _, _ in _parts(grant)]
    others = [name for name, value in args.items() if value is not None and name not in named]
    if others and grant.other_args != "any":
        what = f"argument `{others[0]}`" if is_name(others[0]) else _MALFORMED
        yield f"grant `{grant.id}` does not allow {what}; {_allowed(named)}"


_MALFORMED = "an argument whose name is malformed"


def _parts(grant: Grant) -> Iterator[tuple[str, str, str]]:
    return ((one.arg, one.op, one.bound) for one in grant.constraints)


def _allowed(names: list[str]) -> str:
    if not names:
        return "it allows none"
    return f"it allows only `{'`, `'.join(dict.fromkeys(names))}`"


def _shown(bound: str) -> str:
    """Quote a bound as far as a sentence does."""
    return f"`{bound[:_MAX_SHOWN]}...`" if len(bound) > _MAX_SHOWN else f"`{bound}`"
