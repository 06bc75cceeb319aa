"""Paths by their text alone: no link is followed, no folder looked at."""

from __future__ import annotations

from authgate_async.reference.scope import climbs

__all__ = ["Path", "holds", "parse_path"]

Path = tuple[bool, list[str]]
"""Whether it is absolute, and its components without empty ones and `.`."""


def parse_path(text: str) -> Path | None:
    """Read a path; None for an empty text, and one with `..` or a zero character."""
    if not text or "\0" in text or climbs(text):
        return None
    return text.startswith("/"), [part for part in text.split("/") if part not in {"", "."}]


def holds(folder: Path, path: Path) -> bool:
    """Whether a path is a folder's or below it."""
    return folder[0] == path[0] and path[1][: len(folder[1])] == folder[1]
