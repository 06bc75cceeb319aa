"""The permit is the jail: its paths, each with its right, and nothing else of the machine."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from authgate_async.wire import Right

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from authgate_async.launchers.jail import JailLauncher
    from authgate_async.launchers.protocol import Call, Folder

    Make = Callable[..., Call]
    Grant = Callable[..., Folder]

BOTH = Right.READ | Right.WRITE
REFUSED = {"EACCES", "EROFS", "EPERM"}
HIDDEN = {"EACCES", "ENOENT"}
CHANGES = ("write", "make", "cut", "mode", "times", "remove", "folder", "rename", "link", "fifo")


@pytest.fixture(params=["/tmp", "/var/tmp"])  # noqa: S108 - the first has a meaning in a jail
def place(request: pytest.FixtureRequest) -> Iterator[Path]:
    """Make a folder of files: below the name that the scratch folder has too, and elsewhere."""
    with tempfile.TemporaryDirectory(dir=request.param) as name:
        root = Path(name)
        (root / "docs/sub/deep").mkdir(parents=True)
        for file in ("docs/a", "docs/beside", "docs/sub/b", "docs/sub/deep/c", "secret"):
            (root / file).write_text(f"text of {file}")
        yield root


async def tried(jail: JailLauncher, call: Call) -> list[Any]:
    """Return what the attempts of a call gave."""
    ended = await jail.launch(call)
    assert ended.cause == "returned", ended
    return msgspec.json.decode(ended.result, type=list[Any])


def tree(root: Path) -> dict[str, str]:
    """Return every file below a folder, and its text."""
    return {str(path): path.read_text() for path in sorted(root.rglob("*")) if path.is_file()}


async def test_reading(jail: JailLauncher, jailed: Make, granted: Grant, place: Path) -> None:
    """What may be read is there, whole, at its own path, and the machine lets nothing change it."""
    docs, before = place / "docs", tree(place)
    ways = [["read", f"{docs}/sub/deep/c"], ["list", str(docs)]]
    ways += [[verb, f"{docs}/{'a' if verb in AIMED else 'new'}"] for verb in CHANGES]
    text, names, *rest = await tried(
        jail, jailed("attempt", granted(docs, right=Right.READ), ways=ways)
    )
    assert (text, names) == ("text of docs/sub/deep/c", ["a", "beside", "sub"])
    assert set(rest) <= REFUSED
    assert tree(place) == before


AIMED = {"write", "cut", "mode", "times", "remove", "rename"}


async def test_writing(jail: JailLauncher, jailed: Make, granted: Grant, place: Path) -> None:
    """What may be written too can be changed, but gets no link, no FIFO and no set-user-id."""
    docs = place / "docs"
    ways = [["write", f"{docs}/a"], ["make", f"{docs}/new"], ["folder", f"{docs}/more"]]
    ways += [["rename", f"{docs}/sub/b"], ["remove", f"{docs}/beside"]]
    bad = [["link", f"{docs}/l"], ["fifo", f"{docs}/f"]]
    found = await tried(jail, jailed("attempt", granted(docs), ways=ways + bad))
    assert found[:5] == ["done"] * 5
    assert set(found[5:]) <= REFUSED
    assert sorted(os.listdir(docs)) == ["a", "more", "new", "sub"]  # noqa: PTH208 - names
    assert (docs / "a").read_text().startswith("new")


async def test_writing_alone(jail: JailLauncher, jailed: Make, granted: Grant, place: Path) -> None:
    """The right to write is none to read."""
    docs = place / "docs"
    ways = [["write", f"{docs}/a"], ["read", f"{docs}/a"], ["list", str(docs)]]
    found = await tried(jail, jailed("attempt", granted(docs, right=Right.WRITE), ways=ways))
    assert found == ["done", "EACCES", "EACCES"]


@pytest.mark.parametrize("right", [0, Right.DELEGATE], ids=["none", "delegate"])
async def test_no_right(
    jail: JailLauncher, jailed: Make, granted: Grant, place: Path, right: int
) -> None:
    """A grant without a right on files opens nothing."""
    ways = [["read", f"{place}/docs/a"], ["write", f"{place}/docs/a"], ["list", f"{place}/docs"]]
    found = await tried(jail, jailed("attempt", granted(place / "docs", right=right), ways=ways))
    assert set(found) <= REFUSED


@pytest.mark.parametrize(
    ("right", "ran"),
    [
        (Right.READ, False),
        (Right.READ | Right.EXECUTE, True),
        (Right.READ | Right.WRITE | Right.EXECUTE, False),
    ],
    ids=["read", "execute", "write and execute"],
)
async def test_executing(
    jail: JailLauncher, jailed: Make, granted: Grant, place: Path, *, right: int, ran: bool
) -> None:
    """A granted program runs only with the right to execute it, never where it may be written."""
    program = place / "docs/program"
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    grant = granted(place / "docs", right=right)
    ways = [["run", str(program)], ["run", "/bin/true"]]
    found = await tried(jail, jailed("attempt", grant, ways=ways, programs=True))
    assert found == [0 if ran else "EACCES", 0]


async def test_one_file(jail: JailLauncher, jailed: Make, granted: Grant, place: Path) -> None:
    """A grant on one file shows nothing beside it and nothing above it."""
    docs = place / "docs"
    hidden = [["read", f"{docs}/a"], ["read", f"{docs}/sub/deep/c"], ["read", f"{place}/secret"]]
    lists = [["list", str(path)] for path in (docs / "sub", docs, place, "/")]
    ways = [["read", f"{docs}/sub/b"], *hidden, *lists, ["make", f"{docs}/sub/new"]]
    grant = granted(docs, "sub/b", Right.READ)
    text, *rest = await tried(jail, jailed("attempt", grant, ways=ways))
    assert text == "text of docs/sub/b"
    assert set(rest[:3]) == {"ENOENT"}
    assert set(rest[3:]) <= REFUSED


async def test_one_file_to_write(
    jail: JailLauncher, jailed: Make, granted: Grant, place: Path
) -> None:
    """A file that may be written can be, and neither be removed nor moved."""
    file = place / "docs/sub/b"
    ways = [["write", str(file)], ["remove", str(file)], ["rename", str(file)]]
    found = await tried(jail, jailed("attempt", granted(place / "docs", "sub/b"), ways=ways))
    assert found[0] == "done"
    assert set(found[1:]) <= REFUSED | {"EBUSY", "EXDEV"}
    assert file.read_text().startswith("new")


async def test_scope(jail: JailLauncher, jailed: Make, granted: Grant, place: Path) -> None:
    """A grant on a part of a folder shows that part."""
    docs = place / "docs"
    ways = [["list", f"{docs}/sub"], ["read", f"{docs}/sub/deep/c"], ["read", f"{docs}/a"]]
    found = await tried(jail, jailed("attempt", granted(docs, "sub", Right.READ), ways=ways))
    assert found == [["b", "deep"], "text of docs/sub/deep/c", "ENOENT"]


async def test_what_is_not_there_yet(
    jail: JailLauncher, jailed: Make, granted: Grant, place: Path
) -> None:
    """A file that may be written is made, empty; not one to be read, nor one without a folder."""
    docs = place / "docs"
    ways = [["read", f"{docs}/new"], ["write", f"{docs}/new"], ["read", f"{docs}/old"]]
    ways.append(["read", f"{docs}/no/where"])
    grants = (granted(docs, "new"), granted(docs, "old", Right.READ), granted(docs, "no/where"))
    found = await tried(jail, jailed("attempt", *grants, ways=ways))
    assert found == ["", "done", "ENOENT", "ENOENT"]
    assert (docs / "new").read_text() == "new"
    assert (docs / "new").stat().st_mode & 0o777 == 0o600
    assert not (docs / "old").exists()
    assert not (docs / "no").exists()


@pytest.mark.parametrize(
    ("link", "target", "root", "scope"),
    [
        ("docs/link", "../secret", "docs", "link"),
        ("docs/link", "a", "docs", "link"),
        ("docs/link", "sub", "docs", "link/b"),
        ("docs/link", "..", "docs", "link/secret"),
        ("link", "docs", "link", ""),
        ("link", "docs", "link", "a"),
        ("link", "docs", "link/sub", ""),
    ],
)
async def test_links_on_the_way(
    jail: JailLauncher,
    jailed: Make,
    granted: Grant,
    place: Path,
    *,
    link: str,
    target: str,
    root: str,
    scope: str,
) -> None:
    """What a permit reaches only through a link is not there, wherever the link leads."""
    (place / link).symlink_to(target)
    named = (place / root / scope).resolve()
    ways = [["read", str(place / root / scope)], ["list", str(place / root / scope)]]
    ways += [["read", str(named)], ["list", str(named)]]
    found = await tried(jail, jailed("attempt", granted(place / root, scope), ways=ways))
    assert set(found) <= HIDDEN


async def test_links_inside(jail: JailLauncher, jailed: Make, granted: Grant, place: Path) -> None:
    """A link in a granted folder leads to what is granted, and nowhere else."""
    docs = place / "docs"
    for name, target in (("in", "sub/b"), ("out", "../secret"), ("far", f"{place}/secret")):
        (docs / name).symlink_to(target)
    ways = [["read", f"{docs}/{name}"] for name in ("in", "out", "far")]
    found = await tried(jail, jailed("attempt", granted(docs), ways=ways))
    assert found == ["text of docs/sub/b", "ENOENT", "ENOENT"]


@pytest.mark.parametrize("turned", [False, True], ids=["in order", "turned"])
@pytest.mark.parametrize("inner", [Right.READ, BOTH], ids=["narrower", "wider"])
async def test_one_grant_in_another(
    jail: JailLauncher, jailed: Make, granted: Grant, place: Path, *, inner: int, turned: bool
) -> None:
    """Of two grants, one in the other, each holds where it lies, in whichever order they come."""
    docs = place / "docs"
    outer = BOTH if inner == Right.READ else Right.READ
    grants = [granted(docs, right=outer), granted(docs, "sub", right=inner)]
    ways = [["write", f"{docs}/a"], ["write", f"{docs}/sub/b"], ["read", f"{docs}/sub/deep/c"]]
    made = jailed("attempt", *(reversed(grants) if turned else grants), ways=ways)
    first, second, text = await tried(jail, made)
    assert (first == "done", second == "done") == (outer == BOTH, inner == BOTH)
    assert {first, second} <= REFUSED | {"done"}
    assert text == "text of docs/sub/deep/c"


async def test_two_grants_on_one_place(
    jail: JailLauncher, jailed: Make, granted: Grant, place: Path
) -> None:
    """Two grants on one place give the rights of both, as the permit does."""
    grants = [granted(place, "docs", Right.READ), granted(place / "docs", right=Right.WRITE)]
    ways = [["read", f"{place}/docs/a"], ["write", f"{place}/docs/a"]]
    found = await tried(jail, jailed("attempt", *grants, ways=ways))
    assert found == ["text of docs/a", "done"]


async def test_below_tmp(jail: JailLauncher, jailed: Make, granted: Grant) -> None:
    """A grant below `/tmp` is seen there, and then nothing else can be put there."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        ways = [["make", f"{name}/new"], ["make", "/tmp/other"], ["make", "here"]]  # noqa: S108
        found = await tried(jail, jailed("attempt", granted(name), ways=ways))
        assert (Path(name) / "new").exists()
    assert found == ["done", found[1], "done"]
    assert found[1] in REFUSED


async def test_no_file(jail: JailLauncher, jailed: Make, place: Path) -> None:
    """A permit without a file has none: of the machine, only what Python is made of is seen."""
    paths = [__file__, f"{place}/secret", "/etc/passwd", "/etc/hostname", "/proc/self/status"]
    lists = ["/", "/proc", "/root", "/home", "/etc", "/dev", "/sys", "/run", "/var", str(place)]
    ways = [["read", path] for path in paths] + [["list", path] for path in lists]
    found = await tried(jail, jailed("attempt", ways=ways))
    assert set(found) <= HIDDEN


async def test_the_grants_of_one_call_are_not_those_of_the_next(
    jail: JailLauncher, jailed: Make, granted: Grant, place: Path
) -> None:
    """What one call was shown, the next call is not."""
    ways = [["read", f"{place}/docs/a"]]
    first = await tried(jail, jailed("attempt", granted(place / "docs"), ways=ways))
    second = await tried(jail, jailed("attempt", ways=ways))
    assert (first, second) == (["text of docs/a"], ["ENOENT"])
