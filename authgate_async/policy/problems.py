"""What is wrong with a file: a place in it, and a sentence that says what to do.

Text from outside is printed through `escape`, so that it can neither steer a terminal nor pass for
something else.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import msgspec

from authgate_async.policy.locate import Path, line_of

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Faults", "Problem", "Told", "escape", "hidden", "quote", "tell"]

# Cc: terminal escapes; Cf: bidi controls and other invisible signs; Cs: no text at all; Zl and Zp:
# line breaks to some readers.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_LONGEST = 80


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong or doubtful; `line` counts from 1, and 0 is the whole file."""

    file: str
    line: int
    sentence: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{escape(place)}: {escape(self.sentence)}"


class Told(str):
    """Problems for an error, one a line; what came from outside is escaped, so none can add one."""

    __slots__ = ()


def tell(problems: Iterable[Problem]) -> Told:
    """Return all problems as one text."""
    return Told("\n".join(map(str, problems)))


class Faults:
    """Collects faults by key path; lines are looked up only once there is one to tell."""

    def __init__(self) -> None:
        self._found: list[tuple[Path, str, Path | None]] = []

    def __len__(self) -> int:
        return len(self._found)

    def add(self, where: Path, sentence: str, *, first: Path | None = None) -> None:
        """Note a fault; `first` is the place that it clashes with."""
        self._found.append((where, sentence, first))

    def problems(self, file: str, lines: dict[Path, int]) -> list[Problem]:
        """Return all faults in the order of their lines."""
        found = []
        for where, sentence, first in self._found:
            clash = "" if first is None else f"; line {line_of(lines, first)} has it already"
            found.append(Problem(file, line_of(lines, where), sentence + clash))
        return sorted(found, key=lambda problem: problem.line)


def escape(text: str) -> str:
    r"""Return the text with control, format and surrogate characters written as escapes."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(char) if hidden(char) else char for char in text)


def hidden(char: str) -> bool:
    """Whether a character is invisible: a control, a format sign, half a pair, a line break."""
    return unicodedata.category(char) in _HIDDEN


def _escape(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


def quote(value: object) -> str:
    """Return a value from outside in backticks, escaped and cut to fit a sentence."""
    if isinstance(value, int) and value.bit_length() > _LONGEST:
        return "a huge number"  # Python refuses to print the largest ones
    text = escape(str(value))
    return f"`{text[:_LONGEST]}…`" if len(text) > _LONGEST else f"`{text}`"
