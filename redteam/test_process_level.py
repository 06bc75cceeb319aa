"""Hostile tool bodies against the process level.

Each runs as root, if the suite does, and as an ordinary user. After each: the cause is the one that
it must be, every process that held the FIFO is dead, and the launcher serves the next call.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from authgate_async.launchers.process import ProcessLauncher
from authgate_async.launchers.protocol import Call, Ended, Limits, ToolRef

BODIES = Path(__file__).parent / "bodies"
BECOME_NOBODY = (
    *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
    *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
)
"""An ordinary user, but for reading an interpreter that lies in root's home."""

SHORT = {"wall_ms": 700}
LONG = {"wall_ms": 60_000}

ATTACKS: dict[str, tuple[dict[str, int], set[str]]] = {
    "abort": (LONG, {"killed"}),
    "become_root": (LONG, {"returned"}),
    "calm": (LONG, {"returned"}),
    "close_everything": (LONG, {"raised"}),
    "daemon_survives_crash": (LONG, {"killed"}),
    "daemon_survives_deadline": (SHORT, {"deadline"}),
    "daemon_survives_return": (LONG, {"returned"}),
    "deep_recursion": (LONG, {"killed", "raised", "memory_limit"}),
    "endless_frame": (SHORT, {"deadline"}),
    "exec_away": (SHORT, {"deadline"}),
    "exhaust_descriptors": (LONG, {"raised"}),
    "exit_in_thread": (LONG, {"returned"}),
    "fill_folder": (LONG, {"returned"}),
    "flood_everything": (LONG, {"output_cap"}),
    "fork_bomb": (LONG, {"process_limit"}),
    "fork_chain": (SHORT, {"raised", "process_limit"}),
    "give_pipes_away": (LONG, {"returned"}),
    "hostile_exception": (LONG, {"raised"}),
    "huge_file": (LONG, {"raised"}),
    "kill_template": (LONG, {"sandbox_died"}),
    "kill_warden": (LONG, {"killed"}),
    "kind_signals": (LONG, {"returned"}),
    "memory_bomb": (LONG, {"memory_limit"}),
    "own_subreaper": (SHORT, {"deadline"}),
    "raise_limits": (LONG, {"returned"}),
    "realtime_signal": (LONG, {"killed"}),
    "regain": (LONG, {"returned"}),
    "segfault": (LONG, {"killed"}),
    "signal_group": (LONG, {"killed"}),
    "spin": (SHORT, {"deadline"}),
    "spoil": (LONG, {"returned", "raised"}),
    "stop_template": (LONG, {"returned"}),
    "stop_warden": (LONG, {"killed"}),
    "stop_warden_and_template": (SHORT, {"deadline"}),
    "swap_descriptors": (LONG, {"raised"}),
    "trace_warden": (LONG, {"returned"}),
}
"""Each attack, its limits, and the causes that it may end with."""


EXPECTED = {
    "become_root": b'"locked"',
    "raise_limits": b'"refused"',
    "regain": b'"few"',
    "trace_warden": b'"0 opened"',
}
"""What an attack that returns must have found."""


class Outcome(msgspec.Struct):
    """What one attack came to."""

    attack: Ended
    marks: int
    after: Ended


def attack_all(names: list[str], folder: Path) -> dict[str, Outcome]:
    """Run the attacks, one after the other, each followed by a harmless call."""
    sys.path.insert(0, str(BODIES))
    return anyio.run(_attack_all, names, folder)


async def _attack_all(names: list[str], folder: Path) -> dict[str, Outcome]:
    async with ProcessLauncher(processes=2) as launcher:
        return {name: await _attack(launcher, name, folder / name) for name in names}


async def _attack(launcher: ProcessLauncher, name: str, path: Path) -> Outcome:
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    attack = await launcher.launch(_call(name, path, ATTACKS[name][0]))
    marks = 0
    while True:
        try:
            data = os.read(reader, 65536)
        except BlockingIOError:  # somebody lives: only after a deadline, and not for long
            assert attack.cause == "deadline"
            await anyio.wait_readable(reader)
            continue
        if not data:
            break
        marks += len(data)
    os.close(reader)
    after = await launcher.launch(_call("calm", Path("/dev/null"), LONG))
    return Outcome(attack, marks, after)


def _call(name: str, path: Path, limits: dict[str, int]) -> Call:
    args = json.dumps({"fifo": str(path)}).encode()
    return Call(name, ToolRef("hostile", name), args, limits=Limits(**limits))


@pytest.fixture(
    scope="module",
    params=[
        "as we are",
        pytest.param(
            "as nobody",
            marks=pytest.mark.skipif(
                os.getuid() != 0 or not shutil.which("setpriv"),
                reason="only root can become nobody, with setpriv",
            ),
        ),
    ],
)
def outcomes(request: pytest.FixtureRequest, tmp_path_factory: Any) -> dict[str, Outcome]:
    """Run every attack in a runtime of its own, as root or as an ordinary user."""
    folder = tmp_path_factory.mktemp("attacks")
    command = [sys.executable, __file__, str(folder), *ATTACKS]
    if request.param == "as nobody":
        command = [*BECOME_NOBODY, *command]
        for above in (folder, *folder.parents[:2]):
            above.chmod(0o777)
    environ = {**os.environ, "TMPDIR": str(folder)}
    done = subprocess.run(command, capture_output=True, env=environ, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert not list(folder.glob("authgate-*"))
    return msgspec.json.decode(done.stdout, type=dict[str, Outcome])


@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_attack(outcomes: dict[str, Outcome], name: str) -> None:
    """The attack ends with its cause and one sentence, leaves nothing, and hurts no later call."""
    outcome = outcomes[name]
    assert outcome.attack.cause in ATTACKS[name][1], outcome.attack
    assert outcome.attack.error.isprintable()
    assert len(outcome.attack.error) <= 500
    assert len(outcome.attack.stdout) <= Limits().stdout_bytes
    assert outcome.marks >= 1
    assert outcome.attack.result == EXPECTED.get(name, outcome.attack.result)
    assert (outcome.after.cause, outcome.after.result) == ("returned", b'"calm"')


if __name__ == "__main__":
    found = attack_all(sys.argv[2:], Path(sys.argv[1]))
    sys.stdout.buffer.write(msgspec.json.encode(found))
