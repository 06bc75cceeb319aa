"""A body that begins, waits until it is told to go on, and then leaves its mark."""

from __future__ import annotations

import time
from pathlib import Path

from authgate_async import tool
from authgate_async.tools.folders import Folders  # noqa: TC001 - `@tool` reads it
from redteam.bodies.marks import BOARD, leave

STEP = 0.002


def _linger(folders: Folders, token: str) -> str:
    leave(folders, f"{token}-began")
    told = Path(folders.path_of("board", "marks"), f"{token}-go")
    while not told.exists():
        time.sleep(STEP)
    return leave(folders, token)


@tool(name="linger", resource="vault:{name}", right="read", also=(BOARD,))
def linger_in_jail(name: str, token: str, folders: Folders) -> str:
    """Be under way while something is taken away."""
    del name
    return _linger(folders, token)


@tool(name="linger", resource="vault:{name}", right="read", also=(BOARD,), level="process")
def linger_in_process(name: str, token: str, folders: Folders) -> str:
    """Do the same at the other level."""
    del name
    return _linger(folders, token)


LINGER = {"jail": linger_in_jail, "process": linger_in_process}
