"""From a file to a policy, or to every problem that the file has."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from codecs import BOM_UTF8
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from authgate_async.errors import PolicyError
from authgate_async.policy.locate import MAX_DEPTH, locate, too_deep
from authgate_async.policy.problems import Faults, Problem, tell
from authgate_async.policy.rules import build

if TYPE_CHECKING:
    from authgate_async.policy.model import Policy

__all__ = ["MAX_BYTES", "Examined", "check", "examine", "load"]

MAX_BYTES = 16 * 2**20

_PLACE = re.compile(r"^(.*) \(at (?:line (\d+), column (\d+)|end of document)\)$", re.DOTALL)
_LONG_NUMBER = re.compile(r"[0-9_]{4300}")


class _UnreadableError(Exception):
    """Carries the one problem that ends the reading of a file."""

    def __init__(self, line: int, sentence: str) -> None:
        self.line = line
        self.sentence = sentence


def load(path: Path | str) -> Policy:
    """Read a policy file.

    The file is TOML in UTF-8 of at most 16 MiB; folders in it are seen from its own folder.

    Raises:
        PolicyError: with one line for each problem, `FILE:LINE: SENTENCE`.
    """
    policy, problems = check(path)
    if policy is None:
        raise PolicyError(tell(problems))
    return policy


def check(path: Path | str) -> tuple[Policy | None, list[Problem]]:
    """Return a file's policy, or None and every problem in the order of the lines."""
    policy, problems, _ = examine(path)
    return policy, problems


class Examined(NamedTuple):
    """A file's policy, or None and every problem; and its text, as it was read."""

    policy: Policy | None
    problems: list[Problem]
    text: str


def examine(path: Path | str) -> Examined:
    """Read a file once, and judge it as `check` does."""
    file = Path(path)
    faults = Faults()
    text = ""
    try:
        text = _read(file)
        policy = build(_parse(text), file, faults)
    except _UnreadableError as error:
        return Examined(None, [Problem(str(path), error.line, error.sentence)], text)
    if len(faults):
        return Examined(None, faults.problems(str(path), locate(text)), text)
    return Examined(policy, [], text)


def _read(file: Path) -> str:
    try:
        with open(file, "rb", opener=_at_once) as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise _UnreadableError(0, "is no regular file; name the policy file itself")
            data = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise _UnreadableError(0, f"cannot be read: {why}; name a policy file") from None
    if len(data) > MAX_BYTES:
        raise _UnreadableError(0, "is larger than 16 MiB; split the work over several policies")
    if data.startswith(BOM_UTF8):
        remedy = "save the file as UTF-8 without one"
        raise _UnreadableError(1, f"opens with a byte order mark; {remedy}")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _UnreadableError(line, "is not UTF-8; save the file in that encoding") from None


def _at_once(path: str, flags: int) -> int:
    """Open a file without waiting, as a FIFO would have it, for the other end."""
    return os.open(path, flags | os.O_NONBLOCK)


def _parse(text: str) -> dict[str, Any]:
    if any(line.count(".") > MAX_DEPTH for line in text.split("\n")):
        _refuse_depth(text)
    try:
        return tomllib.loads(text)
    except RecursionError:
        _refuse_depth(text)
        raise
    except ValueError as error:
        raise _syntax(text, str(error)) from None


def _refuse_depth(text: str) -> None:
    line = too_deep(text)
    if line:
        raise _UnreadableError(line, f"nests deeper than {MAX_DEPTH} levels; a policy needs three")


def _syntax(text: str, message: str) -> _UnreadableError:
    place = _PLACE.match(message)
    if place is None:
        # Only numbers beyond Python's own limit of digits are refused without a place.
        number = _LONG_NUMBER.search(text)
        line = text.count("\n", 0, number.start()) + 1 if number else 0
        return _UnreadableError(line, "has a number that is too long; write a shorter one")
    line = int(place[2]) if place[2] else text.rstrip().count("\n") + 1
    column = f" at column {place[3]}" if place[3] else " at the end"
    return _UnreadableError(line, f"is not TOML: {place[1]}{column}; mend the syntax there")
