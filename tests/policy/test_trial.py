from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authgate_async.policy import load
from authgate_async.policy.trial import try_policy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Write = Callable[[str], Path]

NOW = 1_700_000_000_000_000
GRANT = """[[grants]]
holder = "human:ann"
resource = "program:{}"
rights = ["execute"]
[[principals]]
name = "ann"
kind = "human"
"""


def _doubts(path: Path) -> list[tuple[int, str]]:
    trial = try_policy(load(path), path.read_text(), NOW, "python")
    assert trial.refused == ()
    return [(problem.line, problem.sentence) for problem in trial.doubtful]


@pytest.mark.parametrize("name", ["no-such-program", "../bin/sh", "/bin/sh", "..", "sh -c"])
def test_a_program_that_cannot_be_started_is_doubted(write: Write, name: str) -> None:
    """A grant on a program that is not there, or on a path, is told with its line."""
    ((line, sentence),) = _doubts(write(GRANT.format(name)))
    assert line == 1
    assert sentence.startswith(f"`program:{name}` is no program in /usr/bin or /bin here; install")


def test_a_program_that_is_there_is_not_doubted(write: Write) -> None:
    """What can be started is left alone."""
    assert _doubts(write(GRANT.format("sh"))) == []


def test_programs_of_other_tools_are_not_doubted(write: Write) -> None:
    """Where `run_program` is off, a program may be whatever another tool calls so."""
    path = write(GRANT.format("no-such-program") + "[tools.run_program]\nenabled = false\n")
    assert _doubts(path) == []


def test_a_grant_that_waits_for_an_approval_is_not_doubted(write: Write) -> None:
    """That nobody approved the trial says nothing of the grant."""
    key = 'key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"\n'
    text = GRANT.format("sh").replace("[[principals]]", 'approvers = ["ann"]\n[[principals]]')
    assert _doubts(write(text + key)) == []
