"""Output of a jail: three streams with three caps, which bound what a call costs the runtime."""

from __future__ import annotations

import os
import resource
from typing import TYPE_CHECKING

import pytest

from authgate_async.launchers.frames import ERROR_BYTES, FRAME_HEAD, NOTES_BYTES
from authgate_async.launchers.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from authgate_async.launchers.jail import JailLauncher
    from authgate_async.launchers.protocol import Call

    Make = Callable[..., Call]

MIB = 2**20
STREAMS = {"stdout": 1, "stderr": 2, "result": 3}
CAPS = {"stdout_bytes": 5000, "stderr_bytes": 6000, "result_bytes": 7000}
FRAMED = 2 * FRAME_HEAD.size + NOTES_BYTES + max(CAPS["result_bytes"], ERROR_BYTES)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> dict[int, int]:
    """Count the bytes that this process reads, by descriptor."""
    found: dict[int, int] = {}
    read = os.read

    def counting(fd: int, size: int) -> bytes:
        data = read(fd, size)
        found[fd] = found.get(fd, 0) + len(data)
        return data

    monkeypatch.setattr(os, "read", counting)
    return found


@pytest.mark.parametrize("programs", [False, True], ids=["python", "programs"])
@pytest.mark.parametrize("stream", STREAMS)
async def test_flood(
    jail: JailLauncher, jailed: Make, counted: dict[int, int], stream: str, *, programs: bool
) -> None:
    """100 MB on one stream end the call at its cap; the runtime reads one byte more than that."""
    made = jailed(
        "flood",
        descriptor=STREAMS[stream],
        size=100 * MIB,
        limits={"file_bytes": 200 * MIB, **CAPS},
        programs=programs,
    )
    ended = await jail.launch(made)
    assert (ended.cause, ended.capped, ended.result) == ("output_cap", (stream,), b"")
    assert stream in ended.error
    kept = {"stdout": ended.stdout, "stderr": ended.stderr}
    for name, data in kept.items():
        assert len(data) == (CAPS[f"{name}_bytes"] if name == stream else 0)
    cap = FRAMED if stream == "result" else CAPS[f"{stream}_bytes"]
    assert sum(counted.values()) <= cap + 1 + 64  # the loop's own wake-ups are single bytes


async def test_floods_cost_their_caps(jail: JailLauncher, jailed: Make) -> None:
    """Ten floods leave the runtime's peak of memory where it was."""
    await jail.launch(jailed("flood", descriptor=1, size=MIB))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(9):
        await jail.launch(jailed("flood", descriptor=number % 3 + 1, size=100 * MIB))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 * 1024


async def test_each_has_its_own_cap(jail: JailLauncher, jailed: Make) -> None:
    """Each stream may be filled up to its cap, whatever the others hold."""
    made = jailed("say", out="o" * 5000, err="e" * 6000, limits=CAPS)
    ended = await jail.launch(made)
    assert (ended.cause, ended.capped) == ("returned", ())
    assert (len(ended.stdout), len(ended.stderr)) == (5000, 6000)


@pytest.mark.parametrize(("out", "err", "over"), [(5001, 6000, "stdout"), (5000, 6001, "stderr")])
async def test_one_byte_more(
    jail: JailLauncher, jailed: Make, out: int, err: int, over: str
) -> None:
    """One byte beyond a cap ends the call, names the stream and keeps exactly the cap."""
    ended = await jail.launch(jailed("say", out="o" * out, err="e" * err, limits=CAPS))
    assert (ended.cause, ended.capped, ended.result) == ("output_cap", (over,), b"")
    assert ended.stdout == b"o" * min(len(ended.stdout), 5000)
    assert ended.stderr == b"e" * min(len(ended.stderr), 6000)
    assert len({"stdout": ended.stdout, "stderr": ended.stderr}[over]) == CAPS[f"{over}_bytes"]


@pytest.mark.parametrize(("size", "cause"), [(7000, "returned"), (7001, "output_cap")])
async def test_result(jail: JailLauncher, jailed: Make, size: int, cause: str) -> None:
    """A result may be as large as its cap, and no larger."""
    ended = await jail.launch(jailed("give", size=size, limits=CAPS))
    assert (ended.cause, len(ended.result)) == (cause, size if cause == "returned" else 0)


async def test_silence(jail: JailLauncher, jailed: Make) -> None:
    """A cap of nothing lets a silent call pass and ends one that speaks."""
    none = {"stdout_bytes": 0, "stderr_bytes": 0}
    silent = await jail.launch(jailed("say", out="", err="", limits=none))
    loud = await jail.launch(jailed("say", out="x", err="", limits=none))
    assert (silent.cause, loud.cause, loud.stdout) == ("returned", "output_cap", b"")


async def test_what_was_said_before_the_deadline(jail: JailLauncher, jailed: Make) -> None:
    """What a call printed before it was killed is in its outcome."""
    ended = await jail.launch(jailed("say_and_spin", out="so far", limits={"wall_ms": 500}))
    assert (ended.cause, ended.stdout) == ("deadline", b"so far")


def test_over_stays_over() -> None:
    """A stream of which more than the cap came says so for ever, however often it is read."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.write(write, b"12345")
    os.close(write)
    stream = Stream("stdout", 4, read)
    for _ in range(3):
        assert not stream.pull()
        assert (stream.over, bytes(stream.data)) == (True, b"1234")
    stream.drain()
    assert stream.over
    os.close(read)
