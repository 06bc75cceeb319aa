"""Sends the engineers of each category out, one after the other, and counts what became of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import anyio

from redteam.engineers import Engineer, EscapedError, Setting

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from redteam.engineers import Attack, Broken, Category

__all__ = ["Finding", "Tally", "Trial", "attack", "shares", "try_broken"]

ENGINEER_SECONDS = 120.0
"""After that an engineer counts as hung, or the end of what it attacked."""

Became = Literal["held", "escaped", "hung", "error"]


@dataclass(frozen=True)
class Finding:
    """An engineer that did not just fail: who, what was seen, and what it had tried."""

    engineer: str
    became: Became
    evidence: str
    plan: tuple[str, ...] = ()


@dataclass
class Tally:
    """The counts of one category; `attacks` are all that its engineers made."""

    category: str
    engineers: int = 0
    attacks: int = 0
    counts: dict[Became, int] = field(
        default_factory=lambda: {"held": 0, "escaped": 0, "hung": 0, "error": 0}
    )
    findings: list[Finding] = field(default_factory=list)
    plans: list[tuple[str, ...]] = field(default_factory=list)

    def add(self, engineer: Engineer, became: Became, evidence: str) -> None:
        """Count what became of an engineer."""
        plan = tuple(engineer.plan)
        self.engineers += 1
        self.attacks += len(plan)
        self.plans.append(plan)
        self.note(Finding(engineer.name, became, evidence, plan))

    def note(self, finding: Finding) -> None:
        """Count what was found, and keep it unless it is that all held."""
        self.counts[finding.became] += 1
        if finding.became != "held":
            self.findings.append(finding)


@dataclass(frozen=True)
class Trial:
    """Whether a category told a broken runtime from a sound one, and by what evidence."""

    category: str
    runtime: str
    caught: bool
    evidence: str


def shares(categories: Sequence[Category], total: int) -> Iterator[tuple[Category, int]]:
    """Spread the engineers evenly; the first categories get what is left over."""
    each, over = divmod(total, len(categories))
    for place, category in enumerate(categories):
        yield category, each + (place < over)


async def attack(category: Category, setting: Setting, engineers: int, seed: int) -> Tally:
    """Let the engineers of one category attack a sound runtime."""
    tally = Tally(category.name)
    try:
        with anyio.fail_after(ENGINEER_SECONDS * (engineers + 1)):
            async with category.arena(setting) as attack_once:
                for number in range(engineers):
                    engineer = Engineer(category.name, number, seed)
                    tally.add(engineer, *await _one(attack_once, engineer))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told and fails the run
        tally.note(Finding(f"{category.name}-end", *_became(error)))
    return tally


async def _one(attack_once: Attack, engineer: Engineer) -> tuple[Became, str]:
    try:
        with anyio.fail_after(ENGINEER_SECONDS):
            await attack_once(engineer)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told and fails the run
        return _became(error)
    return "held", ""


def _became(error: Exception) -> tuple[Became, str]:
    """Say what an error stands for; several may come together, out of a group of tasks."""
    every = list(_leaves(error))
    for each in every:
        if isinstance(each, EscapedError):
            return "escaped", str(each)
    for each in every:
        if isinstance(each, TimeoutError):
            return "hung", str(each) or f"not over after {ENGINEER_SECONDS:g} s"
    return "error", f"{type(every[0]).__name__}: {every[0]}"


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


async def try_broken(
    category: Category, broken: Broken, setting: Setting, engineers: int, seed: int
) -> Trial:
    """Attack a broken runtime until an engineer wins."""
    with broken.patch():
        tally = Tally(category.name)
        try:
            async with category.arena(broken.setting(setting)) as attack_once:
                for number in range(engineers):
                    engineer = Engineer(category.name, number, seed)
                    tally.add(engineer, *await _one(attack_once, engineer))
                    if tally.counts["escaped"]:
                        break
        except Exception as error:  # noqa: BLE001 - it is told; only an escape counts
            tally.note(Finding(f"{category.name}-end", *_became(error)))
    told = [f"{each.engineer}, {each.became}: {each.evidence}" for each in tally.findings]
    return Trial(category.name, broken.name, bool(tally.counts["escaped"]), "; ".join(told[-1:]))
