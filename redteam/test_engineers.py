"""Engineers get nothing out of a sound runtime, and the harness tells it from a broken one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from redteam.categories import CATEGORIES

CLONE = Path(__file__).parents[1]
SEED = "1108"
ENGINEERS = 2 * len(CATEGORIES)

SETTINGS = (
    ("rust", "asyncio", "jail"),
    ("rust", "trio", "process"),
    ("python", "asyncio", "process"),
    ("python", "trio", "jail"),
)
"""Every two of what there is to choose come together in one of them; `make redteam` has all."""

LEAST_DIFFERENT = 0.9
"""Of the engineers of a category, so many at least must have a plan of their own."""


# `redteam` first: it puts the installed package before the clone's.
UNBROKEN = """
from redteam.campaign import attack, try_broken
import anyio
from contextlib import nullcontext
from authgate_async import oplog
from redteam.categories import CATEGORIES
from redteam.engineers import Broken, Setting

async def main():
    oplog.configure("critical")
    for category in CATEGORIES:
        await attack(category, Setting(), 3, 1108)
        print((await try_broken(category, Broken("", nullcontext), Setting(), 3, 1108)).caught)

anyio.run(main)
"""


def _environ() -> dict[str, str]:
    return {name: text for name, text in os.environ.items() if name != "PYTHONSAFEPATH"}


def _attack(*options: str) -> tuple[int, dict[str, Any]]:
    """Run the harness as anybody would, in this clone."""
    command = [sys.executable, "-m", "redteam", "--json", "--seed", SEED, *options]
    done = subprocess.run(command, cwd=CLONE, env=_environ(), capture_output=True, check=False)
    assert done.returncode in (0, 1), done.stderr.decode()[-5000:]
    return done.returncode, json.loads(done.stdout)


@pytest.mark.timeout(600)
def test_nothing_escapes_under_any_setting() -> None:
    """Each kernel with each loop and each level: all held, and the tables are the same."""
    found = [_attack(*_options(setting), "--engineers", str(ENGINEERS)) for setting in SETTINGS]

    each = [next(iter(data["settings"].values())) for _, data in found]
    assert [data["findings"] for data in each] == [[]] * len(SETTINGS)
    assert [status for status, _ in found] == [0] * len(SETTINGS)
    assert all(data["table"] == each[0]["table"] for data in each)
    engineers = {row["category"]: int(row["engineers"]) for row in each[0]["table"]}
    assert engineers["all"] == ENGINEERS
    for category, different in each[0]["different_plans"].items():
        assert different >= LEAST_DIFFERENT * engineers[category], category


@pytest.mark.timeout(600)
def test_one_setting_leaves_nothing_to_the_next() -> None:
    """All eight in a row, in one process: what an engineer did does not count for its namesake."""
    status, found = _attack("--matrix", "--engineers", str(len(CATEGORIES)))

    assert len(found["settings"]) == 8
    assert [data["findings"] for data in found["settings"].values()] == [[]] * 8
    assert found["same_tables"]
    assert status == 0


def _options(setting: tuple[str, str, str]) -> list[str]:
    named = zip(("--backend", "--loop", "--level"), setting, strict=True)
    return [word for pair in named for word in pair]


@pytest.mark.timeout(600)
def test_every_broken_runtime_is_found_out() -> None:
    """Each category tells each of its broken runtimes from the sound one, and has one at least."""
    status, found = _attack("--broken", "--engineers", "20")

    (each,) = found["settings"].values()
    assert [trial for trial in each["broken"] if not trial["found"]] == []
    categories = {row["category"] for row in each["table"]} - {"all"}
    assert {trial["category"] for trial in each["broken"]} == categories
    assert status == 0


@pytest.mark.timeout(600)
def test_a_runtime_that_is_not_broken_is_not_found_out() -> None:
    """In the place of a broken one, behind a campaign in the same process, it holds."""
    done = subprocess.run(
        [sys.executable, "-c", UNBROKEN],
        cwd=CLONE,
        env=_environ(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-5000:]
    assert done.stdout.decode().split() == ["False"] * len(CATEGORIES)


def test_the_same_seed_gives_the_same_bytes() -> None:
    """What an engineer does depends on seed, category and number, and on nothing else."""
    first, again = (_attack("--engineers", "30")[1] for _ in range(2))

    assert first == again
