"""Section 9: what grants and all that is handed on from them may use."""

from language import (
    NOW,
    TTL,
    Case,
    Deciding,
    Expected,
    act,
    ask,
    case,
    change,
    changed_grant,
    deny,
    end,
    given,
    grant,
    permit,
    redeem,
    settle,
    use,
)

from authgate_async.wire import NO_LIMIT, Action, Declare, Delegate, Grant, Revoke

SHORT = "budget"
UNITS = {"max_wall_us": "wall_us", "max_output_bytes": "output_bytes", "max_cost": "cost"}


def _limited(grant_id: str = "g", **limits: int) -> Grant:
    return changed_grant(grant(grant_id, "rw"), **limits)


def _batch(*actions: tuple[Action, str]) -> Deciding:
    """Decide several at once, each with the code that it must get; empty permits it."""
    return Deciding(tuple(Expected(one, (code,) if code else ()) for one, code in actions))


def _unit(limit: str, need: str) -> list[Case]:
    """The same of each unit that a call can use more or less of."""
    name = need.replace("_", " ")
    used = tuple(4 if need == unit else 9 for unit in UNITS.values())
    more = tuple(50 if need == unit else 0 for unit in UNITS.values())
    ten = act(**{need: 10})
    return [
        case(f"{name}: exactly what there is", given(_limited(**{limit: 10})), permit(ten)),
        case(f"{name}: one more than there is", given(_limited(**{limit: 9})), deny(ten, SHORT)),
        case(f"{name}: none needed and none there", given(_limited(**{limit: 0})), permit(act())),
        case(f"{name}: the largest need", given(_limited(**{limit: NO_LIMIT - 1})),
             deny(act(**{need: NO_LIMIT}), SHORT)),
        case(f"{name}: no limit", given(_limited(**{limit: NO_LIMIT})),
             _batch(*[(act(**{need: NO_LIMIT}), "")] * 3)),
        case(f"{name}: what a call did not use comes back", given(_limited(**{limit: 15})),
             permit(ten), deny(ten, SHORT), redeem((use(), "")), settle((end(used=used), True)),
             permit(act(**{need: 11}))),
        case(f"{name}: no more than was reserved is charged", given(_limited(**{limit: 20})),
             permit(ten), redeem((use(), "")), settle((end(used=more), True)), permit(ten)),
    ]  # fmt: skip


ROOT = changed_grant(grant("root", "rd", holder="alice", kind="human"), max_calls=3)
LEFT = changed_grant(ROOT, id="left", parent="root", rights=9, max_calls=2)
LEAF = changed_grant(LEFT, id="leaf", parent="left", holder="bot", holder_kind="machine")
RIGHT = changed_grant(LEAF, id="right", parent="root", max_calls=3, scope="a")
DEEP = act(ask(scope="a"))
HUMAN = act(actor="alice", kind="human")

CASES = [
    *(one for pair in UNITS.items() for one in _unit(*pair)),
    case(
        "calls: as many as there are, in one batch",
        given(_limited(max_calls=2)),
        _batch((act(), ""), (act(), ""), (act(), SHORT)),
    ),
    case(
        "calls: over several batches",
        given(_limited(max_calls=2)),
        permit(act()),
        permit(act()),
        deny(act(), SHORT),
    ),
    case("calls: none", given(_limited(max_calls=0)), deny(act(), SHORT)),
    case(
        "calls: one that ended is used up",
        given(_limited(max_calls=1)),
        permit(act()),
        redeem((use(), "")),
        settle((end(), True)),
        deny(act(), SHORT),
    ),
    case(
        "calls: one that never started comes back",
        given(_limited(max_calls=1)),
        permit(act()),
        redeem((use(), "")),
        settle((end(started=False), True)),
        permit(act()),
    ),
    case(
        "what a redeemed permit holds is not given back by one that was not redeemed",
        given(_limited(max_calls=1)),
        permit(act()),
        redeem((use(), "")),
        settle((end(redeemed=False, started=False), False)),
        deny(act(), SHORT),
        settle((end(), True)),
    ),
    case(
        "what was never redeemed comes back when that is told",
        given(_limited(max_calls=1)),
        permit(act()),
        settle((end(redeemed=False, started=False), True)),
        permit(act()),
    ),
    case(
        "a call is settled once",
        given(_limited(max_calls=1)),
        permit(act()),
        settle((end(started=False), True), (end(started=False), False)),
        permit(act()),
        deny(act(), SHORT),
    ),
    case(
        "a permit whose reservation was given back starts nothing",
        given(_limited(max_calls=1)),
        permit(act()),
        settle((end(started=False), True)),
        redeem((use(), "permit_stale")),
    ),
    case(
        "what an unused permit holds comes back when it ends",
        given(_limited(max_calls=1)),
        permit(act()),
        deny(act(), SHORT, now=NOW + TTL - 1),
        permit(act(), now=NOW + TTL),
    ),
    case(
        "what a permit holds that ends early comes back then",
        given(_limited(max_calls=1, expires_at=NOW + 5), _limited("h", max_calls=0)),
        permit(act()),
        deny(act(), SHORT, now=NOW + 4),
        deny(act(), "expired", now=NOW + 5),
    ),
    case(
        "what a call holds that runs stays held",
        given(_limited(max_calls=1)),
        permit(act()),
        redeem((use(), "")),
        deny(act(), SHORT, now=NOW + 9 * TTL),
        settle((end(), True)),
    ),
    case(
        "an unknown nonce settles nothing",
        given(_limited(max_calls=1)),
        permit(act()),
        settle((end(), True), (end(), False)),
        deny(act(), SHORT),
    ),
    case(
        "a call without a budget is not settled",
        given(grant()),
        permit(act()),
        redeem((use(), "")),
        settle((end(), False)),
    ),
    case(
        "a denial reserves nothing",
        given(_limited(max_calls=1)),
        deny(act(ask(), ask("x")), "no_grant"),
        permit(act()),
    ),
    case(
        "a call is charged once, however many requests rest on a grant",
        given(_limited(max_calls=1, max_cost=5)),
        permit(act(ask(), ask("w"), cost=5)),
        deny(act(), SHORT),
    ),
    case(
        "each grant of a call is charged",
        given(_limited(max_calls=1), changed_grant(grant("h", "x"), max_calls=2)),
        permit(act(ask(), ask("x"))),
        deny(act(ask(), ask("x")), SHORT),
        permit(act(ask("x"))),
        deny(act(ask("x")), SHORT),
    ),
    case(
        "another grant is taken when one is used up",
        given(_limited(max_calls=1), _limited("h", confidence=900_000, max_calls=1)),
        _batch((act(), ""), (act(), ""), (act(), SHORT)),
    ),
    case(
        "every unit that is short is told",
        given(_limited(max_calls=0, max_wall_us=1, max_output_bytes=2, max_cost=3)),
        deny(act(wall_us=2, output_bytes=3, cost=4), *[SHORT] * 4),
    ),
    case(
        "a shortage stands after the other faults",
        given(_limited(max_calls=0, expires_at=NOW)),
        deny(act(), "expired", SHORT),
    ),
    case(
        "a tree uses no more than its root",
        given(ROOT, LEFT, LEAF, RIGHT),
        permit(act()),
        permit(DEEP),
        deny(act(), SHORT, SHORT),
        permit(DEEP),
        deny(DEEP, SHORT),
        deny(HUMAN, SHORT),
    ),
    case(
        "what the holder of a root uses is gone for the tree",
        given(ROOT, LEFT, LEAF),
        _batch((HUMAN, ""), (HUMAN, ""), (act(), ""), (act(), SHORT)),
    ),
    case(
        "what comes back comes back at every depth",
        given(ROOT, LEFT, LEAF),
        _batch((act(), ""), (act(), "")),
        settle((end(0, 0, started=False), True)),
        _batch((act(), ""), (HUMAN, ""), (HUMAN, SHORT)),
    ),
    case(
        "a child with more than its parent",
        given(ROOT, changed_grant(LEFT, max_calls=4), LEAF),
        deny(act(), "attenuation"),
    ),
    case(
        "a child without the limit of its parent",
        given(ROOT, changed_grant(LEFT, max_calls=NO_LIMIT), LEAF),
        deny(act(), "attenuation"),
    ),
    case(
        "a child with a limit where its parent has none",
        given(ROOT, changed_grant(LEFT, max_cost=0), changed_grant(LEAF, max_cost=0)),
        permit(act()),
    ),
    case(
        "a delegation with more than its parent is refused",
        given(ROOT),
        change(
            (Delegate(changed_grant(LEFT, max_calls=4), "alice", "human"), "attenuation"),
            (Delegate(changed_grant(LEFT, max_wall_us=4), "alice", "human"), ""),
        ),
    ),
    case(
        "a revoked grant's calls may still be settled",
        given(ROOT, LEFT, LEAF),
        permit(act()),
        redeem((use(), "")),
        change(Revoke("leaf")),
        settle((end(), True)),
    ),
    case(
        "a public read is charged to nobody",
        change(Declare("folder", "notes", public=True)),
        given(_limited(max_calls=0)),
        permit(act()),
        deny(act(ask("w")), SHORT),
    ),
    case(
        "a second permit of one nonce is held until its own end",
        given(_limited(max_calls=2)),
        permit(act()),
        permit(act(), now=NOW + 1),
        deny(act(), SHORT, now=NOW + TTL),
        permit(act(), now=NOW + 1 + TTL),
    ),
    case(
        "and given back at that, if both have the same",
        given(_limited(max_calls=2)),
        permit(act()),
        permit(act()),
        deny(act(), SHORT, now=NOW + TTL - 1),
        permit(act(), now=NOW + TTL),
    ),
    case(
        "a grant is charged once for two requests that rest on it",
        given(_limited(max_calls=2)),
        permit(act(ask(), ask(scope="a"))),
        permit(act()),
        deny(act(), SHORT),
    ),
    case(
        "a permit of a grant without a budget is redeemed, where another has one",
        given(_limited(max_calls=1), grant("h", "x")),
        permit(act(ask("x"))),
        redeem((use(), "")),
    ),
    case(
        "a wider limit is told, not one that is equal",
        given(changed_grant(ROOT, max_cost=5)),
        change(
            (
                Delegate(changed_grant(RIGHT, max_calls=3, max_cost=6), "alice", "human"),
                "attenuation",
            )
        ),
    ),
]
