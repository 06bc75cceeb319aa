"""Section 1: changes, and each way in which one is refused."""

from language import (
    NOW,
    Case,
    act,
    ask,
    case,
    change,
    changed_grant,
    deny,
    given,
    grant,
    permit,
)

from authgate_async.wire import (
    AdvanceEpoch,
    Change,
    Declare,
    Delegate,
    Enrol,
    Own,
    Register,
    Revoke,
)

KEY = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
"""The public key of RFC 8032's first test."""
NO_POINT = b"\x02" + b"\x00" * 31
LONG = "n" * 257
P = 2**255 - 19
ORDER_EIGHT = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
SMALL_ORDER = [
    *((y + sign * 2**255).to_bytes(32, "little") for y in (0, 1, P - 1) for sign in (0, 1)),
    *((y % 2**255 + sign * 2**255).to_bytes(32, "little")
      for y in (int.from_bytes(ORDER_EIGHT, "little"), P - int.from_bytes(ORDER_EIGHT, "little"))
      for sign in (0, 1)),
]  # fmt: skip
"""The points whose order divides 8, with either sign."""

ROOT = grant("root", "rwd", "a", holder="alice", kind="human", expires_at=NOW + 9)
CHILD = grant("child", "r", "a/b", parent="root", expires_at=NOW + 9)


def _refused(name: str, wrong: Change, code: str = "malformed") -> Case:
    return case(f"refused: {name}", change((wrong, code)))


def _delegated(
    what: str, code: str, *, by: str = "alice", now: int = NOW, **fields: object
) -> Case:
    wrong = Delegate(changed_grant(CHILD, **fields), by, "human")
    return case(f"delegate: {what}", given(ROOT), change((wrong, code), now=now))


def _ladder(links: int) -> list[Change]:
    """Changes that delegate a chain of this many links, all held by alice."""
    top = grant("link-0", "rd", holder="alice", kind="human")
    below = [changed_grant(top, id=f"link-{i}", parent=f"link-{i - 1}") for i in range(1, links)]
    return [Register(top), *(Delegate(each, "alice", "human") for each in below)]


CASES = [
    _refused("enrol without a name", Enrol("", "human")),
    _refused("enrol with a long name", Enrol(LONG, "human")),
    _refused("enrol with a control character", Enrol("al\x07ice", "human")),
    _refused("enrol of another kind", Enrol("carol", "robot")),
    _refused("enrol with a short key", Enrol("carol", "human", b"k" * 31)),
    _refused("enrol with a point that lacks its last zero byte",
             Enrol("carol", "human", (3).to_bytes(31, "little"))),
    _refused("enrol with a point and a zero byte",
             Enrol("carol", "human", (3).to_bytes(33, "little"))),
    _refused("enrol with a key that is no point", Enrol("carol", "human", NO_POINT)),
    *(_refused(f"enrol with small-order key {number}", Enrol("carol", "human", point))
      for number, point in enumerate(SMALL_ORDER)),
    _refused("enrol with a key in a second encoding",
             Enrol("carol", "human", (P + 3).to_bytes(32, "little"))),
    _refused("enrol with a key in a second encoding, with a sign",
             Enrol("carol", "human", (P + 3 + 2**255).to_bytes(32, "little"))),
    case("enrol with that key in its first encoding",
         change(Enrol("carol", "human", (3).to_bytes(32, "little")))),
    _refused("enrol with a long domain", Enrol("carol", "human", b"", LONG)),
    _refused("enrol with a control character in the domain", Enrol("carol", "human", b"", "\t")),
    _refused("enrol, of several faults the first field", Enrol("", "robot", b"k", LONG)),
    _refused("own without a machine", Own("", "alice")),
    _refused("own without an owner", Own("bot", "")),
    _refused("declare without a type", Declare("", "notes")),
    _refused("declare without a name", Declare("folder", "")),
    _refused("declare with a long domain", Declare("folder", "notes", trust_domain=LONG)),
    _refused("register without an id", Register(grant(""))),
    _refused("register without a holder", Register(grant(holder=""))),
    _refused("register of another holder's kind", Register(grant(kind="Human"))),
    _refused("register without a type", Register(grant(rtype=""))),
    _refused("register without a name", Register(grant(name=""))),
    _refused("register with a long scope", Register(grant(scope="s" * 4097))),
    _refused("register with 65 components", Register(grant(scope="/" * 64))),
    _refused("register with no rights", Register(grant("g", ""))),
    _refused("register with an unknown right", Register(grant(rights=16))),
    _refused("register with too much confidence", Register(grant(confidence=1_000_001))),
    _refused("register with a long parent", Register(grant(parent=LONG))),
    _refused("register with a control character in the parent", Register(grant(parent="\n"))),
    _refused("delegate by nobody", Delegate(CHILD, "", "human")),
    _refused("delegate by another kind", Delegate(CHILD, "alice", "")),
    _refused("revoke of nothing", Revoke("")),
    _refused("revoke of an unknown id", Revoke("g"), "no_grant"),
    _refused("own a machine that is not enrolled", Own("stray", "alice"), "unknown_principal"),
    _refused("own a human", Own("bob", "alice"), "unknown_principal"),
    _refused("an owner who is not enrolled", Own("bot", "carol"), "unknown_principal"),
    _refused("an owner who is a machine", Own("bot", "bot"), "unknown_principal"),
    _refused("register to nobody", Register(grant(holder="carol")), "unknown_principal"),
    _refused("register to the other kind", Register(grant(kind="human")), "unknown_principal"),
    case("enrol again with the same key moves to another domain",
         change(Declare("folder", "notes", trust_domain="east")), given(grant()),
         deny(act(), "trust_domain"), change(Enrol("bot", "machine", b"", "east")),
         permit(act())),
    case("enrol again with another key",
         change((Enrol("bot", "machine", KEY), "conflict"), Enrol("dot", "machine", KEY),
                Enrol("dot", "machine", KEY, "east"), (Enrol("dot", "machine"), "conflict"))),
    case("a new owner replaces the old", change(Own("bot", "bob")), given(grant()),
         permit(act())),
    case("a grant id is taken, also by a revoked grant", given(grant()),
         change((Register(grant()), "conflict"), Revoke("g"), Revoke("g"),
                (Register(grant("g", "w")), "conflict"))),
    case("64 live grants on one scope, not 65",
         change(*(Register(grant(f"g{i}")) for i in range(64)),
                (Register(grant("g64")), "too_many"), Register(grant("other", scope="a")),
                Revoke("g7"), Register(grant("g65")), (Register(grant("g66")), "too_many"))),
    case("a delegation is refused at 65 too",
         change(Register(changed_grant(ROOT, expires_at=0)),
                *(Register(grant(f"g{i}", scope="a/b")) for i in range(64)),
                (Delegate(CHILD, "alice", "human"), "too_many"))),
    case("a refused change changes nothing and stops nothing",
         change((Register(grant("")), "malformed"), Register(grant()),
                (Own("stray", "alice"), "unknown_principal")), permit(act())),
    case("the epoch rises by one, or to a number",
         change(AdvanceEpoch(), AdvanceEpoch(0), AdvanceEpoch(3), AdvanceEpoch(2**63 - 1))),
    case("the epoch never falls",
         change(AdvanceEpoch(5), (AdvanceEpoch(5), "malformed"), (AdvanceEpoch(4), "malformed"),
                AdvanceEpoch(6))),
    case("the epoch stops at the greatest integer",
         change(AdvanceEpoch(2**63 - 1), (AdvanceEpoch(), "malformed"))),
    case("a delegation that only narrows", given(ROOT),
         change(Delegate(CHILD, "alice", "human")), permit(act(ask(scope="a/b")))),
    case("a delegated grant ends with its root", given(ROOT),
         change(Delegate(CHILD, "alice", "human"), Revoke("root")),
         deny(act(ask(scope="a/b")), "chain_broken")),
    _delegated("to an id that is taken", "conflict", id="root"),
    _delegated("to nobody", "unknown_principal", holder="carol"),
    _delegated("from no parent", "no_grant", parent=""),
    _delegated("from an unknown parent", "no_grant", parent="none"),
    _delegated("of what another holds", "no_grant", by="bob"),
    case("delegate: by the right name of the wrong kind", given(ROOT),
         change((Delegate(CHILD, "alice", "machine"), "no_grant"))),
    case("delegate: from a revoked parent", given(ROOT),
         change(Revoke("root"), (Delegate(CHILD, "alice", "human"), "no_grant"))),
    _delegated("from an expired parent", "expired", now=NOW + 9),
    _delegated("from a parent about to expire", "", now=NOW + 8),
    case("delegate: from a parent of a past epoch", given(ROOT),
         change(AdvanceEpoch(), (Delegate(CHILD, "alice", "human"), "epoch_stale"))),
    case("delegate: from a parent whose own parent is not there",
         given(changed_grant(ROOT, parent="none")),
         change((Delegate(CHILD, "alice", "human"), "chain_broken"))),
    case("delegate: from a parent wider than its own parent",
         given(changed_grant(ROOT, id="top", scope="a/b"), changed_grant(ROOT, parent="top")),
         change((Delegate(CHILD, "alice", "human"), "attenuation"))),
    case("delegate: without the delegate right", given(changed_grant(ROOT, rights=3)),
         change((Delegate(CHILD, "alice", "human"), "chain_broken"))),
    case("delegate: 16 links, not 17",
         change(*_ladder(16), (Delegate(grant("more", parent="link-15"), "alice", "human"),
                               "chain_broken"))),
    case("delegate: a wider 17th link is told as too long",
         change(*_ladder(16), (Delegate(grant("more", "w", parent="link-15"), "alice", "human"),
                               "chain_broken"))),
    _delegated("on another type", "attenuation", rtype="file"),
    _delegated("on another name", "attenuation", name="note"),
    _delegated("wider in scope", "attenuation", scope=""),
    _delegated("beside in scope", "attenuation", scope="ab"),
    _delegated("climbing in scope", "attenuation", scope="a/../b"),
    _delegated("wider in rights", "attenuation", rights=5),
    case("delegate: wider in confidence", given(changed_grant(ROOT, confidence=500_000)),
         change((Delegate(changed_grant(CHILD, confidence=500_001), "alice", "human"),
                 "attenuation"))),
    _delegated("later in expiry", "attenuation", expires_at=NOW + 10),
    _delegated("never expiring", "attenuation", expires_at=0),
    _delegated("of a higher epoch", "attenuation", epoch=1),
    _delegated("cross-domain", "attenuation", cross_domain=True),
    _delegated("wider in all, of which scope is the first", "attenuation", scope="", rights=15,
               expires_at=0, epoch=9),
]  # fmt: skip
