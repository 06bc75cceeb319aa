"""Section 5: chains as they are judged at each decision."""

from language import NOW, Case, act, ask, case, change, changed_grant, deny, given, grant, permit

from authgate_async.wire import AdvanceEpoch, Declare, Enrol, Grant, Revoke

ROOT = grant("root", "rwxd", "a", holder="alice", kind="human", epoch=1, expires_at=NOW + 9)
CHILD = changed_grant(
    ROOT, id="child", holder="bot", holder_kind="machine", rights=1, parent="root"
)
DEEP = act(ask(scope="a"))


def _link(what: str, *codes: str, root: Grant = ROOT, **fields: int | str | bool) -> Case:
    judged = deny(DEEP, *codes) if codes else permit(DEEP)
    return case(f"link: {what}", given(root, changed_grant(CHILD, **fields)), judged)


def _ladder(links: int) -> tuple[Grant, ...]:
    """A chain of this many links, the bot's own last."""
    above = [
        grant(f"link-{i}", "rd", holder="bob", kind="human", parent=f"link-{i - 1}" if i else "")
        for i in range(links - 1)
    ]
    return (*above, grant("own", parent=f"link-{links - 2}"))


CASES = [
    _link("equal in every dimension but the holder", rights=15),
    _link("narrower in every dimension", scope="a", expires_at=NOW + 1, epoch=0,
          confidence=900_000),
    _link("wider in scope", "attenuation", scope=""),
    _link("beside in scope", "attenuation", root=changed_grant(ROOT, scope="b")),
    _link("under a climbing scope", "attenuation", root=changed_grant(ROOT, scope="..")),
    _link("wider in rights", "attenuation", root=changed_grant(ROOT, rights=8 | 2)),
    _link("wider in confidence by one", "attenuation", "attenuation",
          root=changed_grant(ROOT, confidence=999_999, rights=8)),
    _link("later in expiry by one", "attenuation", expires_at=NOW + 10),
    _link("never expiring under one that does", "attenuation", expires_at=0),
    _link("expiring under one that never does", root=changed_grant(ROOT, expires_at=0)),
    _link("of a higher epoch by one", "attenuation", epoch=2),
    _link("cross-domain under one that is not", "attenuation", cross_domain=True),
    _link("cross-domain under one that is", root=changed_grant(ROOT, cross_domain=True),
          cross_domain=True),
    _link("on another type", "attenuation", root=changed_grant(ROOT, rtype="file")),
    _link("on another name", "attenuation", root=changed_grant(ROOT, name="note")),
    _link("under one that may not delegate", "chain_broken", root=changed_grant(ROOT, rights=7)),
    _link("wider in every dimension at once", *["chain_broken", *["attenuation"] * 7],
          root=changed_grant(ROOT, rights=2, rtype="file", confidence=1, epoch=0, scope="b"),
          expires_at=0, cross_domain=True),
    case("link: under an expired one, itself expired",
         given(changed_grant(ROOT, expires_at=NOW), changed_grant(CHILD, expires_at=NOW)),
         deny(DEEP, "expired", "expired")),
    case("link: itself expired only", given(ROOT, changed_grant(CHILD, expires_at=NOW)),
         deny(DEEP, "expired")),
    case("link: under an expired one, which it outlives",
         given(changed_grant(ROOT, expires_at=NOW), CHILD), deny(DEEP, "expired", "attenuation")),
    case("link: under an expired one that may not delegate",
         given(changed_grant(ROOT, expires_at=NOW, rights=7), CHILD),
         deny(DEEP, "expired", "chain_broken", "attenuation")),
    case("link: both of a past epoch", given(ROOT, CHILD),
         deny(act(ask(scope="a"), min_epoch=2), "epoch_stale", "epoch_stale")),
    case("link: parent of a past epoch, which the child is above",
         given(changed_grant(ROOT, epoch=0), CHILD), change(AdvanceEpoch(1)),
         deny(DEEP, "epoch_stale", "attenuation")),
    case("the registry's epoch counts where the action asks for less", given(ROOT, CHILD),
         change(AdvanceEpoch(2)), deny(act(ask(scope="a"), min_epoch=1), "epoch_stale",
                                       "epoch_stale")),
    case("a grant of the registry's epoch", given(ROOT, CHILD), change(AdvanceEpoch(1)),
         permit(DEEP)),
    case("a parent that is not there", given(grant(parent="none")), deny(act(), "chain_broken")),
    case("a parent that is entered later", given(grant(parent="late")),
         deny(act(), "chain_broken"),
         given(grant("late", "rd", holder="bob", kind="human")), permit(act())),
    case("a grant that names itself", given(grant("g", "rd", parent="g")),
         deny(act(), "chain_broken")),
    case("two grants that name each other",
         given(grant("g", "rd", parent="h"), grant("h", "rd", parent="g")),
         deny(act(), "chain_broken")),
    case("a cycle that is faulty at each link", given(grant("g", "r", parent="g")),
         deny(act(), *["chain_broken"] * 16)),
    case("a missing parent after an expiry", given(grant(parent="none", expires_at=NOW)),
         deny(act(), "expired", "chain_broken")),
    case("a revoked parent", given(ROOT, CHILD), change(Revoke("root")),
         deny(DEEP, "chain_broken")),
    case("a revoked grandparent",
         given(ROOT, changed_grant(CHILD, id="middle", holder="bob", holder_kind="human",
                                   rights=9), changed_grant(CHILD, parent="middle")),
         permit(DEEP), change(Revoke("root")), deny(DEEP, "chain_broken")),
    case("a chain of 15 links", given(*_ladder(15)), permit(act())),
    case("a chain of 16 links", given(*_ladder(16)), permit(act())),
    case("a chain of 17 links", given(*_ladder(17)), deny(act(), "chain_broken")),
    case("a chain of 17 links whose root is expired",
         given(changed_grant(_ladder(17)[0], expires_at=1), *_ladder(17)[1:]),
         deny(act(), "chain_broken")),
    case("a chain of 17 links whose root is not there", given(*_ladder(17)[1:]),
         deny(act(), "chain_broken")),
    case("faults of several links, from the grant up",
         given(changed_grant(ROOT, rights=7),
               changed_grant(CHILD, id="middle", holder="bob", holder_kind="human"),
               changed_grant(CHILD, parent="middle", expires_at=0)),
         deny(DEEP, "chain_broken", "attenuation", "chain_broken")),
    case("a faulty chain is passed over for a root of lower confidence",
         given(grant("g", parent="none"), grant("own", confidence=1)),
         permit(act(), "low_confidence")),
    case("faults on the chain and the trust domain, which comes last",
         change(Enrol("bot", "machine", b"", "east"),
                Declare("folder", "notes", trust_domain="west")),
         given(grant(parent="none", expires_at=1)),
         deny(act(), "expired", "chain_broken", "trust_domain")),
]  # fmt: skip
