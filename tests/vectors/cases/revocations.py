"""Sections 1 and 6: what is taken from a holder, and the permits that rested on it."""

from language import (
    NOW,
    Case,
    Refused,
    Standing,
    Step,
    act,
    ask,
    case,
    change,
    changed_grant,
    deny,
    falls,
    given,
    grant,
    permit,
    redeem,
    stands,
    use,
)

from authgate_async.wire import (
    AdvanceEpoch,
    AdvanceHolderEpoch,
    Change,
    Declare,
    Delegate,
    Enrol,
    Register,
    Revoke,
    RevokeHeld,
    RevokeHolder,
)

ALL = RevokeHolder("bot", "machine")
NOTES = RevokeHeld("bot", "machine", "folder", "notes")
UP = AdvanceHolderEpoch("bot", "machine")
TOP = grant("top", "rwd", holder="alice", kind="human")
CHILD = grant("child", "rw", "a", parent="top")
DEEP = act(ask(scope="a"))
WRITE = act(ask("w", "a"))
BOTH = act(ask(), ask(name="plans"))
THEIRS = grant("theirs", "w", "a", holder="bob", kind="human")
BOBS = (RevokeHolder("bob", "human"), RevokeHeld("bob", "human", "folder", "notes"),
        AdvanceHolderEpoch("bob", "human"))  # fmt: skip


def _refused(name: str, wrong: Change, code: str = "malformed") -> Case:
    return case(f"refused: {name}", change((wrong, code)))


def _ends(name: str, taken: Change, code: str, *before: Step) -> Case:
    """A permit that stands until something is taken away, and is denied and stale from then on."""
    steps = (permit(DEEP), permit(DEEP), redeem((use(), "")), stands())
    after = (falls(), redeem((use(1), "permit_stale")), deny(DEEP, code))
    return case(name, *(before or (given(TOP, CHILD),)), *steps, change(taken), *after)


CASES = [
    _refused("revoke_holder of nobody", RevokeHolder("", "machine")),
    _refused("revoke_holder of another kind", RevokeHolder("bot", "robot")),
    _refused("revoke_holder of one who is not enrolled", RevokeHolder("carol", "human"),
             "unknown_principal"),
    _refused("revoke_held of nobody", RevokeHeld("", "machine", "folder", "notes")),
    _refused("revoke_held of another kind", RevokeHeld("bot", "", "folder", "notes")),
    _refused("revoke_held without a type", RevokeHeld("bot", "machine", "", "notes")),
    _refused("revoke_held without a name", RevokeHeld("bot", "machine", "folder", "")),
    _refused("revoke_held, of several faults the first field", RevokeHeld("", "", "", "")),
    _refused("revoke_held of one who is not enrolled",
             RevokeHeld("bot", "human", "folder", "notes"), "unknown_principal"),
    _refused("revoke_held on what nobody named", NOTES, "no_grant"),
    _refused("advance_holder_epoch of nobody", AdvanceHolderEpoch("", "machine")),
    _refused("advance_holder_epoch of another kind", AdvanceHolderEpoch("bot", "\n")),
    case("refused: of another kind, which tells no holder's epoch",
         change(UP, (AdvanceHolderEpoch("bot", "\n"), "malformed"))),
    _refused("advance_holder_epoch of one who is not enrolled",
             AdvanceHolderEpoch("bob", "machine"), "unknown_principal"),
    case("refused: revoke_held on what another holds", given(TOP, grant(name="plans")),
         change((NOTES, "no_grant"))),
    case("refused: revoke_held on what was only declared", change(Declare("folder", "notes")),
         change((NOTES, "no_grant"))),
    case("a holder who has nothing is revoked without an error", change(ALL, ALL)),
    case("a second revocation is done too", given(grant()), change(NOTES, NOTES, ALL, ALL, NOTES)),
    _ends("a holder's grants end", ALL, "no_grant"),
    _ends("a holder's grants on a resource end", NOTES, "no_grant"),
    _ends("a holder's grants go stale", UP, "epoch_stale"),
    _ends("what a holder handed on ends", RevokeHolder("alice", "human"), "chain_broken"),
    _ends("what a holder handed on of a resource ends",
          RevokeHeld("alice", "human", "folder", "notes"), "chain_broken"),
    _ends("what a holder handed on goes stale", AdvanceHolderEpoch("alice", "human"),
          "epoch_stale"),
    _ends("what was handed on twice ends with the first of the three",
          RevokeHolder("alice", "human"), "chain_broken",
          given(TOP, grant("middle", "rwd", "a", holder="bob", kind="human", parent="top"),
                grant("leaf", scope="a", parent="middle"))),
    case("every scope of the resource, and no other resource",
         given(grant("whole"), grant("part", scope="a"), grant("other", name="plans")),
         permit(BOTH), permit(act(ask(name="plans"))), change(NOTES),
         Standing((((0, 0), False), ((1, 0), True))), deny(DEEP, "no_grant"),
         deny(BOTH, "no_grant"), permit(act(ask(name="plans")))),
    case("nobody else's grants, nor those of the other kind",
         change(Enrol("bot", "human"), Register(grant("h", kind="human")), Register(TOP)),
         given(grant()), change(ALL, NOTES, UP), deny(act(), "no_grant"),
         permit(act(kind="human")), permit(act(actor="alice", kind="human"))),
    case("what is granted afterwards counts, and ends in its turn", given(grant()),
         change(ALL, Register(grant("h"))), permit(act()), change(NOTES, Register(grant("i"))),
         permit(act()), change(ALL), deny(act(), "no_grant"), falls(0), falls(1)),
    case("a revoked id stays taken", given(grant()),
         change(ALL, (Register(grant()), "conflict"))),
    case("grants that were revoked one by one are among them",
         given(grant("g"), grant("h"), grant("i")), change(Revoke("h"), NOTES, Revoke("g"), ALL),
         deny(act(), "no_grant")),
    case("a holder's 64 grants make room", change(*(Register(grant(f"g{i}")) for i in range(64))),
         change((Register(grant("more")), "too_many"), ALL, Register(grant("more")))),
    case("nothing is handed on by whom it was taken from", given(TOP),
         change(RevokeHolder("alice", "human"), (Delegate(CHILD, "alice", "human"), "no_grant"))),
    case("nothing stale is handed on", given(TOP),
         change(AdvanceHolderEpoch("alice", "human"),
                (Delegate(CHILD, "alice", "human"), "epoch_stale"))),
    case("a holder's epoch rises by one, or to a number",
         change(UP, UP, AdvanceHolderEpoch("bot", "machine", 7),
                AdvanceHolderEpoch("bob", "human", 3))),
    case("a holder's epoch never falls",
         change(AdvanceHolderEpoch("bot", "machine", 5),
                (AdvanceHolderEpoch("bot", "machine", 5), "malformed"),
                (AdvanceHolderEpoch("bot", "machine", 4), "malformed"), UP)),
    case("a holder's epoch stops at the greatest integer",
         change(AdvanceHolderEpoch("bot", "machine", 2**63 - 1), (UP, "malformed"))),
    case("a holder's epoch is never below the registry's",
         change(AdvanceEpoch(5), (AdvanceHolderEpoch("bot", "machine", 5), "malformed"), UP,
                AdvanceEpoch(), (AdvanceHolderEpoch("bot", "machine", 6), "malformed"))),
    case("the registry's epoch overtakes a holder's", given(grant(epoch=2), grant("h", epoch=3)),
         change(UP, AdvanceEpoch(3)), permit(act()), change(Revoke("h")),
         deny(act(), "epoch_stale")),
    case("a grant of the holder's epoch stays, and a permit on it",
         given(grant("old"), grant("new", epoch=1)), permit(act()),
         given(changed_grant(grant("best"), epoch=1)), change(Revoke("old")), falls(),
         permit(act()), change(UP), stands(1), redeem((use(1), "")), permit(act())),
    case("an action's own least epoch may be above the holder's", given(grant(epoch=2)),
         change(UP), permit(act(min_epoch=2)), deny(act(min_epoch=3), "epoch_stale")),
    case("a public read rests on nothing that is taken away",
         change(Declare("folder", "notes", public=True)), permit(act()), change(ALL, UP),
         stands(), redeem((use(), ""))),
    case("every link is held against its own holder's epoch",
         given(changed_grant(TOP, epoch=2), changed_grant(CHILD, epoch=1)),
         change(AdvanceHolderEpoch("alice", "human", 2)), permit(DEEP), change(UP), stands(),
         change(AdvanceHolderEpoch("alice", "human", 3)), falls(), deny(DEEP, "epoch_stale")),
    *(case(f"a contest ends: {type(taken).__name__}", given(grant("mine", "w", "a"), THEIRS),
           permit(WRITE, "contested_write"), change(taken), permit(WRITE))
      for taken in BOBS),
    case("a contest goes on with a grant of the holder's epoch",
         given(grant("mine", "w", "a"), THEIRS, changed_grant(THEIRS, id="newer", epoch=1,
                                                              expires_at=NOW + 9)),
         change(AdvanceHolderEpoch("bob", "human")), permit(WRITE, "contested_write"),
         permit(WRITE, now=NOW + 9), change(AdvanceHolderEpoch("bob", "human")), permit(WRITE)),
    case("a late grant of a past epoch contests nothing",
         given(grant("mine", "w", "a")), change(AdvanceHolderEpoch("bob", "human")),
         given(THEIRS), permit(WRITE), given(changed_grant(THEIRS, id="newer", epoch=1)),
         permit(WRITE, "contested_write"), change(AdvanceEpoch()), deny(WRITE, "epoch_stale")),
    case("many are asked about at once, each in its place",
         given(grant(), grant("h", name="plans")), permit(act()), permit(act(ask(name="plans"))),
         Standing(()), change(NOTES),
         Standing((((1, 0), True), ((0, 0), False), ((0, 0), False), ((1, 0), True)))),
    case("bytes that are no verdict", Refused("stale", b"\x91\xc4\x01\x90"),
         Refused("stale", b"\x90\x00"), Refused("stale", b"\xc4\x00"), Standing(())),
]  # fmt: skip
