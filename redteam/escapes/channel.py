"""The way on which a result goes out: forged, cut, doubled, endless, or not what it should be.

A tool may return what it likes, so a well-formed frame is no attack. These are frames that no body
writes, and messages of those that are trusted.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import time

import msgspec
from escapes.daemons import mark
from escapes.declare import Target, snippet

HEAD = struct.Struct("<cQ")
REPORT = struct.Struct("<cBiiQQ")
FORGED = b'"forged"'


def everywhere(data: bytes) -> None:
    """Write to every descriptor that is not the call's input, output or errors."""
    for fd in range(3, 64):
        with contextlib.suppress(OSError):
            os.set_blocking(fd, False)
            os.write(fd, data)


@snippet(proof="output")
def cut_frame(target: Target) -> str:
    """Announce more than follows."""
    del target
    everywhere(HEAD.pack(b"R", 100) + FORGED)
    os._exit(0)


@snippet(proof="output")
def cut_head(target: Target) -> str:
    """End in the middle of a frame's head."""
    del target
    everywhere(HEAD.pack(b"R", 100)[:5])
    os._exit(0)


@snippet(proof="output")
def doubled_frame(target: Target) -> str:
    """Write a frame, and let the true one follow."""
    del target
    everywhere(HEAD.pack(b"R", len(FORGED)) + FORGED)
    return ""


@snippet(proof="output")
def frame_with_tail(target: Target) -> str:
    """Write more than was announced."""
    del target
    everywhere(HEAD.pack(b"R", len(FORGED)) + FORGED + b"tail")
    os._exit(0)


@snippet(proof="output")
def unknown_frame(target: Target) -> str:
    """Write a frame of a kind that there is not."""
    del target
    everywhere(HEAD.pack(b"?", len(FORGED)) + FORGED)
    os._exit(0)


@snippet(proof="output")
def negative_frame(target: Target) -> str:
    """Announce a length that is negative if it is read with a sign."""
    del target
    everywhere(HEAD.pack(b"R", 2**64 - 1) + FORGED)
    os._exit(0)


@snippet(proof="output", endless=True)
def endless_frame(target: Target) -> str:
    """Announce a huge result and feed it byte by byte."""
    everywhere(HEAD.pack(b"R", 2**63))
    mark(target)
    while True:
        everywhere(b"1")
        time.sleep(0.001)


@snippet(proof="output")
def frame_without_sense(target: Target) -> str:
    """Hand back a result that is no JSON."""
    del target
    everywhere(HEAD.pack(b"R", 4) + b"\xff\xfe{]")
    os._exit(0)


@snippet(proof="output")
def deep_frame(target: Target) -> str:
    """Hand back a result that is nested deeper than its reader's stack."""
    del target
    everywhere(HEAD.pack(b"R", 60_000) + b"[" * 30_000 + b"]" * 30_000)
    os._exit(0)


@snippet(proof="runner")
def accuse_sandbox(target: Target) -> str:
    """Say that the sandbox has failed, by the frame that only the sandbox writes."""
    del target
    everywhere(HEAD.pack(b"S", 4) + b"oops")
    os._exit(0)


@snippet(proof="runner")
def forge_reports(target: Target) -> str:
    """Send what only trusted processes send to every descriptor there is."""
    del target
    report = REPORT.pack(b"E", 3, 0, 0, 0, 0)
    for fd in range(3, 64):
        for message in (b"H", b"L", b"Rowned", b"Y", report):
            with contextlib.suppress(OSError):
                socket.socket(fileno=os.dup(fd)).send(message, socket.MSG_DONTWAIT)
    return ""


@snippet(proof="output")
def forge_notes(target: Target) -> str:
    """Add notes on what was refused, which take over the terminal of whoever reads them."""
    del target
    hostile = "/\x1b]0;owned\x07\x1b[2J\u202e"
    notes = ([(hostile, 1)] * 20, [(13, hostile + "x" * 20)] * 20)
    content = msgspec.msgpack.encode(notes)
    everywhere(HEAD.pack(b"R", 2) + b'""' + HEAD.pack(b"D", len(content)) + content)
    os._exit(0)


@snippet(proof="output")
def long_error(target: Target) -> str:
    """Raise an error with a sentence of a million characters."""
    del target
    raise ValueError("x" * 10**6)


@snippet(proof="output")
def painted_error(target: Target) -> str:
    """Raise an error that takes over the terminal of whoever reads it."""
    del target
    raise ValueError("\x1b]0;owned\x07\x1b[2J\u202e")


@snippet(proof="output")
def hostile_error(target: Target) -> str:
    """Raise an error that raises when it is looked at, and whose name is no name."""
    del target

    class Evil(Exception):  # noqa: N818 - it gets another name
        def __str__(self) -> str:
            raise SystemExit(0)

    Evil.__name__ = "\x1b[2J" * 1000
    raise Evil
