"""`authgate audit`: what a log says, and what others can check."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from authgate_async import Rotation, keys
from authgate_async.backends import make_kernel
from authgate_async.cli.exits import Exit
from authgate_async.log.entries import opening_of
from authgate_async.log.records import Refusal
from authgate_async.log.writer import LogFile

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Said

    Cli = Callable[..., Said]


@pytest.fixture
def log(cli: Cli, policy: Path, tmp_path: Path) -> Path:
    """A log of three runs in three sessions under the key `k`: the middle one is denied."""
    cli("keygen", "k")
    (tmp_path / "docs" / "public" / "b.txt").write_text("b")
    for intent in ("1 + 1", "read b.txt", "2 + 2"):
        cli("run", intent, "--policy", policy, "--log", "authgate-log", "--key", "k")
    return tmp_path / "authgate-log" / "log.jsonl"


def _shown(cli: Cli, *args: str) -> list[dict[str, object]]:
    said = cli("audit", "show", *args, "--json")
    assert said.status == Exit.OK
    return [json.loads(line)["record"] for line in said.out.splitlines()]


def _runs(log: Path) -> list[str]:
    lines = [json.loads(line)["record"] for line in log.read_text().splitlines()]
    return [record["run"] for record in lines if record["kind"] == "run_opened"]


@pytest.mark.usefixtures("log")
def test_a_checkpoint_that_was_kept_finds_a_rollback(cli: Cli, log: Path, tmp_path: Path) -> None:
    """An earlier copy of a log, sealed and whole, does not hold a later checkpoint."""
    kept = cli("audit", "checkpoint", "--key", "k.pub")
    (tmp_path / "cp").write_text(kept.out)
    assert kept.err.startswith("verifier key: authgate_async/")
    assert cli("audit", "verify", "--against", "cp").status == Exit.OK

    whole = log.read_bytes()
    lines = whole.splitlines(keepends=True)
    opened = [i for i, line in enumerate(lines) if b'"kind":"log_opened"' in line]
    log.write_bytes(b"".join(lines[: opened[2]]))
    assert cli("audit", "verify", "--key", "k.pub").status == Exit.OK
    said = cli("audit", "verify", "--key", "k.pub", "--against", "cp")
    assert said.status == Exit.BAD_INPUT
    assert f"the checkpoint given is over {len(lines) - 1} records" in said.err
    assert "put back to an earlier state" in said.err


def test_a_checkpoint_of_another_history_is_found(
    cli: Cli, policy: Path, log: Path, tmp_path: Path
) -> None:
    """A log that was rolled back and went on another way is found where the two should agree."""
    (tmp_path / "cp").write_text(cli("audit", "checkpoint").out)
    lines = log.read_bytes().splitlines(keepends=True)
    opened = [i for i, line in enumerate(lines) if b'"kind":"log_opened"' in line]
    log.write_bytes(b"".join(lines[: opened[1]]))
    for intent in ("3 + 3", "4 + 4", "5 + 5"):
        cli("run", intent, "--policy", policy, "--log", "authgate-log", "--key", "k")
    assert cli("audit", "verify", "--key", "k.pub").status == Exit.OK
    said = cli("audit", "verify", "--key", "k.pub", "--against", "cp")
    assert said.status == Exit.BAD_INPUT
    assert f"record {len(lines) - 1} at byte" in said.err
    assert "not the log of the checkpoint given: the checkpoint has another root" in said.err


@pytest.mark.usefixtures("log")
@pytest.mark.parametrize("text", ["", "not a note", "\xff"])
def test_what_is_no_checkpoint_is_told(cli: Cli, tmp_path: Path, text: str) -> None:
    """A file of something else is a mistake of the caller's, with a remedy."""
    (tmp_path / "cp").write_text(text, "latin-1")
    said = cli("audit", "verify", "--against", "cp")
    assert (said.status, "checkpoint" in said.err) == (Exit.BAD_INPUT, True)
    assert cli("audit", "verify", "--against", "gone").status == Exit.BAD_INPUT


def test_a_record_is_proved_and_checked_without_the_log(
    cli: Cli, log: Path, tmp_path: Path
) -> None:
    """Whoever has the proof and the public key sees the record."""
    index = next(i for i, line in enumerate(log.read_text().splitlines()) if '"intent"' in line)
    (tmp_path / "p").write_text(cli("audit", "prove", str(index)).out)
    log.unlink()
    said = cli("audit", "check-proof", "p", "--key", "k.pub")
    assert said.status == Exit.OK
    assert f"record {index} of the log authgate_async/" in said.out
    told = json.loads(cli("audit", "check-proof", "p", "--key", "k.pub", "--json").out)
    assert (told["ok"], told["index"], told["record"]["kind"]) == (True, index, "intent")


def test_a_proof_under_another_key_or_of_nothing_is_refused(
    cli: Cli, log: Path, tmp_path: Path
) -> None:
    """The status tells a script, the sentence a person."""
    cli("keygen", "other")
    (tmp_path / "p").write_text(cli("audit", "prove", "3", log).out)
    assert cli("audit", "check-proof", "p", "--key", "other.pub").status == Exit.BAD_INPUT
    (tmp_path / "p").write_text("nothing")
    said = cli("audit", "check-proof", "p", "--key", "k.pub")
    assert (
        said.err
        == "p: it is not a tlog-proof that carries its record; do not believe the record in it\n"
    )
    assert cli("audit", "check-proof", "gone", "--key", "k.pub").status == Exit.BAD_INPUT
    assert cli("audit", "prove", "9999").status == Exit.BAD_INPUT
    assert cli("audit", "prove", "-1").status == Exit.BAD_INPUT


def test_records_are_shown_by_run_agent_tool_code_kind_and_time(cli: Cli, log: Path) -> None:
    """Each filter narrows; an outcome is found by the tool and agent of its call."""
    first, second, _ = _runs(log)
    assert {r["run"] for r in _shown(cli, "--run", first)} == {first}
    assert [r["kind"] for r in _shown(cli, "--run", first)] == [
        *("run_opened", "intent", "outcome", "run_closed")
    ]
    calculated = _shown(cli, "--agent", "bot", "--tool", "calculator")
    assert [r["kind"] for r in calculated] == ["intent", "outcome"] * 2
    assert {r["run"] for r in _shown(cli, "--code", "no_grant", "--kind", "intent")} == {second}
    assert _shown(cli, "--code", "nothing") == []
    assert _shown(cli, "--until", "2020-01-01") == []
    everything = _shown(cli)
    since = _shown(cli, "--since", "2020-01-01T00:00:00+01:00")
    assert since == [r for r in everything if r["kind"] != "checkpoint"]
    assert cli("audit", "show", "--since", "yesterday").status == Exit.BAD_INPUT


@pytest.mark.usefixtures("log")
def test_records_are_shown_as_a_table(cli: Cli) -> None:
    """A person sees who did what, and what came of it."""
    said = cli("audit", "show", "--tool", "calculator")
    rows = [line.split() for line in said.out.splitlines()]
    assert [row[-4:] for row in rows if "outcome" in row] == [
        ["bot", "calculator", "outcome", "returned"]
    ] * 2
    assert any(row[-2:] == ["intent", "permitted"] for row in rows)


@pytest.mark.usefixtures("log")
def test_a_row_that_goes_elsewhere_than_to_a_terminal_is_a_line(cli: Cli, policy: Path) -> None:
    """However long its cells are: `grep` finds the whole of it."""
    name = "x" * 200
    cli("run", "1 + 1", "--policy", policy, "--log", "authgate-log", "--key", "k", "--agent", name)
    shown = cli("audit", "show").out.splitlines()
    (row,) = [line for line in shown if " intent " in line and name in line]
    assert row.split()[-2:] == ["identity_mismatch", "no_grant"]
    assert all(line == line.rstrip() for line in shown)


@pytest.mark.usefixtures("log")
def test_the_last_records_are_printed_one_a_line(cli: Cli) -> None:
    """As many as are asked for, of those that match."""
    assert len(cli("audit", "tail").out.splitlines()) == 10
    [line] = cli("audit", "tail", "-n", "1", "--kind", "outcome").out.splitlines()
    assert line.split("\t")[3:] == ["bot", "calculator", "outcome", "returned"]
    found = json.loads(cli("audit", "tail", "-n", "1", "--json").out)
    assert found["record"]["kind"] == "checkpoint"


def test_a_log_is_followed_as_it_grows(
    cli: Cli, policy: Path, log: Path, authgate: Callable[..., subprocess.Popen[bytes]]
) -> None:
    """What is written later is printed, too, a line that was half there at first among it."""
    whole = log.read_bytes()
    log.write_bytes(whole[:-5])
    with authgate("audit", "tail", "-f", "-n", "1", "--kind", "run_closed") as following:
        stdout = following.stdout
        assert stdout is not None
        assert b"run_closed" in stdout.readline()
        with log.open("ab") as stream:
            stream.write(whole[-5:])
        cli("run", "9 + 9", "--policy", policy, "--log", "authgate-log", "--key", "k")
        assert _runs(log)[-1].encode() in stdout.readline()
        following.kill()


def test_a_log_is_handed_over_to_another_key(cli: Cli, policy: Path, log: Path) -> None:
    """The runtime goes on under the new key, and the log verifies under its first one."""
    cli("keygen", "next")
    said = cli("audit", "hand-over", "--key", "k", "--to", "next.pub")
    assert (said.status, "goes on under the key" in said.out) == (Exit.OK, True), said
    cli("run", "9 + 9", "--policy", policy, "--log", log.parent, "--key", "next")
    assert cli("audit", "verify", "--key", "k.pub").status == Exit.OK
    assert cli("audit", "verify", "--key", "next.pub").status == Exit.BAD_INPUT
    assert cli("audit", "hand-over", "--key", "k", "--to", "next.pub").status == Exit.BAD_INPUT


def test_the_form_of_records_is_printed(cli: Cli) -> None:
    """One kind, all of them, or a sentence that names them."""
    one, every = cli("audit", "schema", "outcome"), cli("audit", "schema")
    assert json.loads(every.out)["outcome"] == json.loads(one.out)
    said = cli("audit", "schema", "nothing")
    assert (said.status, "there are checkpoint, " in said.err) == (Exit.BAD_INPUT, True)


def test_a_run_is_complete_or_what_lacks_is_told(cli: Cli, log: Path) -> None:
    """All records of a run, none cut; without its end, or its log damaged, it is not."""
    first, *_, last = _runs(log)
    said = cli("audit", "complete", last, "--key", "k.pub")
    assert (said.status, "these are all 4 records" in said.out) == (Exit.OK, True)
    told = json.loads(cli("audit", "complete", last, "--json").out)
    assert (told["complete"], len(told["records"])) == (True, 4)
    assert cli("audit", "complete", "nobody").status == Exit.BAD_INPUT

    lines = log.read_bytes().splitlines(keepends=True)
    closing = max(i for i, line in enumerate(lines) if b'"kind":"run_closed"' in line)
    log.write_bytes(b"".join(lines[: closing + 1]))
    assert "its last record is under no checkpoint" in cli("audit", "complete", last).err
    outcome = max(i for i, line in enumerate(lines) if b'"kind":"outcome"' in line)
    log.write_bytes(b"".join(lines[:outcome]))
    said = cli("audit", "complete", last)
    assert said.status == Exit.BAD_INPUT
    assert "it has no closing record" in said.err
    assert f"no outcome of {last}:0" in said.err
    assert cli("audit", "complete", first).status == Exit.OK
    log.write_bytes(b"".join(lines[:outcome]).replace(b'"tool"', b'"fool"'))
    assert "record" in cli("audit", "complete", first).err


def test_a_log_is_exported_as_static_files(cli: Cli, log: Path, tmp_path: Path) -> None:
    """The checkpoint on the shelf is the one that `checkpoint` prints."""
    said = cli("audit", "export", "--tiles", "out")
    assert (said.status, "entries are under the checkpoint" in said.err) == (Exit.OK, True)
    assert (tmp_path / "out" / "checkpoint").read_text() == cli("audit", "checkpoint", log).out
    assert cli("audit", "export", "--tiles", "out").status == Exit.BAD_INPUT


@pytest.fixture
def divided(tmp_path: Path) -> int:
    """The first record left of a log under the key `k`, whose older files were removed."""
    keys.generate(tmp_path / "k")
    kernel = make_kernel(seed=keys.load_seed(tmp_path / "k"), entropy=bytes(32))
    rule = Rotation(file_bytes=2**16, keep_seconds=0)
    log = LogFile.open(tmp_path / "authgate-log", "os", kernel, rule)
    log.append([opening_of(kernel, backend="none", cut_bytes=0, layers=(), time=1)])
    for number in range(12):
        refusal = Refusal(
            action_id="",
            code=f"code{number}",
            permit_digest="0" * 64,
            sentence="x" * 20_000,
            time=number,
        )
        log.append([refusal])
    log.close()
    (last,) = (tmp_path / "authgate-log").glob("*.jsonl")
    return int(last.stem[4:])


def test_every_verb_takes_a_log_of_which_files_were_removed(
    cli: Cli, policy: Path, tmp_path: Path, divided: int
) -> None:
    """What is gone is told, what is left is shown and proved, and nothing is made up."""
    said = cli("audit", "verify", "--key", "k.pub")
    assert said.status == Exit.OK
    assert f"records 0 to {divided - 1} were removed by retention" in said.out
    assert json.loads(cli("audit", "verify", "--json").out)["report"]["removed"] == [[0, divided]]
    assert _shown(cli)[0]["kind"] == "segment_opened"
    assert len(_shown(cli, "--code", "code11")) == 1
    assert cli("audit", "tail", "-n", "1").out
    (tmp_path / "cp").write_text(cli("audit", "checkpoint").out)
    assert cli("audit", "verify", "--against", "cp").status == Exit.OK
    (tmp_path / "p").write_text(cli("audit", "prove", str(divided)).out)
    assert cli("audit", "check-proof", "p", "--key", "k.pub").status == Exit.OK
    said = cli("audit", "prove", "1")
    assert (said.status, "record 1 was removed by retention" in said.err) == (Exit.BAD_INPUT, True)
    said = cli("audit", "export", "--tiles", "t")
    assert "1 entry bundles are left out" in said.err
    said = cli("audit", "complete", "r")
    assert f"unless it is among records 0 to {divided - 1}" in said.err
    said = cli("replay", "authgate-log", "--policy", policy)
    assert (said.status, "cannot be decided again" in said.err) == (Exit.BAD_INPUT, True)
    cli("keygen", "new")
    assert cli("audit", "hand-over", "--key", "k", "--to", "new.pub").status == Exit.OK
    assert cli("audit", "verify", "--key", "k.pub").status == Exit.OK


def test_a_file_that_somebody_deleted_is_named(cli: Cli, tmp_path: Path, divided: int) -> None:
    """Without the hashes, or without the record that tells of the removal, it is no retention."""
    hashes = sorted((tmp_path / "authgate-log").glob("*.hashes"))
    hashes[0].rename(tmp_path / "away")
    said = cli("audit", "verify")
    assert (said.status, "is gone, and others follow" in said.err) == (Exit.BAD_INPUT, True)
    assert divided > 0
