"""Key files: what is written, and what is refused."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from authgate_async.errors import KeyFileError
from authgate_async.keys import (
    auditor_from,
    generate,
    key_id,
    load_auditor,
    load_public,
    load_seed,
)
from authgate_async.reference import ReferenceKernel

PEM, PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
CLEAR = serialization.NoEncryption()
LOCKED = serialization.BestAvailableEncryption(b"secret")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a key may be written."""
    return tmp_path / "kernel.key"


def _write(path: Path, data: bytes, mode: int = 0o600) -> None:
    path.write_bytes(data)
    path.chmod(mode)


def test_a_key_that_was_made_is_read_back(path: Path) -> None:
    """The private file gives the seed of the public key, and the public file that key."""
    public = generate(path)
    seed = load_seed(path)
    assert Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw() == public
    assert load_public(Path(f"{path}.pub")) == public


def test_two_keys_differ(tmp_path: Path) -> None:
    """Each is fresh."""
    assert generate(tmp_path / "a") != generate(tmp_path / "b")


def test_a_key_file_is_its_owners_alone(path: Path) -> None:
    """Mode 0600, whatever the umask."""
    before = os.umask(0)
    try:
        generate(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_files_are_in_the_standard_forms(path: Path) -> None:
    """PKCS#8 and SubjectPublicKeyInfo, which other tools read."""
    generate(str(path))
    assert path.read_text().startswith("-----BEGIN PRIVATE KEY-----\n")
    assert Path(f"{path}.pub").read_text().startswith("-----BEGIN PUBLIC KEY-----\n")


@pytest.mark.parametrize("suffix", ["", ".pub"])
def test_nothing_is_overwritten(path: Path, suffix: str) -> None:
    """A file of either name stays as it is, and no half of a pair is made beside it."""
    taken = Path(f"{path}{suffix}")
    taken.write_text("mine")
    with pytest.raises(KeyFileError, match="is there already"):
        generate(path)
    assert taken.read_text() == "mine"
    assert list(path.parent.iterdir()) == [taken]


@pytest.mark.parametrize("suffix", ["", ".pub"])
def test_a_link_is_not_followed(path: Path, suffix: str) -> None:
    """A link that dangles in the place of a file is in the way, not a door."""
    Path(f"{path}{suffix}").symlink_to(path.parent / "elsewhere")
    with pytest.raises(KeyFileError, match="is there already"):
        generate(path)
    assert [each.name for each in path.parent.iterdir()] == [f"kernel.key{suffix}"]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    """The sentence has the path and the reason."""
    with pytest.raises(KeyFileError, match=r"none/key cannot be written: No such file"):
        generate(tmp_path / "none" / "key")


def test_an_auditors_key_that_was_made_is_read_back(path: Path) -> None:
    """Both halves, from files that are as guarded as those of a key that signs."""
    public = generate(path, "auditor")
    assert load_auditor(path).public_key().public_bytes_raw() == public
    assert auditor_from(f"{path}.pub") == auditor_from(public) == public
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o666])
def test_a_key_that_others_can_reach_is_refused(path: Path, mode: int) -> None:
    """Any bit for group or others, with the command that mends it."""
    generate(path)
    path.chmod(mode)
    for load in (load_seed, load_auditor):
        with pytest.raises(KeyFileError, match=f"run `chmod 600 {path}`"):
            load(path)


def test_a_public_key_may_be_read_by_all(path: Path) -> None:
    """Only the private half is guarded."""
    public = generate(path)
    Path(f"{path}.pub").chmod(0o644)
    assert load_public(f"{path}.pub") == public


@pytest.mark.parametrize("load", [load_seed, load_public, load_auditor, auditor_from])
def test_what_is_no_regular_file_is_refused(tmp_path: Path, load: object) -> None:
    """Folders and FIFOs are refused at once, without waiting for a writer."""
    assert callable(load)
    os.mkfifo(tmp_path / "fifo", 0o600)
    for name in ("", "fifo"):
        with pytest.raises(KeyFileError, match="not a regular file"):
            load(tmp_path / name)


@pytest.mark.parametrize("load", [load_seed, load_public, load_auditor, auditor_from])
def test_a_missing_file_is_told(path: Path, load: object) -> None:
    """With the command that makes one."""
    assert callable(load)
    with pytest.raises(KeyFileError, match=r"cannot be read: No such file.*`authgate keygen FILE`"):
        load(path)


def _private(key: ec.EllipticCurvePrivateKey | x25519.X25519PrivateKey) -> bytes:
    return key.private_bytes(PEM, PKCS8, CLEAR)


WRONG = {
    "empty": b"",
    "noise": b"\x00\xff" * 40,
    "text": b"a key",
    "an open armour": b"-----BEGIN PRIVATE KEY-----\nAAAA\n",
    "another curve": _private(ec.generate_private_key(ec.SECP256R1())),
    "the wrong use of the curve": _private(x25519.X25519PrivateKey.generate()),
    "locked": Ed25519PrivateKey.generate().private_bytes(PEM, PKCS8, LOCKED),
    "endless": b"-----BEGIN PRIVATE KEY-----\n" + b"A" * 100_000,
}


@pytest.mark.parametrize("data", WRONG.values(), ids=WRONG)
def test_what_is_no_key_is_refused(path: Path, data: bytes) -> None:
    """Another key, a locked one, or none: one sentence with the path."""
    _write(path, data)
    with pytest.raises(KeyFileError, match=r"kernel\.key does not hold an Ed25519 private key"):
        load_seed(path)
    with pytest.raises(KeyFileError, match=r"kernel\.key does not hold an Ed25519 public key"):
        load_public(path)


def test_the_halves_are_not_mistaken_for_each_other(path: Path) -> None:
    """A private key is no public key, and the other way round."""
    generate(path)
    public = Path(f"{path}.pub")
    public.chmod(0o600)
    with pytest.raises(KeyFileError, match="does not hold an Ed25519 private key"):
        load_seed(public)
    with pytest.raises(KeyFileError, match="does not hold an Ed25519 public key"):
        load_public(path)


@pytest.mark.parametrize("data", [v for k, v in WRONG.items() if "use" not in k])
def test_what_is_no_auditors_key_is_refused(path: Path, data: bytes) -> None:
    """Whatever stands in the file: one sentence with the path, and the command that makes one."""
    _write(path, data)
    with pytest.raises(KeyFileError, match=r"not hold an X25519 private key.*keygen --auditor"):
        load_auditor(path)
    with pytest.raises(KeyFileError, match=r"not hold an X25519 public key.*keygen --auditor"):
        auditor_from(path)


def test_a_key_of_the_other_kind_is_told_as_such(tmp_path: Path) -> None:
    """A key that signs is no auditor's, and the other way round."""
    for kind in ("signing", "auditor"):
        generate(tmp_path / kind, kind)  # type: ignore[arg-type]
    signing, auditor = tmp_path / "signing", tmp_path / "auditor"
    for load, suffix in ((load_auditor, ""), (auditor_from, ".pub")):
        with pytest.raises(KeyFileError, match=r"it holds a key of the kind `signing`"):
            load(f"{signing}{suffix}")  # type: ignore[operator]
    for read, suffix in ((load_seed, ""), (load_public, ".pub")):
        with pytest.raises(KeyFileError, match=r"it holds a key of the kind `auditor`"):
            read(f"{auditor}{suffix}")


def test_a_public_key_of_another_curve_is_refused(path: Path) -> None:
    """Only Ed25519 signs here."""
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    _write(path, ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(PEM, spki))
    with pytest.raises(KeyFileError, match="does not hold an Ed25519 public key"):
        load_public(path)


def test_the_key_id_is_the_kernels() -> None:
    """The name of a key is the one that a kernel with that key gives itself."""
    kernel = ReferenceKernel(b"\x01" * 32, b"\x02" * 32)
    assert key_id(kernel.public_key) == kernel.key_id
    assert len(kernel.key_id) == 16


def test_half_a_key_is_not_left_behind(tmp_path: Path) -> None:
    """Without room for it there is no key, and the name is free again."""
    code = (
        "import resource, sys; from authgate_async.keys import generate; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10)); generate(sys.argv[1])"
    )
    command = [sys.executable, "-I", "-c", code, str(tmp_path / "kernel.key")]
    done = subprocess.run(command, capture_output=True, check=False, text=True)

    assert "KeyFileError" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_gives_nothing_is_told() -> None:
    """A file that opens and cannot be read, as one on a broken disk, gets a sentence."""
    with pytest.raises(KeyFileError, match="cannot be read: Input/output error; see to its disk"):
        load_seed("/proc/self/mem")
