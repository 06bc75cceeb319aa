"""A policy on trial: what a kernel refuses of it, what no tool can use, what it grants in vain.

The kernel itself is asked, so that this cannot differ from what will be decided.
"""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING

import msgspec

from authgate_async.backends import make_kernel
from authgate_async.policy.conflict import conflict, excess
from authgate_async.policy.locate import line_of, locate
from authgate_async.policy.problems import Problem, quote
from authgate_async.policy.tools import find_tools
from authgate_async.policy.unfit import unfit
from authgate_async.tools.folders import ToolFailure
from authgate_async.tools.programs import FOLDERS, find
from authgate_async.tools.web_search import opened
from authgate_async.wire import (
    Action,
    Change,
    Changed,
    Enrol,
    Register,
    Request,
    Right,
    SignedVerdict,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authgate_async.backends import Backend, Kernel
    from authgate_async.policy.locate import Path
    from authgate_async.policy.model import Policy
    from authgate_async.wire import Grant

__all__ = ["Trial", "try_policy"]

_SECRET_BYTES = 32
_MAX_LINKS = 16
_UNTRIED = frozenset({"constraint", "budget", "approval_required"})


class Trial(msgspec.Struct, frozen=True):
    """What a policy looks like to a kernel: what is refused, and what cannot have an effect."""

    refused: tuple[Problem, ...] = ()
    doubtful: tuple[Problem, ...] = ()


def try_policy(policy: Policy, text: str, now: int, backend: Backend = "auto") -> Trial:
    """Enter a sound policy, whose file reads `text`, into a kernel of its own at `now`.

    Raises:
        BackendMissingError: as for `make_kernel`.
    """
    secret = os.urandom(_SECRET_BYTES)
    kernel = make_kernel(backend, seed=secret, entropy=secret)
    lines = locate(text)
    file = policy.source
    refused = [Problem(file, 0, why) for why in _refused(kernel, policy.changes(), now)]
    refused += [Problem(file, line_of(lines, where), why) for where, why in _unsearchable(policy)]
    if refused:
        return Trial(tuple(refused))
    doubtful = (*_unowned(policy), *_placeless(policy), *_absent(policy), *_unserved(policy))
    doubts = sorted(
        (line_of(lines, where), sentence)
        for where, sentence in (*doubtful, *_vain(kernel, policy, now), *_contradictory(policy))
    )
    return Trial((), tuple(Problem(file, line, sentence) for line, sentence in doubts))


def _refused(kernel: Kernel, changes: list[Change], now: int) -> Iterator[str]:
    answers = kernel.change(msgspec.msgpack.encode(changes), now)
    for change, changed in zip(
        changes, msgspec.msgpack.decode(answers, type=list[Changed]), strict=True
    ):
        if changed.code:
            what = f"{change.kind} {quote(change.name)}: " if isinstance(change, Enrol) else ""
            yield f"{what}the kernel refuses it: {changed.sentence}; mend that"


def _unsearchable(policy: Policy) -> Iterator[tuple[Path, str]]:
    """Open the index as the tool does that would search it, and search it once."""
    for index, resource in enumerate(policy.resources):
        asked = (resource.rtype, resource.name) == ("search", "web") and resource.path
        if not asked or policy.entry("web_search") is None:
            continue
        try:
            with closing(opened(resource.path)) as provider:
                provider.search("a", 1)
        except ToolFailure:
            sentence = "`path` of `search:web` is no search index; make one with `build_index`"
            yield ("resources", index, "path"), f"{sentence}, or remove the path"


def _unowned(policy: Policy) -> Iterator[tuple[Path, str]]:
    for index, person in enumerate(policy.principals):
        if person.kind == "machine" and not person.owner:
            sentence = f"machine {quote(person.name)} has no owner and can do nothing"
            yield ("principals", index), f"{sentence}; name a human as its `owner`"


def _placeless(policy: Policy) -> Iterator[tuple[Path, str]]:
    for index, grant in enumerate(policy.grants):
        if grant.rtype == "file" and ("file", grant.name) not in policy.folders:
            sentence = f"{quote(f'file:{grant.name}')} has no folder, so no tool can reach it"
            yield ("grants", index), f"{sentence}; give it a `path` under [[resources]]"


def _absent(policy: Policy) -> Iterator[tuple[Path, str]]:
    if policy.entry("run_program") is None:
        return  # another tool may call something else a program
    for index, grant in enumerate(policy.grants):
        if grant.rtype == "program" and find(grant.name) is None:
            folders = " or ".join(FOLDERS)
            sentence = f"{quote(f'program:{grant.name}')} is no program in {folders} here"
            yield ("grants", index), f"{sentence}; install it, or mend the name"


def _vain(kernel: Kernel, policy: Policy, now: int) -> Iterator[tuple[Path, str]]:
    """Ask for each grant alone what it permits: through a copy whose holder has nothing else."""
    names = _fresh_names(policy)
    changes: list[Change] = []
    domains = {f"{p.kind}:{p.name}": p.trust_domain for p in policy.principals}
    for name, grant in zip(names, policy.grants, strict=True):
        changes += _copy(name, grant, domains[f"{grant.holder_kind}:{grant.holder}"])
    kernel.change(msgspec.msgpack.encode(changes), now)
    actions = [_use(name, grant) for name, grant in zip(names, policy.grants, strict=True)]
    answers = kernel.decide(msgspec.msgpack.encode(actions), now, os.urandom(_SECRET_BYTES))
    for index, signed in enumerate(msgspec.msgpack.decode(answers, type=list[SignedVerdict])):
        verdict = msgspec.msgpack.decode(signed.verdict, type=Verdict)
        # The trial has no arguments, its calls share the budgets of their ancestors, and nobody
        # approves them: it says nothing of these. `conflict` does, of the first two.
        violations = [told for told in verdict.violations if told[0] not in _UNTRIED]
        if violations:
            grant = policy.grants[index]
            why = violations[0][1].replace(f"`{names[index]}`", f"`{grant.id}`")
            sentence = f"grant {quote(grant.id)} can permit nothing: {why}"
            yield ("grants", index), f"{sentence}; mend or remove it"


def _chains(policy: Policy) -> Iterator[list[Grant]]:
    """Each grant with what it was handed on from, as far as the policy has it."""
    known = {grant.id: grant for grant in policy.grants}
    for grant in policy.grants:
        chain = [grant]
        while (parent := known.get(chain[-1].parent)) and len(chain) < _MAX_LINKS:
            chain.append(parent)
        yield chain


def _contradictory(policy: Policy) -> Iterator[tuple[Path, str]]:
    for index, chain in enumerate(_chains(policy)):
        grant, *above = chain
        if why := conflict(chain):
            sentence = f"grant {quote(grant.id)} can permit nothing: {why}"
            yield ("grants", index), f"{sentence}; mend or remove it"
        elif why := next(filter(None, (excess(grant, one) for one in above)), ""):
            remedy = "it gets no more than that; narrow it"
            yield ("grants", index), f"grant {quote(grant.id)} says too much: {why}; {remedy}"


def _unserved(policy: Policy) -> Iterator[tuple[Path, str]]:
    """Hold grants against the tools that may ask for their resource."""
    tools = find_tools(policy)
    for index, chain in enumerate(_chains(policy)):
        what = chain[0].rtype, chain[0].name
        asking = [one for one in tools if any(claim.may_reach(*what) for claim in one.claims)]
        whys = [unfit(one, policy.limits_for(one.name, one.limits), chain) for one in asking]
        if whys and all(whys):
            sentence = f"grant {quote(chain[0].id)} serves no tool of this policy: {whys[0]}"
            yield ("grants", index), f"{sentence}; mend that"


def _fresh_names(policy: Policy) -> list[str]:
    used = {p.name for p in policy.principals} | {grant.id for grant in policy.grants}
    stem = "trial"
    while any(name.startswith(stem) for name in used):
        stem += "-"
    return [f"{stem}{index}" for index in range(len(policy.grants))]


def _copy(name: str, grant: Grant, domain: str) -> list[Change]:
    # The copy's holder is human, so that what is judged is the grant and not who owns the holder.
    copy = msgspec.structs.replace(grant, id=name, holder=name, holder_kind="human")
    return [Enrol(name, "human", b"", domain), Register(copy)]


def _use(name: str, grant: Grant) -> Action:
    right = next(right for right in Right if right & grant.rights)
    request = Request(grant.rtype, grant.name, grant.scope, right)
    return Action(name, name, "human", "trial", b"{}", (request,))
