"""What is drawn from: few values of each kind, at and beside each boundary.

Beside them stand the facts that the model takes from outside: about patterns those of Python's
`re`, an implementation that neither kernel has; about hosts what is written out here by hand.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lines import text
from program import KEYS, WEAK_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_LIMIT = 2**63 - 1
NOW = 10
CAST = (
    ("ann", "human"),
    ("bob", "human"),
    ("bob", "machine"),
    ("cat", "machine"),
    ("eve", "human"),
)
"""`bob` is a name of both kinds."""

SCOPES = (
    "",
    "a",
    "a/",
    "a/b",
    "a/b/c",
    "ab",
    "a//b",
    "a/..",
    "..",
    "a\\..",
    "a/b/",
    "/",
    "A",
    "a/.",
)
ODD_TEXTS = (
    "",
    "\x7f",
    "\x1f",
    "\x85",
    "\xa0",
    "n" * 256,
    "n" * 257,
    "\u00e9" * 128,
    "\u00e9" * 129,
)
ODD_SCOPES = ("/" * 63, "/" * 64, "s" * 4096, "s" * 4097, "a\x80", "a\n")
CONFIDENCES = (1_000_000, 1_000_000, 900_000, 800_000, 799_999, 0)
FLAGS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1023, 1024, 1 << 40)

PATTERNS = ("a+b?", "[a-c]{2}", "h|bc", "x*", "a.c", "a{2", "(", "*")
TEXTS = ("", "a", "b", "ab", "abc", "aa", "h", "bc", "xx", "\u00e9\u00e9\u00e9", "a\nc")
PATHS = ("/x/y", "/x", "/xy", "x/y", "./x//y/", "../x", "/x/../y", "/x\\..", "/")
HOSTS = {
    "h.example": ("https://h.example/", "http://H.EXAMPLE:80/p?q#f", "wss://h.example."),
    "*.h.example": ("https://a.h.example", "https://a.b.h.example/"),
    "10.0.0.1": ("http://10.0.0.1/",),
    "*.example": (
        "https://h.example/", "http://H.EXAMPLE:80/p?q#f", "wss://h.example.", "https://a.h.example",
        "https://a.b.h.example/", "https://xh.example/",
    ),
    "10.0.0.01": None,
    "h..example": None,
    "": None,
}  # fmt: skip
"""Hosts, and those of `URLS` that are on them; None is no host."""

URLS = (
    "https://h.example/", "http://H.EXAMPLE:80/p?q#f", "wss://h.example.", "https://a.h.example",
    "https://a.b.h.example/", "https://xh.example/", "http://10.0.0.1/", "https://u@h.example/",
    "https://h.example:99999/", "ftp://h.example/", "https://h.example\\@x.example/", "h.example",
)  # fmt: skip
NUMBERS = (0, 1, -1, 2, 2.5, 2.5000000000000004, 1e300, -0.0, 3, 5e-324)
ALL_TEXTS = (*TEXTS, *PATHS, *URLS)
LISTS: tuple[list[Any], ...] = (
    [],
    [1],
    [1, "a"],
    ["a", "ab"],
    [1, 2, 3],
    [[1], {"k": 1.0}],
    [True],
)
OBJECTS: tuple[dict[str, Any], ...] = ({}, {"k": 1, "l": None}, {"l": None, "k": 1}, {"k": 2})
VALUES: tuple[Any, ...] = (None, True, False, *NUMBERS, *ALL_TEXTS, *LISTS, *OBJECTS)
BROKEN_ARGS = (
    b"",
    b"[]",
    b"{",
    b'{"a":1,"a":1}',
    b'{"a":1e999}',
    b'{"a":NaN}',
    b"\xff",
    b"{} {}",
    b"1",
)
ARGS = ("n", "s", "p", "u", "l")
"""Names of arguments: a number, a text, a path, a URL, a list."""

_FITTING: dict[str, tuple[Any, ...]] = {
    "n": NUMBERS, "s": TEXTS, "p": PATHS, "u": URLS, "l": LISTS,
}  # fmt: skip

BOUNDS: dict[str, tuple[Any, ...]] = {
    "eq": VALUES,
    "one_of": (*LISTS, [0, 1, 2.5], ["", "a", "/x/y"], [None], 1),
    "all_in": (*LISTS, [1, "a"], [1, 2, 3], [[1], {"k": 1}], [True, 1]),
    "prefix": ("", "a", "ab", "/x", "https://h", "\u00e9", 1),
    "regex": (*PATTERNS, 1),
    "not_regex": (*PATTERNS, 1),
    "le": (*NUMBERS, "1"),
    "ge": (*NUMBERS, "1"),
    "max_len": (0, 1, 2, 3, 12, 2.5, -1, 2**53 - 1, 2**53, "1"),
    "absent": (True, False, 1),
    "subpath": (*PATHS, "", 1),
    "host": (*HOSTS, ["h.example", "10.0.0.1"], [], ["h..example"], 1),
}
"""Of each operator, bounds that it takes and some that it does not."""


def fitting(arg: str) -> tuple[Any, ...]:
    """Values that an argument of this name usually has."""
    return _FITTING[arg]


def facts() -> Iterator[str]:
    """All that the model asks about the pools, as lines for the oracle."""
    for pattern in PATTERNS:
        compiled = _compiled(pattern)
        yield fact(compiled, "pattern", pattern)
        for each in ALL_TEXTS:
            yield fact(compiled and compiled.fullmatch(each), "whole", pattern, each)
            yield fact(compiled and compiled.search(each), "part", pattern, each)
    for host, urls in HOSTS.items():
        yield fact(urls is not None, "host", host)
        for each in ALL_TEXTS:
            yield fact(urls and each in urls, "url", host, each)
    for key in (*KEYS, WEAK_KEY, b"short"):
        yield fact(key in KEYS, "key", key)


def fact(holds: object, *about: str | bytes) -> str:
    """Say whether something holds."""
    return "\t".join(["fact", "1" if holds else "0", *map(text, about)])


def _compiled(pattern: str) -> re.Pattern[str] | None:
    if pattern == "a{2":  # `re` reads it as plain text; the dialect does not
        return None
    try:
        return re.compile(pattern, re.DOTALL | re.ASCII)
    except re.error:
        return None
