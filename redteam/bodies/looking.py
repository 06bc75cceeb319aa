"""Tools that read a file by its path: one that looks first and reads then, one that does not."""

from __future__ import annotations

import time
from pathlib import Path

from authgate_async import tool
from authgate_async.tools.file_read import file_read
from authgate_async.tools.folders import Folders  # noqa: TC001 - `@tool` reads it

__all__ = ["LOOK", "fooled_in_process"]


def _fooled(path: str, folders: Folders, pause: float) -> str:
    """Look at a path, and read what is there a moment later: the oldest mistake with files."""
    place = Path(folders.path_of("file", "room"), path)
    if any(each.is_symlink() for each in (place, place.parent)):
        return "a link"
    time.sleep(pause)
    return place.read_text()[:99]


@tool(name="look", resource="file:room", scope="{path}", right="read")
def fooled_in_jail(path: str, folders: Folders, pause: float = 0.0) -> str:
    """Be fooled where the machine holds the call."""
    return _fooled(path, folders, pause)


@tool(name="look", resource="file:room", scope="{path}", right="read", level="process")
def fooled_in_process(path: str, folders: Folders, pause: float = 0.0) -> str:
    """Be fooled where nothing holds the call."""
    return _fooled(path, folders, pause)


@tool(name="look", resource="file:room", scope="{path}", right="read", level="process")
def careful_in_process(path: str, folders: Folders, pause: float = 0.0) -> str:
    """Read as the built-in tool does, which judges what it has opened."""
    time.sleep(pause)
    return file_read(path, folders, "room")[:99]


LOOK = {"jail": fooled_in_jail, "process": careful_in_process}
"""In a jail the machine has to hold a tool that is fooled; at the other level the tool itself."""
