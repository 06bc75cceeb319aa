"""What an engineer is, what a category of attacks, and what a deliberately broken runtime."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

__all__ = ["Attack", "Broken", "Category", "Engineer", "EscapedError", "Setting"]


class Setting(NamedTuple):
    """Under what the runtime is attacked; the level is that of the tools that an attack is after.

    A table is the same under all of them.
    """

    backend: Literal["rust", "python"] = "rust"
    loop: Literal["asyncio", "trio"] = "asyncio"
    level: Literal["jail", "process"] = "jail"

    def __str__(self) -> str:
        return f"{self.backend}, {self.loop}, {self.level}"


class EscapedError(Exception):
    """An attack won; the message is the evidence, which somebody else than the runtime saw."""


class Engineer:
    """One adversary. All it draws comes from seed, category and number, whoever else there is."""

    def __init__(self, category: str, number: int, seed: int) -> None:
        self.name = f"{category}-{number:03}"
        self.number = number
        self.random = random.Random(f"{seed} {category} {number}")  # noqa: S311 - to be drawn again
        self.plan: list[str] = []
        """What it tried, in order; the same for the same seed."""

    def tries(self, what: str) -> str:
        """Note an attack that is about to be made, and return a token that no other attack has."""
        self.plan.append(what)
        return f"{self.name}-{len(self.plan)}"


Attack = Callable[[Engineer], Awaitable[None]]
"""Lets one engineer attack. Raises `EscapedError` if it won; whatever else it raises is a fault of
the runtime or of the harness, and counts as an error."""


@dataclass(frozen=True)
class Broken:
    """A runtime that the category must tell from the sound one: one named function is replaced.

    `backend` and `level` say where that function is, if it is not everywhere.
    """

    name: str
    patch: Callable[[], AbstractContextManager[object]]
    backend: Literal["rust", "python"] | None = None
    level: Literal["jail", "process"] | None = None

    def setting(self, asked: Setting) -> Setting:
        """Return the setting in which it is broken."""
        return Setting(self.backend or asked.backend, asked.loop, self.level or asked.level)


@dataclass(frozen=True)
class Category:
    """A kind of attack.

    `arena` builds what is attacked, sees that what is allowed works, and gives the attack; leaving
    it looks for effects that came late. `promise` is what must hold.
    """

    name: str
    promise: str
    arena: Callable[[Setting], AbstractAsyncContextManager[Attack]]
    broken: tuple[Broken, ...]
