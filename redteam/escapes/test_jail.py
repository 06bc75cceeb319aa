"""No hostile snippet gets anything out of a jail, whoever starts it and on whichever event loop."""

from __future__ import annotations

from typing import Any

import pytest
from escapes import declare
from escapes.staging import USERS

CASES = [(name, mode) for name, snippet in sorted(declare.load().items()) for mode in snippet.modes]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("loop", ["asyncio", "trio"])
@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize(("name", "mode"), CASES)
def test_is_stopped(outcomes: Any, name: str, mode: str, user: str, loop: str) -> None:
    """In a jail the snippet gets nothing, harms nobody, and the next call works."""
    outcome = outcomes("jail", user, loop)[mode][name]
    assert not outcome.evidence, outcome
    assert outcome.after == '"calm"'
