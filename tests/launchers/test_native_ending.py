"""How a process hands back what came of a call, looked at from the other end of its pipe."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from authgate_async.launchers.frames import Notes, notes_content, read_frame

ENDING = """
import atexit, os, sys
from authgate_async import _native
atexit.register(os.write, 1, b"an exit handler ran")
kind, content, notes = sys.argv[1:]
_native.sandbox_hand_back(ord(kind), bytes.fromhex(content), bytes.fromhex(notes))
"""


def end(kind: str, content: bytes, notes: bytes = b"", *, read: bool = True) -> tuple[bytes, int]:
    """Return what a process wrote to its result stream, and its exit code; see that it is quiet."""
    theirs = os.pipe()
    command = (sys.executable, "-c", f"import os; os.dup2({theirs[1]}, 3)" + ENDING)
    with subprocess.Popen(
        (*command, kind, content.hex(), notes.hex()),
        pass_fds=theirs[1:],
        stdout=subprocess.PIPE,
    ) as process:
        os.close(theirs[1])
        if not read:
            os.close(theirs[0])
        with open(theirs[0] if read else os.devnull, "rb") as pipe:  # noqa: PTH123 - a descriptor
            data = pipe.read()
        said, _ = process.communicate()
    assert said == b""
    return data, process.returncode


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=2000))
def test_result(content: bytes) -> None:
    """A result comes out of its frame as it went in, and nothing runs after it."""
    data, code = end("R", content)
    assert (read_frame(data), code) == (("result", content, Notes()), 0)


def test_notes() -> None:
    """Notes come in a frame of their own, behind that of an error."""
    notes = Notes((("socket", 2),), ((13, "/x"),))
    data, code = end("E", b"ValueError: x", notes_content(notes))
    assert (read_frame(data), code) == (("error", b"ValueError: x", notes), 0)


def test_more_than_a_pipe_holds() -> None:
    """What a pipe takes in several parts arrives whole."""
    content = bytes(range(251)) * 200
    held = "import fcntl; fcntl.fcntl(3, 1031, 4096)"
    theirs = os.pipe()
    program = f"import os; os.dup2({theirs[1]}, 3); {held}\nfrom authgate_async import _native\n"
    program += "_native.sandbox_hand_back(ord('R'), bytes(range(251)) * 200, b'n' * 5000)"
    with subprocess.Popen((sys.executable, "-c", program), pass_fds=theirs[1:]) as process:
        os.close(theirs[1])
        with open(theirs[0], "rb") as pipe:  # noqa: PTH123 - a descriptor
            data = pipe.read()
    assert process.returncode == 0
    assert data[9 : 9 + len(content)] == content
    assert data[9 + len(content) :] == b"D" + (5000).to_bytes(8, "little") + b"n" * 5000


@pytest.mark.parametrize("content", [b"", b"x" * 50_000])
def test_nobody_reads(content: bytes) -> None:
    """A process that nobody listens to ends all the same, and says so by its code."""
    assert end("R", content, read=False)[1] == 70
