"""What the machine promises also holds of bodies in processes and jails, whose templates die."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from redteam.machine.processes import ProcessMachine
from redteam.machine.test_machine import BOUNDS, EXAMPLES
from redteam.machine.test_planted import SEARCH, deaf_withdrawals, lost_outcomes
from redteam.machine.world import BrokenError

if TYPE_CHECKING:
    from collections.abc import Callable

TestProcesses = ProcessMachine.TestCase
TestProcesses.settings = settings(
    BOUNDS, max_examples=max(1, EXAMPLES // 2), deadline=None, phases=[Phase.generate]
)
"""A story takes half a second, and may end otherwise the next time: none is made small."""


FAULTS = {
    deaf_withdrawals: "still runs, after 1 s",
    lost_outcomes: "has outcomes",
}


@pytest.mark.parametrize("plant", FAULTS, ids=lambda plant: plant.__name__)
def test_a_fault_is_found(plant: Callable[[pytest.MonkeyPatch], None]) -> None:
    """A runtime that breaks a promise fails this machine, too."""

    class Broken(ProcessMachine):
        patience = 1.0
        """Whoever is slow is found, too: only what is found is looked at."""

        def plant(self, patch: pytest.MonkeyPatch) -> None:
            plant(patch)

    with pytest.raises(BrokenError, match=FAULTS[plant]):
        run_state_machine_as_test(Broken, settings=settings(SEARCH, deadline=None))  # type: ignore[no-untyped-call]
