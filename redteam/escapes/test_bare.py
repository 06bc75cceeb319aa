"""Every hostile snippet bites where there is no jail: a jail that stops it has done something."""

from __future__ import annotations

from typing import Any

import pytest
from escapes import declare
from escapes.staging import USERS

SNIPPETS = declare.load()
CASES = [
    (name, user)
    for name, snippet in sorted(SNIPPETS.items())
    for user in USERS
    if not snippet.unproven and (user == "root" or not snippet.root)
]


def test_there_are_enough() -> None:
    """Of all themes together at least 60 bite, and at most 5 cannot be seen to on this machine."""
    unproven = [one.name for one in SNIPPETS.values() if one.unproven]
    assert len(SNIPPETS) - len(unproven) >= 60
    assert len(unproven) <= 5, unproven


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("name", "user"), CASES)
def test_bites(outcomes: Any, name: str, user: str) -> None:
    """Without a jail the snippet gets what it is after, and the outside sees it."""
    outcome = outcomes("bare", user)[""][name]
    assert SNIPPETS[name].proof in outcome.evidence, outcome
