"""A body that begins, waits until it is told to go on, and then leaves its mark."""

from __future__ import annotations

import time
from pathlib import Path

from authgate_async import tool
from authgate_async.tools.folders import Folders  # noqa: TC001 - `@tool` reads it
from redteam.bodies.marks import BOARD, leave

STEP = 0.002


def stay(folders: Folders, token: str) -> str:
    """Wait for the mark that says to go on."""
    leave(folders, f"{token}-began")
    told = Path(folders.path_of("board", "marks"), f"{token}-go")
    while not told.exists():
        time.sleep(STEP)
    return leave(folders, token)


@tool(name="linger", resource="vault:{name}", right="read", also=(BOARD,))
def linger_in_jail(name: str, token: str, folders: Folders) -> str:
    """Be under way while something is taken away."""
    del name
    return stay(folders, token)


@tool(name="linger", resource="vault:{name}", right="read", also=(BOARD,), level="process")
def linger_in_process(name: str, token: str, folders: Folders) -> str:
    """Do the same at the other level."""
    del name
    return stay(folders, token)


LINGER = {"jail": linger_in_jail, "process": linger_in_process}


@tool(name="stay_jail", resource="vault:{name}", right="read", also=(BOARD,))
def stay_in_jail(name: str, token: str, folders: Folders) -> str:
    """Be under way, in a runtime that has both levels."""
    del name
    return stay(folders, token)


@tool(name="stay_process", resource="vault:{name}", right="read", also=(BOARD,), level="process")
def stay_in_process(name: str, token: str, folders: Folders) -> str:
    """Do the same at the other level."""
    del name
    return stay(folders, token)


STAY = (stay_in_jail, stay_in_process)
