"""What must hold between the tables of a policy, beyond their form."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import msgspec
from msgspec import UNSET, UnsetType

from authgate_async.grants import bound_text, limits_of
from authgate_async.launchers.protocol import LayerName, Limits
from authgate_async.policy.form import (
    ArgForm,
    GrantForm,
    LimitsForm,
    LogForm,
    PolicyForm,
    PrincipalForm,
    ResourceForm,
    SandboxForm,
    ToolForm,
    ToolLimitsForm,
)
from authgate_async.policy.model import Policy, Principal, Resource, RunLimits, ToolEntry
from authgate_async.policy.problems import Faults, quote
from authgate_async.policy.read import read_table, read_tables
from authgate_async.reference.constraints.bounds import flaw
from authgate_async.wire import Constraint, Grant, Right

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator
    from pathlib import Path as FilePath

    from authgate_async.grants import Budget
    from authgate_async.policy.locate import Path

__all__ = ["BUILT_IN", "MAX_ALTERNATIVES", "build"]

BUILT_IN = frozenset({"calculator", "file_read", "python_exec", "run_program", "web_search"})

MAX_ALTERNATIVES = 64
"""How many grants one holder may have on one resource and scope (`docs/rules.md`, section 1)."""

MAX_APPROVERS = 16
"""How many humans a grant may name as its approvers (`docs/rules.md`, section 2)."""

MAX_CONSTRAINTS = 64
"""How many constraints a grant may have (`docs/rules.md`, section 8)."""

_MAX_NAME = 256
_MAX_SCOPE = 4096
_MAX_SLASHES = 63
_KEY_BYTES = 32
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_UNIX = datetime(1970, 1, 1, tzinfo=UTC)
_PER_UNIT = 1_000_000


def build(raw: dict[str, Any], file: FilePath, faults: Faults) -> Policy:
    """Return the policy that a parsed file is; it counts only if no fault was noted."""
    return _Builder(raw, file, faults).policy()


class _Builder:
    def __init__(self, raw: dict[str, Any], file: FilePath, faults: Faults) -> None:
        self._raw = raw
        self._file = file
        self._faults = faults
        self._seen: dict[Hashable, Path] = {}
        self._signers: set[str] = set()

    def policy(self) -> Policy:
        tables = ("principals", "resources", "grants", "limits", "tools", "sandbox", "log")
        rest = {key: value for key, value in self._raw.items() if key not in tables}
        read_table(rest, PolicyForm, (), self._faults)
        people = self._principals()
        return Policy(
            principals=people,
            resources=self._resources(),
            grants=self._grants(people),
            tools=self._tools(),
            limits=self._limits(),
            require=self._require(),
            log=self._log(),
            source=str(self._file),
        )

    def _entries(self, key: str, form: type[Any]) -> Iterable[tuple[Path, Any]]:
        return read_tables(self._raw.get(key, []), form, (key,), self._faults)

    def _once(self, where: Path, what: Hashable, sentence: str) -> None:
        first = self._seen.setdefault(what, where)
        if first != where:
            self._faults.add(where, sentence, first=first)

    def _text(
        self, where: Path, text: object, *, longest: int = _MAX_NAME, empty: bool = False
    ) -> None:
        """Hold a text against the rules for names and scopes (`docs/rules.md`, section 2)."""
        if not isinstance(text, str):
            return  # what has no sound value was reported when it was read
        if not text and not empty:
            self._faults.add(where, f"`{where[-1]}` is empty; give 1 to {longest} bytes")
        elif len(text.encode()) > longest:
            self._faults.add(where, f"`{where[-1]}` is longer than {longest} bytes; shorten it")
        elif _CONTROL.search(text):
            self._faults.add(where, f"`{where[-1]}` has a control character; remove it")

    def _pair(self, where: Path, text: object, form: str) -> tuple[str, str]:
        if not isinstance(text, str):
            return "", ""
        first, colon, second = text.partition(":")
        if not colon or not first or not second:
            self._faults.add(where, f"`{where[-1]}` cannot be {quote(text)}; write {form}")
        else:
            self._text(where, first)
            self._text(where, second)
        return first, second

    # Principals

    def _principals(self) -> tuple[Principal, ...]:
        forms: list[tuple[Path, PrincipalForm]] = list(self._entries("principals", PrincipalForm))
        humans = {form.name for _, form in forms if form.kind != "machine"}
        return tuple(self._principal(where, form, humans) for where, form in forms)

    def _principal(self, where: Path, form: PrincipalForm, humans: set[str]) -> Principal:
        self._text((*where, "name"), form.name)
        self._text((*where, "trust_domain"), form.trust_domain, empty=True)
        who = f"{form.kind} {quote(form.name)}"
        if _given(form.kind, form.name):
            sentence = f"{who} stands here twice; remove one"
            self._once((*where, "name"), ("principal", form.kind, form.name), sentence)
        if form.owner is not UNSET:
            self._owner((*where, "owner"), form, humans)
        key = b"" if form.key is UNSET else self._key((*where, "key"), form.key)
        return Principal(form.name, form.kind, form.owner or "", key, form.trust_domain)

    def _owner(self, where: Path, form: PrincipalForm, humans: set[str]) -> None:
        if form.kind == "human":
            self._faults.add(where, "a human has no owner; remove `owner`, or make it a machine")
        elif form.owner not in humans:
            sentence = f"`owner` names {quote(form.owner)}, who is no human here"
            self._faults.add(where, f"{sentence}; add that human under [[principals]]")

    def _key(self, where: Path, text: str) -> bytes:
        key = _decode_key(text)
        if len(key) != _KEY_BYTES:
            remedy = "give an Ed25519 public key of 32 bytes, as hex or base64"
            self._faults.add(where, f"`key` is no key; {remedy}")
        return key

    # Resources

    def _resources(self) -> tuple[Resource, ...]:
        return tuple(
            self._resource(where, form) for where, form in self._entries("resources", ResourceForm)
        )

    def _resource(self, where: Path, form: ResourceForm) -> Resource:
        place = (*where, "id")
        rtype, name = self._pair(place, form.id, "TYPE:NAME, such as file:workspace")
        if _given(form.id):
            sentence = f"{quote(form.id)} stands here twice; remove one"
            self._once(place, ("resource", form.id), sentence)
        self._text((*where, "trust_domain"), form.trust_domain, empty=True)
        path = "" if form.path is UNSET else self._place((*where, "path"), form.path, rtype)
        return Resource(rtype, name, path, form.public, form.trust_domain)

    def _place(self, where: Path, text: str, rtype: str) -> str:
        """Return the absolute path; only for files must it be a folder, a search has an index."""
        before = len(self._faults)
        self._text(where, text, longest=_MAX_SCOPE)
        path = self._file.parent / text
        if len(self._faults) == before and not _stands(path, folder=rtype == "file"):
            why = "which is no folder" if rtype == "file" else "which is neither folder nor file"
            sentence = f"`path` names {quote(text)}, {why}"
            self._faults.add(where, f"{sentence}; make it, or mend the path")
        return os.path.realpath(path) if len(self._faults) == before else ""

    # Grants

    def _grants(self, people: Iterable[Principal]) -> tuple[Grant, ...]:
        entries: list[tuple[Path, GrantForm]] = list(self._entries("grants", GrantForm))
        people = tuple(people)
        known = {(kind, p.name) for p in people for kind in _kinds(p)}
        self._signers = {p.name for p in people if "human" in _kinds(p) and p.key}
        grants = [self._grant(where, form, known) for where, form in entries]
        ids = {grant.id for grant in grants}
        for (where, form), grant in zip(entries, grants, strict=True):
            if form.parent is not UNSET and grant.parent not in ids:
                sentence = f"`parent` names {quote(grant.parent)}, which is no grant here"
                self._faults.add((*where, "parent"), f"{sentence}; add it, or mend the id")
        self._bound(entries, grants)
        return tuple(grants)

    def _grant(self, where: Path, form: GrantForm, known: set[tuple[str, str]]) -> Grant:
        kind, holder = self._pair((*where, "holder"), form.holder, "KIND:NAME")
        if holder and (kind, holder) not in known:
            sentence = f"`holder` names {quote(form.holder)}, who is not enrolled here"
            self._faults.add((*where, "holder"), f"{sentence}; add it under [[principals]]")
        rtype, name = self._pair((*where, "resource"), form.resource, "TYPE:NAME")
        self._scope((*where, "scope"), form.scope)
        grant = Grant(
            id="" if form.id is UNSET else form.id,
            holder=holder,
            holder_kind=kind,
            rtype=rtype,
            name=name,
            scope=form.scope,
            rights=self._rights((*where, "rights"), form.rights),
            confidence=round(form.confidence * _PER_UNIT),
            expires_at=0
            if form.expires_at is UNSET
            else self._expiry((*where, "expires_at"), form.expires_at),
            epoch=form.epoch,
            parent=form.parent or "",
            cross_domain=form.cross_domain,
            constraints=tuple(self._constraints((*where, "args"), form.args)),
            other_args=form.other_args or "",
            **limits_of(cast("Budget", msgspec.to_builtins(form.budget))),
            approvers=self._approvers((*where, "approvers"), form.approvers),
        )
        return self._named(where, form, grant)

    def _named(self, where: Path, form: GrantForm, grant: Grant) -> Grant:
        if form.id is UNSET:
            grant = msgspec.structs.replace(grant, id=_made_id(grant))
            self._once(where, ("grant", grant.id), "the same grant stands here twice; remove one")
            return grant
        place = (*where, "id")
        self._text(place, form.id)
        self._once(
            place, ("grant", form.id), f"grant {quote(form.id)} stands here twice; rename one"
        )
        return grant

    def _scope(self, where: Path, scope: str) -> None:
        self._text(where, scope, longest=_MAX_SCOPE, empty=True)
        if scope.count("/") > _MAX_SLASHES:
            self._faults.add(where, "`scope` has more than 64 components; grant a folder above")
        if ".." in re.split(r"[/\\]", scope):
            self._faults.add(where, "`scope` has `..` and would cover nothing; write it without")

    def _rights(self, where: Path, rights: object) -> int:
        if not isinstance(rights, tuple):
            return 0
        if not rights:
            remedy = "name at least one of read, write, execute, delegate"
            self._faults.add(where, f"`rights` is empty; {remedy}")
        for right, count in Counter(rights).items():
            if count > 1:
                self._faults.add(where, f"`rights` has {right} more than once; write it once")
        return sum(Right[right.upper()] for right in set(rights))

    def _constraints(self, where: Path, args: dict[str, ArgForm]) -> Iterator[Constraint]:
        given = [
            (arg, op, bound)
            for arg, form in args.items()
            for op, bound in msgspec.structs.asdict(form).items()
            if bound is not UNSET
        ]
        if len(given) > MAX_CONSTRAINTS:
            remedy = "say it with fewer, or in several grants"
            self._faults.add(where, f"`args` has more than {MAX_CONSTRAINTS} bounds; {remedy}")
        for arg in args:
            self._text((*where, arg), arg)
        for arg, op, bound in given:
            yield self._constraint((*where, arg, op), bound)

    def _constraint(self, where: Path, bound: object) -> Constraint:
        *_, arg, op = map(str, where)
        try:
            constraint = Constraint(arg, op, bound_text(bound))
        except ValueError:
            remedy = "give text, numbers, true or false, or lists of these"
            self._faults.add(where, f"`{op}` has no JSON form; {remedy}")
            return Constraint(arg, op, "null")
        why = flaw(constraint)
        if len(constraint.bound) > _MAX_SCOPE:
            why = f"is longer than {_MAX_SCOPE} bytes"
        if why:
            self._faults.add(where, f"`{op}` of `args` {why}; mend it")
        return constraint

    def _approvers(self, where: Path, names: tuple[str, ...] | UnsetType) -> tuple[str, ...]:
        if not isinstance(names, tuple):
            return ()
        if not names:
            self._faults.add(where, "`approvers` is empty; name a human, or remove it")
        if len(set(names)) < len(names) or len(names) > MAX_APPROVERS:
            remedy = f"name each human once, and {MAX_APPROVERS} at most"
            self._faults.add(where, f"`approvers` has too many names; {remedy}")
        for name in names:
            if name not in self._signers:
                sentence = f"`approvers` names {quote(name)}, who is no human with a key here"
                self._faults.add(where, f"{sentence}; give that human a `key`")
        return names

    def _expiry(self, where: Path, when: datetime) -> int:
        micros = (when - _UNIX) // timedelta(microseconds=1)
        # 0 means never on the wire: a time at or before 1970 must not become that.
        if micros <= 0:
            self._faults.add(where, "`expires_at` is not after 1970; give a later time")
        return micros

    def _bound(self, entries: list[tuple[Path, GrantForm]], grants: list[Grant]) -> None:
        counts: Counter[tuple[str, ...]] = Counter()
        for (where, form), grant in zip(entries, grants, strict=True):
            key = (form.holder, form.resource, grant.scope)
            counts[key] += 1
            if counts[key] == MAX_ALTERNATIVES + 1:
                sentence = f"{quote(form.holder)} has more than 64 grants on one resource and scope"
                self._faults.add(where, f"{sentence}; merge some")

    # Tools and limits

    def _tools(self) -> tuple[ToolEntry, ...] | None:
        raw = self._raw.get("tools")
        if raw is None:
            return None
        if not isinstance(raw, dict):
            self._faults.add(("tools",), "`tools` must be a table; write [tools.NAME] for each")
            return ()
        read = {
            name: read_table(entry, ToolForm, ("tools", name), self._faults)
            for name, entry in raw.items()
        }
        return tuple(self._tool(name, form) for name, form in read.items() if form is not None)

    def _tool(self, name: str, form: ToolForm) -> ToolEntry:
        self._text(("tools", name), name)
        source = "" if form.source is UNSET else form.source
        if source and name in BUILT_IN:
            remedy = "give your tool another name"
            self._faults.add(("tools", name, "import"), f"{name} is a built-in tool; {remedy}")
        if name not in BUILT_IN and "import" not in self._raw["tools"][name]:
            remedy = "add `import`, or mend the name"
            self._faults.add(("tools", name), f"{quote(name)} is no built-in tool; {remedy}")
        return ToolEntry(
            name,
            form.enabled,
            source,
            _set(form.limits),
            form.record_args or None,
            form.record_outputs or None,
        )

    def _limits(self) -> RunLimits:
        form = read_table(self._raw.get("limits", {}), LimitsForm, ("limits",), self._faults)
        given = _set(form or LimitsForm())
        tool = {key: given.pop(key) for key in ToolLimitsForm.__struct_fields__ if key in given}
        return RunLimits(**given, tool=Limits(**tool))

    def _log(self) -> dict[str, int]:
        form = read_table(self._raw.get("log", {}), LogForm, ("log",), self._faults)
        return {} if form is None else _set(form)

    def _require(self) -> tuple[LayerName, ...]:
        raw = self._raw.get("sandbox", {})
        form = read_table(raw, SandboxForm, ("sandbox",), self._faults)
        names = form.require if form is not None and _given(form.require) else []
        if len(set(names)) < len(names):
            self._faults.add(("sandbox", "require"), "`require` names a layer twice; name it once")
        return tuple(names)


def _stands(path: FilePath, *, folder: bool) -> bool:
    try:
        return path.is_dir() or (not folder and path.is_file())
    except OSError:
        return False  # say, a name that is too long


def _set(limits: ToolLimitsForm | LogForm) -> dict[str, int]:
    return cast("dict[str, int]", msgspec.to_builtins(limits))  # without what is unset


def _given(*values: object) -> bool:
    return UNSET not in values


def _kinds(person: Principal) -> tuple[str, ...]:
    """Return the kinds that references to a principal may name: both if its own was not sound."""
    return (person.kind,) if _given(person.kind) else ("human", "machine")


def _made_id(grant: Grant) -> str:
    """Name a grant by its content, so that the order of the file does not matter."""
    return "grant-" + hashlib.sha256(msgspec.msgpack.encode(grant)).hexdigest()[:16]


def _decode_key(text: str) -> bytes:
    if len(text) == 2 * _KEY_BYTES:
        try:
            return bytes.fromhex(text)
        except ValueError:
            return b""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""
