"""Control groups: where this process may make some, and a group for the calls of one template.

Version 2 of them, with the controllers of memory and tasks, in a group that was delegated to this
process: its own, which it then leaves for one below, since a group that hands controllers on may
hold no process. Nothing is moved but this process and its children.

A `Group` is locked for as long as its runtime lives. Whoever may lock one finds it abandoned, say,
by a runtime that was killed, and removes it: that happens whenever a runtime starts beside it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import select
from pathlib import Path
from threading import Lock

from authgate_async import _native
from authgate_async.errors import SandboxUnavailableError
from authgate_async.launchers.remedies import DELEGATE, UNIFY, in_container
from authgate_async.launchers.sentences import plain

__all__ = ["Group", "Home", "settle"]

_CONTROLLERS = frozenset(["memory", "pids"])
_PLACE = "authgate-runtime"
"""Where a runtime goes."""
_PREFIX = "authgate-calls-"
_GRACE_MS = 5000
"""How long the processes of a killed group may take to be gone."""
_MARKS = ("user.delegate", "trusted.delegate")
"""What systemd writes on a group that it has delegated."""
_SYSTEMD = Path("/run/systemd/system")
_ATTEMPTS = 8

_settling = Lock()


def settle() -> Home:
    """Return the group in which this process may make others; moves it to one below, if it must.

    Raises:
        SandboxUnavailableError: there is none; the sentence says why, and what to do.
    """
    if not _native.jail_forks_into_groups():
        raise SandboxUnavailableError("a filter of system calls keeps `clone3` from this process")
    try:
        with _settling:
            home = Home(_find(Path("/proc")))
        home.sweep()
        home.group().remove()
    except OSError as error:
        raise _refused(error) from error
    return home


class Home:
    """A group of this process's own, with controllers that it may hand on, and no process in it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def group(self) -> Group:
        """Make a group for the calls of a template.

        Raises:
            SandboxUnavailableError: the system refuses; the sentence says why.
        """
        try:
            for _ in range(_ATTEMPTS):
                group = self._group(self.path / f"{_PREFIX}{secrets.token_hex(4)}")
                if group is not None:
                    return group
        except OSError as error:
            raise _refused(error) from error
        raise SandboxUnavailableError(f"a new group in `{self.path}` is removed at once by others")

    def _group(self, path: Path) -> Group | None:
        """Make a group; None if somebody found it before it was locked, and took it away."""
        path.mkdir()
        group = Group.locked(path)
        if group is None:
            return None
        with contextlib.ExitStack() as undo:
            undo.callback(group.remove)
            if not (path / "cgroup.kill").exists():
                raise SandboxUnavailableError("control groups that can be killed take Linux 5.14")
            _enable(path)
            undo.pop_all()
        return group

    def sweep(self) -> None:
        """Remove what runtimes have left behind that are gone."""
        for path in self.path.glob(f"{_PREFIX}*"):
            with contextlib.suppress(OSError):  # somebody else removes it
                group = Group.locked(path)
                if group is not None:
                    group.remove()


class Group:
    """A group for the calls of one template, which makes a *leaf* in it for each."""

    def __init__(self, path: Path, folder: int) -> None:
        self.path = path
        self._folder = folder

    @classmethod
    def locked(cls, path: Path) -> Group | None:
        """Take over a group while this process lives; None if it has an owner, or is gone."""
        try:
            folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(folder)
            return None
        return cls(path, folder)

    def kill(self, leaf: int) -> None:
        """End every process of a leaf at once; one that is gone has none.

        Not to be put off to a thread: a moment later the leaf may be another call's.
        """
        self._kill(f"{leaf}/cgroup.kill")

    def remove(self) -> None:
        """End every process in it, and remove it; what will not go is left to the next sweep."""
        if self._folder < 0:
            return
        self._kill("cgroup.kill")
        with contextlib.suppress(OSError):
            self._wait()
            for leaf in self.path.iterdir():
                if leaf.is_dir():
                    leaf.rmdir()
            self.path.rmdir()
        os.close(self._folder)
        self._folder = -1

    def _kill(self, name: str) -> None:
        with contextlib.suppress(OSError):  # it is gone; else its processes end without this too
            _write_at(self._folder, name, "1")

    def _wait(self) -> None:
        """Wait until no process is left in it, for a while."""
        with (self.path / "cgroup.events").open("rb", buffering=0) as events:
            changed = select.poll()
            changed.register(events, select.POLLPRI)
            while b"populated 1" in os.pread(events.fileno(), 4096, 0):
                if not changed.poll(_GRACE_MS):
                    return


def _find(proc: Path) -> Path:
    """Return a group that is delegated, and hands the controllers on."""
    own = _own(proc)
    home = own.parent if own.name == _PLACE or _is_marked(own.parent) else own
    _require_delegated(home, proc)
    _hand_on(home, proc)
    return home


def _own(proc: Path) -> Path:
    """Return the folder of the group that this process is in."""
    lines = (proc / "self/cgroup").read_text().splitlines()
    own = next((line[3:] for line in lines if line.startswith("0::")), "")
    for line in (proc / "self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if after.startswith("cgroup2 "):
            root, place = before.split(" ")[3:5]
            with contextlib.suppress(ValueError):  # it shows another part of the tree
                return Path(place, Path(own).relative_to(root))
    raise SandboxUnavailableError(f"control groups of version 2 are not mounted here; {UNIFY}")


def _require_delegated(home: Path, proc: Path) -> None:
    available = set((home / "cgroup.controllers").read_text().split())
    if missing := sorted(_CONTROLLERS - available):
        help_ = UNIFY if _is_split(proc) else in_container() or DELEGATE
        raise SandboxUnavailableError(
            f"`{home}` has no controller for {' and '.join(missing)}; {help_}"
        )
    files = (home, home / "cgroup.procs", home / "cgroup.subtree_control")
    ours = all(os.access(file, os.W_OK) for file in files)
    # Root may write to every group, also to those that are systemd's.
    if ours and os.geteuid() == 0 and _SYSTEMD.exists():
        ours = _is_marked(home)
    if not ours:
        help_ = in_container() or DELEGATE
        raise SandboxUnavailableError(f"`{home}` is not delegated to this process; {help_}")


def _hand_on(home: Path, proc: Path) -> None:
    """Have the controllers in what is made in `home`."""
    if _enable(home):
        return
    pids = [int(line) for line in (home / "cgroup.procs").read_text().split()]
    if all(_is_below(pid, proc) for pid in pids):
        place = home / _PLACE
        place.mkdir(exist_ok=True)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                (place / "cgroup.procs").write_text(str(pid))
        if _enable(home):
            return
    raise SandboxUnavailableError(f"other processes share `{home}` with this one; {DELEGATE}")


def _enable(path: Path) -> bool:
    """Hand the controllers on to what is below; False where a process is in the way."""
    control = path / "cgroup.subtree_control"
    if set(control.read_text().split()) >= _CONTROLLERS:
        return True
    try:
        control.write_text(" ".join(f"+{name}" for name in sorted(_CONTROLLERS)))
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        return False
    return True


def _is_split(proc: Path) -> bool:
    """Return whether version 1 has one of the controllers, which then no other can have."""
    lines = (proc / "self/cgroup").read_text().splitlines()
    held = {name for line in lines for name in line.split(":")[1].split(",")}
    return not held.isdisjoint(_CONTROLLERS)


def _is_below(pid: int, proc: Path) -> bool:
    """Return whether a process is this one, or was started by it or one of those."""
    while pid > 1 and pid != os.getpid():
        try:
            stat = (proc / str(pid) / "stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return True  # it is gone
        pid = int(stat.rpartition(")")[2].split()[1])
    return pid == os.getpid()


def _is_marked(path: Path) -> bool:
    for name in _MARKS:
        with contextlib.suppress(OSError):
            if os.getxattr(path, name) == b"1":
                return True
    return False


def _write_at(folder: int, name: str, text: str) -> None:
    file = os.open(name, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)


def _refused(error: OSError) -> SandboxUnavailableError:
    return SandboxUnavailableError(f"control groups cannot be used: {plain(str(error))}")
