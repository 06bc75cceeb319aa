"""Section 10: what needs the approval of a human, and what an approval is good for."""

from language import (
    NOW,
    TTL,
    Case,
    Changing,
    Deciding,
    Expected,
    Step,
    act,
    ask,
    case,
    change,
    changed_grant,
    deny,
    given,
    grant,
    permit,
    redeem,
    use,
)

from authgate_async.reference.approvals import LONGEST, approval_statement
from authgate_async.reference.permit import instance_of
from authgate_async.reference.rules import action_digest
from authgate_async.reference.signing import Signer
from authgate_async.wire import Action, AdvanceEpoch, Approve, Delegate, Enrol, Register, Revoke

ANN, EVE, ZOE = (Signer(bytes([number]) * 32) for number in (11, 12, 13))
KEYS = {"ann": ANN, "eve": EVE, "zoe": ZOE}
INSTANCE = instance_of(b"\x02" * 32)
END = NOW + 1_000
MISSING = "approval_required"
SIGNERS = change(*(Enrol(name, "human", key.public_key) for name, key in KEYS.items()))
G = grant("g", "rw", approvers=("ann",))
EITHER = changed_grant(G, approvers=("ann", "eve"))


def approval(
    action: Action | None = None,
    by: str = "ann",
    *,
    signer: Signer | None = None,
    expires_at: int = END,
    nonce: bytes = b"n" * 16,
    instance: bytes = INSTANCE,
    **altered: object,
) -> Approve:
    """Approve an action; what is `altered` is so after it was signed."""
    digest = action_digest(action or act())
    bare = Approve(instance, digest, by, expires_at, nonce, b"")
    signature = (signer or KEYS.get(by, ANN)).sign(approval_statement(bare))
    fields = {name: getattr(bare, name) for name in bare.__struct_fields__}
    return Approve(**{**fields, "signature": signature, **altered})


def _under(name: str, *steps: Step) -> Case:
    return case(name, SIGNERS, given(G), *steps)


def _refused(name: str, wrong: Approve, code: str, now: int = NOW) -> Case:
    return _under(f"refused: {name}", change((wrong, code), now=now), deny(act(), MISSING, now=now))


def _both(*codes: str) -> Deciding:
    """Decide the same action twice in one batch."""
    return Deciding((Expected(act()), Expected(act(), codes)))


ROOT = grant("root", "rd", holder="alice", kind="human", approvers=("ann",))
CHILD = grant("child", parent="root")
OWN = changed_grant(CHILD, approvers=("eve",))
SALT = b"s" * 32
OTHER = act(args=b'{"path":"b"}')

CASES = [
    _under("an approval is of the salted digest", change(approval(act(salt=SALT))),
           deny(act(), MISSING), deny(act(salt=b"t" * 32), MISSING), permit(act(salt=SALT))),
    _under("without an approval", deny(act(), MISSING)),
    _under("with one", change(approval()), permit(act())),
    _under("a permit that rests on one is redeemed as any", change(approval()), permit(act()),
           redeem((use(), ""))),
    _under("an approval is good once", change(approval()), permit(act()), deny(act(), MISSING)),
    _under("in one batch, too", change(approval()), _both(MISSING)),
    _under("it cannot be given again", change(approval()), permit(act()),
           change((approval(), "approval_used")), deny(act(), MISSING)),
    _under("nor before it was used", change(approval(), (approval(), "approval_used")),
           permit(act()), deny(act(), MISSING)),
    _under("another one of the same action can", change(approval()), permit(act()),
           change(approval(nonce=b"m" * 16)), permit(act())),
    _under("of two of one human one permit comes",
           change(approval(), approval(nonce=b"m" * 16)), permit(act()), deny(act(), MISSING)),
    _under("the one that lasts longest counts",
           change(approval(), approval(nonce=b"m" * 16, expires_at=NOW + 5)),
           permit(act(), now=NOW + 5)),
    _under("a denial for another reason uses up none", change(approval(act(flags=1))),
           deny(act(flags=1), "forbidden_flag"), deny(act(), MISSING)),
    case("what rests on another grant uses up none", SIGNERS,
         given(changed_grant(G, confidence=900_000), grant("h")), change(approval()),
         permit(act()), change(Revoke("h")), permit(act())),
    _under("other arguments", change(approval()), deny(OTHER, MISSING), permit(act())),
    _under("another tool", change(approval()), deny(act(tool="t"), MISSING)),
    _under("another action", change(approval()), deny(act(id="a-2"), MISSING)),
    _under("another right", change(approval()), deny(act(ask("w")), MISSING)),
    _under("another scope", change(approval()), deny(act(ask(scope="a")), MISSING)),
    _under("what is to be reserved is no part of it", change(approval()), permit(act(cost=9))),
    _under("until its end", change(approval()), permit(act(), now=END - 1)),
    _under("at its end", change(approval()), deny(act(), MISSING, now=END)),
    _under("a permit ends with what it rests on", change(approval()), permit(act()),
           redeem((use(), "permit_expired"), now=END)),
    _under("a permit ends before a long one",
           change(approval(expires_at=NOW + 2 * TTL)), permit(act()),
           redeem((use(), "permit_expired"), now=NOW + TTL)),
    _under("every right of the grant needs one", deny(act(ask(), ask("w")), MISSING, MISSING)),
    _under("one approval serves all requests of an action",
           change(approval(act(ask(), ask("w")))), permit(act(ask(), ask("w")))),
    _under("a revoked grant is not revived", change(approval(), Revoke("g")),
           deny(act(), "no_grant")),
    _under("nor one of an epoch that is over", change(approval(), AdvanceEpoch()),
           deny(act(), "epoch_stale")),
    case("nor one that expired", SIGNERS, given(changed_grant(G, expires_at=NOW + 5)),
         change(approval()), deny(act(), "expired", now=NOW + 5)),
    case("nor one that is spent", SIGNERS, given(changed_grant(G, max_calls=0)),
         change(approval()), deny(act(), "budget")),
    case("the missing approval is told last", SIGNERS,
         given(changed_grant(G, expires_at=NOW, max_calls=0)),
         deny(act(), "expired", "budget", MISSING)),
    case("one of several is enough", SIGNERS, given(EITHER), change(approval(by="eve")),
         permit(act())),
    case("both of several are good for one permit", SIGNERS, given(EITHER),
         change(approval(), approval(by="eve")), permit(act()), deny(act(), MISSING)),
    case("somebody who is not named is no help", SIGNERS, given(EITHER),
         change(approval(by="zoe")), deny(act(), MISSING)),
    case("a grant that needs none comes first", SIGNERS,
         given(G, grant("h", "r", confidence=900_000)), permit(act())),
    case("a grant that only needs an approval is told before a broken one", SIGNERS,
         given(grant("h", "r", expires_at=NOW), EITHER), deny(act(), MISSING)),
    case("of two that need one, the first is told", SIGNERS,
         given(EITHER, changed_grant(G, id="h")), deny(act(), MISSING)),
    case("a parent's approval is needed below it", SIGNERS, given(ROOT, CHILD),
         deny(act(), MISSING), change(approval()), permit(act())),
    case("a child may ask for another one, too", SIGNERS, given(ROOT, OWN),
         deny(act(), MISSING, MISSING), change(approval(by="eve")), deny(act(), MISSING),
         change(approval()), permit(act())),
    case("one human may serve both", SIGNERS, given(ROOT, changed_grant(OWN, approvers=("ann",))),
         change(approval()), permit(act())),
    case("a delegation without approvers drops nothing", SIGNERS, given(ROOT),
         change(Delegate(CHILD, "alice", "human")), deny(act(), MISSING)),
    _refused("not enrolled", approval(by="nobody"), "unknown_principal"),
    _refused("enrolled without a key", approval(by="alice"), "unknown_principal"),
    _refused("signed with another key", approval(signer=EVE), "approval_forged"),
    _refused("in another's name", approval(by="eve", approver="ann"), "approval_forged"),
    _refused("another digest than was signed", approval(action_digest=b"d" * 32),
             "approval_forged"),
    _refused("another end", Approve(
        INSTANCE, action_digest(act()), "ann", END + 1, b"n" * 16, approval().signature),
        "approval_forged"),
    _refused("another nonce", Approve(INSTANCE, action_digest(act()), "ann", END, b"m" * 16,
                                      approval().signature), "approval_forged"),
    _refused("another instance", approval(instance=b"i" * 16), "approval_forged"),
    _refused("not signed", approval(signature=bytes(64)), "approval_forged"),
    _refused("late", approval(), "approval_expired", now=END),
    _refused("too long", approval(expires_at=NOW + LONGEST + 1), "malformed"),
    _under("as long as may be", change(approval(expires_at=NOW + LONGEST)), permit(act())),
    _under("a clock that goes back revives none", change(approval()),
           change((approval(nonce=b"m" * 16), "approval_expired"), now=END + 1),
           Changing(((approval(by="eve", expires_at=END + 9, nonce=b"e" * 16), ""),), END + 5),
           change((approval(), "approval_expired"))),
    _under("what ended just now is not revived either", change(approval()),
           change(approval(OTHER, expires_at=END + 9, nonce=b"m" * 16), now=END),
           deny(act(), MISSING)),
    _under("a nonce may come again when its approval has ended", change(approval()),
           change(approval(expires_at=END + 9), now=END), permit(act(), now=END)),
    _refused("malformed: instance", approval(instance=b""), "malformed"),
    _refused("malformed: digest", approval(action_digest=b"d" * 31), "malformed"),
    _refused("malformed: approver", approval(approver=""), "malformed"),
    _refused("malformed: nonce", approval(nonce=b"n" * 17), "malformed"),
    _refused("malformed: signature", approval(signature=b""), "malformed"),
    case("a grant with an approver who is not enrolled", SIGNERS,
         change((Delegate(changed_grant(CHILD, approvers=("x",)), "alice", "human"),
                 "unknown_principal"))),
    case("a grant with an approver without a key", given(),
         change((Delegate(changed_grant(CHILD, approvers=("alice",)), "alice", "human"),
                 "unknown_principal"))),
    case("a grant with an approver who is a machine", SIGNERS,
         change((Delegate(changed_grant(CHILD, approvers=("bot",)), "alice", "human"),
                 "unknown_principal"))),
    case("a grant with a malformed approver", SIGNERS,
         change((Delegate(changed_grant(CHILD, approvers=("ann", "")), "alice", "human"),
                 "malformed"))),
    case("a grant with 16 approvers", SIGNERS,
         change(Register(changed_grant(CHILD, parent="", approvers=("ann",) * 16)))),
    case("a grant with 17 approvers", SIGNERS,
         change((Delegate(changed_grant(CHILD, approvers=("ann",) * 17), "alice", "human"),
                 "malformed"))),
]  # fmt: skip
