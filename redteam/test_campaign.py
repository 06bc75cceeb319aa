"""The harness counts what its engineers come to, and fails for whatever is not that all held."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager, nullcontext
from typing import TYPE_CHECKING

import anyio
import pytest

from redteam import campaign
from redteam.campaign import attack, shares, try_broken
from redteam.engineers import Broken, Category, Engineer, EscapedError, Setting
from redteam.report import as_data, failed, rows_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from redteam.engineers import Attack

WINS: list[str] = []
"""What makes each attack win, for as long as it is there."""


async def _try(engineer: Engineer) -> None:
    engineer.tries("something")
    if WINS:
        raise EscapedError(WINS[0])


def _category(attack_once: Attack, end: Exception | None = None) -> Category:
    @asynccontextmanager
    async def arena(_: Setting) -> AsyncIterator[Attack]:
        yield attack_once
        if end is not None:
            raise end

    return Category("fake", "nothing", arena, ())


def _raising(error: Exception) -> Callable[[Engineer], object]:
    async def attack_once(_: Engineer) -> None:
        raise error

    return attack_once


@pytest.mark.parametrize(
    ("error", "became"),
    [
        (EscapedError("seen"), "escaped"),
        (ExceptionGroup("", [ValueError(), ExceptionGroup("", [EscapedError("seen")])]), "escaped"),
        (ValueError("seen"), "error"),
        (TimeoutError("seen"), "hung"),
    ],
)
async def test_what_goes_wrong_is_counted(error: Exception, became: str) -> None:
    """An escape counts as one wherever it comes from; so do errors, and the run fails."""
    during = await attack(_category(_raising(error)), Setting(), 3, 0)  # type: ignore[arg-type]
    behind = await attack(_category(_try, error), Setting(), 3, 0)

    assert (during.counts[became], during.counts["held"], during.engineers) == (3, 0, 3)
    assert (behind.counts[became], behind.counts["held"], behind.attacks) == (1, 3, 3)
    assert failed([during], [])
    assert failed([behind], [])
    findings = as_data([during, behind], [])["findings"]
    assert [each["evidence"].endswith("seen") for each in findings] == [True] * 4


async def test_an_engineer_that_does_not_end_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for one for ever."""
    monkeypatch.setattr(campaign, "ENGINEER_SECONDS", 0.0)

    async def attack_once(_: Engineer) -> None:
        await anyio.sleep_forever()

    tally = await attack(_category(attack_once), Setting(), 2, 0)
    assert tally.counts["hung"] == 2 or tally.findings[-1].became == "hung"
    assert failed([tally], [])


async def test_a_broken_runtime_that_nobody_finds_out_fails() -> None:
    """A category must win where something is broken; an error there is no win."""

    @contextmanager
    def breaks() -> Iterator[None]:
        WINS.append("seen")
        yield
        WINS.clear()

    category = _category(_try)
    found = await try_broken(category, Broken("it", breaks), Setting(), 5, 0)
    missed = await try_broken(category, Broken("it", nullcontext), Setting(), 5, 0)
    wrong = _category(_raising(ValueError()))  # type: ignore[arg-type]
    error = await try_broken(wrong, Broken("it", nullcontext), Setting(), 5, 0)

    assert [each.caught for each in (found, missed, error)] == [True, False, False]
    assert [failed([], [each]) for each in (found, missed, error)] == [False, True, True]


async def test_all_held_is_no_failure() -> None:
    """A table with nothing but zeros behind `held` passes; its last row is the sum."""
    tallies = [await attack(_category(_try), Setting(), count, 0) for count in (2, 3)]

    assert not failed(tallies, [])
    assert rows_of(tallies)[-1] == ("all", "5", "5", "5", "0", "0", "0")


def test_engineers_are_spread_evenly() -> None:
    """Each category gets its share, the first ones what is left over."""
    category = _category(_try)
    assert [count for _, count in shares([category] * 4, 10)] == [3, 3, 2, 2]


def test_an_engineer_draws_from_seed_category_and_number() -> None:
    """Nothing else counts, and each of the three does."""
    drawn = [
        Engineer(category, number, seed).random.random()
        for category in ("a", "b")
        for number in (0, 1)
        for seed in (0, 1)
    ]
    assert len(set(drawn)) == 8
    assert Engineer("a", 0, 0).random.random() == drawn[0]
