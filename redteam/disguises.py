"""Names that look like another one, to a person or to a careless comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

__all__ = ["look_alike"]


def look_alike(name: str, random: Random) -> tuple[str, str]:
    """Return a name that a person may take for this one, and how it was made."""
    at = random.randrange(len(name))
    ways: dict[str, str] = {
        "upper case": name.upper(),
        "one letter upper": name[:at] + name[at].upper() + name[at + 1 :],
        "cyrillic": name.translate(str.maketrans("aecobp", "\u0430\u0435\u0441\u043e\u044c\u0440")),
        "full width": "".join(chr(ord(c) + 0xFEE0) for c in name),
        "space behind": name + " ",
        "space before": " " + name,
        "no-break space": name + "\u00a0",
        "zero width": name[:at] + "\u200b" + name[at:],
        "word joiner": name[:at] + "\u2060" + name[at:],
        "soft hyphen": name[:at] + "\u00ad" + name[at:],
        "accent": name[: at + 1] + "\u0301" + name[at + 1 :],
        "right to left": "\u202e" + name[::-1],
        "variation": name + "\ufe0f",
        "kind and name": "machine:" + name,
        "other kind and name": "human:" + name,
        "slash": name + "/",
        "percent": name + "%20",
        "quoted": f"`{name}`",
        "null": name + "\x00",
        "line break": name + "\n",
        "delete": name + "\x7f",
        "long": name + "x" * 252,
        "half a character": name + "\udc80",
        "empty": "",
        "dotted i": name.replace("i", "\u0131").replace("o", "0"),
    }
    how = random.choice(sorted(ways))
    return ways[how], how
