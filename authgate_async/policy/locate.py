"""Where in a TOML text each key and element stands.

`tomllib` tells a line only for what it cannot parse. This scanner reads a text that `tomllib` has
accepted and maps key paths, such as `("grants", 2, "rights", 0)`, to lines; it judges nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MAX_DEPTH", "Path", "line_of", "locate", "too_deep"]

Path = tuple[str | int, ...]

MAX_DEPTH = 32
"""How deep brackets may nest and how many parts a dotted key may have: `tomllib` recurses on the
first and takes quadratic time over the second."""

# Every quantifier is possessive, and an unterminated string takes the rest of its line (or of the
# text), so that scanning is linear for any text, also one that is not TOML.
_TOKEN = re.compile(
    r"""
      (?P<skip>    [\ \t\r]++ | \#[^\n]*+ )
    | (?P<newline> \n )
    | (?P<text>    \"{3} (?: [^"\\] | \\. | "{1,2}+ (?!") )*+ (?: "{3,5}+ | \Z | \\\Z )
                 | '{3} (?: [^'] | '{1,2}+ (?!') )*+ (?: '{3,5}+ | \Z )
                 | " (?: [^"\\\n] | \\[^\n] )*+ "?+
                 | ' [^'\n]*+ '?+ )
    | (?P<mark>    [\[\]{}=,.] )
    | (?P<bare>    [^\s\[\]{}=,."'\#]++ | . )
    """,
    re.VERBOSE | re.DOTALL,
)

_ESCAPE = re.compile(r'\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([btnfre"\\])|x([0-9A-Fa-f]{2}))')
_SHORT = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "e": "\x1b", '"': '"', "\\": "\\"}


class _Token(NamedTuple):
    kind: str
    text: str
    line: int


def locate(text: str) -> dict[Path, int]:
    """Map every key path of a valid TOML text to the first line on which it stands."""
    scanner = _Scanner(text)
    scanner.document()
    return scanner.lines


def line_of(lines: dict[Path, int], where: Path) -> int:
    """Return the line of a key path, or that of the nearest path around it; 1 if there is none."""
    for end in range(len(where), 0, -1):
        if where[:end] in lines:
            return lines[where[:end]]
    return 1


def too_deep(text: str) -> int:
    """Return the line where brackets or a dotted key first pass `MAX_DEPTH`, or 0."""
    depth = dots = 0
    for token in _tokens(text):
        if token.kind == "newline" or (token.kind == "mark" and token.text != "."):
            dots = 0
        if token.kind == "mark":
            dots += token.text == "."
            depth += (token.text in "[{") - (token.text in "]}")
        if max(depth, dots) > MAX_DEPTH:
            return token.line
    return 0


def _tokens(text: str) -> Iterator[_Token]:
    line = 1
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or ""
        if kind != "skip":
            yield _Token(kind, match[0], line)
        if kind in ("newline", "text"):
            line += match[0].count("\n")


def _key_text(token: _Token) -> str:
    if token.text.startswith("'"):
        return token.text[1:-1]
    if token.text.startswith('"'):
        return _ESCAPE.sub(_unescape, token.text[1:-1])
    return token.text


def _unescape(match: re.Match[str]) -> str:
    code = match[1] or match[2] or match[4]
    return chr(int(code, 16)) if code else _SHORT[match[3]]


class _Scanner:
    """Walks the tokens once; `head` is the one being looked at, an `end` token at the end."""

    def __init__(self, text: str) -> None:
        self.lines: dict[Path, int] = {}
        self._tokens = _tokens(text)
        self._lengths: dict[Path, int] = {}
        self._table: Path = ()
        self._end = _Token("end", "", 0)
        self._step()

    def _step(self) -> _Token:
        self.head = next(self._tokens, self._end)
        return self.head

    def _at(self, mark: str) -> bool:
        return self.head.kind == "mark" and self.head.text == mark

    def _skip(self, *marks: str) -> None:
        while self.head.kind == "newline" or (self.head.kind == "mark" and self.head.text in marks):
            self._step()

    def document(self) -> None:
        self._skip()
        while self.head.kind != "end":
            if self._at("["):
                self._header()
            else:
                self._pair(self._table)
            self._skip()

    def _header(self) -> None:
        line = self.head.line
        self._step()
        array = self._at("[")
        if array:
            self._step()
        parts = self._key("]")
        if array:
            self._step()
        table = self._resolve(parts[:-1], line)
        table = (*table, parts[-1])
        self.lines.setdefault(table, line)
        if array:
            self._lengths[table] = self._lengths.get(table, 0) + 1
        self._table = self._last(table)
        self.lines.setdefault(self._table, line)

    def _resolve(self, parts: list[str], line: int) -> Path:
        """Follow a header's key through the arrays of tables, into their last elements."""
        path: Path = ()
        for part in parts:
            path = self._last((*path, part))
            self.lines.setdefault(path, line)
        return path

    def _last(self, path: Path) -> Path:
        return (*path, self._lengths[path] - 1) if path in self._lengths else path

    def _key(self, closing: str) -> list[str]:
        """Read a dotted key and the mark that closes it."""
        parts: list[str] = []
        while self.head.kind != "end" and not self._at(closing):
            if not self._at("."):
                parts.append(_key_text(self.head))
            self._step()
        self._step()
        return parts

    def _pair(self, table: Path) -> None:
        line = self.head.line
        path = table
        for part in self._key("="):
            path = (*path, part)
            self.lines.setdefault(path, line)
        self._value(path)

    def _value(self, path: Path) -> None:
        if self._at("["):
            self._array(path)
        elif self._at("{"):
            self._inline(path)
        else:
            self._scalar()

    def _array(self, path: Path) -> None:
        self._step()
        self._skip(",")
        index = 0
        while self.head.kind != "end" and not self._at("]"):
            self.lines[(*path, index)] = self.head.line
            self._value((*path, index))
            index += 1
            self._skip(",")
        self._step()

    def _inline(self, path: Path) -> None:
        self._step()
        self._skip(",")
        while self.head.kind != "end" and not self._at("}"):
            self._pair(path)
            self._skip(",")
        self._step()

    def _scalar(self) -> None:
        # A number or a date may take several tokens: `1.5`, `1979-05-27 07:32:00`.
        self._step()
        while self.head.kind in ("text", "bare") or self._at("."):
            self._step()
