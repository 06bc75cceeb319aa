"""Hosts of URLs. Where readers of URLs differ from each other, there is no host."""

from __future__ import annotations

import re

__all__ = ["Host", "host_of", "parse_host"]

_URL = re.compile(r"(?:https?|wss?)://([^/?#:]*)(?::([0-9]{1,5}))?(?:[/?#].*)?", re.IGNORECASE)
_PLAIN = re.compile(r"[!-\[\]-~]*")
"""Printable ASCII but a backslash: some readers take that for a slash, and drop white space."""
_LABELS = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]*|0x[0-9a-f]*)")
"""What readers of URLs may take for an IPv4 address, in decimal, octal or hexadecimal."""
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_ADDRESS = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")
_MAX_HOST = 253
_MAX_PORT = 65_535

Host = tuple[bool, str]
"""A name, and whether all hosts below it are meant instead."""


def parse_host(text: str) -> Host | None:
    """Read a bound; None if it is neither a host nor `*.` and a name."""
    below = text.startswith("*.")
    name = _normal(text[2:] if below else text)
    if name is None or (below and _NUMBER.fullmatch(name)):
        return None
    return below, name


def host_of(url: str) -> str | None:
    """Find the host of an absolute URL, in lower case; None if it has user info or is doubtful."""
    if not _PLAIN.fullmatch(url):
        return None
    parts = _URL.fullmatch(url)
    if parts is None or int(parts[2] or 0) > _MAX_PORT:
        return None
    return _normal(parts[1])


def _normal(text: str) -> str | None:
    """Write a host name or IPv4 address in lower case, without the dot that may end it."""
    if not text.isascii():
        return None
    name = text.removesuffix(".").lower()
    if not _LABELS.fullmatch(name) or len(name) > _MAX_HOST:
        return None
    return None if _NUMBER.fullmatch(name) and not _ADDRESS.fullmatch(name) else name
