"""Links: planted in the granted folder before the call, made by the call, or left for the next."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from escapes.daemons import mark
from escapes.declare import Target, snippet
from escapes.syscalls import syscall

AT_FDCWD = -100
RENAME_EXCHANGE = 2


@snippet(proof="secret")
def follow_planted_link(target: Target) -> str:
    """Read through a symbolic link that lies in the granted folder."""
    return Path(target["granted"], "link").read_text()


@snippet(proof="secret")
def follow_planted_folder(target: Target) -> str:
    """Read below a symbolic link to a folder that lies in the granted folder."""
    return Path(target["granted"], "room", "secret").read_text()


@snippet(proof="file")
def write_through_planted_link(target: Target) -> str:
    """Write through a symbolic link that lies in the granted folder."""
    Path(target["granted"], "out").write_text("overwritten")
    return ""


@snippet(proof="file")
def make_through_planted_folder(target: Target) -> str:
    """Make a file below a symbolic link to a folder outside."""
    Path(target["granted"], "room", "planted").write_text("x")
    return ""


@snippet(proof="secret")
def follow_own_link(target: Target) -> str:
    """Make a symbolic link in the granted folder and read through it."""
    link = Path(target["granted"], "own")
    link.symlink_to(target["secret"])
    return link.read_text()


@snippet(proof="secret")
def follow_own_hard_link(target: Target) -> str:
    """Make a hard link to the secret in the granted folder."""
    link = f"{target['granted']}/hard"
    os.link(target["secret"], link)
    return Path(link).read_text()


@snippet(proof="secret")
def follow_hard_link_of_link(target: Target) -> str:
    """Make a hard link by way of a planted symbolic link, which is followed."""
    link = f"{target['granted']}/hard"
    os.link(f"{target['granted']}/link", link, follow_symlinks=True)
    return Path(link).read_text()


@snippet(proof="file")
def replace_what_may_be_read(target: Target) -> str:
    """Link a file of one's own over a file that was granted for reading."""
    own = Path(target["granted"], "own")
    own.write_text("replaced")
    os.rename(own, f"{target['readonly']}/keep.txt")
    return ""


@snippet(proof="secret", turns="after", inner="scope")
def leave_link_for_next_grant(target: Target) -> str:
    """Put a link in the place of a part of a folder, which the next call is granted."""
    return _replace(target)


@snippet(proof="secret", turns="after", inner="path")
def leave_link_for_next_folder(target: Target) -> str:
    """Put a link in the place of a folder that the policy names, inside of another."""
    return _replace(target)


def _replace(target: Target) -> str:
    inner = f"{target['granted']}/inner"
    if target["turn"] == 1:
        os.rename(inner, inner + "-was")
        os.rename(f"{target['granted']}/away", inner)
        return ""
    found = ""
    for path in (inner, f"{target['outside']}/room"):
        with contextlib.suppress(OSError):
            found = found or Path(path, "secret").read_text()
    return found


@snippet(proof="file")
def leave_link_in_grant(target: Target) -> str:
    """Leave a link in the granted folder for whoever reads there next, outside."""
    os.symlink("/etc/shadow", f"{target['granted']}/report.txt")
    return ""


@snippet(proof="file")
def leave_fifo_in_grant(target: Target) -> str:
    """Leave a FIFO in the granted folder, on which whoever reads there next waits for ever."""
    os.mkfifo(f"{target['granted']}/report.txt")
    return ""


@snippet(proof="secret", turns="beside", inner="scope", again=10)
def swap_what_is_granted(target: Target) -> str:
    """Put a link in the place of a granted folder and back, while further calls start."""
    inner = f"{target['granted']}/inner"
    if target["turn"] == 1:
        mark(target)
        names = (inner.encode(), f"{target['granted']}/away".encode())
        while True:
            syscall("renameat2", AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE)
    for _ in range(50):
        with contextlib.suppress(OSError):
            return Path(inner, "secret").read_text()
        time.sleep(0.001)
    return ""


@snippet(proof="secret", turns="after")
def leave_link_in_scratch(target: Target) -> str:
    """Leave a link under a fixed name in the shared place for temporary files."""
    path = Path("/tmp", target["token"] + "-link")
    if target["turn"] == 1:
        path.symlink_to(target["secret"])
        return ""
    return path.read_text()
