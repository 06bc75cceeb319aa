"""Whatever a tool raises or writes becomes one harmless sentence."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authgate_async.launchers.frames import (
    FRAME_HEAD,
    NOT_CONFINED,
    Notes,
    Report,
    error_content,
    read_frame,
    read_refusal,
    read_report,
    refusal,
)
from authgate_async.launchers.frames import sentence as read_sentence
from authgate_async.launchers.sentences import SENTENCE_LIMIT, describe, plain


class Mute(Exception):  # noqa: N818
    """An exception that cannot be shown."""

    def __str__(self) -> NoReturn:
        raise RuntimeError


class Loud(Exception):  # noqa: N818
    """An exception whose text is no string."""

    def __str__(self) -> str:
        return 7  # type: ignore[return-value] # noqa: PLE0307


class Leaving(Exception):  # noqa: N818
    """An exception that ends whoever asks it."""

    def __str__(self) -> NoReturn:
        raise SystemExit


class Nameless(type):
    """A kind of class that will not tell its name."""

    @property
    def __name__(cls) -> NoReturn:  # type: ignore[override]
        raise RuntimeError


class Masked(Exception, metaclass=Nameless):  # noqa: N818
    """An exception whose type cannot be asked."""


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (Leaving(), "Leaving: its message cannot be read"),
        (Masked("x"), "Masked: x"),
        (ValueError("no"), "ValueError: no"),
        (ValueError(), "ValueError"),
        (ValueError("a\nb\x1b[0m\x00"), "ValueError: a\\nb\\x1b[0m\\x00"),
        (ValueError("\u202e\ud800"), "ValueError: \\u202e\\ud800"),
        (Mute(), "Mute: its message cannot be read"),
        (Loud(), "Loud: its message cannot be read"),
        (type("a\nb", (Exception,), {})("x"), "a\\nb: x"),
        (KeyError("x"), "KeyError: 'x'"),
    ],
)
def test_describe(error: BaseException, sentence: str) -> None:
    """An exception becomes its type and its message, with control characters escaped."""
    assert describe(error) == sentence


@given(st.text())
def test_plain(text: str) -> None:
    """Any text becomes printable and bounded; printable text that fits is left alone."""
    shown = plain(text)
    assert shown.isprintable()
    assert len(shown) <= SENTENCE_LIMIT
    if text.isprintable() and len(text) <= SENTENCE_LIMIT:
        assert shown == text


def test_plain_is_cut() -> None:
    """A long text is cut and says so."""
    assert plain("x" * 1000) == "x" * (SENTENCE_LIMIT - 1) + "…"


@given(st.binary())
def test_any_frame(data: bytes) -> None:
    """No bytes on the result pipe make reading fail, and only a whole frame is one."""
    kind, content, _ = read_frame(data)
    assert kind == "broken" or len(content) == len(data) - 9
    assert read_sentence(content).isprintable()


def framed(kind: bytes, content: bytes) -> bytes:
    """Return a frame as a body writes it."""
    return FRAME_HEAD.pack(kind, len(content)) + content


@given(st.binary())
def test_result_frame(result: bytes) -> None:
    """A result comes out of its frame as it went in; a frame cut or prolonged is broken."""
    frame = framed(b"R", result)
    assert read_frame(frame) == ("result", result, Notes())
    assert read_frame(frame[:-1])[0] == read_frame(frame + b"x")[0] == "broken"


def test_error_frame() -> None:
    """An error comes out of its frame as one sentence; a frame of an unknown kind is broken."""
    frame = framed(b"E", error_content(ValueError("\ud800")))
    assert read_frame(frame) == ("error", b"ValueError: \\ud800", Notes())
    assert read_frame(b"?" + frame[1:])[0] == "broken"


@pytest.mark.parametrize("code", [0, NOT_CONFINED])
def test_refusal(code: int) -> None:
    """That a process was not confined is read where no tool can write, if its status says so."""
    file = os.memfd_create("test")
    os.write(file, refusal(ValueError("x")))
    report = Report("exited", code, 0, 0, 0)
    assert read_refusal(file, report) == (b"ValueError: x" if code else b"")
    os.ftruncate(file, 0)
    os.pwrite(file, b"a call", 0)
    assert read_refusal(file, report) == b""
    os.close(file)


@given(st.binary(max_size=40))
def test_any_report(message: bytes) -> None:
    """No status message makes reading fail; a cause that we do not know is no report."""
    read_report(message)
    assert read_report(b"E\x05" + bytes(24)) is None
    assert read_report(b"X" + bytes(25)) is None
