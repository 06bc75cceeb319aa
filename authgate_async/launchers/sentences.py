"""One harmless sentence out of whatever a tool raised or wrote."""

from __future__ import annotations

__all__ = ["SENTENCE_LIMIT", "describe", "plain"]

SENTENCE_LIMIT = 500
"""Characters of an error sentence; enough for a path and a reason, too few to flood a log."""


def plain(text: str) -> str:
    """Return `text` on one line, bounded, with everything that a terminal could obey escaped."""
    cut = text[: SENTENCE_LIMIT + 1]
    if not cut.isprintable():
        cut = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)
    return cut if len(cut) <= SENTENCE_LIMIT else cut[: SENTENCE_LIMIT - 1] + "…"


def describe(error: BaseException) -> str:
    """Return `TypeName: message`, also for an exception whose message cannot be had."""
    name: str = _name_of(type(error))
    try:
        message = str(error)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - a hostile __str__ is the tool's own failure, not ours
        message = "its message cannot be read"
    return plain(f"{name}: {message[: SENTENCE_LIMIT + 1]}" if message else name)


_name_of = type.__dict__["__name__"].__get__
"""A metaclass may have a name of its own that raises."""
