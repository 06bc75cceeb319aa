"""What a policy grants in vain: what no call can pass, and what a parent refuses.

What is found is certain. Not every contradiction is found: where patterns have a great many texts
to look through, say, the search is given up.
"""

from __future__ import annotations

from collections import defaultdict
from operator import gt, lt
from typing import TYPE_CHECKING, Any, NamedTuple

from authgate_async.policy.texts import Nothing, text_beyond, text_within
from authgate_async.reference.constraints.arguments import kind, read_value
from authgate_async.reference.constraints.bounds import compiled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from authgate_async.wire import Constraint, Grant

__all__ = ["conflict", "excess"]

_KINDS = {
    "prefix": {"text"},
    "regex": {"text"},
    "not_regex": {"text"},
    "subpath": {"text"},
    "host": {"text"},
    "le": {"a number"},
    "ge": {"a number"},
    "all_in": {"a list"},
    "max_len": {"text", "a list"},
}


_SOME_LABEL = "any-other-host"


class _Bound(NamedTuple):
    """A constraint, the grant that has it, and its bound as a value."""

    grant: str
    constraint: Constraint
    value: Any

    def holds(self, value: Any) -> bool:
        return compiled(self.constraint.op, self.constraint.bound)(value)


def conflict(chain: Sequence[Grant]) -> str:
    """Say why no call passes all grants of a chain; empty if nothing was found."""
    spent = next((grant.id for grant in chain if grant.max_calls == 0), "")
    if spent:
        return f"grant `{spent}` has a budget of no calls"
    by_arg: defaultdict[str, list[_Bound]] = defaultdict(list)
    for grant in chain:
        for one in grant.constraints:
            by_arg[one.arg].append(_bound(grant, one))
    found = (why for arg, bounds in by_arg.items() for why in _conflicts(chain, arg, bounds))
    return next(found, "")


def excess(child: Grant, parent: Grant) -> str:
    """Say what a grant allows of arguments that its parent refuses; empty if nothing was found.

    It has no effect, since the parent is judged too, and somebody may believe that it has. The same
    holds of one further up.
    """
    who = f"its {'parent' if child.parent in {'', parent.id} else 'ancestor'} `{parent.id}`"
    if child.other_args == "any" and _refuses(parent, ""):
        return f"it leaves other arguments free, and {who} does not"
    above = [(one, _bound(parent, one)) for one in parent.constraints]
    for one in child.constraints:
        own = _bound(child, one)
        limits = [limit for other, limit in above if other.arg == one.arg]
        if any(_exceeds(own, limit) for limit in limits):
            return f"`{one.op}` of argument `{one.arg}` is wider than {who} allows"
    return ""


def _exceeds(own: _Bound, limit: _Bound) -> bool:
    values = _values(own)
    if values is not None:
        return not all(limit.holds(value) for value in values)
    if own.constraint.op != limit.constraint.op:
        return False
    wider: dict[str, Callable[[Any, Any], bool]] = {
        "le": gt,
        "max_len": gt,
        "ge": lt,
        "prefix": lambda mine, above: not mine.startswith(above),
        "all_in": lambda mine, _: not limit.holds(mine),
        "subpath": lambda mine, _: not limit.holds(mine),
        "host": lambda mine, _: not all(map(limit.holds, _urls(mine))),
        "regex": lambda mine, above: text_beyond(mine, above) is not None,
    }
    judge = wider.get(own.constraint.op)
    return judge is not None and judge(own.value, limit.value)


def _urls(hosts: Any) -> Iterator[str]:
    """A URL on each host of a bound, and one below it if it stands for those."""
    for host in hosts if isinstance(hosts, list) else [hosts]:
        yield f"https://{host.replace('*', _SOME_LABEL)}/"


def _bound(grant: Grant, one: Constraint) -> _Bound:
    return _Bound(grant.id, one, read_value(one.bound))


def _conflicts(chain: Sequence[Grant], arg: str, bounds: list[_Bound]) -> Iterator[str]:
    given = [bound for bound in bounds if bound.constraint.op != "absent"]
    if len(given) < len(bounds):
        if given:
            yield f"argument `{arg}` must be left out, and `{given[0].constraint.op}` asks for it"
        return
    for grant in chain:
        if _refuses(grant, arg):
            yield (
                f"grant `{grant.id}` does not allow argument `{arg}`, which grant "
                f"`{given[0].grant}` asks for"
            )
    allowed = [values for bound in given if (values := _values(bound)) is not None]
    if allowed and not any(all(one.holds(value) for one in given) for value in allowed[0]):
        yield f"no value that is allowed for argument `{arg}` passes all its bounds"
    kinds = [_KINDS[bound.constraint.op] for bound in given if bound.constraint.op in _KINDS]
    kinds += [{kind(value) for value in values} for values in allowed]
    common = set.intersection(*kinds)
    if not common:
        yield f"the bounds of argument `{arg}` ask for different types"
    least = max((one for one in given if one.constraint.op == "ge"), key=_value, default=None)
    most = min((one for one in given if one.constraint.op == "le"), key=_value, default=None)
    if least and most and least.value > most.value:
        between = f"at least {least.constraint.bound} and at most {most.constraint.bound}"
        yield f"argument `{arg}` must be {between}"
    if not allowed and common == {"a list"} and _no_list(given):
        yield f"no list passes all bounds of argument `{arg}`"
    if not allowed and common == {"text"} and _no_text(given):
        yield f"no text passes all bounds of argument `{arg}`"


def _value(bound: _Bound) -> Any:
    return bound.value


def _no_list(given: list[_Bound]) -> bool:
    """Whether no list of one element is allowed; a longer one is bounded in no other way."""
    several = next(bound.value for bound in given if bound.constraint.op == "all_in")
    return not any(all(one.holds([element]) for one in given) for element in several)


def _no_text(given: list[_Bound]) -> bool:
    found = text_within(frozenset((one.constraint.op, one.constraint.bound) for one in given))
    return found is Nothing.FITS


def _refuses(grant: Grant, arg: str) -> bool:
    """Whether a grant judges arguments, and neither names this one nor leaves others free."""
    if grant.other_args == "any" or not (grant.constraints or grant.other_args):
        return False
    return all(one.arg != arg for one in grant.constraints)


def _values(bound: _Bound) -> list[Any] | None:
    """The few values that a bound allows, if they are few."""
    if bound.constraint.op == "eq":
        return [bound.value]
    return list(bound.value) if bound.constraint.op == "one_of" else None
