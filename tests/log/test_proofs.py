"""Proofs of single records."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING

import pytest

from authgate_async.errors import LogCorruptError, UsageError
from authgate_async.log.lines import Fault, leaf_of
from authgate_async.log.notes import b64, make_note
from authgate_async.log.proofs import check_proof, prove, siblings
from authgate_async.log.reading import true_lines
from authgate_async.log.writer import LogFile
from authgate_async.reference.tree import leaf_hash, levels, path

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Scribe


@pytest.fixture
def log(scribe: Scribe, tmp_path: Path) -> Path:
    """A sealed log of 21 records, 20 of them under the last checkpoint."""
    return scribe.write(tmp_path / "log", "r", "s")


@pytest.mark.parametrize("size", [*range(1, 20), 31, 32, 33, 100])
def test_the_nodes_of_a_path_are_those_of_the_definition(size: int) -> None:
    """Each span's root is the node of RFC 6962, section 2.1.1, in that order."""
    leaves = [bytes([leaf]) for leaf in range(size)]
    built = levels(leaves)
    for index in range(size):
        roots = [levels(leaves[begin:end])[-1][0] for begin, end in siblings(index, size)]
        assert b"".join(roots) == path(built, index)


def test_every_record_under_the_checkpoint_is_proved(scribe: Scribe, log: Path) -> None:
    """The proof gives back the line, and the checkpoint that it is under."""
    for line in list(true_lines(log))[:20]:
        proved = check_proof(prove(log, line.number), scribe.kernel.public_key)
        assert (proved.line, proved.note.size) == (line, 20)


def test_a_proof_has_the_published_form(log: Path) -> None:
    """Head, extra, index, one hash a line, an empty line, the checkpoint: c2sp.org/tlog-proof."""
    head, extra, index, *rest = prove(log, 19).splitlines()
    assert (head, index) == ("c2sp.org/tlog-proof@v1", "index 19")
    assert leaf_hash(b64decode(extra.removeprefix("extra "))).hex() == list(true_lines(log))[19].sum
    empty = rest.index("")
    assert [len(b64decode(step)) for step in rest[:empty]] == [32] * 3
    assert rest[empty + 2] == "20"


@pytest.mark.parametrize("index", [-1, 20, 21, 10**9])
def test_what_is_under_no_checkpoint_is_not_proved(log: Path, index: int) -> None:
    """The last checkpoint itself is under none yet."""
    with pytest.raises(UsageError, match="there are records 0 to 19"):
        prove(log, index)


def test_a_log_without_checkpoint_proves_nothing(scribe: Scribe, tmp_path: Path) -> None:
    """Nothing that was not signed is handed out."""
    with pytest.raises(UsageError, match="has no checkpoint"):
        prove(scribe.write(tmp_path, "r", seal=False), 0)


def test_a_torn_tail_is_no_hindrance(log: Path) -> None:
    """Of a log that is being written, what is under the last whole checkpoint is proved."""
    log.write_bytes(log.read_bytes()[:-1])
    assert prove(log, 3).count("\n18\n") == 1
    with pytest.raises(UsageError, match="records 0 to 17"):
        prove(log, 18)


def test_a_damaged_log_proves_nothing(log: Path) -> None:
    """A line that was changed is named, and no proof is made."""
    log.write_bytes(log.read_bytes().replace(b'"tool":"x"', b'"tool":"y"', 1))
    with pytest.raises(LogCorruptError, match=r"record 8: .* sum"):
        prove(log, 3)


SPOILED: dict[str, Callable[[str], str]] = {
    "head": lambda text: text.replace("@v1", "@v2"),
    "index": lambda text: text.replace("index 7", "index 6"),
    "index_zeros": lambda text: text.replace("index 7", "index 07"),
    "no_record": lambda text: re.sub("extra .*\n", "", text),
    "path_short": lambda text: re.sub("(index 7\n).{44}\n", r"\1", text),
    "path_long": lambda text: text.replace("index 7\n", "index 7\n" + "A" * 43 + "=\n"),
    "path_changed": lambda text: re.sub("(index 7\n).", r"\1/", text),
    "no_note": lambda text: text.partition("\n\n")[0] + "\n",
    "size": lambda text: text.replace("\n20\n", "\n21\n"),
    "signature": lambda text: text[:-20] + "AAAA" + text[-16:],
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_changed_proof_proves_nothing(scribe: Scribe, log: Path, how: str) -> None:
    """Whatever part is changed, the record is not believed."""
    text = prove(log, 7)
    assert SPOILED[how](text) != text
    with pytest.raises(Fault):
        check_proof(SPOILED[how](text), scribe.kernel.public_key)


def test_another_record_in_a_proof_is_found(scribe: Scribe, log: Path) -> None:
    """One changed letter of the record, and it is not in the tree."""
    text = prove(log, 8)
    leaf = re.search("extra (.*)", text)[1]  # type: ignore[index]
    forged = b64encode(b64decode(leaf).replace(b'"tool":"x"', b'"tool":"y"')).decode()
    with pytest.raises(Fault, match="not in the tree"):
        check_proof(text.replace(leaf, forged), scribe.kernel.public_key)


def test_a_proof_is_of_one_key(scribe: Scribe, stranger: Scribe, log: Path) -> None:
    """Somebody else's log proves nothing about this one."""
    with pytest.raises(Fault, match="no signature"):
        check_proof(prove(log, 7), stranger.kernel.public_key)
    assert check_proof(prove(log, 7), scribe.kernel.public_key).line.number == 7


def test_a_proof_stays_good_as_the_log_grows(scribe: Scribe, log: Path) -> None:
    """What was handed out is checked by itself, and needs no log."""
    early = prove(log, 7)
    scribe.write(log.parent, "more")
    late = prove(log, 7)
    key = scribe.kernel.public_key
    assert early != late
    assert check_proof(early, key).line == check_proof(late, key).line


def _proof_of(scribe: Scribe, leaf: bytes) -> str:
    """A proof by a signer who signs a tree of this one leaf."""
    kernel, root = scribe.kernel, leaf_hash(leaf)
    note = make_note("log", 1, root, kernel.public_key, kernel.sign_checkpoint("log", 1, root))
    return f"c2sp.org/tlog-proof@v1\nextra {b64(leaf)}\nindex 0\n\n{note}"


def test_a_leaf_that_is_no_line_of_its_place_is_not_believed(scribe: Scribe, log: Path) -> None:
    """A signer who signs another tree still proves no record with it."""
    with pytest.raises(Fault, match="form of a record"):
        check_proof(_proof_of(scribe, b"not a line"), scribe.kernel.public_key)
    first, *_, other = [leaf_of(line) for line in true_lines(log)]
    with pytest.raises(Fault, match="has index 20, not 0"):
        check_proof(_proof_of(scribe, other), scribe.kernel.public_key)
    assert check_proof(_proof_of(scribe, first), scribe.kernel.public_key).line.number == 0


def test_memory_does_not_grow_with_the_log(scribe: Scribe, tmp_path: Path) -> None:
    """A proof keeps a node for each power of two, not for each record."""
    log = LogFile.open(tmp_path, "os", scribe.kernel)
    log.append([scribe.opened(), *[scribe.refusal()] * 500])
    log.close()
    assert max(len(siblings(index, log.count)) for index in range(log.count)) == 9
