"""Whether there is a text that bounds allow: the texts are tried in order of length, all at once.

Texts that lead patterns to the same states are one, so that there are finitely many to try. Where
these are too many the search is given up, and nothing is said. `subpath` and `host` are searched as
patterns that allow somewhat more: what none of these allows is not allowed either.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from authgate_async.reference.constraints.arguments import read_value
from authgate_async.reference.constraints.automaton import Automaton, Node, Repeat, Set
from authgate_async.reference.constraints.host import parse_host
from authgate_async.reference.constraints.path import parse_path
from authgate_async.reference.constraints.pattern import read_pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Nothing", "text_beyond", "text_within"]

_MOST_STEPS = 4_000
_KEPT = 4096
_BEGIN = frozenset({0})
_ANY = Set((), negated=True)
_REST = Repeat(_ANY, 0, None)
_SURROGATES = range(0xD800, 0xE000)
_LAST = 0x10FFFF


class Nothing(Enum):
    """Why no text was found: there is none, or there were too many to try."""

    FITS = "there is none"
    FOUND = "the search was given up"


class _Asked(NamedTuple):
    """Patterns that the whole of a text matches, some that no part of it does; its length."""

    whole: tuple[Automaton, ...]
    no_part: tuple[Automaton, ...] = ()
    not_whole: tuple[Automaton, ...] = ()
    longest: float = float("inf")


class _Place(NamedTuple):
    """The text so far, by its last character, and the states of all patterns."""

    before: str
    states: tuple[frozenset[int], ...]


@lru_cache(_KEPT)
def text_within(bounds: frozenset[tuple[str, str]]) -> str | Nothing:
    """Return a text that may pass all bounds, pairs of operator and bound for one argument."""
    read = [(op, read_value(bound)) for op, bound in bounds]
    return _search(
        _Asked(
            whole=tuple(Automaton(_MAKERS[op](value)) for op, value in read if op in _MAKERS)
            + tuple(read_pattern(value) for op, value in read if op == "regex"),
            no_part=tuple(read_pattern(value) for op, value in read if op == "not_regex"),
            longest=min((value for op, value in read if op == "max_len"), default=float("inf")),
        )
    )


@lru_cache(_KEPT)
def text_beyond(pattern: str, limit: str) -> str | None:
    """Return a text that matches one pattern and not the other; None if none was found."""
    asked = _Asked((read_pattern(pattern),), not_whole=(read_pattern(limit),))
    found = _search(asked)
    return found if isinstance(found, str) else None


def _search(asked: _Asked) -> str | Nothing:
    """Go through all places that texts lead to, the shortest text first."""
    automata = asked.whole + asked.no_part + asked.not_whole
    alphabet = _alphabet(automata)
    begin = _Place("", (_BEGIN,) * len(automata))
    waiting = deque([(begin, "")])
    seen = {begin}
    steps = 0
    while waiting:
        place, text = waiting.popleft()
        if _is_enough(asked, place):
            return text
        if len(text) >= asked.longest:
            continue
        for character in alphabet:
            steps += 1
            further = _next(asked, place, character)
            if further is not None and further not in seen:
                seen.add(further)
                waiting.append((further, text + character))
        if steps > _MOST_STEPS:
            return Nothing.FOUND
    return Nothing.FITS


def _is_enough(asked: _Asked, place: _Place) -> bool:
    whole, no_part, not_whole = _parts(asked, place)
    return (
        all(one.is_over(states, place.before) for one, states in whole)
        and not any(one.is_over(states | _BEGIN, place.before) for one, states in no_part)
        and not any(one.is_over(states, place.before) for one, states in not_whole)
    )


def _next(asked: _Asked, place: _Place, character: str) -> _Place | None:
    """The place behind one more character; None if no text that goes on there is enough."""
    whole, no_part, not_whole = _parts(asked, place)
    before = place.before
    if any(one.is_over(states | _BEGIN, before, character) for one, states in no_part):
        return None
    states = [one.step(states, before, character) for one, states in whole]
    if not all(states):
        return None
    states += [one.step(states | _BEGIN, before, character) for one, states in no_part]
    states += [one.step(states, before, character) for one, states in not_whole]
    # What stands before matters to places at the edge of a word alone.
    return _Place("a" if _is_word(character) else " ", tuple(states))


_Pairs = list[tuple[Automaton, frozenset[int]]]


def _parts(asked: _Asked, place: _Place) -> tuple[_Pairs, _Pairs, _Pairs]:
    first, second = len(asked.whole), len(asked.whole) + len(asked.no_part)
    states = place.states
    return (
        list(zip(asked.whole, states[:first], strict=True)),
        list(zip(asked.no_part, states[first:second], strict=True)),
        list(zip(asked.not_whole, states[second:], strict=True)),
    )


def _alphabet(automata: Iterable[Automaton]) -> list[str]:
    """One character for each way in which characters can differ to the patterns."""
    sets = list(dict.fromkeys(one for automaton in automata for one in automaton.sets))
    edges = {0, 0x30, 0x3A, 0x41, 0x5B, 0x5F, 0x60, 0x61, 0x7B, _SURROGATES.stop}
    edges |= {edge for one in sets for low, high in one.ranges for edge in (low, high + 1)}
    points = sorted(edge for edge in edges if edge <= _LAST and edge not in _SURROGATES)
    found: dict[tuple[bool, ...], str] = {}
    for character in map(chr, points):
        kind = (_is_word(character), *(one.has(character) for one in sets))
        found.setdefault(kind, character)
    return list(found.values())


def _is_word(character: str) -> bool:
    return character.isascii() and (character.isalnum() or character == "_")


# Bounds as patterns


def _text(text: str) -> tuple[Set, ...]:
    return tuple(Set(((ord(character), ord(character)),)) for character in text)


def _caseless(text: str) -> tuple[Set, ...]:
    return tuple(
        Set(tuple((ord(each), ord(each)) for each in {character.lower(), character.upper()}))
        for character in text
    )


def _optional(node: Node) -> Repeat:
    return Repeat(node, 0, 1)


def _prefix(value: str) -> Node:
    return (*_text(value), _REST)


_SKIPPED = Repeat((_optional(_text(".")), _text("/")), 0, None)


def _subpath(value: str) -> Node:
    """Components in their order, with empty ones and `.` between them, and anything behind."""
    absolute, components = parse_path(value) or (False, [])
    head = (_text("/"), _SKIPPED) if absolute else (Repeat((_text("./"), _SKIPPED), 0, None),)
    if not components:
        return (_text("/") if absolute else Set(((ord("/"), ord("/")),), negated=True), _REST)
    parts = [node for one in components for node in (_text("/"), _SKIPPED, _text(one))]
    return (*head, *parts[2:], [(), (_text("/"), _REST)])


_BREAK = Set(((ord("/"), ord("/")), (ord("?"), ord("?")), (ord("#"), ord("#"))))
_LABEL = Set((*_BREAK.ranges, (ord(":"), ord(":"))), negated=True)
_PORT = (_text(":"), Repeat(Set(((ord("0"), ord("9")),)), 1, 5))
_SCHEME: list[Node] = [(_caseless(one), _optional(_caseless("s"))) for one in ("http", "ws")]


def _host(value: str | list[str]) -> Node:
    hosts = [parse_host(one) for one in ([value] if isinstance(value, str) else value)]
    nodes: list[Node] = [
        (*((Repeat(_LABEL, 1, None), _text(".")) if below else ()), _caseless(name))
        for below, name in filter(None, hosts)
    ]
    rest: list[Node] = [(), (_BREAK, _REST)]
    parts: list[Node] = [_SCHEME, _text("://"), nodes, _optional(_text(".")), _optional(_PORT)]
    return (*parts, rest)


_MAKERS: dict[str, Callable[[str], Node]] = {"prefix": _prefix, "subpath": _subpath, "host": _host}
