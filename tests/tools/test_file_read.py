from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from authgate_async.launchers.protocol import Folder
from authgate_async.tools import Folders, ToolFailure
from authgate_async.tools.file_read import MAX_BYTES, file_read, split_path
from authgate_async.wire import Request, Right

if TYPE_CHECKING:
    from collections.abc import Callable

    Grant = Callable[[Path], Folders]


@pytest.mark.parametrize(("path", "text"), [("hello.txt", "hello"), ("notes/a.md", "é")])
def test_a_file_of_the_folder_is_read(
    workspace: Path, granted: Grant, path: str, text: str
) -> None:
    """A plain path inside the granted folder gives the file's text."""
    assert file_read(path, granted(workspace)) == text


def test_it_asks_to_read_exactly_this_file() -> None:
    """The permit is for one path of one root."""
    assert file_read.bind({"path": "notes/a.md", "root": "docs"}).requests == (
        Request("file", "docs", "notes/a.md", Right.READ),
    )


def test_the_folder_comes_from_the_permit(workspace: Path) -> None:
    """Run as a call, it reads below the path that the permit gives, and nowhere without one."""
    args = file_read.bind({"path": "hello.txt"}).args
    place = Folder("file", "workspace", str(workspace), "hello.txt", int(Right.READ))
    assert file_read.invoke(args, (place,)) == b'"hello"'
    with pytest.raises(ToolFailure, match="policy"):
        file_read.invoke(args, ())


def test_a_file_of_just_the_limit_is_read_and_one_byte_more_is_not(
    workspace: Path, granted: Grant
) -> None:
    """A file is read whole or refused, never cut."""
    (workspace / "fits").write_bytes(b"x" * MAX_BYTES)
    (workspace / "large").write_bytes(b"x" * (MAX_BYTES + 1))
    assert len(file_read("fits", granted(workspace))) == MAX_BYTES
    with pytest.raises(ToolFailure, match="larger than"):
        file_read("large", granted(workspace))


def test_a_file_that_hides_its_size_is_still_capped(
    workspace: Path, granted: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The size is judged by what was read, not only by what the file says of itself."""
    (workspace / "large").write_bytes(b"x" * (MAX_BYTES + 1))
    small = (workspace / "hello.txt").stat()
    monkeypatch.setattr(os, "fstat", lambda _: small)
    with pytest.raises(ToolFailure, match="larger than"):
        file_read("large", granted(workspace))


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("missing.txt", "is not there"),
        ("hello.txt/x", "is not a folder"),
        ("notes", "not a regular file"),
        ("binary", "not UTF-8"),
        ("fifo", "not a regular file"),
        ("socket", "not a regular file"),
        ("to-secret", "links are not followed"),
        ("to-outside/secret.txt", "links are not followed"),
        ("to-notes/a.md", "links are not followed"),
        ("notes/to-hello", "links are not followed"),
        ("dangling", "links are not followed"),
        ("to-null", "links are not followed"),
    ],
)
def test_what_is_not_a_plain_text_file_is_refused(
    workspace: Path, granted: Grant, path: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Links, FIFOs, sockets, folders and binary files give a sentence, and no waiting."""
    (workspace / "binary").write_bytes(b"\xff\xfe")
    (workspace / "to-secret").symlink_to("../secret.txt")
    (workspace / "to-outside").symlink_to("..")
    (workspace / "to-notes").symlink_to("notes")
    (workspace / "notes" / "to-hello").symlink_to("../hello.txt")
    (workspace / "dangling").symlink_to("nowhere")
    (workspace / "to-null").symlink_to("/dev/null")
    os.mkfifo(workspace / "fifo")
    monkeypatch.chdir(workspace)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        with pytest.raises(ToolFailure, match=sentence):
            file_read(path, granted(workspace))


@pytest.mark.parametrize("name", ["null", "zero", "tty", "full"])
def test_a_device_is_refused_before_a_byte_is_read(granted: Grant, name: str) -> None:
    """Even inside a granted folder a device is not read."""
    devices = Path("/dev")
    if not (devices / name).exists():
        pytest.skip("this machine has no such device")
    with pytest.raises(ToolFailure, match=r"regular file|cannot be opened"):
        file_read(name, granted(devices))


def test_a_hard_link_is_a_file_like_any_other(workspace: Path, granted: Grant) -> None:
    """Hard links are read: whoever made one could read the file."""
    (workspace / "link.txt").hardlink_to(workspace / "hello.txt")
    assert file_read("link.txt", granted(workspace)) == "hello"


def test_a_missing_folder_is_told(tmp_path: Path, granted: Grant) -> None:
    """A folder of the policy that is not there is named as such."""
    with pytest.raises(ToolFailure, match="the granted folder is not there"):
        file_read("a", granted(tmp_path / "gone"))


def test_a_platform_that_follows_links_reads_nothing(
    workspace: Path, granted: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system cannot open without following links, the tool refuses to work."""
    monkeypatch.setattr(os, "supports_dir_fd", frozenset())
    with pytest.raises(ToolFailure, match="platform"):
        file_read("hello.txt", granted(workspace))


def test_no_descriptor_is_left_open(workspace: Path, granted: Grant) -> None:
    """Refused or read, a call closes all that it opened."""
    before = len(list(Path("/dev/fd").iterdir()))
    file_read("notes/a.md", granted(workspace))
    for path in ("notes/missing", "notes"):
        with pytest.raises(ToolFailure):
            file_read(path, granted(workspace))
    assert len(list(Path("/dev/fd").iterdir())) == before


@pytest.mark.parametrize(
    "path",
    [
        "a",
        "a b.txt",
        ".env",
        "..a",
        "a..b",
        "con.d/x"[4:],
        "console",
        "COMA",
        "é/ü.md",
        "nullable.txt",
        "~x",
    ],
)
def test_an_ordinary_path_is_not_refused(path: str) -> None:
    """The rules refuse no name that is harmless everywhere."""
    assert split_path(path) == path.split("/")


_part = st.one_of(
    st.sampled_from(
        [
            "..",
            ".",
            "",
            "notes",
            "hello.txt",
            "a.md",
            "secret.txt",
            "out",
            "link",
            "~",
            "/",
            "\\",
            "%2e%2e",
        ]
    ),
    st.text(max_size=5),
)


@given(parts=st.lists(_part, max_size=6), absolute=st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_nothing_outside_the_folder_is_ever_returned(
    workspace: Path, granted: Grant, parts: list[str], *, absolute: bool
) -> None:
    """Whatever the path, the text is that of a file inside, or there is a sentence."""
    for name, target in (("out", ".."), ("link", "../secret.txt")):
        if not (workspace / name).is_symlink():
            (workspace / name).symlink_to(target)
    path = (f"{workspace.parent}/" if absolute else "") + "/".join(parts)
    try:
        text = file_read(path, granted(workspace))
    except ToolFailure:
        return
    assert text in ("hello", "é")
