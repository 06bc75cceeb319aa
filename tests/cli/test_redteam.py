"""`authgate redteam` starts the red team of the clone that it is called in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authgate_async.cli.exits import Exit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Said

    Cli = Callable[..., Said]

ECHO = """
import sys
from pathlib import Path
Path("said").write_text(" ".join(sys.argv[1:]))
raise SystemExit(len(sys.argv))
"""


def test_all_that_follows_is_the_red_teams(cli: Cli, tmp_path: Path) -> None:
    """Options reach it as they are, and its status is the command's."""
    (tmp_path / "authgate_async").mkdir()
    (tmp_path / "redteam").mkdir()
    (tmp_path / "redteam/__init__.py").touch()
    (tmp_path / "redteam/__main__.py").write_text(ECHO)
    said = cli("redteam", "--seed", "3", "--help", "-x")
    assert (said.status, (tmp_path / "said").read_text()) == (5, "--seed 3 --help -x")


@pytest.mark.parametrize("there", [(), ("authgate_async",), ("redteam", "authgate_async")])
def test_where_there_is_none_it_says_where_to_go(
    cli: Cli, tmp_path: Path, there: tuple[str, ...]
) -> None:
    """Beside an installed package there is no red team; the sentence says how to get one."""
    for name in there:
        (tmp_path / name).mkdir()
    said = cli("redteam", "--matrix")
    assert said.status == Exit.BAD_INPUT
    assert "call this in a clone" in said.err
