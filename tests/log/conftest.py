"""A scribe that makes true records, signed by a real kernel, and sample logs."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec
import pytest

from authgate_async import wire
from authgate_async.backends import make_kernel
from authgate_async.log import rotation
from authgate_async.log.entries import asked_of, change_of, intent_of
from authgate_async.log.records import (
    FORMAT,
    ApprovalAsked,
    Intent,
    LogOpened,
    Outcome,
    Record,
    Refusal,
    RegistryChange,
    Rejected,
    RunClosed,
    RunOpened,
)
from authgate_async.log.rotation import Rotation
from authgate_async.log.writer import LogFile

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_700_000_000_000_000
DIGEST = sha256(b"").hexdigest()
GRANTS = (wire.Register(wire.Grant("g", "a", "machine", "folder", "docs", "", 1)),)
HANDED_ON = (
    wire.Register(wire.Grant("g", "h", "human", "folder", "docs", "", 9)),
    wire.Delegate(
        wire.Grant("c", "a", "machine", "folder", "docs", "", 1, parent="g"), "h", "human"
    ),
)


class Scribe:
    """Makes the records of an agent `a` that may read `docs`, and of nobody else."""

    def __init__(self, seed: bytes = b"s" * 32, grants: tuple[wire.Change, ...] = GRANTS) -> None:
        self.kernel = make_kernel("python", seed=seed, entropy=b"e" * 32)
        changes = (
            wire.Enrol("h", "human"),
            wire.Enrol("a", "machine"),
            wire.Own("a", "h"),
            *grants,
        )
        self.changes: list[Record] = [self.change(change) for change in changes]

    def change(self, change: wire.Change) -> RegistryChange:
        """A change of the registry, made by the kernel."""
        changed = self.kernel.change(msgspec.msgpack.encode((change,)), NOW)
        (result,) = msgspec.msgpack.decode(changed, type=tuple[wire.Changed, ...])
        return change_of(change, result, by="operator", time=NOW)

    def opened(self, cut_bytes: int = 0) -> LogOpened:
        """A session's first record."""
        return LogOpened(
            backend="python",
            cut_bytes=cut_bytes,
            format=FORMAT,
            key_id=self.kernel.key_id,
            layers=("deadline",),
            public_key=self.kernel.public_key.hex(),
            time=NOW,
            version="0",
        )

    def run_opened(self, run: str) -> RunOpened:
        """The first record of a run."""
        return RunOpened(agent="a", intent_digest=DIGEST, run=run, task="t", time=NOW)

    def intent(self, run: str, seq: int, name: str = "docs", action_id: str = "") -> Intent:
        """The kernel's decision on reading `name`: a permit for `docs` only."""
        (intent,) = self._decide(run, [seq], name, action_id or f"{run}:{seq}")
        return intent

    def intents(self, run: str, count: int) -> list[Intent]:
        """Permits that the kernel decided in one batch, numbered as the first of their run."""
        found = self._decide(run, list(range(count)), "docs", "")
        return [msgspec.structs.replace(each, run_seq=each.seq + 1) for each in found]

    def _decide(self, run: str, seqs: list[int], name: str, action_id: str) -> list[Intent]:
        args = '{"path":"a.txt"}'
        actions = [
            wire.Action(
                id=action_id or f"{run}:{seq}",
                actor="a",
                kind="machine",
                tool="file_read",
                args=args.encode(),
                requests=(wire.Request("folder", name, "a.txt", 1),),
            )
            for seq in seqs
        ]
        decided = self.kernel.decide(msgspec.msgpack.encode(actions), NOW, b"n" * 32)
        batch = msgspec.msgpack.decode(decided, type=list[wire.SignedVerdict])
        verdicts = [msgspec.msgpack.decode(signed.verdict, type=wire.Verdict) for signed in batch]
        return [
            intent_of(signed, verdict, run=run, seq=seq, args=args)
            for signed, verdict, seq in zip(batch, verdicts, seqs, strict=True)
        ]

    def asked(self, run: str, seq: int) -> ApprovalAsked:
        """A permit that waits for the human `k`, who is asked only now."""
        args = '{"path":"a.txt"}'
        action = wire.Action(
            id=f"{run}:{seq}",
            actor="a",
            kind="machine",
            tool="file_read",
            args=args.encode(),
            requests=(wire.Request("folder", "safe", "a.txt", 1),),
        )
        decided = self.kernel.decide(msgspec.msgpack.encode([action]), NOW, b"n" * 32)
        (signed,) = msgspec.msgpack.decode(decided, type=tuple[wire.SignedVerdict])
        verdict = msgspec.msgpack.decode(signed.verdict, type=wire.Verdict)
        return asked_of(signed, verdict, run=run, seq=seq, args=args, deadline=NOW + 9)

    def outcome(self, intent: Intent) -> Outcome:
        """The end of a permitted call."""
        return Outcome(
            action_digest=intent.action_digest,
            action_id=intent.action_id,
            capped=("stdout",),
            cause="returned",
            cpu_us=1,
            denials=(),
            error="",
            layers=("deadline",),
            memory_bytes=1,
            result_digest=DIGEST,
            run=intent.run,
            seq=intent.seq,
            stderr_digest=DIGEST,
            stdout_digest=DIGEST,
            time=NOW,
            wall_us=1,
        )

    def rejected(self, run: str, seq: int) -> Rejected:
        """A step that the kernel never saw."""
        return Rejected(
            agent="a",
            code="unknown_tool",
            run=run,
            sentence="there is no tool `x`",
            seq=seq,
            time=NOW,
            tool="x",
        )

    def refusal(self) -> Refusal:
        """A forged permit was shown."""
        return Refusal(
            action_id="", code="permit_forged", permit_digest=DIGEST, sentence="no", time=NOW
        )

    def closed(self, run: str) -> RunClosed:
        """The last record of a run."""
        return RunClosed(run=run, status="done", time=NOW)

    def run(self, run: str) -> list[Record]:
        """A whole run: a permitted step with its outcome, a rejected and a denied one."""
        intent = self.intent(run, 0)
        return [
            self.run_opened(run),
            intent,
            self.outcome(intent),
            self.rejected(run, 1),
            self.intent(run, 2, "secrets"),
            self.closed(run),
        ]

    def write(self, folder: Path, *runs: str, seal: bool = True) -> Path:
        """Write one session with these runs in one group commit; return the file.

        It ends with its checkpoint, the seal and the checkpoint over that.
        """
        log = LogFile.open(folder, "os", self.kernel if seal else None)
        whole = [record for run in runs for record in self.run(run)]
        log.append([self.opened(log.cut_bytes), *self.changes, *whole, self.refusal()])
        log.close()
        return folder / "log.jsonl"

    def write_files(self, folder: Path, rule: Rotation, *, seal: bool = True) -> LogFile:
        """Write two runs in files of one group commit each, and return the log, closed.

        They begin at records 0 (opening, grants), 6 (run `a`), 15 (`b` is opened), 20 (the outcome
        of its call) and 25 (the rest of it).
        """
        log = LogFile.open(folder, "os", self.kernel, rule)
        b = self.run("b")
        opening = [self.opened(log.cut_bytes), *self.changes]
        for group in (opening, self.run("a"), b[:2], b[2:3], b[3:]):
            log.append(group)
        if seal:
            log.close()
        else:
            log._storage.close()  # type: ignore[union-attr]
        return log


@pytest.fixture
def scribe() -> Scribe:
    """Whoever wrote the log."""
    return Scribe()


@pytest.fixture
def stranger() -> Scribe:
    """The same under another key."""
    return Scribe(b"x" * 32)


@pytest.fixture
def delegating() -> Scribe:
    """The same, where a human holds the grant `g` and hands on a part of it as `c`."""
    return Scribe(grants=HANDED_ON)


@pytest.fixture
def tight(monkeypatch: pytest.MonkeyPatch) -> Rotation:
    """Another file for each group commit but a session's first, and nothing is removed."""
    monkeypatch.setattr(rotation, "MIN_BYTES", 1)
    return Rotation(file_bytes=1)


@pytest.fixture
def fleeting(tight: Rotation) -> Rotation:
    """The same, where a file is removed as soon as it is closed."""
    return replace(tight, keep_seconds=0)
