"""Checkpoints as other people's tools write and read them."""

from __future__ import annotations

from base64 import b64decode

import pytest

from authgate_async.backends import make_kernel
from authgate_async.log.growth import End
from authgate_async.log.lines import Fault
from authgate_async.log.notes import check_note, make_note, origin_of, read_note, verifier_key

PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
"""The key of the examples of golang.org/x/mod/sumdb/note; below, its private half."""
PETER_SEED = b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
PETER_KEY = b64decode(PETER.rpartition("+")[2])[1:]

SOFA = """\
example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa \
Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
"""
"""The example of c2sp.org/tlog-checkpoint."""

LOG = "authgate_async/0123456789abcdef"
ROOT = bytes(range(32))


def _note(origin: str = LOG, size: int = 7) -> str:
    kernel = make_kernel("python", seed=PETER_SEED, entropy=ROOT)
    signature = kernel.sign_checkpoint(origin, size, ROOT)
    return make_note(origin, size, ROOT, kernel.public_key, signature)


def test_a_key_is_written_as_the_published_one() -> None:
    """The key id is the one that the Go module's example has."""
    assert verifier_key("PeterNeumann", PETER_KEY) == PETER


def test_the_published_example_is_read() -> None:
    """Origin, size, root and the one signature are taken apart."""
    note = read_note(SOFA)
    assert (note.origin, note.size) == ("example.com/behind-the-sofa", 20852163)
    assert (len(note.root), [name for name, _ in note.signatures]) == (32, [note.origin])


def test_a_checkpoint_is_text_as_specified() -> None:
    """Three lines, an empty one, and the signature line; it verifies with the key it names."""
    head, empty, signed = _note().partition("\n\n")
    assert head == f"{LOG}\n7\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    assert (empty, signed.startswith(f"— {LOG} "), signed.count("\n")) == ("\n\n", True, 1)
    assert check_note(_note(), PETER_KEY)[:3] == (LOG, 7, ROOT)


def test_a_witness_may_add_its_signature() -> None:
    """Unknown signatures are passed over, wherever they stand."""
    witness = "— witness.example dQ4AAAAA\n"
    head, _, signed = _note().partition("\n\n")
    for signatures in (signed + witness, witness + signed):
        assert check_note(f"{head}\n\n{signatures}", PETER_KEY).size == 7


def test_a_wrong_signature_under_our_name_is_no_unknown_one() -> None:
    """A signature of the known key that does not verify spoils the note, beside a good one too."""
    other = _note(size=8).rpartition("\n\n")[2]
    with pytest.raises(Fault, match="does not verify"):
        check_note(_note() + other, PETER_KEY)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda note: note.replace("\n7\n", "\n07\n"),
        lambda note: note.replace("\n7\n", "\n-7\n"),
        lambda note: note.replace("\n7\n", "\n9007199254740992\n"),
        lambda note: note.replace("\n7\n", "\n7\nmore\n"),
        lambda note: note.replace("\n\n", "\n"),
        lambda note: note.replace("— ", "- "),
        lambda note: note.replace("— ", "—  "),
        lambda note: note.replace("\n", "\r\n"),
        lambda note: note[:-1],
        lambda note: note + "\n",
        lambda note: note.replace("Hh8=", "Hh9="),
        lambda note: note.partition("— ")[0],
        lambda note: note.replace("authgate_async/", ""),
        lambda note: note + "— w dQ4AAAAA\n" * 6000,
        lambda _: "",
    ],
)
def test_another_form_is_a_fault(spoil: object) -> None:
    """One spelling only, so that a note is its bytes; nothing is read without bound."""
    with pytest.raises(Fault):
        check_note(spoil(_note()), PETER_KEY)  # type: ignore[operator]


def test_another_key_is_a_fault(scribe: object) -> None:
    """A note must be signed with the key that is expected."""
    with pytest.raises(Fault, match="no signature of the checkpoint is of this key"):
        check_note(_note(), scribe.kernel.public_key)  # type: ignore[attr-defined]


def test_logs_have_names_of_their_own() -> None:
    """The name depends on the first line, and can name a key in a note."""
    assert origin_of("a" * 64) == "authgate_async/" + "a" * 32
    assert check_note(_note(origin_of("a" * 64)), PETER_KEY).origin == origin_of("a" * 64)


def test_a_checkpoint_of_another_log_is_told_as_such(scribe: object) -> None:
    """Its name is looked at first, so that the sentence says what happened."""
    end = End()
    end.grow(b"{}")
    other = end.copy()
    other.origin = "authgate_async/other"
    kernel = scribe.kernel  # type: ignore[attr-defined]
    with pytest.raises(Fault, match=f"is of the log `authgate_async/other`, not of `{end.origin}`"):
        end.check(other.sign(kernel), kernel.public_key)
