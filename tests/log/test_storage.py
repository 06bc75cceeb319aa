from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from authgate_async.errors import LogCorruptError, LogUnavailableError
from authgate_async.log.lines import MAX_LINE
from authgate_async.log.verify import verify
from authgate_async.log.writer import LogFile

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Scribe

WRITER = """
import resource, sys
from pathlib import Path
from authgate_async.errors import LogUnavailableError
from authgate_async.log.records import FORMAT, LogOpened, Refusal
from authgate_async.log.writer import LogFile

def refusal(text="x"):
    return Refusal(action_id="", code="x", permit_digest="0" * 64, sentence=text, time=0)

def opened(log):
    return LogOpened(backend="x", cut_bytes=log.cut_bytes, format=FORMAT, layers=(), time=0,
        key_id="66687aadf862bd77", public_key="00" * 32, version="0")

log = LogFile.open(Path(sys.argv[1]), sys.argv[2])
log.append([opened(log)])
"""

APPEND_FOR_EVER = (
    WRITER
    + """
while True:
    first = log.append([refusal("x" * (n % 300)) for n in range(50)])
    print(first + 50, flush=True)
"""
)

FILL_UP = (
    WRITER
    + """
try:
    while True:
        log.append([refusal("x" * 500) for n in range(7)])
except LogUnavailableError as error:
    lines = (Path(sys.argv[1]) / "log.jsonl").read_bytes().count(b"\\n")
    print(error.__cause__.errno, log.count, lines)
"""
)

MAKE_ROOM = {
    "limit": "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)",
    "disk": "Path(sys.argv[1], 'filler').unlink()",
}


def python(script: str, *args: object) -> list[str]:
    """The command that runs a script with this interpreter."""
    return [sys.executable, "-c", script, *map(str, args)]


def put(file: Path, data: bytes) -> None:
    """Add bytes to a file, as a crash or a stranger would."""
    with file.open("ab") as stream:
        stream.write(data)


def test_a_second_process_is_turned_away(scribe: Scribe, tmp_path: Path) -> None:
    """One process at a time writes a log; the other is told which folder, and what to do."""
    log = LogFile.open(tmp_path, "os")
    log.append([scribe.opened()])
    ended = subprocess.run(python(WRITER, tmp_path, "os"), capture_output=True, check=False)
    assert b"LogUnavailableError" in ended.stderr
    assert f"{tmp_path} is in use".encode() in ended.stderr
    with pytest.raises(LogUnavailableError, match="a folder of its own"):
        LogFile.open(tmp_path, "os")
    log.close()
    LogFile.open(tmp_path, "os").close()


@pytest.mark.parametrize("durability", ["fsync", "os"])
def test_killed_at_any_instant_every_acknowledged_record_is_there(
    tmp_path: Path, durability: str
) -> None:
    """Killed without warning, again and again, the log keeps what it acknowledged and verifies."""
    for rounds in (1, 7, 3, 20, 2):
        before = verify(tmp_path).records if (tmp_path / "log.jsonl").exists() else 0
        command = python(APPEND_FOR_EVER, tmp_path, durability)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout
            acknowledged = [int(writer.stdout.readline()) for _ in range(rounds)][-1]
            writer.send_signal(signal.SIGKILL)
        LogFile.open(tmp_path, "os").close()
        report = verify(tmp_path)
        assert report.bad is None
        assert report.records >= acknowledged > before


def test_a_torn_last_line_is_cut_and_told(scribe: Scribe, tmp_path: Path) -> None:
    """Wherever the last line was torn, reopening cuts just that, says how much, and goes on."""
    file = scribe.write(tmp_path / "log", seal=False)
    whole = file.read_bytes()
    start = whole.rindex(b"\n", 0, -1) + 1
    for end in range(start, len(whole)):
        file.write_bytes(whole[:end])
        log = LogFile.open(file.parent, "os")
        assert (log.cut_bytes, log.count) == (end - start, 5)
        assert file.read_bytes() == whole[:start]
        log.close()


def test_a_log_goes_on_after_a_cut(scribe: Scribe, tmp_path: Path) -> None:
    """The session after a crash verifies, and its first record tells of the cut."""
    file = scribe.write(tmp_path, "r", seal=False)
    put(file, b'{"index":12,"pr')
    scribe.write(tmp_path, "r")
    assert verify(tmp_path).bad is None
    assert file.read_bytes().count(b'"cut_bytes":15') == 1


def test_zeros_that_a_power_cut_left_are_cut(scribe: Scribe, tmp_path: Path) -> None:
    """A tail that the file system never filled is no record."""
    put(scribe.write(tmp_path), b'{"index"' + b"\0" * 5000)
    log = LogFile.open(tmp_path, "os")
    assert log.cut_bytes == 5008
    log.close()


@pytest.mark.parametrize(
    "tail", [b"x", b'{"index":4,', b'{"index":6,"prev":"0', b"x\n", b"\n", b"\0" * (MAX_LINE + 1)]
)
def test_what_is_no_torn_record_is_left_alone(scribe: Scribe, tmp_path: Path, tail: bytes) -> None:
    """A tail that we cannot have begun to write is evidence: nothing is cut or written."""
    file = scribe.write(tmp_path, seal=False)
    put(file, tail)
    before = file.read_bytes()
    with pytest.raises(LogCorruptError, match=r"audit verify.*another folder"):
        LogFile.open(tmp_path, "os")
    assert file.read_bytes() == before


def test_a_file_that_is_no_log_is_left_alone(tmp_path: Path) -> None:
    """Somebody's own file of that name is not cut to nothing."""
    (tmp_path / "log.jsonl").write_bytes(b"my diary")
    with pytest.raises(LogCorruptError):
        LogFile.open(tmp_path, "os")
    assert (tmp_path / "log.jsonl").read_bytes() == b"my diary"


def test_a_log_that_was_not_opened_is_free(tmp_path: Path) -> None:
    """A folder is not held by an opening that failed: mended, it can be opened."""
    (tmp_path / "log.jsonl").write_bytes(b"my diary")
    with pytest.raises(LogCorruptError):
        LogFile.open(tmp_path, "os")
    (tmp_path / "log.jsonl").unlink()
    LogFile.open(tmp_path, "os").close()


@pytest.mark.parametrize("name", ["log.jsonl", "lock"])
@pytest.mark.parametrize("make", ["mkfifo", "mkdir", "symlink_to"])
def test_only_a_plain_file_is_taken(tmp_path: Path, name: str, make: str) -> None:
    """A pipe, a folder or a link in the file's place is refused, and nothing waits for it."""
    place = tmp_path / "log" / name
    place.parent.mkdir()
    {
        "mkfifo": lambda: os.mkfifo(place),
        "mkdir": place.mkdir,
        "symlink_to": lambda: place.symlink_to(tmp_path / "elsewhere"),
    }[make]()
    with pytest.raises(LogUnavailableError):
        LogFile.open(place.parent, "os")
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """The sentence names the folder, the reason and the remedy."""
    (tmp_path / "file").touch()
    with pytest.raises(LogUnavailableError, match="/file is no folder; move it away"):
        LogFile.open(tmp_path / "file" / "log", "os")


@pytest.mark.parametrize("durability", ["fsync", "os"])
def test_a_write_that_stops_short_leaves_no_trace(tmp_path: Path, durability: str) -> None:
    """At a file size limit a half-written batch is cut, and when there is room the log goes on."""
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))\n"
    _fill_and_go_on(python(filler(limit, "limit"), tmp_path, durability), errno.EFBIG)
    assert verify(tmp_path).bad is None


def test_a_full_disk_leaves_no_trace(tmp_path: Path) -> None:
    """On a real full file system a half-written batch is cut; with space again the log goes on."""
    if not shutil.which("unshare"):
        pytest.skip("needs unshare")
    mount = 'mount -t tmpfs -o size=128k none "$0" && head -c 40000 /dev/zero >"$0/filler"'
    inside = f'{mount} && "$@" && cp "$0/log.jsonl" "$0/../copy.jsonl"'
    (tmp_path / "disk").mkdir()
    enter = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if subprocess.run(
        [*enter, mount, tmp_path / "disk"], check=False, capture_output=True
    ).returncode:
        pytest.skip("user namespaces with tmpfs are not allowed here")
    command = python(filler("", "disk"), tmp_path / "disk", "os")
    _fill_and_go_on([*enter, inside, str(tmp_path / "disk"), *command], errno.ENOSPC)
    assert verify(tmp_path / "copy.jsonl").bad is None


def filler(limit: str, room: str) -> str:
    """A script that fills the log up, makes room, and goes on."""
    return f"import resource\n{limit}{FILL_UP}\n{MAKE_ROOM[room]}\nprint(log.append([refusal()]))"


def _fill_and_go_on(command: list[str], expected: int) -> None:
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    code, count, lines, first = map(int, output)
    assert (code, lines, first) == (expected, count, count)
    assert count > 7


def test_where_nothing_can_be_cut_the_log_takes_nothing_more(
    scribe: Scribe, tmp_path: Path
) -> None:
    """A log that cannot undo a failed write says so for every further one, and tries again."""
    log = LogFile.open(tmp_path, "os")
    log.append([scribe.opened()])
    assert log._storage is not None
    read_only = os.open(tmp_path / "log.jsonl", os.O_RDONLY)
    os.dup2(read_only, log._storage._file)
    os.close(read_only)
    with pytest.raises(LogUnavailableError, match="cannot be written: Bad file descriptor"):
        log.append([scribe.refusal()])
    with pytest.raises(LogUnavailableError, match=r"cannot be cut .*; mend the disk"):
        log.append([scribe.refusal()])
    assert log.count == 1
    log.close()


def test_a_failed_sync_is_no_acknowledgement(
    scribe: Scribe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the disk does not confirm is not written; the log goes on once it confirms the cut."""
    log = LogFile.open(tmp_path, "fsync")
    log.append([scribe.opened()])
    size = (tmp_path / "log.jsonl").stat().st_size

    def fail(_descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(LogUnavailableError, match="Input/output error"):
        log.append([scribe.refusal()])
    with pytest.raises(LogUnavailableError, match="mend the disk"):
        log.append([scribe.refusal()])
    assert (log.count, (tmp_path / "log.jsonl").stat().st_size) == (1, size)
    monkeypatch.undo()
    log.append([scribe.refusal()])
    log.close()
    assert (verify(tmp_path).bad, verify(tmp_path).records) == (None, 2)


def test_an_interrupted_append_leaves_no_trace(
    scribe: Scribe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the middle of a write undoes it; the log goes on."""
    log = LogFile.open(tmp_path, "os", scribe.kernel)
    log.append([scribe.opened(), *scribe.changes])
    write = os.write

    def interrupt(descriptor: int, data: bytes) -> int:
        write(descriptor, data[:40])
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "write", interrupt)
    with pytest.raises(KeyboardInterrupt):
        log.append(scribe.run("r")[:2])
    monkeypatch.undo()
    log.append(scribe.run("r"))
    log.close()
    assert (verify(tmp_path).bad, verify(tmp_path).sealed) == (None, True)


@pytest.mark.parametrize("meddle", ["longer", "shorter", "deleted", "moved", "replaced"])
def test_a_file_that_somebody_else_changed_takes_nothing(
    scribe: Scribe, tmp_path: Path, meddle: str
) -> None:
    """Nothing is acknowledged in a file that was changed, moved or deleted, and nothing is cut."""
    log = LogFile.open(tmp_path, "os")
    log.append([scribe.opened(), scribe.refusal()])
    file = tmp_path / "log.jsonl"
    {
        "longer": lambda: put(file, b"x"),
        "shorter": lambda: os.truncate(file, 10),
        "deleted": file.unlink,
        "moved": lambda: file.rename(tmp_path / "log-1.jsonl"),
        "replaced": lambda: shutil.copy(file, tmp_path / "copy").replace(file),
    }[meddle]()
    before = file.read_bytes() if file.exists() else b""
    for _ in range(2):
        with pytest.raises(LogUnavailableError, match="changed, moved or deleted by somebody else"):
            log.append([scribe.refusal()])
    assert (file.read_bytes() if file.exists() else b"") == before
    log.close()


@pytest.mark.parametrize(
    ("folder", "told"),
    [
        ("linked", "linked/log.jsonl is a link"),
        ("dangling", "dangling is no folder"),
        ("nested", "nested/log.jsonl is a folder"),
        ("plain", "plain is no folder"),
        ("plain/below/it", "plain is no folder"),
    ],
)
def test_what_stands_in_the_way_is_named(tmp_path: Path, folder: str, told: str) -> None:
    """The remedy is for what is wrong, and speaks of space only where space may be it."""
    (tmp_path / "plain").touch()
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "log.jsonl").symlink_to(tmp_path / "plain")
    (tmp_path / "nested" / "log.jsonl").mkdir(parents=True)
    (tmp_path / "dangling").symlink_to("gone")
    with pytest.raises(LogUnavailableError) as caught:
        LogFile.open(tmp_path / folder, "os")
    remedy = "move it away, or name another folder for the log"
    assert str(caught.value).endswith(f" cannot be opened: {tmp_path}/{told}; {remedy}")
