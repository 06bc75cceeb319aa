"""A runtime that is killed at any moment has kept what it acknowledged."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("crashes.py")


def test_nothing_acknowledged_is_lost_by_killing(tmp_path: Path) -> None:
    """A few kills of a loaded runtime; `crashes.py` says how to have hundreds."""
    command = [sys.executable, SCRIPT, "--kills", "12", tmp_path / "logs"]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "12 kills" in done.stdout
