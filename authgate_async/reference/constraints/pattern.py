"""The dialect of patterns, and a matcher that is linear in the text (`docs/rules.md`, section 8).

Python's `re` backtracks: some patterns of the dialect take it exponential time. So a pattern
becomes a small automaton here, and all its states are followed at once.
"""

from __future__ import annotations

from typing import NamedTuple

from authgate_async.reference.constraints.automaton import Automaton, Node, Place, Repeat, Set

__all__ = ["read_pattern"]

_MAX_BYTES = 1024
_MAX_PARTS = 256
_MAX_DEPTH = 32
_MARKS = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t"}
_NAMED = {
    "d": ((0x30, 0x39),),
    "w": ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)),
    "s": ((0x09, 0x0D), (0x20, 0x20)),
}

_TOO_LONG = "it is longer than 1024 bytes"
_TOO_LARGE = "it has more than 256 parts once its repeats are written out"
_TOO_DEEP = "its groups nest deeper than 32"
_BRACKET = "a bracket is not closed, or was not opened"
_NOTHING = "a repeat follows nothing that can be repeated"
_COUNT = "a count is written {N}, {N,} or {N,M}, with N at most M, and M from 1 to 256"
_ESCAPE = "a backslash stands before one of d D w W s S b n r t or before a punctuation mark"
_CLASS = "a class has nothing in it, a range backwards, or [ or - without a backslash"
_GROUP = "a group opens with ( or (?:"


def read_pattern(pattern: str) -> Automaton:
    """Read a pattern.

    Raises:
        ValueError: It is none; the sentence says why.
    """
    if len(pattern.encode()) > _MAX_BYTES:
        raise _error(_TOO_LONG)
    reader = _Reader(pattern)
    node, _ = reader.alternatives(0)
    if reader.peek():
        raise _error(_BRACKET)
    return Automaton(node)


class _Atom(NamedTuple):
    node: Node
    parts: int = 1
    repeats: bool = True


class _Reader:
    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0

    def peek(self, ahead: int = 0) -> str:
        """The next character; empty at the end."""
        return self._pattern[self._at + ahead : self._at + ahead + 1]

    def _next(self) -> str:
        self._at += 1
        return self._pattern[self._at - 1 : self._at]

    def _take(self, character: str) -> bool:
        taken = self.peek() == character
        self._at += taken
        return taken

    def alternatives(self, depth: int) -> tuple[Node, int]:
        """Read sequences between bars, and how many parts they have."""
        node, parts = self._sequence(depth)
        nodes: list[Node] = [node]
        while self._take("|"):
            node, more = self._sequence(depth)
            nodes.append(node)
            parts = _few(parts + more)
        return nodes, parts

    def _sequence(self, depth: int) -> tuple[tuple[Node, ...], int]:
        nodes: list[Node] = []
        parts = 0
        while self.peek() not in {"", "|", ")"}:
            atom = self._atom(depth)
            counts = self._repeat()
            if counts and not atom.repeats:
                raise _error(_NOTHING)
            least, most = counts or (1, 1)
            parts = _few(parts + _few(atom.parts * (most or max(least, 1))))
            nodes.append(Repeat(atom.node, least, most) if counts else atom.node)
        return tuple(nodes), max(parts, 1)

    def _atom(self, depth: int) -> _Atom:
        match first := self._next():
            case "(":
                return self._group(depth + 1)
            case "[":
                return self._class()
            case "\\":
                return self._escape()
            case ".":
                return _Atom(Set((), negated=True))
            case "^" | "$":
                return _Atom(Place.START if first == "^" else Place.END, repeats=False)
            case "*" | "+" | "?" | "{":
                raise _error(_NOTHING)
            case "]" | "}":
                raise _error(_BRACKET)
        return _literal(first)

    def _group(self, depth: int) -> _Atom:
        if depth > _MAX_DEPTH:
            raise _error(_TOO_DEEP)
        if self._take("?") and not self._take(":"):
            raise _error(_GROUP)
        node, parts = self.alternatives(depth)
        if not self._take(")"):
            raise _error(_BRACKET)
        return _Atom(node, parts)

    def _escape(self) -> _Atom:
        letter = self._next()
        if letter == "b":
            return _Atom(Place.WORD, repeats=False)
        ranges = _NAMED.get(letter.lower())
        if ranges and letter:
            return _Atom(Set(ranges, negated=letter.isupper()))
        return _literal(_escaped(letter))

    def _class(self) -> _Atom:
        negated = self._take("^")
        ranges: list[tuple[int, int]] = []
        parts = 0
        while not (self.peek() == "]" and parts):
            ranges += self._class_item(first=not parts)
            parts += 1
        self._take("]")
        return _Atom(Set(tuple(ranges), negated=negated), _few(parts))

    def _class_item(self, *, first: bool) -> tuple[tuple[int, int], ...]:
        character = self._next()
        if not character:
            raise _error(_BRACKET)
        if character in {"]", "["}:
            raise _error(_CLASS)
        if character == "-" and not first and self.peek() != "]":
            raise _error(_CLASS)
        if character == "\\":
            letter = self._next()
            if letter in _NAMED:
                return _NAMED[letter]
            character = _escaped(letter)
        return ((ord(character), self._last(character)),)

    def _last(self, first: str) -> int:
        """The end of the range that a character of a class may open."""
        if self.peek() != "-" or self.peek(1) in {"", "]"}:
            return ord(first)
        self._next()
        last = self._next()
        if last in {"[", "-"}:
            raise _error(_CLASS)
        if last == "\\":
            last = _escaped(self._next())
        if last < first:
            raise _error(_CLASS)
        return ord(last)

    def _repeat(self) -> tuple[int, int | None] | None:
        """How often the atom before is repeated, at least and at most; None if it is not."""
        mark = self.peek()
        if not mark or mark not in "*+?{":
            return None
        self._next()
        return {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(mark) or self._count()

    def _count(self) -> tuple[int, int | None]:
        least = self._digits()
        if least is None:
            raise _error(_COUNT)
        most = self._digits() if self._take(",") else least
        if not self._take("}") or (most is not None and most < max(least, 1)):
            raise _error(_COUNT)
        return least, most

    def _digits(self) -> int | None:
        number = None
        while self.peek() and self.peek() in "0123456789":
            number = (number or 0) * 10 + int(self._next())
            if number > _MAX_PARTS:
                raise _error(_COUNT)
        return number


def _literal(character: str) -> _Atom:
    return _Atom(Set(((ord(character), ord(character)),)))


def _escaped(character: str) -> str:
    """The character that stands for itself, or for a control, after a backslash."""
    if character not in _MARKS and character not in _CONTROLS:
        raise _error(_ESCAPE)
    return _CONTROLS.get(character, character)


def _few(parts: int) -> int:
    if parts > _MAX_PARTS:
        raise _error(_TOO_LARGE)
    return parts


def _error(why: str) -> ValueError:
    return ValueError(f"is no pattern: {why}")
