from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authgate_async import oplog
from authgate_async.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def stream() -> Iterator[io.StringIO]:
    """Where lines go; the default is put back."""
    stream = io.StringIO()
    oplog.configure("info", stream)
    yield stream
    oplog.configure()


def line(stream: io.StringIO) -> dict[str, Any]:
    """The one line that was written."""
    text = stream.getvalue()
    assert text.count("\n") == 1
    return dict(json.loads(text))


def test_a_line_has_its_fields_in_order(stream: io.StringIO) -> None:
    """Time, level and event come first, then the ids, under their conventional names."""
    log = oplog.get_logger(run_id="r", agent="a")
    log.warning("denied", step=1, action_id="r:1", tool="t", codes=("no_grant",))
    found = line(stream)
    assert list(found) == [
        "ts",
        "level",
        "event",
        "run_id",
        "gen_ai.agent.name",
        "step",
        "action_id",
        "gen_ai.tool.name",
        "codes",
    ]
    assert (found["level"], found["event"], found["codes"]) == ("warning", "denied", ["no_grant"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", found["ts"])


@pytest.mark.parametrize("level", oplog.LEVELS)
def test_a_level_lets_through_itself_and_above(level: str) -> None:
    """Lines below the level are not written."""
    stream = io.StringIO()
    oplog.configure(level, stream)
    for name in oplog.LEVELS:
        getattr(oplog.get_logger(), name)("x")
    levels = [json.loads(text)["level"] for text in stream.getvalue().splitlines()]
    assert levels == [*oplog.LEVELS[oplog.LEVELS.index(level) :]]


def test_an_unknown_level_is_refused() -> None:
    """The sentence lists the levels that there are."""
    with pytest.raises(UsageError, match="`loud`; use one of debug, info"):
        oplog.configure("loud")


def test_binding_leaves_the_logger_as_it_was(stream: io.StringIO) -> None:
    """A bound logger is another one."""
    log = oplog.get_logger(run_id="r")
    log.bind(step=7)
    log.info("x")
    assert "step" not in line(stream)


def test_a_field_cannot_pose_as_another(stream: io.StringIO) -> None:
    """What a caller binds never replaces time or level."""
    oplog.get_logger(level="critical", ts="never").info("x")
    found = line(stream)
    assert (found["level"], found["ts"] != "never") == ("info", True)


@given(text=st.text(st.characters(exclude_categories=["Cs"])), key=st.text("ab\n\x1b\x85"))
def test_no_string_breaks_a_line(text: str, key: str) -> None:
    """Whatever a string holds, the line is one line of printable ASCII and reads back."""
    stream = io.StringIO()
    oplog.configure("info", stream)
    oplog.get_logger(**{f"k{key}": text}).info("%s", text)
    written = stream.getvalue()
    assert re.fullmatch(r"[\x20-\x7e]+\n", written)
    assert (json.loads(written)[f"k{key}"], json.loads(written)["event"]) == (text, text)


@pytest.mark.parametrize(
    "text", ["\n", "\r\n", "\x1b[2J", "\x9b2J", "\u2028", "\u2029", "\x85", "\u202e", "\x7f"]
)
def test_a_terminal_sees_no_control(stream: io.StringIO, text: str) -> None:
    """Line ends, escape sequences and direction marks are told, not sent."""
    oplog.get_logger(agent=text).info(text)
    assert stream.getvalue()[:-1].isprintable()
    assert stream.getvalue().isascii()
    assert line(stream)["gen_ai.agent.name"] == text


class _Hostile:
    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    "value", ["\ud800", _Hostile(), {"a": _Hostile()}, pytest.param(10**5000, id="huge")]
)
def test_a_value_that_cannot_be_rendered_costs_only_itself(
    stream: io.StringIO, value: object
) -> None:
    """The line is written with its ids, and says what went wrong."""
    oplog.get_logger(run_id="r", step=3).error("x", value=value, **{"\udfff": 1})
    found = line(stream)
    assert (found["run_id"], found["step"], found["event"]) == ("r", 3, "x")
    assert "unrendered" in found


def test_nesting_without_end_is_rendered_somehow(stream: io.StringIO) -> None:
    """A list that holds itself costs only itself."""
    loop: list[object] = []
    loop.append(loop)
    oplog.get_logger().info("x", loop=loop)
    assert line(stream)["loop"] == "list"


def test_an_unknown_object_is_told_by_its_repr(stream: io.StringIO) -> None:
    """Objects without a JSON form are shown as Python shows them."""
    oplog.get_logger().info("x", value=int)
    assert line(stream)["value"] == "<class 'int'>"


def test_an_exception_is_on_the_line(stream: io.StringIO) -> None:
    """A traceback does not break the line either."""
    try:
        int("first\nsecond")
    except ValueError:
        oplog.get_logger().exception("x")
    assert "Traceback" in line(stream)["exception"]


class _Full(io.StringIO):
    def write(self, _text: str) -> int:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("broken", [_Full(), io.StringIO()])
def test_a_broken_stream_stops_nobody(broken: io.StringIO) -> None:
    """A full disk or a closed terminal loses the line and nothing else."""
    if not isinstance(broken, _Full):
        broken.close()
    oplog.configure("info", broken)
    oplog.get_logger().info("x")


def test_the_default_is_stderr_as_it_is_now(capsys: pytest.CaptureFixture[str]) -> None:
    """Without configuring, `info` and above go to stderr, nothing to stdout."""
    oplog.configure()
    oplog.get_logger().debug("x")
    oplog.get_logger().info("y")
    out, err = capsys.readouterr()
    assert (out, json.loads(err)["event"]) == ("", "y")


def test_a_program_without_stderr_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no stderr at all, lines are lost."""
    oplog.configure()
    monkeypatch.setattr(sys, "stderr", None)
    oplog.get_logger().info("x")


def test_structlog_itself_is_left_alone() -> None:
    """A program's own structlog set-up is not touched by importing or configuring."""
    script = (
        "import structlog\nbefore = structlog.get_config()\nfrom authgate_async import oplog\n"
        "oplog.configure('debug')\noplog.get_logger().info('x')\n"
        "assert structlog.get_config() == before and not structlog.is_configured()"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
