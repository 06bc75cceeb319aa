"""Decides a whole log again, counts what is used, and checks the least grants by deciding again."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Literal

import msgspec

from authgate_async.errors import LogCorruptError
from authgate_async.log.reading import true_lines
from authgate_async.log.records import decode_record
from authgate_async.replay.follow import Follower
from authgate_async.replay.least import enough
from authgate_async.wire import Right

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from authgate_async.backends import Backend
    from authgate_async.log.lines import Line
    from authgate_async.log.records import Record
    from authgate_async.policy import Policy
    from authgate_async.replay.follow import Judged
    from authgate_async.replay.least import Need

__all__ = ["Last", "Least", "Summary", "Used", "replay"]


class Used(msgspec.Struct, frozen=True):
    """A grant of the policy: how many permits rest on it, and which of its rights none needed."""

    id: str
    permits: int
    rights_not_needed: tuple[str, ...]


class Least(msgspec.Struct, frozen=True):
    """Grants that are enough, as was checked by deciding again, and what is known of them.

    `least`: no smaller set is enough. `irredundant`: none can be left out. Where budgets made such
    a set fail: `used`, those that the permits rest on, or `all`; fewer may do.
    """

    grants: tuple[str, ...]
    how: Literal["least", "irredundant", "used", "all"]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a log under another policy.

    `undecided` counts, by reason, what cannot be decided again; `changes` the recorded changes:
    `replaced` by the policy, `applied`, `refused`. `rejected` steps were never decided by a kernel.
    """

    intents: int
    as_recorded: int
    now_denied: int
    now_permitted: int
    undecided: dict[str, int]
    rejected: int
    changes: dict[str, int]
    grants: tuple[Used, ...]
    unused: tuple[str, ...]
    least: Least


class Last:
    """Remembers where a log ended that was read, so that it is read again up to there."""

    def __init__(self) -> None:
        self.index = -1
        self._sum = ""

    def see(self, line: Line, _record: Record) -> None:
        """Take each line, as `verify` gives it."""
        self.index, self._sum = line.number, line.sum

    def check(self, line: Line) -> None:
        """Raise `LogCorruptError` if the last line is another now: all before it hangs on it."""
        if line.number == self.index and line.sum != self._sum:
            raise LogCorruptError("the log was replaced while it was read; start again")


def replay(
    path: Path, last: Last, policy: Policy, backend: Backend, see: Callable[[Judged], None]
) -> Summary:
    """Decide the intents of a log that was verified up to `last` under a policy.

    `see` gets each, decided again, in the log's order. Streams: memory grows with the policy, and
    by a byte with each intent.

    Raises:
        PolicyError: the policy's tools cannot be found, or the kernel refuses a part of it.
        BackendMissingError: as for `make_kernel`.
        LogCorruptError, LogUnavailableError: the log has changed, or cannot be read any more.
    """
    tally = _Tally(policy)

    def judged(one: Judged) -> None:
        tally.add(one)
        see(one)

    follow = partial(_follow, path, last, backend=backend)
    follower = follow(policy, judged=judged)
    least = _least(tally, policy, follow)
    return tally.summary(follower, least)


def _follow(
    path: Path, last: Last, policy: Policy, *, backend: Backend, judged: Callable[[Judged], None]
) -> Follower:
    follower = Follower(policy, backend, judged)
    for line in true_lines(path):
        if line.number > last.index:
            break
        last.check(line)
        follower.take(line.number, decode_record(line.record))
    follower.flush()
    return follower


class _Tally:
    """Counts; `kept` has a byte for each intent: whether it was permitted and would be again."""

    def __init__(self, policy: Policy) -> None:
        self._granted = {grant.id: grant.rights for grant in policy.grants}
        self._ids = frozenset(self._granted)
        self._counts: Counter[str] = Counter()
        self._undecided: Counter[str] = Counter()
        self._permits: Counter[str] = Counter()
        self._rights: dict[str, int] = {}
        self.kept = bytearray()
        self.needs: set[Need] = set()

    def add(self, one: Judged) -> None:
        """Take one intent."""
        was = bool(one.intent.permitted)
        self.kept.append(was and one.permitted is True)
        if one.doubt is not None:
            self._undecided[one.doubt.code] += 1
            return
        flip = "now_permitted" if one.permitted else "now_denied"
        self._counts["as_recorded" if one.permitted == was else flip] += 1
        if one.permitted:
            self._use(one)
            if was:
                self.needs.update(self._needs(one))

    def _use(self, one: Judged) -> None:
        self._permits.update({grant for chain in one.chains for grant in chain} & self._ids)
        for request, chain in zip(one.intent.requests, one.chains, strict=True):
            for link, grant in enumerate(chain):
                needed = int(request.right) | (Right.DELEGATE if link else 0)
                self._rights[grant] = self._rights.get(grant, 0) | needed

    def _needs(self, one: Judged) -> Iterable[Need]:
        for support in one.supports:
            ways = frozenset(
                frozenset(grant.id for grant in chain) & self._ids for chain in support.chains
            )
            if not support.public:
                yield ways

    def used(self) -> frozenset[str]:
        """Return the grants that a permit rests on."""
        return frozenset(self._permits)

    def summary(self, follower: Follower, least: Least) -> Summary:
        """Put it together."""
        used = self.used()
        return Summary(
            intents=len(self.kept),
            as_recorded=self._counts["as_recorded"],
            now_denied=self._counts["now_denied"],
            now_permitted=self._counts["now_permitted"],
            undecided=dict(sorted(self._undecided.items())),
            rejected=follower.rejected,
            changes=dict(sorted(follower.changes.items())),
            grants=tuple(self._row(grant) for grant in self._granted if grant in used),
            unused=tuple(grant for grant in self._granted if grant not in used),
            least=least,
        )

    def _row(self, grant: str) -> Used:
        spare = self._granted[grant] & ~self._rights.get(grant, 0)
        names = tuple(str(right.name).lower() for right in Right if right & spare)
        return Used(grant, self._permits[grant], names)


def _least(tally: _Tally, policy: Policy, follow: Callable[..., Follower]) -> Least:
    found = enough(tally.needs)
    first: Literal["least", "irredundant"] = "least" if found.least else "irredundant"
    if not any(tally.kept) or _suffices(tally, policy, found.grants, follow):
        return Least(_ordered(policy, found.grants), first)
    if _suffices(tally, policy, tally.used(), follow):
        return Least(_ordered(policy, tally.used()), "used")
    return Least(tuple(grant.id for grant in policy.grants), "all")


def _ordered(policy: Policy, ids: frozenset[str]) -> tuple[str, ...]:
    return tuple(grant.id for grant in policy.grants if grant.id in ids)


def _suffices(
    tally: _Tally, policy: Policy, ids: frozenset[str], follow: Callable[..., Follower]
) -> bool:
    """Whether all that was permitted and would be again is so under these grants alone."""
    grants = tuple(grant for grant in policy.grants if grant.id in ids)
    intents = iter(tally.kept)
    lost = 0

    def judged(one: Judged) -> None:
        nonlocal lost
        lost += next(intents) and one.permitted is not True

    follow(msgspec.structs.replace(policy, grants=grants), judged=judged)
    return not lost
