"""Each limit ends a call with its own cause, and costs the runtime no more than the caps."""

from __future__ import annotations

import resource
import struct
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate_async.launchers.process import ProcessLauncher
    from authgate_async.launchers.protocol import Call

    Make = Callable[..., Call]

MIB = 2**20
BIG = struct.pack("<cQ", b"R", 2**62).hex()
GOOD = struct.pack("<cQ", b"R", 1).hex() + "37"


@pytest.mark.parametrize(
    ("body", "args", "limits", "cause"),
    [
        ("spin", {}, {"wall_ms": 100}, "deadline"),
        ("spin", {}, {"cpu_seconds": 1}, "cpu_limit"),
        ("hoard", {"size": 600 * MIB}, {}, "memory_limit"),
        ("hoard", {"size": 4 * MIB}, {"memory_bytes": 4096}, "memory_limit"),
        ("write_file", {"size": 5000}, {"file_bytes": 4096}, "raised"),
        ("open_many", {"count": 30}, {"open_files": 20}, "raised"),
        ("breed", {"count": 5}, {"processes": 3}, "process_limit"),
        ("flood", {"fd": 1, "size": 100 * MIB}, {}, "output_cap"),
        ("flood", {"fd": 2, "size": 100 * MIB}, {}, "output_cap"),
        ("flood", {"fd": 3, "size": 100 * MIB}, {}, "output_cap"),
        ("raw", {"text": '"' + "x" * 100 + '"'}, {"result_bytes": 100}, "output_cap"),
        ("raw", {"text": "[" * 5000}, {}, "raised"),
        ("raw", {"text": "{} {}"}, {}, "raised"),
        ("raw", {"text": "NaN"}, {}, "raised"),
        ("raw", {"text": ""}, {}, "raised"),
        ("fail", {"message": "no"}, {}, "raised"),
        ("leave", {"status": 0}, {}, "raised"),
        ("vanish", {"status": 0}, {}, "raised"),
        ("vanish", {"status": 3}, {}, "raised"),
        ("die", {"number": 9}, {}, "killed"),
        ("die", {"number": 11}, {}, "killed"),
        ("die", {"number": 40}, {}, "killed"),
        ("forge", {"data": "", "status": 0}, {}, "raised"),
        ("forge", {"data": "52", "status": 0}, {}, "raised"),
        ("forge", {"data": BIG, "status": 0}, {}, "raised"),
        ("forge", {"data": GOOD, "status": 1}, {}, "raised"),
        ("forge", {"data": GOOD + GOOD, "status": 0}, {}, "raised"),
        ("forge", {"data": "ff" * 9, "status": 0}, {}, "raised"),
        ("forge", {"data": GOOD, "status": 0}, {}, "returned"),
    ],
)
async def test_cause(
    launcher: ProcessLauncher,
    call: Make,
    *,
    body: str,
    args: dict[str, Any],
    limits: dict[str, int],
    cause: str,
) -> None:
    """A body that goes too far, fails or lies ends with the cause that says so."""
    ended = await launcher.launch(call(body, args, **limits))
    assert ended.cause == cause, ended
    assert bool(ended.error) == (cause != "returned")
    assert ended.error.isprintable()
    assert bool(ended.result) == (cause == "returned")


async def test_within_limits(launcher: ProcessLauncher, call: Make) -> None:
    """What stays at a limit is let through."""
    for made in (
        call("write_file", {"size": 4096}, file_bytes=4096),
        call("raw", {"text": '"' + "x" * 98 + '"'}, result_bytes=100),
        call("breed", {"count": 2}, processes=3),
        call("say", {"out": "x" * 99, "err": "y" * 100}, stdout_bytes=100, stderr_bytes=100),
    ):
        ended = await launcher.launch(made)
        assert (ended.cause, ended.capped) == ("returned", ()), ended


async def test_capped_streams_keep_their_beginning(launcher: ProcessLauncher, call: Make) -> None:
    """A stream over its cap is named, and exactly its cap is kept."""
    made = call("say", {"out": "x" * 300, "err": "y" * 300}, stdout_bytes=10, stderr_bytes=300)
    ended = await launcher.launch(made)
    assert (ended.cause, ended.capped, ended.stdout) == ("output_cap", ("stdout",), b"x" * 10)


async def test_no_output_allowed(launcher: ProcessLauncher, call: Make) -> None:
    """A cap of nothing lets a silent body pass and ends one that speaks."""
    silent = await launcher.launch(call("add", {"a": 1, "b": 2}, stdout_bytes=0, stderr_bytes=0))
    loud = await launcher.launch(call("say", {"out": "x", "err": ""}, stdout_bytes=0))
    assert (silent.cause, loud.cause, loud.stdout) == ("returned", "output_cap", b"")


async def test_flood_costs_its_cap(launcher: ProcessLauncher, call: Make) -> None:
    """A flood on any stream leaves the runtime's memory where it was."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for fd in (1, 2, 3):
        await launcher.launch(call("flood", {"fd": fd, "size": 100 * MIB}))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 * 1024


async def test_output_before_the_deadline_is_kept(launcher: ProcessLauncher, call: Make) -> None:
    """What a body printed before it was killed is in the outcome."""
    made = call("say_and_spin", {"out": "so far"}, wall_ms=300)
    ended = await launcher.launch(made)
    assert (ended.cause, ended.stdout) == ("deadline", b"so far\n")


async def test_error_is_one_harmless_sentence(launcher: ProcessLauncher, call: Make) -> None:
    """A huge message full of terminal commands becomes one short printable sentence."""
    message = "\x1b[2J\x9b31m\r\n\u202e\u2028" * 100_000
    ended = await launcher.launch(call("fail", {"message": message}))
    assert ended.error.startswith("ValueError: \\x1b[2J\\x9b31m\\r\\n\\u202e\\u2028")
    assert ended.error.isprintable()
    assert len(ended.error) <= 500
