"""What a kernel decides about one action (`docs/rules.md`, sections 2 to 4)."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec.structs import astuple

from authgate_async.reference.chain import Fault, walk
from authgate_async.reference.constraints.judge import forbidden
from authgate_async.reference.digests import args_digest
from authgate_async.reference.malformed import (
    MAX_ENTRIES,
    cut,
    in_action,
    in_names,
    in_request,
    is_name,
)
from authgate_async.reference.scope import climbs
from authgate_async.reference.signing import verifies
from authgate_async.reference.words import principal, resource, right
from authgate_async.wire import FLAGS, Action, Grant, Request, Right, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authgate_async.reference.registry import Registry

__all__ = [
    "Answer",
    "Case",
    "Moment",
    "action_digest",
    "candidates_of",
    "decide",
    "digest_with",
    "domain_fault",
    "is_open",
    "statement",
]

_CERTAIN = 1_000_000
_DIGESTED = 10
_LOW_CONFIDENCE = 800_000
_OTHER_KIND = {"human": "machine", "machine": "human"}


class Moment(NamedTuple):
    """What a verdict has beside the registry and the action; times are microseconds.

    `expires_at` is when a permit ends at the latest.
    """

    now: int
    expires_at: int
    nonce: bytes
    instance: bytes


class Case(NamedTuple):
    """An action, its digest, and the time at which it is judged."""

    action: Action
    digest: bytes
    now: int


class Answer(NamedTuple):
    """What became of one request: faults, or the chain that justifies it (none if public)."""

    request: Request
    faults: list[Fault]
    chain: list[Grant]
    unapproved: list[Grant] = []  # noqa: RUF012 - never changed
    """The grants that ask for an approval that is missing; their faults come last."""

    @property
    def confidence(self) -> int:
        """That of the grant, in parts per million; of a public read, certain."""
        return self.chain[0].confidence if self.chain else _CERTAIN


def action_digest(action: Action) -> bytes:
    """Digest an action without its proof, and with the digest of its arguments for them."""
    return digest_with(action, args_digest(action.args, action.salt))


def digest_with(action: Action, digest: bytes) -> bytes:
    """Digest an action of whose arguments only the digest is known."""
    bare = msgspec.structs.replace(action, args=digest, proof=b"")
    return sha256(msgspec.msgpack.encode(astuple(bare)[:_DIGESTED])).digest()


def statement(digest: bytes) -> bytes:
    """What an actor signs to prove that an action is its own."""
    return b"authgate_async action v1\x00" + digest


def decide(registry: Registry, action: Action, moment: Moment) -> Verdict:
    """Judge an action by every rule, and collect every violation."""
    digest = action_digest(action)
    named = not any(in_names(action))
    case = Case(action, digest, moment.now)
    answers = list(_answers(registry, case)) if named else []
    violations = [("malformed", sentence) for sentence in in_action(action)]
    violations += _flags(action)
    if named:
        # The actor signs before anybody has drawn a salt.
        stated = action_digest(msgspec.structs.replace(action, salt=b"")) if action.salt else digest
        violations += _whole(registry, action, stated)
    violations += [fault for answer in answers for fault in answer.faults]
    permitted = not violations
    confidence = min((answer.confidence for answer in answers), default=0) if permitted else 0
    contested = _contested(registry, action, answers, moment.now)
    told = cut(action)
    given = list(_given(registry, case, answers)) if permitted else []
    end = _end(answers, given, moment.expires_at) if permitted else moment.expires_at
    approvers = [who for who, _ in given] or _asked(answers, len(violations))
    if permitted:
        if given:
            registry.approvals.spend(digest)
        links = (grant for answer in answers for grant in answer.chain)
        registry.ledger.hold(moment.nonce, links, action, end)
    return Verdict(
        action_id=told.id,
        action_digest=digest,
        actor=told.actor,
        kind=told.kind,
        tool=told.tool,
        args_digest=args_digest(action.args, action.salt),
        requests=told.requests,
        permitted=permitted,
        violations=tuple(violations),
        warnings=tuple(_warnings(contested, confidence=confidence, permitted=permitted)),
        confidence=confidence,
        requires_human_arbitration=contested is not None,
        chains=tuple(_ids(answer.chain) for answer in answers) if permitted else (),
        epoch=registry.epoch,
        nonce=moment.nonce,
        issued_at=moment.now,
        expires_at=end,
        instance=moment.instance,
        approvers=tuple(dict.fromkeys(approvers)),
    )


def _end(answers: list[Answer], given: list[tuple[str, int]], latest: int) -> int:
    """When a permit ends: with the first thing that it rests on, or else at `latest`."""
    grants = (grant for answer in answers for grant in answer.chain)
    approved = (end for _, end in given)
    return min([latest, *approved, *(grant.expires_at for grant in grants if grant.expires_at)])


def _given(registry: Registry, case: Case, answers: list[Answer]) -> Iterator[tuple[str, int]]:
    """The approvals that justified requests rest on, each with its end."""
    for grant in (grant for answer in answers for grant in answer.chain if grant.approvers):
        approval = registry.approvals.of(case.digest, grant.approvers, case.now)
        if approval is not None:
            yield approval


def _asked(answers: list[Answer], violations: int) -> list[str]:
    """Who may give what is missing, if nothing but approvals is."""
    unapproved = [grant for answer in answers for grant in answer.unapproved]
    missing = len(unapproved) == violations
    return [name for grant in unapproved for name in grant.approvers] if missing else []


def _ids(chain: list[Grant]) -> tuple[str, ...]:
    return tuple(grant.id for grant in chain)


def _flags(action: Action) -> Iterator[Fault]:
    for bit, name in enumerate(FLAGS):
        if action.flags >> bit & 1:
            yield "forbidden_flag", f"flag `{name}` is set; no grant can permit that"


def _whole(registry: Registry, action: Action, digest: bytes) -> Iterator[Fault]:
    """The other rules on the whole action, in the order of section 3."""
    if action.kind == "machine":
        if action.actor not in registry.owners:
            sentence = f"machine `{action.actor}` has no registered human owner"
            yield "unowned_machine", sentence
        if action.governs_humans and is_name(human := action.governs_humans[0]):
            sentence = f"machine `{action.actor}` may not govern human `{human}`"
            yield "machine_dominion", sentence
    impostor = _impostor(registry, action, digest)
    if impostor:
        yield "identity_mismatch", impostor


def _impostor(registry: Registry, action: Action, digest: bytes) -> str:
    """Why the actor is not the principal that was enrolled; empty if it is."""
    other = _OTHER_KIND[action.kind]
    who = principal(action.kind, action.actor)
    known = registry.principals.get((action.actor, action.kind))
    if known is None:
        if (action.actor, other) in registry.principals:
            return f"`{action.actor}` is enrolled as a {other}, not as a {action.kind}"
        return f"{who} is not enrolled"
    if known.key and not action.proof:
        return f"{who} must sign its actions with its enrolled key"
    if known.key and not verifies(known.key, statement(digest), action.proof):
        return f"the proof of {who} does not verify"
    return ""


def _answers(registry: Registry, case: Case) -> Iterator[Answer]:
    """The answer to each request that is well formed."""
    for request in case.action.requests[:MAX_ENTRIES]:
        if not any(in_request(request, "")):
            yield _answer(registry, case, request)


def _answer(registry: Registry, case: Case, request: Request) -> Answer:
    action = case.action
    foreign = domain_fault(registry, action, request)
    public = request.right == Right.READ and _is_public(registry, request)
    if not foreign and is_open(registry, request):
        return Answer(request, [], [])
    candidates = list(candidates_of(registry, case, request, foreign))
    sound = [answer for answer in candidates if not answer.faults]
    if sound:
        return max(sound, key=lambda answer: answer.confidence)
    if candidates:
        return min(candidates, key=_distance)
    if public and foreign:
        return Answer(request, foreign, [])
    who = principal(action.kind, action.actor)
    what = resource(request.rtype, request.name, request.scope)
    sentence = f"{who} holds no grant to {right(request.right)} {what}"
    return Answer(request, [("no_grant", sentence)], [])


def _distance(answer: Answer) -> tuple[int, int]:
    """How far a grant is from permitting: what only needs an approval comes first."""
    return len(answer.faults) - len(answer.unapproved), len(answer.unapproved)


def candidates_of(
    registry: Registry, case: Case, request: Request, foreign: list[Fault]
) -> Iterator[Answer]:
    """Each grant that covers the request, in order of entry, with its faults."""
    action = case.action
    place = (request.rtype, request.name, request.scope)
    for entered in registry.held(action.actor, action.kind, *place):
        grant = entered.grant
        if grant.rights & request.right:
            chain = walk(registry, grant, case.now, action.min_epoch)
            broken = [("constraint", why) for why in forbidden(chain.links, action.args)]
            beyond = [] if grant.cross_domain else foreign
            lacking = registry.ledger.lacking(chain.links, action)
            unapproved = registry.approvals.lacking(case.digest, chain.links, case.now)
            missing = [_missing(grant, case.digest) for grant in unapproved]
            faults = chain.faults + broken + beyond + lacking + missing
            yield Answer(request, faults, chain.links, unapproved)


def _missing(grant: Grant, digest: bytes) -> Fault:
    who = " or ".join(principal("human", name) for name in grant.approvers)
    sentence = f"grant `{grant.id}` requires an approval of digest {digest.hex()} by {who}"
    return "approval_required", sentence


def is_open(registry: Registry, request: Request) -> bool:
    """Whether everybody of the resource's trust domain may, without a grant."""
    public = request.right == Right.READ and _is_public(registry, request)
    return public and not climbs(request.scope)


def _is_public(registry: Registry, request: Request) -> bool:
    known = registry.resources.get((request.rtype, request.name))
    return known is not None and known.public


def domain_fault(registry: Registry, action: Action, request: Request) -> list[Fault]:
    """The fault of an actor of another trust domain than the resource's, or none."""
    known = registry.resources.get((request.rtype, request.name))
    actor = registry.principals.get((action.actor, action.kind))
    own = actor.trust_domain if actor else ""
    if known is None or known.trust_domain in {"", own}:
        return []
    what = resource(request.rtype, request.name, request.scope)
    who = principal(action.kind, action.actor)
    is_in = f"is in `{own}`" if own else "is in none"
    sentence = f"{what} is in trust domain `{known.trust_domain}`, {who} {is_in}"
    return [("trust_domain", f"{sentence}; only a cross-domain grant reaches it")]


def _contested(
    registry: Registry, action: Action, answers: list[Answer], now: int
) -> Request | None:
    """The first write that a grant justifies and that somebody outside its chain may also do."""
    for answer in answers:
        request = answer.request
        if request.right != Right.WRITE or answer.faults:
            continue
        known = {(grant.holder, grant.holder_kind) for grant in answer.chain}
        known.add((action.actor, action.kind))
        for grant in registry.writers(request.rtype, request.name, request.scope):
            live = grant.expires_at == 0 or now < grant.expires_at
            holder = (grant.holder, grant.holder_kind)
            if live and grant.epoch >= registry.epoch_of(*holder) and holder not in known:
                return request
    return None


def _warnings(contested: Request | None, *, confidence: int, permitted: bool) -> Iterator[Fault]:
    if permitted and confidence < _LOW_CONFIDENCE:
        sentence = f"confidence is {confidence} of {_CERTAIN}, below {_LOW_CONFIDENCE}"
        yield "low_confidence", sentence
    if contested is not None:
        what = resource(contested.rtype, contested.name, contested.scope)
        yield "contested_write", f"another holder may also write {what}"
