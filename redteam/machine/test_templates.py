"""What goes wrong where a template dies is found, and plays again turn by turn.

The launchers are the real ones, broken in one place each; the machine has to find the place.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from authgate_async.launchers.cells.jailed import Jailed
from authgate_async.launchers.cells.pool import Pool
from authgate_async.launchers.jail import JailLauncher
from redteam.machine.machine import Machine
from redteam.machine.table import Fate
from redteam.machine.world import BrokenError

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate_async.launchers.cells.jailed import Armed
    from authgate_async.launchers.protocol import Call, Clear, Ended


SEEDS = 2
"""Orders of turns in which a story is played."""


class Broken(Machine):
    """Has a fault planted, if any."""

    fault: Callable[[pytest.MonkeyPatch], None] | None = None

    def plant(self, patch: pytest.MonkeyPatch) -> None:
        """Break one thing."""
        if self.fault is not None:
            self.fault(patch)


def tell(machine: type[Machine], seed: int) -> tuple[str, list[str]]:
    """Play one story in this order of turns; return what was found, and what processes did."""
    state, found = machine(), ""
    try:
        one, other = state.start(seed=seed, sides={})
        state.use(grant=one, tool="slow_jail", amount=1, turns=None)
        state.sound()
        state.use(grant=other, tool="quick_process", amount=1, turns=3)
        state.kill(pick=0, turns=seed % 7)
        state.use(grant=one, tool="quick_jail", amount=1, turns=seed % 5)
        state.doom(fate=Fate("process", "half", "template"))
        for tool in ("slow_jail", "slow_jail", "quick_process"):
            state.use(grant=other, tool=tool, amount=1, turns=None)
            state.sound()
    except BrokenError as error:
        found = str(error)
        state.teardown()
    else:
        state.teardown()
    return found, state.world.table.story


def forgotten_calls(patch: pytest.MonkeyPatch) -> None:
    """Have nobody tell the calls of a template that it is gone."""
    patch.setattr(Pool, "_watch", lambda _, jailed: jailed)


def second_chances(patch: pytest.MonkeyPatch) -> None:
    """Have a call run again whose template has died."""
    launch = JailLauncher.launch

    async def again(own: JailLauncher, call: Call, clear: Clear) -> Ended:
        ended = await launch(own, call, clear)
        return await launch(own, call) if ended.cause == "sandbox_died" else ended

    patch.setattr(JailLauncher, "launch", again)


def dead_cells(patch: pytest.MonkeyPatch) -> None:
    """Have cells handed out that were armed by a template which is gone."""
    lost, take, begin = Pool._lost, Pool.take, Jailed.begin
    kept: list[Armed] = []

    def keeping(own: Pool) -> None:
        kept.extend(own._armed)
        own._armed.clear()
        lost(own)

    async def first_kept(own: Pool) -> Armed | None:
        return kept.pop() if kept else await take(own)

    patch.setattr(Pool, "_lost", keeping)
    patch.setattr(Pool, "take", first_kept)
    patch.setattr(Jailed, "begin", lambda own, tool, call: begin(own, tool, call) or True)


def lost_places(patch: pytest.MonkeyPatch) -> None:
    """Have a call keep its place whose template has died."""
    launch = JailLauncher.launch

    async def greedy(own: JailLauncher, call: Call, clear: Clear) -> Ended:
        ended = await launch(own, call, clear)
        if ended.cause == "sandbox_died":
            await own._slots.acquire()
        return ended

    patch.setattr(JailLauncher, "launch", greedy)


FAULTS: dict[Callable[[pytest.MonkeyPatch], None], str] = {
    forgotten_calls: "hangs|ended as",
    second_chances: "ran twice",
    dead_cells: "hangs|ended as|should have begun",
    lost_places: "hangs|should have begun",
}


PLAYER = """
import json
import sys
from binascii import crc32

import trio

sys.path.append(sys.argv[1])

from redteam.machine import test_templates as own

class Steps(trio.abc.Instrument):
    sum = 0

    def before_task_step(self, task):
        self.sum = crc32(task.name.encode(), self.sum)

class Counted(own.Broken):
    fault = staticmethod(own.second_chances)
    steps = Steps()

    def open(self, seed):
        super().open(seed)
        self._go(self._instrument)

    async def _instrument(self):
        trio.lowlevel.add_instrument(self.steps)

print(json.dumps([*own.tell(Counted, 3), Counted.steps.sum]))
"""


def test_a_story_replays_turn_by_turn() -> None:
    """In other processes, with other hashes, the same tasks take their turns in the same order."""
    played = []
    for seed in "012":
        done = subprocess.run(
            [sys.executable, "-c", PLAYER, str(Path(__file__).parents[2])],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        played.append(json.loads(done.stdout))
    assert played[1:] == played[:-1]
    sentence, story, steps = played[0]
    assert "ran twice" in sentence
    assert steps
    assert any("ends with 9" in line for line in story)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whoever_dies_in_it_a_story_ends_well(seed: int) -> None:
    """The launchers stand it in whatever order the tasks take their turns."""
    found, story = tell(Machine, seed)
    assert not found
    assert any("ends with 9" in line for line in story)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_is_found_and_plays_again(fault: Callable[[pytest.MonkeyPatch], None]) -> None:
    """A launcher that does not stand it fails the machine, and each time in the same way."""
    broken = type("Broken", (Broken,), {"fault": staticmethod(fault)})
    found = {seed: tell(broken, seed) for seed in range(SEEDS)}
    wrong = {seed: told for seed, told in found.items() if told[0]}
    assert wrong
    for seed, told in wrong.items():
        assert re.search(FAULTS[fault], told[0]), told[0]
        assert tell(broken, seed) == told
