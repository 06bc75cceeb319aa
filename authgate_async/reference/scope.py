"""Scopes: paths below a resource, compared byte by byte (`docs/rules.md`, section 4)."""

from __future__ import annotations

__all__ = ["climbs", "covering", "covers"]


def climbs(scope: str) -> bool:
    r"""Whether a component of the scope, split at `/` and `\`, is `..`."""
    return ".." in scope.replace("\\", "/").split("/")


def covers(granted: str, asked: str) -> bool:
    """Whether a grant on `granted` reaches `asked`; nothing is normalised, nothing case-folded."""
    if climbs(granted) or climbs(asked):
        return False
    if granted in {"", asked}:
        return True
    return asked.startswith(granted) and (granted.endswith("/") or asked[len(granted)] == "/")


def covering(asked: str) -> list[str]:
    """Every scope that covers `asked`, each once: what a hash table is asked for.

    These are the empty one, `asked` itself, and the part before and with each `/`: at most 128 for
    a well-formed scope. Empty when `asked` climbs.
    """
    if climbs(asked):
        return []
    slashes = [place for place, character in enumerate(asked) if character == "/"]
    parts = [asked[:end] for slash in slashes for end in (slash, slash + 1)]
    return list(dict.fromkeys(["", *parts, asked]))
