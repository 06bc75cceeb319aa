"""Cutting an English sentence into words, numbers, signs and quotations, in one pass.

The text is hostile, so the work is counted: every character that is looked at adds to `visited`,
and the tests hold `visited` to a small multiple of the length for the worst texts that we know.
Nothing here goes back: a search for a closing quote that failed is not repeated, and a run of
characters is measured once.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Kind", "Lexer", "Token"]

_QUOTES = {'"': '"', "'": "'", "`": "`", "\u201c": "\u201d", "\u2018": "\u2019", "\u00ab": "\u00bb"}
_SIGNS = {"\u00d7": "*", "\u00f7": "/", "\u2212": "-", "\u2013": "-", "^": "**"}
_DOUBLED = ("**", "//")
_ARITHMETIC = frozenset("0123456789.+-*/%(), ")
_IN_NAMES = frozenset("._-/\\~:@#$&'\u2019")
_TRAILING = ".:'\u2019-"
_GROUP = 3


class Kind(Enum):
    """What a token is. `STOP` ends a clause; `OTHER` means nothing to anybody."""

    WORD = auto()
    NUMBER = auto()
    SIGN = auto()
    QUOTED = auto()
    COMMA = auto()
    STOP = auto()
    OTHER = auto()


class Token(NamedTuple):
    """The piece from `start` to `end`; `text` is what it says, for a quotation what is inside."""

    kind: Kind
    text: str
    start: int
    end: int


class Lexer:
    """Cuts one text; `visited` counts each look at a character."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._measured = 0
        self._skip = -1
        self._unclosed: set[str] = set()
        self.visited = 0

    def tokens(self) -> list[Token]:
        """Return all tokens, in order."""
        found = []
        while self._at < len(self._text):
            token = self._next()
            if token is not None:
                found.append(token)
                self._at = token.end
        return found

    def _next(self) -> Token | None:
        char = self._peek(0)
        if char.isspace() or self._at == self._skip:
            self._at += 1
            return self._token(Kind.STOP, 0, char) if char == "\n" else None
        if char in _QUOTES:
            return self._quoted(char)
        if char.isdecimal() and char.isascii():
            return self._file_like() or self._number()
        if char == "." and self._peek(1).isdecimal() and self._peek(1).isascii():
            return self._number()
        if char.isalnum() or char in "_~\\" or (char in "./" and self._opens_path()):
            return self._word()
        return self._sign(char)

    def _peek(self, ahead: int) -> str:
        self.visited += 1
        return self._text[self._at + ahead : self._at + ahead + 1]

    def _token(self, kind: Kind, length: int, text: str) -> Token:
        return Token(kind, text, self._at, self._at + length)

    def _run(self, start: int, wanted: Callable[[str], bool]) -> int:
        """Return where the run of wanted characters from `start` ends."""
        end = start
        while end < len(self._text) and wanted(self._text[end]):
            end += 1
        self.visited += end - start + 1
        return end

    def _quoted(self, quote: str) -> Token | None:
        start = self._at + 1
        closes_a_word = self._at > 0 and self._text[self._at - 1].isalnum()
        if closes_a_word:
            return self._token(Kind.OTHER, 1, quote)
        end = -1 if quote in self._unclosed else self._text.find(_QUOTES[quote], start)
        if end < 0:
            if quote not in self._unclosed:
                self._unclosed.add(quote)
                self.visited += len(self._text) - start
            return self._token(Kind.OTHER, 1, quote)
        self.visited += end - start
        # A quoted sum is a sum; a quoted anything else is a name or a phrase.
        if self._run(start, _ARITHMETIC.__contains__) == end:
            self._skip = end
            return self._token(Kind.OTHER, 1, quote)
        return Token(Kind.QUOTED, self._text[start:end], self._at, end + 1)

    def _file_like(self) -> Token | None:
        """Return a word that begins with a digit, such as `2024-report.txt`, if one is here."""
        if self._at < self._measured:
            return None
        self._measured = self._run(self._at, _in_name)
        text = self._text[self._at : self._measured].rstrip(_TRAILING)
        self.visited += len(text)
        is_date = _is_date(text)
        suffix = text.rpartition(".")[2]
        if is_date or (suffix != text and suffix[:1].isalpha()):
            return self._token(Kind.OTHER if is_date else Kind.WORD, len(text), text)
        return None

    def _number(self) -> Token:
        start = self._at
        end = self._run(start, _is_digit)
        while self._is_group(end):
            end += 1 + _GROUP
        if self._text[end : end + 1] == "." and self._text[end + 1 : end + 2].isdecimal():
            end = self._run(end + 1, _is_digit)
        end = self._exponent(end)
        return Token(Kind.NUMBER, self._text[start:end].replace(",", ""), start, end)

    def _is_group(self, at: int) -> bool:
        """Tell whether a comma and exactly three digits stand here, as in 1,000."""
        self.visited += 2 + _GROUP
        group = self._text[at : at + 2 + _GROUP]
        digits = group[1 : 1 + _GROUP]
        is_group = group[:1] == "," and len(digits) == _GROUP and all(map(_is_digit, digits))
        return is_group and not _is_digit(group[1 + _GROUP :])

    def _exponent(self, end: int) -> int:
        self.visited += 3
        tail = self._text[end : end + 3]
        signed = tail[1:2] in ("+", "-")
        if tail[:1] in ("e", "E") and _is_digit(tail[2:3] if signed else tail[1:2]):
            return self._run(end + 1 + signed, _is_digit)
        return end

    def _opens_path(self) -> bool:
        """Tell whether a dot or slash begins a path: after a space, before a name."""
        before = self._text[self._at - 1 : self._at] if self._at else ""
        after = self._peek(1)
        opens = not before or before.isspace() or before in _QUOTES
        if after == "/" == self._text[self._at]:
            after = self._peek(2)
        return opens and bool(after) and (after.isalpha() or after in "./_\\")

    def _word(self) -> Token:
        end = max(self._run(self._at, _in_name), self._at + 1)
        text = self._text[self._at : end]
        short = text.rstrip(_TRAILING) or text
        self.visited += len(text) - len(short)
        return self._token(Kind.WORD, len(short), short)

    def _sign(self, char: str) -> Token:
        double = char + self._peek(1)
        if double in _DOUBLED:
            return self._token(Kind.SIGN, 2, double)
        if char in "+-*/%()" or char in _SIGNS:
            return self._token(Kind.SIGN, 1, _SIGNS.get(char, char))
        if char == ",":
            return self._token(Kind.COMMA, 1, char)
        return self._token(Kind.STOP if char in ".!?;" else Kind.OTHER, 1, char)


def _in_name(char: str) -> bool:
    return char.isalnum() or char in _IN_NAMES


def _is_digit(char: str) -> bool:
    return char.isascii() and char.isdecimal()


def _is_date(text: str) -> bool:
    """Tell whether this is a date such as 2024-05-17, which is no subtraction."""
    parts = text.split("-")
    return [len(part) for part in parts] == [4, 2, 2] and all(map(_is_digit, "".join(parts)))
