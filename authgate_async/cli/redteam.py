"""`authgate redteam`: start the adversaries of the clone that the command is called in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from authgate_async.errors import UsageError

if TYPE_CHECKING:
    from argparse import Namespace

__all__ = ["run"]


def run(args: Namespace) -> int:
    """Run `python -m redteam` with all that follows the verb, and return its status."""
    clone = Path.cwd()
    if not ((clone / "redteam/__main__.py").is_file() and (clone / "authgate_async").is_dir()):
        raise UsageError(
            f"there is no red team in {clone}: an installed package does not carry it; call this "
            "in a clone of the repository, as `authgate redteam` or `python -m redteam`"
        )
    # With a safe path Python would not look here for what `-m` names.
    environ = {name: text for name, text in os.environ.items() if name != "PYTHONSAFEPATH"}
    command = [sys.executable, "-m", "redteam", *args.words]
    return subprocess.run(command, cwd=clone, env=environ, check=False).returncode  # noqa: S603 - this Python
