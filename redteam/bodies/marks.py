"""Tools whose bodies leave a mark on the board, at both levels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from authgate_async import tool
from authgate_async.tools.folders import Folders  # noqa: TC001 - `@tool` reads it

BOARD = ("board:marks", "", "write")


def leave(folders: Folders, token: str, text: str = "ran") -> str:
    """Leave a mark under a token, whole or not at all."""
    place = Path(folders.path_of("board", "marks"), token)
    place.write_text(text)
    return text


@tool(name="take", resource="vault:{name}", scope="{item}", right="read", also=(BOARD,))
def take_in_jail(name: str, token: str, folders: Folders, item: str = "") -> str:
    """Take an item out of a vault: what the agents are after."""
    return leave(folders, token, f"{name}/{item}")


@tool(
    name="take",
    resource="vault:{name}",
    scope="{item}",
    right="read",
    also=(BOARD,),
    level="process",
)
def take_in_process(name: str, token: str, folders: Folders, item: str = "") -> str:
    """Do the same at the other level."""
    return leave(folders, token, f"{name}/{item}")


def take_step(name: str, token: str, **more: Any) -> dict[str, Any]:
    """Write the step of a plan that takes something; `more` are further arguments."""
    return {"tool": "take", "args": {"name": name, "token": token, **more}}


TAKE = {"jail": take_in_jail, "process": take_in_process}
