"""Finding arithmetic in a run of tokens.

One pass matches the brackets, a second cuts the run into complete expressions. Neither goes back,
so the cost is that of reading the run twice, however it is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authgate_async.planners.lexer import Kind, Token

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["as_arithmetic", "expressions"]

_FUNCTIONS: Final = frozenset({"abs", "round", "min", "max", "sqrt"})
_CONSTANTS: Final = frozenset({"pi", "e"})
_SPOKEN: Final = {
    "plus": "+",
    "minus": "-",
    "times": "*",
    "divided": "/",
    "multiplied": "*",
    "modulo": "%",
    "squared": "**2",
    "cubed": "**3",
}


def as_arithmetic(token: Token) -> str:
    """Return how a token is written in an expression, or nothing if it has no place in one."""
    if token.kind in (Kind.NUMBER, Kind.SIGN, Kind.COMMA):
        return token.text
    if token.kind is not Kind.WORD:
        return ""
    word = token.text.lower()
    return word if word in _FUNCTIONS or word in _CONSTANTS else _SPOKEN.get(word, "")


def expressions(parts: Sequence[str]) -> list[str]:
    """Return the expressions in a run of `as_arithmetic` texts; bare values are none."""
    pairless = _pairless(parts)
    found = []
    open_one = _Expression()
    for index, part in enumerate(parts):
        if index not in pairless and open_one.take(part):
            continue
        found.append(open_one.complete())
        open_one = _Expression()
        if index not in pairless:
            open_one.take(part)
    found.append(open_one.complete())
    return [text for text in found if text]


def _pairless(parts: Sequence[str]) -> set[int]:
    """Return the places of brackets without a partner."""
    opened: list[int] = []
    pairless = set()
    for index, part in enumerate(parts):
        if part == "(":
            opened.append(index)
        elif part == ")" and opened:
            opened.pop()
        elif part == ")":
            pairless.add(index)
    return pairless.union(opened)


class _Expression:
    """An expression being read; remembers where it was last complete."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._complete = 0
        self._brackets: list[bool] = []
        self._wants_value = True
        self._calls = False
        self._computes = False

    def complete(self) -> str:
        """Return the longest complete part so far, or nothing if that is a bare value."""
        return "".join(self._parts[: self._complete])

    def take(self, part: str) -> bool:
        """Take one more part; refuse one that cannot stand here."""
        fits = self._value(part) if self._wants_value else self._after_value(part)
        if fits:
            self._parts.append(part)
            if self._computes and not self._wants_value and not self._brackets:
                self._complete = len(self._parts)
        return fits

    def _value(self, part: str) -> bool:
        if self._calls:
            # The name of a function is followed by its bracket.
            self._calls = False
            self._brackets.append(True)
            return part == "("
        if part == "(":
            self._brackets.append(False)
        elif part in _FUNCTIONS:
            self._calls = self._computes = True
        elif part in _CONSTANTS or part[0].isdigit() or part[0] == ".":
            self._wants_value = False
        else:
            return part in ("+", "-")
        return True

    def _after_value(self, part: str) -> bool:
        if part == ")":
            return bool(self._brackets) and self._brackets.pop() is not None
        if part == ",":
            self._wants_value = True
            return bool(self._brackets) and self._brackets[-1]
        if part in ("+", "-", "*", "/", "%", "**", "//"):
            self._wants_value = self._computes = True
            return True
        if part in ("**2", "**3"):
            self._computes = True
            return True
        return False
