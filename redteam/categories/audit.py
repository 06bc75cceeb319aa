"""Audit tampering: a log that was altered, and is taken for true."""

from __future__ import annotations

import io
import json
import sys
import tempfile
from contextlib import asynccontextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import to_thread
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from authgate_async import AuthgateError, Policy, Rotation, Runtime, Task, cli, tool
from authgate_async.errors import LogUnavailableError
from authgate_async.log.lines import Fault
from authgate_async.log.notes import make_note
from authgate_async.log.proofs import check_proof, prove
from authgate_async.log.verify import Report, verify
from authgate_async.policy import Principal
from authgate_async.reference.permit import checkpoint_text
from authgate_async.wire import Grant, Right
from redteam.broken.logs import follows_anything, skips_every_signature, skips_the_sums
from redteam.engineers import Broken, Category, EscapedError
from redteam.stage import temporary
from redteam.tampering import WAYS, lines_of, relinked, renoted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redteam.engineers import Attack, Engineer, Setting
    from redteam.tampering import Files

__all__ = ["CATEGORY"]

ATTACKS = 5

RAN: list[str] = []
"""What the tool of this process was called for: it is inline, so that its effect can be seen."""


@tool(resource="compute:note", right="execute", level="inline")
async def note(text: str) -> str:
    """Note that it ran."""
    RAN.append(text)
    return text


POLICY = Policy(
    principals=(Principal("ann", "human"), Principal("bot", "machine", owner="ann")),
    grants=(Grant("g", "bot", "machine", "compute", "note", "", int(Right.EXECUTE)),),
)


@dataclass(frozen=True)
class Original:
    """A log that holds, its key, and its last checkpoint, which was kept elsewhere."""

    files: Files
    key: bytes
    kept: str


@dataclass(frozen=True)
class Archive:
    """What the engineers may alter: a log in one file, one in several, one of somebody else.

    All three are signed with one key.
    """

    setting: Setting
    folder: Path
    seed: bytes
    logs: tuple[Original, Original]
    other: Original

    def laid_out(self, files: Files) -> Path:
        """Return a new folder with these files."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        for name, data in files.items():
            (folder / name).write_bytes(data)
        return folder


@asynccontextmanager
async def arena(setting: Setting) -> AsyncIterator[Attack]:
    """Write three logs, which hold, and let engineers alter copies."""
    with temporary() as folder:
        seed = Ed25519PrivateKey.generate().private_bytes_raw()
        made = [await _write(setting, folder / str(n), seed, rotate=n == 1) for n in range(3)]
        archive = Archive(setting, folder, seed, (made[0], made[1]), made[2])

        async def attack(engineer: Engineer) -> None:
            for _ in range(ATTACKS):
                await _draw(engineer)(archive, engineer)
            await _calm(archive, engineer)

        yield attack


async def _write(setting: Setting, folder: Path, seed: bytes, *, rotate: bool) -> Original:
    """Write a log of two sessions, with calls, denials and changes."""
    rotation = Rotation(file_bytes=2**16) if rotate else Rotation()
    for session in range(2):
        async with Runtime(
            POLICY,
            tools=(note,),
            backend=setting.backend,
            log=folder,
            durability="os",
            key=seed,
            rotation=rotation,
        ) as rt:
            key = rt.public_key
            for number in range(12 if rotate else 4):
                steps = [{"tool": "note", "args": {"text": "x"}}] * 2
                await rt.run(Task("bot" if number % 4 else "eve", steps=tuple(steps)))
            grant = await rt.grant("machine:bot", "read", "vault:v", grant_id=f"v{session}")
            await rt.revoke(grant)
    report = await to_thread.run_sync(verify, folder, key)
    if not (report.ok and report.sealed):
        raise AssertionError(f"a log that nobody altered does not hold: {report}")
    files = await to_thread.run_sync(_files_of, folder)
    return Original(files, key, report.checkpoint)


def _files_of(folder: Path) -> Files:
    return {path.name: path.read_bytes() for path in folder.glob("*.jsonl")}


async def _calm(archive: Archive, engineer: Engineer) -> None:
    """A true copy holds."""
    original = archive.logs[engineer.number % 2]
    report = await _verified(archive, engineer, original, original.files, against=True)
    if not (report.ok and report.sealed):
        raise AssertionError(f"a true copy does not hold: {report.bad}")


async def _verified(
    archive: Archive, engineer: Engineer, original: Original, files: Files, *, against: bool
) -> Report:
    """Verify a copy; sometimes by both readers and the command, which must agree."""
    folder = archive.laid_out(files)
    kept = original.kept if against else None
    report = await to_thread.run_sync(lambda: verify(folder, original.key, against=kept))
    if engineer.number % 3:
        return report
    slow = await to_thread.run_sync(
        lambda: verify(folder, original.key, against=kept, see=lambda *_: None)
    )
    if (report.ok, report.sealed, report.covered) != (slow.ok, slow.sealed, slow.covered):
        raise EscapedError(f"two readers see two logs: {report} and {slow}")
    if engineer.number % 9 == 0:
        said = await to_thread.run_sync(_by_command, folder, original.key, kept)
        if said != report.ok:
            raise EscapedError(f"the command says something else than {report}")
    return report


def _by_command(folder: Path, key: bytes, kept: str | None) -> bool:
    """Have the command line verify a log."""
    public = Ed25519PublicKey.from_public_bytes(key)
    form = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "key.pub").write_bytes(public.public_bytes(*form))
    words = ["audit", "verify", str(folder), "--json", "--key", str(folder / "key.pub")]
    if kept is not None:
        (folder / "kept").write_text(kept)
        words += ["--against", str(folder / "kept")]
    with io.TextIOWrapper(io.BytesIO()) as out, redirect_stdout(out):
        stderr, sys.stderr = sys.stderr, io.StringIO()
        try:
            status = cli.main(words)
        finally:
            sys.stderr = stderr
        out.seek(0)
        said = out.read()
    return status == 0 and bool(json.loads(said)["ok"])


# Attacks


async def _alter(archive: Archive, engineer: Engineer) -> None:
    """Alter a log in one to three ways, with or without care, and have it verified."""
    random = engineer.random
    original = archive.logs[int(random.random() * 2)]
    files = dict(original.files)
    told = [
        WAYS[int(random.random() * len(WAYS))](files, archive.other.files, random)
        for _ in range(1 + int(random.random() ** 2 * 3))
        if lines_of(files)
    ]
    care, against = int(random.random() * 4), random.random() < 0.5
    engineer.tries(f"{', '.join(told)}; {CARE[care]}; {'kept' if against else 'no'} checkpoint")
    files = _with_care(files, care, archive, original)
    try:
        report = await _verified(archive, engineer, original, files, against=against)
    except AuthgateError:
        return
    _judge(archive, original, files, report, against=against)


CARE = ("as it is", "chained anew", "with new roots", "signed anew by another key")


def _with_care(files: Files, care: int, archive: Archive, original: Original) -> Files:
    if care == 0:
        return files
    if care == 1:
        return relinked(files)
    if care == 2:
        return renoted(files, lambda *_: None)
    own = Ed25519PrivateKey.from_private_bytes(archive.seed[::-1])

    def sign(origin: str, size: int, root: bytes) -> str | None:
        if not origin:
            return None
        signature = own.sign(checkpoint_text(origin, size, root))
        return make_note(origin, size, root, original.key, signature).rsplit(" ", 1)[1].strip()

    return renoted(files, sign)


def _judge(
    archive: Archive, original: Original, files: Files, report: Report, *, against: bool
) -> None:
    """What is reported as holding must be what was written, as far as it is told to be covered.

    Without a checkpoint that was kept, another log under the same key may stand in its place.
    """
    if not report.ok:
        return
    true, found, covered = lines_of(original.files), lines_of(files), report.covered
    kept = len(true) - 1 if against else 0
    least = max(covered, kept)
    whole = f"of {report.records} records {covered} are told to be covered"
    may_be = [true] if against else [true, lines_of(archive.other.files)]
    if report.removed or all(found[:least] != one[:least] for one in may_be):
        raise EscapedError(f"{whole}, and they are not those that were written")
    if report.sealed and covered != report.records - 1:
        raise EscapedError(f"{whole}, and the log is told to be sealed")
    if len(found) < kept:
        raise EscapedError(f"{whole}, and the checkpoint that was kept is over {kept}")


async def _forge_proof(archive: Archive, engineer: Engineer) -> None:
    """Alter a proof of one record, or take parts of another one's."""
    random = engineer.random
    original = archive.logs[0]
    place = archive.folder / "0"
    size = len(lines_of(original.files)) - 1
    indices = [int(random.random() * size) for _ in range(2)]
    texts = [await to_thread.run_sync(prove, place, index) for index in indices]
    parts = [text.split("\n") for text in texts]
    at = int(random.random() * len(parts[0]))
    ways = {
        "a letter": _letter(texts[0], random.random()),
        "a line less": "\n".join(parts[0][:at] + parts[0][at + 1 :]),
        "a line twice": "\n".join(parts[0][: at + 1] + parts[0][at:]),
        "a line of another": "\n".join(parts[0][:at] + parts[1][at : at + 1] + parts[0][at + 1 :]),
        "the end of another": "\n".join(parts[0][:at] + parts[1][at:]),
    }
    how = sorted(ways)[int(random.random() * len(ways))]
    engineer.tries(f"proof: {how}")
    try:
        proved = check_proof(ways[how], original.key)
    except (Fault, AuthgateError):
        return
    if proved.line.record not in lines_of(original.files)[proved.line.number]:
        raise EscapedError(f"a proof of what was never written checks: {proved.line}")


def _letter(text: str, fraction: float) -> str:
    at = int(fraction * len(text))
    return text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :]


async def _while_open(archive: Archive, engineer: Engineer) -> None:
    """Alter a log under the hands of the runtime that writes it."""
    random = engineer.random
    ways = {
        "longer": lambda path, data: path.write_bytes(data + data[-200:]),
        "one line longer": lambda path, data: path.write_bytes(data + data.splitlines(True)[-1]),  # noqa: FBT003
        "shorter": lambda path, data: path.write_bytes(data[:-1]),
        "a line shorter": lambda path, data: path.write_bytes(
            b"".join(data.splitlines(keepends=True)[:-1])
        ),
        "empty": lambda path, _: path.write_bytes(b""),
        "gone": lambda path, _: path.unlink(),
        "moved away": lambda path, _: path.rename(path.with_name("log-old")),
    }
    how = sorted(ways)[int(random.random() * len(ways))]
    token = engineer.tries(f"while it is open: {how}")
    step = {"tool": "note", "args": {"text": token}}
    folder = archive.folder / token
    options = {"tools": (note,), "backend": archive.setting.backend, "log": folder}
    with suppress(LogUnavailableError):  # the end says so too
        async with Runtime(POLICY, **options, key=archive.seed, grace=0.0) as rt:
            await rt.run(Task("bot", steps=({"tool": "note", "args": {"text": "before"}},)))
            path = folder / "log.jsonl"
            ways[how](path, path.read_bytes())
            await rt.run(Task("bot", steps=(step,)))
    if token in RAN:
        raise EscapedError("a body ran though its record cannot have been kept")


async def _go_on(archive: Archive, engineer: Engineer) -> None:
    """Alter a closed log, and have a runtime go on with it: what was altered must stay found."""
    random = engineer.random
    original = archive.logs[int(random.random() * 2)]
    files = dict(original.files)
    way = WAYS[int(random.random() * 4)]
    engineer.tries(f"go on behind: {way(files, archive.other.files, random)}")
    folder = archive.laid_out(files)
    try:
        async with Runtime(
            POLICY,
            tools=(note,),
            backend=archive.setting.backend,
            log=folder,
            durability="os",
            key=archive.seed,
        ) as rt:
            await rt.run(Task("bot", steps=({"tool": "note", "args": {"text": "on"}},)))
    except AuthgateError:
        return
    report = await to_thread.run_sync(verify, folder, original.key)
    found = lines_of(await to_thread.run_sync(_files_of, folder))
    opened = max(place for place, line in enumerate(found) if b'"kind":"log_opened"' in line)
    # Its tail may have been cut off; a checkpoint that was kept would show that.
    if report.ok and found[:opened] != lines_of(original.files)[:opened]:
        raise EscapedError(f"a runtime went on with an altered log, which now holds: {report}")


def _draw(engineer: Engineer):  # noqa: ANN202 - one of the functions above
    drawn = engineer.random.random()
    if drawn < 0.75:
        return _alter
    if drawn < 0.9:
        return _forge_proof
    return _while_open if drawn < 0.95 else _go_on


CATEGORY = Category(
    "audit-tampering",
    "what a log is told to hold is what was written",
    arena,
    (
        Broken("a log without a chain", follows_anything),
        Broken("a verifier that skips the sums of lines", skips_the_sums),
        Broken("a verifier that skips signatures", skips_every_signature),
    ),
)
