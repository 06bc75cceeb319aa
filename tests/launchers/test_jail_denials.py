"""What a jail refused is told in sentences that help, prove nothing, and can do no harm."""

from __future__ import annotations

import platform
import struct
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authgate_async.launchers.denials import explain
from authgate_async.launchers.frames import (
    FRAME_HEAD,
    NOTES_BYTES,
    Notes,
    notes_content,
    read_frame,
)
from authgate_async.launchers.protocol import Call, ToolRef
from authgate_async.wire import Right

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from authgate_async.launchers.jail import JailLauncher

    Make = Callable[..., Call]

NO_CALL = Call("a1", ToolRef("jailed", "tool"), b"{}")
GOOD = FRAME_HEAD.pack(b"R", 1) + b"7"


def notes(data: bytes) -> bytes:
    """Return a frame that says it holds notes."""
    return FRAME_HEAD.pack(b"D", len(data)) + data


async def test_socket(jail: JailLauncher, jailed: Make) -> None:
    """A socket that was refused is told by its family, though the tool took it well."""
    for family, name in ((2, "AF_INET"), (10, "AF_INET6"), (1, "AF_UNIX"), (16, "AF_NETLINK")):
        ended = await jail.launch(jailed("connect", family=family))
        assert ended.result == b'"refused"'
        assert ended.denials == (f"socket({name}) was refused: a jail has no network",)


async def test_socket_of_a_program(jail: JailLauncher, jailed: Make) -> None:
    """A tool that starts programs is refused a socket too."""
    ended = await jail.launch(jailed("connect", family=2, programs=True))
    assert ended.result == b'"refused"'


async def test_no_start_was_refused_to_a_program(jail: JailLauncher, jailed: Make) -> None:
    """Where programs may be started, what was refused is not explained as a start."""
    ended = await jail.launch(jailed("open_socket", programs=True))
    assert (ended.cause, ended.denials) == ("raised", ())
    assert "PermissionError" in ended.error


async def test_start(jail: JailLauncher, jailed: Make) -> None:
    """A tool that may not start processes is told how it may."""
    ended = await jail.launch(jailed("start"))
    assert ended.cause == "raised"
    sentence = "clone was refused: a tool that starts programs says `programs=True` in `@tool`"
    assert ended.denials == (sentence,)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="numbers of system calls of x86-64")
@pytest.mark.parametrize(
    ("number", "name"),
    [(101, "ptrace"), (165, "mount"), (321, "bpf"), (250, "keyctl"), (425, "io_uring_setup")],
)
async def test_system_call(jail: JailLauncher, jailed: Make, number: int, name: str) -> None:
    """A system call that no tool needs is refused, and told by its name."""
    ended = await jail.launch(jailed("raw_call", number=number))
    assert ended.result == b"1"  # EPERM
    assert ended.denials == (f"the system call {name} was refused: no tool may use it in a jail",)


async def test_hidden_path(jail: JailLauncher, jailed: Make) -> None:
    """A file that the permit does not cover is told with the reason."""
    ended = await jail.launch(jailed("read_it", path="/etc/passwd"))
    assert ended.cause == "raised"
    problem = "`/etc/passwd` is not there: no part of this call's permit covers it"
    assert ended.denials == (problem,)


async def test_path_without_the_right(
    jail: JailLauncher, jailed: Make, granted: Any, tmp_path: Path
) -> None:
    """A file that may only be read is told to be so; one that is not there is nobody's refusal."""
    file = tmp_path / "file"
    file.write_text("old")
    grant = granted(tmp_path, right=Right.READ)
    ended = await jail.launch(jailed("write_it", grant, path=str(file)))
    why = "is read-only: the permit of this call does not give that right on it"
    assert ended.denials == (f"`{file}` {why}",)
    ended = await jail.launch(jailed("read_it", grant, path=f"{tmp_path}/nothing"))
    assert (ended.cause, ended.denials) == ("raised", ())


async def test_nothing_was_refused(jail: JailLauncher, jailed: Make) -> None:
    """A call that was refused nothing is told nothing."""
    for made in (jailed("add", a=1, b=1), jailed("where"), jailed("say", out="x", err="y")):
        assert (await jail.launch(made)).denials == ()


DEEP = b"\x93\x90\x90" + b"\x91" * 3000 + b"\x90"
FORGED = {
    "lies": (notes(b"\x92\x91\x92\xa3foo\x00\x90"), "returned"),
    "nothing": (notes(b""), "raised"),
    "no notes": (notes(b"\xc1"), "raised"),
    "wrong types": (notes(b"\x92\x01\x02"), "raised"),
    "not text": (notes(b"\x92\x91\x92\xa2\xff\xfe\x00\x90"), "raised"),
    "too deep": (notes(DEEP), "raised"),
    "too long": (notes(b"\x93\x90\x90" + b"\xda\xf0\x00" + b"x" * 0xF000), "raised"),
    "cut": (notes(b"\x92\x90\x90")[:-1], "raised"),
    "twice": (notes(b"\x92\x90\x90") * 2, "raised"),
    "without an end": (struct.pack("<cQ", b"D", 2**63) + b"x" * 10, "raised"),
    "another kind": (FRAME_HEAD.pack(b"X", 3) + b"\x92\x90\x90", "raised"),
    "a result again": (GOOD, "raised"),
    "rubbish": (b"\0", "raised"),
}


@pytest.mark.parametrize("kind", FORGED)
async def test_forged_notes(jail: JailLauncher, jailed: Make, kind: str) -> None:
    """Notes that a tool forges explain wrongly, or cost it its own result, and nothing else."""
    data, cause = FORGED[kind]
    ended = await jail.launch(jailed("forge", data=(GOOD + data).hex(), code=0))
    assert ended.cause == cause, ended
    assert (ended.result == b"7") == (cause == "returned")
    assert all(one.isprintable() and len(one) <= 500 for one in ended.denials)


async def test_flood_of_notes(jail: JailLauncher, jailed: Make) -> None:
    """Notes of any size end the call at the cap of results."""
    data = (GOOD + notes(b"x" * 2**17)).hex()
    limits = {"result_bytes": 2**15}
    ended = await jail.launch(jailed("forge", data=data, code=0, limits=limits))
    assert (ended.cause, ended.capped) == ("output_cap", ("result",))


texts = st.text(max_size=40) | st.sampled_from(["socket", "/etc/passwd\n", "\x1b[2J" * 200])
numbers = st.integers(-(2**63), 2**64 - 1)
truths = st.builds(
    Notes,
    st.lists(st.tuples(texts, numbers), max_size=12).map(tuple),
    st.lists(st.tuples(numbers | st.sampled_from([1, 2, 13, 30]), texts), max_size=12).map(tuple),
)


@given(truths)
def test_notes_come_back(sent: Notes) -> None:
    """Notes that are short enough are read as they were written; others are not sent."""
    content = notes_content(sent)
    assert len(content) <= NOTES_BYTES
    said = (GOOD + notes(content), sent) if content else (GOOD, Notes())
    assert read_frame(said[0]) == ("result", b"7", said[1])


def test_most_sentences() -> None:
    """Of each kind the first eight are told."""
    calls = tuple([("ptrace", number) for number in range(20)])
    paths = tuple([(2, f"/hidden/{number}") for number in range(20)])
    sentences = explain(Notes(calls, paths), NO_CALL)
    assert [one.partition(" ")[0] for one in sentences[:8]] == ["the"] * 8
    assert [one.split("`")[1] for one in sentences[8:]] == [f"/hidden/{n}" for n in range(8)]


@given(truths)
def test_sentences_are_few_and_harmless(said: Notes) -> None:
    """Whatever notes say becomes at most sixteen short printable sentences."""
    sentences = explain(said, NO_CALL)
    assert len(sentences) <= 16
    assert all(one.isprintable() and 0 < len(one) <= 500 for one in sentences)


behind = st.binary(max_size=60) | st.binary(max_size=60).map(notes)


@given(behind, st.sampled_from([b"", GOOD, GOOD + notes(b"\x92\x90\x90")]))
def test_any_bytes_are_one_frame_or_broken(data: bytes, before: bytes) -> None:
    """Reading never fails; what follows good frames and is not notes spoils them."""
    kind, content, found = read_frame(before + data)
    if before and data and kind != "broken":
        assert (before, data[:1], content) == (GOOD, b"D", b"7")
    assert kind != "broken" or found == Notes()
