"""What breaks a promise is found, made small, and played again.

Each fault is planted in the live runtime, and the machine has to find it. What it prints is a
program: that is run by itself, without hypothesis, and fails in the same way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from authgate_async import authority
from authgate_async.actors import gate
from authgate_async.actors.gate import Gate
from authgate_async.actors.outcomes import Recorder
from authgate_async.actors.sandbox_supervisor import SandboxSupervisor
from authgate_async.actors.withdrawals import Withdrawals
from authgate_async.wire import Enrol, Redeemed, Revoke
from redteam.machine.machine import Machine
from redteam.machine.table import Fate
from redteam.machine.world import BrokenError

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate_async.actors.envelope import Envelope

SEARCH = settings(
    derandomize=True,
    max_examples=400,
    stateful_step_count=30,
    report_multiple_bugs=False,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def forgotten_revocation(patch: pytest.MonkeyPatch) -> None:
    """Have the gate say that a grant is revoked, and tell nobody."""
    apply = Gate._apply

    async def forgetful(own: Gate, envelope: Envelope[Any]) -> None:
        if isinstance(envelope.message.changes[0], Revoke):
            nothing = (Enrol("m0", "machine"),)
            envelope.message = msgspec.structs.replace(envelope.message, changes=nothing)
        await apply(own, envelope)

    patch.setattr(Gate, "_apply", forgetful)


def no_redemption(patch: pytest.MonkeyPatch) -> None:
    """Have the supervisor start whatever it is shown."""

    async def trusting(_: SandboxSupervisor, batch: list[Any]) -> list[Redeemed]:
        return [Redeemed("", "")] * len(batch)

    patch.setattr(SandboxSupervisor, "_redeem", trusting)


def deaf_withdrawals(patch: pytest.MonkeyPatch) -> None:
    """Have what runs go on, whatever is taken away."""

    async def deaf(_: Withdrawals) -> None:
        pass

    patch.setattr(Withdrawals, "_look", deaf)


def lost_outcomes(patch: pytest.MonkeyPatch) -> None:
    """Have every call end without a record."""
    add = Recorder.add
    patch.setattr(
        Recorder, "add", lambda own, envelope, _, answer: add(own, envelope, None, answer)
    )


def unrecorded_permits(patch: pytest.MonkeyPatch) -> None:
    """Have the gate answer before its records are written, which they never are."""

    async def hasty(_: object, groups: tuple[Any, ...], **__: object) -> tuple[str, ...]:
        return ("",) * len(groups)

    patch.setattr(gate, "record", hasty)


def no_budgets(patch: pytest.MonkeyPatch) -> None:
    """Have grants entered without their budgets."""
    make = authority.make_grant

    def unbounded(*args: Any, **options: Any) -> Any:
        return make(*args, **{name: side for name, side in options.items() if name != "budget"})

    patch.setattr(authority, "make_grant", unbounded)


FAULTS = {
    forgotten_revocation: "rests on|ran on|runs on|should wait|was told|should have begun",
    no_redemption: "ran on|runs on|should have|was told|was used",
    deaf_withdrawals: "runs on what was taken away",
    lost_outcomes: r"has the outcomes \[\]",
    unrecorded_permits: "its intent is not in the log|hangs|should wait for an approval",
    no_budgets: "budget|attenuation",
}


def find(plant: Callable[[pytest.MonkeyPatch], None], *phases: Phase) -> tuple[Any, BrokenError]:
    """Run the machine against a runtime with this fault; return its class and what it found."""

    class Broken(Machine):
        def plant(self, patch: pytest.MonkeyPatch) -> None:
            plant(patch)

    bounds = settings(SEARCH, phases=[*SEARCH.phases, *phases])
    with pytest.raises(BrokenError) as found:
        run_state_machine_as_test(Broken, settings=bounds)  # type: ignore[no-untyped-call]
    return Broken, found.value


def printed(found: BrokenError) -> list[str]:
    """Return the program that hypothesis printed, line by line."""
    lines = "\n".join(found.__notes__).splitlines()
    return [line for line in lines if line.startswith(("state", "grants_"))]


def play(broken: Any, program: list[str]) -> BrokenError:
    """Run it by itself; return how it fails."""
    names: dict[str, Any] = {"Broken": broken, "Fate": Fate}
    try:
        exec("\n".join(program), names)  # noqa: S102 - it is what the machine printed
    except BrokenError as again:
        names["state"].teardown()
        return again
    raise AssertionError("the program that was printed does not fail")


@pytest.mark.parametrize("plant", FAULTS, ids=lambda plant: plant.__name__)
def test_a_fault_is_found_and_plays_again(plant: Callable[[pytest.MonkeyPatch], None]) -> None:
    """A runtime that breaks a promise fails the machine, for the right reason, and every time."""
    broken, found = find(plant)
    assert pytest.RaisesExc(BrokenError, match=FAULTS[plant]).matches(found), found
    program = printed(found)
    assert [str(play(broken, program)) for _ in range(2)] == [str(found)] * 2


def test_a_fault_is_made_small() -> None:
    """Of a long story that is left which the fault needs: here one call that begins."""
    broken, found = find(lost_outcomes, Phase.shrink)
    program = printed(found)
    assert [line.partition("(")[0].split(".")[-1] for line in program] == [
        *("state = Broken", "start", "sound", "use", "sound", "teardown")
    ]
    assert str(play(broken, program)) == str(found)
