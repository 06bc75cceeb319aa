"""The twelve tests: what a bound must be, and when a value holds."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from authgate_async.reference.constraints.arguments import read_value
from authgate_async.reference.constraints.host import host_of, parse_host
from authgate_async.reference.constraints.path import holds, parse_path
from authgate_async.reference.constraints.pattern import read_pattern

if TYPE_CHECKING:
    from authgate_async.wire import Constraint

__all__ = ["Test", "allowed", "compiled", "flaw"]

_MAX_EXACT = 2**53 - 1
_KEPT = 4096

Test = Callable[[Any], bool]
"""Whether a value passes; None, which is what a missing argument is, passes `absent` alone."""


def flaw(constraint: Constraint) -> str:
    """Why the bound of a constraint with a known operator is none; empty if it is one."""
    try:
        compiled(constraint.op, constraint.bound)
    except ValueError as error:
        return str(error)
    return ""


@lru_cache(_KEPT)
def compiled(op: str, bound: str) -> Test:
    """Read a bound, which is JSON, for an operator.

    Raises:
        ValueError: It is none; the sentence says why.
    """
    try:
        value = read_value(bound)
    except ValueError:
        raise ValueError("is not JSON, or nested deeper than 32") from None
    return _READERS[op](value)


def allowed(op: str, bound: str) -> str:
    """Say what a constraint allows; `bound` is quoted already."""
    return _ALLOWED[op].format(bound)


def same(left: Any, right: Any) -> bool:
    """Whether two values are of one type and equal; the order of members does not count."""
    if type(left) is not type(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return bool(left == right)


def _among(value: Any, bounds: list[Any]) -> bool:
    return any(same(value, bound) for bound in bounds)


def _equal(bound: Any) -> Test:
    if bound is None:
        raise ValueError("must not be null")
    return lambda value: same(value, bound)


def _one_of(bound: Any) -> Test:
    bounds = _several(bound)
    return lambda value: value is not None and _among(value, bounds)


def _all_in(bound: Any) -> Test:
    bounds = _several(bound)
    return lambda value: (
        isinstance(value, list) and bool(value) and all(_among(item, bounds) for item in value)
    )


def _several(bound: Any) -> list[Any]:
    if not isinstance(bound, list) or not bound or None in bound:
        raise ValueError("must be a list of values, at least one and none of them null")
    return bound


def _prefix(bound: Any) -> Test:
    start = _text(bound)
    return lambda value: isinstance(value, str) and value.startswith(start)


def _regex(bound: Any) -> Test:
    automaton = read_pattern(_text(bound))
    return lambda value: isinstance(value, str) and automaton.matches(value)


def _not_regex(bound: Any) -> Test:
    automaton = read_pattern(_text(bound))
    return lambda value: isinstance(value, str) and not automaton.hits(value)


def _at_most(bound: Any) -> Test:
    number = _number(bound)
    return lambda value: isinstance(value, float) and value <= number


def _at_least(bound: Any) -> Test:
    number = _number(bound)
    return lambda value: isinstance(value, float) and value >= number


def _longest(bound: Any) -> Test:
    whole = isinstance(bound, float) and bound.is_integer()
    if not whole or not 0 <= bound <= _MAX_EXACT:
        raise ValueError("must be a whole number from 0 on")
    return lambda value: isinstance(value, str | list) and len(value) <= bound


def _absent(bound: Any) -> Test:
    if bound is not True:
        raise ValueError("must be true")
    return lambda value: value is None


def _subpath(bound: Any) -> Test:
    folder = parse_path(_text(bound))
    if folder is None:
        raise ValueError("must be a path without `..`")

    def test(value: Any) -> bool:
        path = parse_path(value) if isinstance(value, str) else None
        return path is not None and holds(folder, path)

    return test


def _host(bound: Any) -> Test:
    listed = bound if isinstance(bound, list) else [bound]
    hosts = [parse_host(one) if isinstance(one, str) else None for one in listed]
    if not hosts or None in hosts:
        raise ValueError("must be a host name, `*.` and one, an IPv4 address, or a list of such")

    def test(value: Any) -> bool:
        name = host_of(value) if isinstance(value, str) else None
        return name is not None and any(_is_at(name, host) for host in hosts)

    return test


def _is_at(name: str, host: tuple[bool, str] | None) -> bool:
    if host is None:
        return False
    below, other = host
    return name.endswith(f".{other}") if below else name == other


def _text(bound: Any) -> str:
    if not isinstance(bound, str):
        raise ValueError("must be a string")  # noqa: TRY004 - it is the bound that has the flaw
    return bound


def _number(bound: Any) -> float:
    if not isinstance(bound, float):
        raise ValueError("must be a number")  # noqa: TRY004 - it is the bound that has the flaw
    return bound


_READERS: dict[str, Callable[[Any], Test]] = {
    "eq": _equal,
    "one_of": _one_of,
    "all_in": _all_in,
    "prefix": _prefix,
    "regex": _regex,
    "not_regex": _not_regex,
    "le": _at_most,
    "ge": _at_least,
    "max_len": _longest,
    "absent": _absent,
    "subpath": _subpath,
    "host": _host,
}

_ALLOWED = {
    "eq": "equal to {}",
    "one_of": "as one of {}",
    "all_in": "as a list of one or more of {}",
    "prefix": "as text that begins with {}",
    "regex": "as text that matches {} as a whole",
    "not_regex": "as text without a match of {}",
    "le": "as a number of at most {}",
    "ge": "as a number of at least {}",
    "max_len": "as text or a list of length {} at most",
    "absent": "left out",
    "subpath": "as a path in {} without `..`",
    "host": "as a URL without user info whose host is {}",
}
