"""A live runtime under random authority, work, cancellation and crashes keeps its promises.

What fails is printed as a program, `state = ...`: run it as it stands to see it fail again.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

from redteam.machine.machine import Machine

EXAMPLES = int(os.environ.get("MACHINE_EXAMPLES", "60"))
"""How often each machine is run; `make soak` runs more, and other ones."""

BOUNDS = settings(
    max_examples=EXAMPLES,
    stateful_step_count=30,
    derandomize="MACHINE_EXAMPLES" not in os.environ,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


class OnReference(Machine):
    """The same over the Python reference."""

    backend = "python"


TestRust = Machine.TestCase
TestRust.settings = BOUNDS
TestReference = OnReference.TestCase
TestReference.settings = BOUNDS
