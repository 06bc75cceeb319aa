"""Bounds on an argument, each with a model of what they let through and values that come close.

The models ask what a program would do with the value: `urllib` where a URL leads, `posixpath` where
a path does. They know nothing of how the kernel judges.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

__all__ = ["BOUNDS", "Bound", "drawn"]


@dataclass(frozen=True)
class Bound:
    """What a grant says of an argument, a model of it, and values near it; `good` is one inside."""

    says: dict[str, Any]
    allows: Callable[[Any], bool]
    near: tuple[Any, ...]
    good: Any


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _host(value: Any) -> bool:
    """Whether a program that opens this URL talks to an allowed host, whichever reader it has."""
    if not isinstance(value, str):
        return False
    try:
        host = (urlsplit(value).hostname or "").rstrip(".")
    except ValueError:
        return False
    # What a browser takes for the host: it reads `\\` as `/` and drops tabs and line breaks.
    seen = re.sub(r"[\t\r\n]", "", value).replace("\\", "/")
    browser = re.match(r"\s*[a-z]+:/+(?:[^/?#]*@)?([^/?#:]*)", seen, re.IGNORECASE)
    also = browser[1].lower().rstrip(".") if browser else ""
    return all(
        each == "api.example.com" or each.endswith(".cdn.example.com") for each in (host, also)
    )


def _path(value: Any) -> bool:
    if not isinstance(value, str) or "\x00" in value:
        return False
    real = re.sub("^//", "/", posixpath.normpath(value.replace("\\", "/")))  # as Linux reads it
    return real == "/data/in" or real.startswith("/data/in/")


BOUNDS: dict[str, Bound] = {
    "range": Bound(
        {"ge": 0, "le": 100},
        lambda v: _number(v) and 0 <= v <= 100,
        (
            -1,
            -0.0,
            0,
            1e-300,
            -1e-300,
            100,
            100.0,
            100.00000000000001,
            100.1,
            101,
            2**53 - 1,
            -(2**53) + 1,
            2**53,
            10**400,
            1e308,
            "5",
            "100",
            " 5",
            "0x5",
            True,
            False,
            [5],
            {"v": 5},
            "",
            [],
            "1e2",
            "\u0665",
            float("inf"),
            float("-inf"),
            float("nan"),
        ),
        7,
    ),
    "exact": Bound(
        {"eq": 7},
        lambda v: _number(v) and v == 7,
        (7, 7.0, "7", 7.000000000000001, [7], {"": 7}, True, -7, "7.0", 7.5, "seven", 8),
        7,
    ),
    "one": Bound(
        {"one_of": ["red", 1, [1, 2]]},
        lambda v: v == "red" or (_number(v) and v == 1) or v == [1, 2],
        (
            "red",
            "Red",
            "red ",
            "re\u0064",
            "r\u0435d",
            "red\x00",
            "red\n",
            1,
            1.0,
            True,
            "1",
            [1, 2],
            [2, 1],
            [1, 2, 3],
            ["red"],
            [1, [2]],
            {"0": "red"},
            "",
            [],
            False,
            0,
        ),
        "red",
    ),
    "all": Bound(
        {"all_in": ["a", "b"]},
        lambda v: isinstance(v, list) and v != [] and all(x in ("a", "b") for x in v),
        (
            [],
            ["a"],
            ["a", "b"],
            ["a", "c"],
            "a",
            "ab",
            [["a"]],
            ["a", None],
            {"a": "b"},
            ["A"],
            ["a"] * 500,
            [*["a"] * 500, "c"],
            ["a\u200b"],
            [True],
            [0],
        ),
        ["a", "b"],
    ),
    "prefix": Bound(
        {"prefix": "invoice-"},
        lambda v: isinstance(v, str) and v.startswith("invoice-"),
        (
            "invoice-",
            "invoice-1",
            "Invoice-1",
            " invoice-1",
            "invoice",
            "invoic\u0435-1",
            "\ufeffinvoice-1",
            "invoice\u2010-1",
            ["invoice-1"],
            {"invoice-": 1},
            "x\ninvoice-1",
            "\x00invoice-1",
        ),
        "invoice-7",
    ),
    "regex": Bound(
        {"regex": "[a-z]{3}-\\d{2}|ok"},
        lambda v: (
            isinstance(v, str)
            and (v == "ok" or re.fullmatch("[a-z]{3}-[0-9]{2}", v, re.ASCII) is not None)
            and not v.endswith("\n")
        ),
        (
            "abc-12",
            "abc-12\n",
            "\nabc-12",
            "abc-123",
            "xabc-12",
            "abc-1\u0662",
            "ABC-12",
            "abc-12 ",
            "ok",
            "ok\n",
            "okay",
            "abc-12|ok",
            "x\nabc-12\ny",
            "ab\u00e7-12",
            "abc\u201312",
            ["ok"],
            "abc-12\r",
            "abc-12\u2028",
            "abc-12\x00",
            "a" * 60_000,
            "ok" * 20_000,
        ),
        "abc-12",
    ),
    "without": Bound(
        {"not_regex": "rm|;|\\n"},
        lambda v: isinstance(v, str) and not any(x in v for x in ("rm", ";", "\n")),
        (
            "ls",
            "rm -rf",
            "r m",
            "ls;rm",
            "ls\nls",
            "ls\r",
            "farm",
            "RM",
            "r\u200bm",
            ["rm"],
            {"rm": 1},
            0,
            "",
            "ls" * 20_000 + "rm",
            "\uff52\uff4d",
            None,
        ),
        "ls",
    ),
    "short": Bound(
        {"max_len": 5},
        lambda v: isinstance(v, str | list) and len(v) <= 5,
        (
            "",
            "12345",
            "123456",
            "\U0001f600" * 5,
            "\U0001f600" * 6,
            "e\u0301" * 3,
            [],
            [0] * 5,
            [0] * 6,
            {"a": 1},
            123456,
            True,
            [[0] * 99],
            ["x" * 99],
            "x" * 60_000,
        ),
        "12345",
    ),
    "nothing": Bound(
        {"absent": True},
        lambda v: v is None,
        (None, 0, False, "", [], {}, "null", "None", 0.0, [None]),
        None,
    ),
    "path": Bound(
        {"subpath": "/data/in"},
        _path,
        (
            "/data/in",
            "/data/in/a",
            "/data/input",
            "/data/in/../x",
            "/data/in/..",
            "/data/./in/a",
            "//data/in/a",
            "data/in/a",
            "/data/in\\..\\..\\x",
            "/data/in/a\x00/../../x",
            "/data/in/...",
            "/data//in/./a",
            "/DATA/IN/a",
            "/data/in/%2e%2e/x",
            "/data/in/a/../../../etc",
            "",
            "/",
            "~",
            "/data/in /../../x",
            ["/data/in/a"],
            "/data/in\n/../..",
            "file:///data/in/a",
            "/data/i\u0145",
        ),
        "/data/in/a",
    ),
    "host": Bound(
        {"host": ["api.example.com", "*.cdn.example.com"]},
        _host,
        (
            "https://api.example.com",
            "https://api.example.com/x",
            "https://API.example.com:443/",
            "https://api.example.com.evil.com/",
            "https://evil.com/api.example.com",
            "//api.example.com",
            "https://api.example.com@evil.com/",
            "https://evil.com#@api.example.com",
            "https://evil.com?@api.example.com",
            "https://evil.com\\@api.example.com",
            "https://api.example.com\\.evil.com",
            "https:api.example.com",
            "https://api.example.com%00.evil.com",
            "https://api.example.com%2eevil.com",
            "https:///api.example.com",
            "https://cdn.example.com",
            "https://a.cdn.example.com",
            "https://xcdn.example.com",
            "https://a.b.cdn.example.com",
            "https://api.example.com.",
            "https://api.example.com..",
            "https://api\u3002example\u3002com",
            "https://ap\u0131.example.com",
            "https://\u24d0pi.example.com",
            "https://api.example.com:80@evil.com",
            "https://[::1]/",
            "http://127.1/",
            "https://api.example.com\t.evil.com",
            "https://api.example.com\n.evil.com",
            "javascript:api.example.com",
            " https://api.example.com",
            "https://user:x@api.example.com/",
            "https://api.example.com:99999999/",
            "file://api.example.com/etc/passwd",
            "https://evil.com/.cdn.example.com",
            "https://evil.com;.cdn.example.com",
        ),
        "https://api.example.com/v1",
    ),
}


def drawn(bound: Bound, random: Random) -> Any:
    """Return a value near a bound, of another bound, or one of these with something done to it."""
    near = bound.near if random.random() < 0.6 else random.choice(sorted(BOUNDS.items()))[1].near
    value = near[int(random.random() * len(near))]
    if random.random() < 0.3:
        return random.choice(_CHANGES)(value)
    return value


_CHANGES: tuple[Callable[[Any], Any], ...] = (
    lambda v: [v],
    lambda v: {"value": v},
    lambda v: v + "\n" if isinstance(v, str) else v,
    lambda v: v + "\x00" if isinstance(v, str) else v,
    lambda v: " " + v if isinstance(v, str) else v,
    lambda v: v * 2 if isinstance(v, str | list) else v,
    lambda v: v.upper() if isinstance(v, str) else v,
    str,
    lambda v: float(v) if isinstance(v, int) and abs(v) < 2**53 else v,
    lambda v: -v if _number(v) else v,
    lambda v: v + 0.1 if _number(v) and abs(v) < 2**53 else v,
)
