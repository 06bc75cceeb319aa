"""Each claim of SECURITY.md is tied to tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2]
DEFENDED = (HOUSE / "SECURITY.md").read_text().split("\n## ")[2]
ROWS = re.findall(r"^\| (?!claim|---)(.*?) \| (.*) \|$", DEFENDED, re.MULTILINE)
TEST = re.compile(r"`((?:tests|redteam)/[\w/]+\.py)::(test_\w+)`")


def test_the_page_makes_claims() -> None:
    """The table is where this test looks for it."""
    assert DEFENDED.startswith("What is defended")
    assert len(ROWS) >= 20


@pytest.mark.parametrize(("claim", "evidence"), ROWS)
def test_a_claim_has_its_tests(claim: str, evidence: str) -> None:
    """What stands beside a claim are functions of test files, and nothing else."""
    named = TEST.findall(evidence)
    assert named, claim
    assert ", ".join(f"`{file}::{name}`" for file, name in named) == evidence
    for file, name in named:
        assert re.search(rf"^(async )?def {name}\(", (HOUSE / file).read_text(), re.MULTILINE), name
