"""Where a runtime may make control groups, and what to do where it may not: found in folders."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from authgate_async.errors import SandboxUnavailableError
from authgate_async.launchers import cgroups, remedies
from authgate_async.launchers.jail import JailLauncher
from authgate_async.launchers.probe import probe

if TYPE_CHECKING:
    from collections.abc import Callable

    Machine = Callable[..., Path]

MOUNTS = """\
24 23 0:21 / {fs}/other rw - tmpfs none rw
30 24 0:26 {root} {fs} rw shared:4 - cgroup2 c rw
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Make what a machine tells of its control groups; return its `/proc`."""

    def make(
        own: str = "/a.slice/b.scope",
        root: str = "/",
        controllers: str = "cpu memory pids",
        procs: tuple[int, ...] = (),
        further: str = "",
    ) -> Path:
        (tmp_path / "proc/self").mkdir(parents=True)
        (tmp_path / "proc/self/cgroup").write_text(f"{further}0::{own}\n")
        mounts = MOUNTS.format(fs=tmp_path / "fs", root=root)
        (tmp_path / "proc/self/mountinfo").write_text(mounts)
        group = tmp_path / "fs" / Path(own).relative_to(root)
        for folder in (group, group.parent):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "cgroup.controllers").write_text(controllers)
            (folder / "cgroup.subtree_control").write_text("")
            (folder / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in procs))
        return tmp_path / "proc"

    monkeypatch.setattr(remedies, "_MARKS", ())
    monkeypatch.setattr(cgroups, "_SYSTEMD", tmp_path / "none")
    return make


class Busy:
    """Refuses to hand controllers on until a group has no process."""

    def __init__(self, group: Path) -> None:
        self.group = group

    def __call__(self, path: Path) -> bool:
        """Answer for the group."""
        assert path == self.group
        return (self.group / "authgate-runtime").exists()


def refused(proc: Path) -> str:
    """Return why no home is found."""
    with pytest.raises(SandboxUnavailableError) as caught:
        cgroups._find(proc)
    return str(caught.value)


def test_own_group(machine: Machine, tmp_path: Path) -> None:
    """The group that this process is in, if controllers can be handed on at once."""
    assert cgroups._find(machine()) == tmp_path / "fs/a.slice/b.scope"
    control = tmp_path / "fs/a.slice/b.scope/cgroup.subtree_control"
    assert control.read_text() == "+memory +pids"


def test_part_of_the_tree(machine: Machine, tmp_path: Path) -> None:
    """In a container the mount shows a part of the tree."""
    assert cgroups._find(machine(own="/docker/1/x", root="/docker/1")) == tmp_path / "fs/x"


def test_moved_before(machine: Machine, tmp_path: Path) -> None:
    """A second runtime of the process finds the group of the first, and moves nothing."""
    proc = machine(own="/b.scope/authgate-runtime", procs=(os.getpid(),))
    assert cgroups._find(proc) == tmp_path / "fs/b.scope"
    assert (tmp_path / "fs/b.scope/authgate-runtime/cgroup.procs").read_text() == f"{os.getpid()}\n"


def test_subgroup_of_a_unit(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where systemd has put the processes of a delegated unit into a subgroup, it is the unit's."""
    unit = tmp_path / "fs/b.service"
    monkeypatch.setattr(os, "getxattr", lambda path, _: b"1" if path == unit else b"0")
    assert cgroups._find(machine(own="/b.service/main")) == unit


def test_moving(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is alone in its group, but for its children, leaves it for one below."""
    group = tmp_path / "fs/a.slice/b.scope"
    monkeypatch.setattr(cgroups, "_enable", Busy(group))
    child = os.getpid() + 1
    proc = machine(procs=(os.getpid(), child))
    (proc / str(child)).mkdir()
    (proc / f"{child}/stat").write_text(f"{child} (a) b) S {os.getpid()} 1 1")
    assert cgroups._find(proc) == group
    assert (group / "authgate-runtime/cgroup.procs").read_text() == str(child)  # the last one


@pytest.mark.parametrize("stranger", [os.getppid(), 0], ids=["parent", "hidden"])
def test_others_in_the_group(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stranger: int
) -> None:
    """Nothing is moved that is somebody else's: a parent, or what another namespace hides."""
    group = tmp_path / "fs/a.slice/b.scope"
    monkeypatch.setattr(cgroups, "_enable", Busy(group))
    proc = machine(procs=(os.getpid(), stranger))
    (proc / str(stranger)).mkdir()
    (proc / f"{stranger}/stat").write_text(f"{stranger} (sh) S 1 1 1")
    sentence = refused(proc)
    assert "other processes share" in sentence
    assert "systemd-run --user --scope -p Delegate=yes" in sentence
    assert not (group / "authgate-runtime").exists()


REFUSALS: dict[str, tuple[dict[str, Any], str, str]] = {
    "version 1": (
        {"controllers": "hugetlb", "further": "4:pids:/\n3:cpu,memory:/\n"},
        "has no controller for memory and pids",
        "systemd.unified_cgroup_hierarchy=1",
    ),
    "not handed on": ({"controllers": "cpu pids"}, "has no controller for memory;", "Delegate=yes"),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_controllers(machine: Machine, kind: str) -> None:
    """Controllers that are not there: version 1 has them, or they were not handed on."""
    options, why, what = REFUSALS[kind]
    sentence = refused(machine(**options))
    assert why in sentence
    assert what in sentence


def test_no_version_2(machine: Machine) -> None:
    """A machine without version 2, or with a part of it that this process is not in."""
    proc = machine(own="/a/b")
    (proc / "self/cgroup").write_text("0::/c\n")
    mounts = (proc / "self/mountinfo").read_text()
    (proc / "self/mountinfo").write_text(mounts.replace("0:26 / ", "0:26 /a "))
    assert "of version 2 are not mounted here; start Linux with" in refused(proc)
    (proc / "self/mountinfo").write_text(mounts.replace("cgroup2", "cgroup"))
    assert "of version 2 are not mounted here; start Linux with" in refused(proc)


def test_not_writable(machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A group of somebody else: systemd can delegate one, and so can what starts a container."""
    proc = machine()
    for name in ("b.scope", "b.scope/cgroup.procs", "b.scope/cgroup.subtree_control"):
        closed = tmp_path / "fs/a.slice" / name
        monkeypatch.setattr(os, "access", lambda path, _, closed=closed: path != closed)
        assert "is not delegated to this process; start it by `systemd-run" in refused(proc)
    (tmp_path / "mark").touch()
    monkeypatch.setattr(remedies, "_MARKS", (str(tmp_path / "mark"),))
    assert "--cgroupns=private --security-opt writable-cgroups=true" in refused(proc)


def test_root_and_systemd(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Root may write to what is systemd's own, and does not."""
    proc = machine()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(cgroups, "_SYSTEMD", tmp_path)
    assert "is not delegated to this process" in refused(proc)
    monkeypatch.setattr(os, "getxattr", lambda *_: b"1")
    assert cgroups._find(proc) == tmp_path / "fs/a.slice"


def test_old_kernel(tmp_path: Path) -> None:
    """Groups that cannot be killed are not used, and none is left."""
    with pytest.raises(SandboxUnavailableError, match=r"take Linux 5\.14"):
        cgroups.Home(tmp_path).group()


def test_filtered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no process can be started in a group, there is no layer."""
    monkeypatch.setattr("authgate_async._native.jail_forks_into_groups", lambda: False)
    with pytest.raises(SandboxUnavailableError, match="clone3"):
        cgroups.settle()


def test_one_owner(tmp_path: Path) -> None:
    """A group has one owner at a time; one that is gone has none."""
    first = cgroups.Group.locked(tmp_path)
    assert first is not None
    assert cgroups.Group.locked(tmp_path) is None
    first.remove()
    first.remove()
    again = cgroups.Group.locked(tmp_path)
    assert again is not None
    again.remove()
    assert cgroups.Group.locked(tmp_path / "gone") is None


async def test_a_jail_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are none a jail has all its other layers, and `authgate doctor` says why."""

    def refuse() -> None:
        raise SandboxUnavailableError("not here")

    monkeypatch.setattr("authgate_async.launchers.jail.settle", refuse)
    async with JailLauncher() as jail:
        assert "cgroup" not in jail.layers
        assert jail.lacking == {"cgroup": "not here"}
    (layer,) = [found for found in await probe() if (found.level, found.name) == ("jail", "cgroup")]
    assert (layer.state, layer.detail) == ("unavailable", "not here")
