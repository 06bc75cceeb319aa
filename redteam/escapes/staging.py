"""Starts the harness as a given user: in namespaces where what bites without a jail hurts nobody.

As root, the harness has processes, mounts, names and System V objects of its own: what it kills,
mounts or renames is not the machine's. As nobody, it also has a view of the files in which the
interpreter, the packages and this folder can be reached, even if they lie in root's home. An
ordinary user who runs the tests gets neither.
"""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import authgate_async

__all__ = ["USERS", "perform"]

USERS = ("root", "nobody") if os.getuid() == 0 else ("self",)

PRIVATE = (
    *("unshare", "--mount", "--pid", "--fork", "--mount-proc", "--uts", "--ipc"),
    "--kill-child",
)
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


def perform(user: str, kind: str, loop: str = "", names: str = "") -> bytes:
    """Run the harness as `user`; return what it printed.

    Raises `AssertionError`, with the end of what it complained of, if it failed.
    """
    stage = Path(tempfile.mkdtemp(prefix="escapes-"))
    try:
        stage.chmod(0o755)
        return _perform(user, stage, [kind, str(stage / "base"), loop, names])
    finally:
        shutil.rmtree(stage)


def _perform(user: str, stage: Path, words: list[str]) -> bytes:
    for folder in (stage / "base", stage / "tmp"):
        folder.mkdir()
        folder.chmod(0o777)
    environ = {
        "ESCAPES_TOKEN": "SECRET-" + secrets.token_hex(16),
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONSAFEPATH": "1",
        "TMPDIR": str(stage / "tmp"),
    }
    command = [sys.executable, str(Path(__file__).with_name("harness.py")), *words]
    if user != "self":
        memory = f"mount -t tmpfs -o mode=777 tmpfs {shlex.quote(str(stage / 'base'))}"
        opened = _opened(stage) if user == "nobody" else []
        become = NOBODY if user == "nobody" else ()
        # The shell stays the first process: orphans come to it.
        script = "\n".join([memory, *opened, '"$@"', "exit"])
        command = [*PRIVATE, "sh", "-ec", script, "sh", *become, *command]
    done = subprocess.run(command, capture_output=True, env=environ, check=False)
    assert done.returncode == 0, done.stderr.decode()[-5000:]
    return done.stdout


def _opened(stage: Path) -> list[str]:
    """Return commands that cover every closed folder above what Python needs, but not that."""
    package = Path(authgate_async.__file__).parent
    needed = sorted({Path(sys.base_prefix), Path(sys.prefix), package, Path(__file__).parent})
    closed = {path: above for path in needed if (above := _closed(path))}
    before, after = [], []
    for number, path in enumerate(closed):
        held, there = shlex.quote(str(stage / f"held{number}")), shlex.quote(str(path))
        before += [f"mkdir {held}", f"mount --bind {there} {held}"]
        after += [f"mkdir -p {there}", f"mount --bind {held} {there}"]
    covers = [shlex.quote(str(above)) for above in sorted(set(closed.values()))]
    return [*before, *[f"mount -t tmpfs -o mode=755 tmpfs {cover}" for cover in covers], *after]


def _closed(path: Path) -> Path | None:
    """Return the highest folder above `path` that not everybody may pass."""
    for above in reversed(path.parents):
        if not above.stat().st_mode & 0o001:
            return above
    return None
