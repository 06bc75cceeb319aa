"""Section 6: batches, their tree, and the redemption of permits."""

from collections.abc import Callable
from hashlib import sha256

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from language import (
    ARGS,
    NOW,
    TTL,
    Case,
    Deciding,
    Expected,
    Redeeming,
    Step,
    act,
    altered,
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

from authgate_async.wire import AdvanceEpoch, Grant, Register, Revoke, SignedVerdict, Verdict

ORDER = 2**252 + 27742317777372353535851937790883648493
SEED = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
"""Of the kernel that `make.py` makes."""

OTHER_KERNEL = Ed25519PrivateKey.from_private_bytes(b"\x99" * 32)
FORGED = "permit_forged"
SALT = b"s" * 32


def _batch(size: int) -> Deciding:
    """Actions of which each third is denied."""
    return Deciding(
        tuple(
            Expected(act(ask("w" if i % 3 == 2 else "r"), id=f"a-{i}"),
                     ("no_grant",) if i % 3 == 2 else ())
            for i in range(size)
        )
    )  # fmt: skip


def _whole_batch(size: int) -> Case:
    redemptions = [(use(0, i), "permit_denied" if i % 3 == 2 else "") for i in range(size)]
    steps = [redeem(*redemptions)] if size else []
    return case(f"a batch of {size}", given(grant()), _batch(size), *steps)


def _later(now: int) -> Deciding:
    """Decide the same at another time, with a nonce of its own."""
    return Deciding((Expected(act()),), now=now, entropy=b"\x22" * 32)


def _misused(name: str, code: str, *, now: int = NOW + 1, **how: object) -> Case:
    redeeming = Redeeming(((use(**how), code),), now)
    return case(f"redeem: {name}", given(grant()), permit(act()), redeeming)


def _forged(name: str, alter: Callable[[bytes], bytes], size: int = 3) -> Case:
    """Alter the second permit of a batch; the permit itself is good afterwards."""
    redeeming = redeem((use(0, 1, alter=alter), FORGED), (use(0, 1), ""))
    return case(f"forged: {name}", given(grant()), _batch(size), redeeming)


def _with_verdict(**fields: object) -> Callable[[bytes], bytes]:
    """Replace fields of the verdict inside, and leave the proof as it is."""

    def alter(signed: bytes) -> bytes:
        outer = msgspec.msgpack.decode(signed, type=SignedVerdict)
        inner = msgspec.msgpack.decode(outer.verdict, type=Verdict)
        wrong = msgspec.msgpack.encode(msgspec.structs.replace(inner, **fields))
        return msgspec.msgpack.encode(msgspec.structs.replace(outer, verdict=wrong))

    return alter


def _salted(name: str, code: str, salt: bytes, args: bytes = ARGS) -> Case:
    """A permit whose arguments have a salt, used with these; then as it was meant."""
    uses = [(use(args=args, salt=salt), code), (use(salt=SALT), "" if code else "permit_replayed")]
    return case(f"a salted permit {name}", given(grant()), permit(act(salt=SALT)), redeem(*uses))


def _ending(name: str, last: int, *steps: Step) -> Case:
    """A permit that is good at `last`, and expired a microsecond later."""
    return case(f"a permit ends {name}", *steps, redeem((use(), "permit_expired"), now=last + 1),
                redeem((use(), ""), now=last))  # fmt: skip


def _root(**more: int) -> Grant:
    return grant("root", "rd", holder="bob", kind="human", **more)


def _field(name: str, change_it: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Change one field of the signed verdict, given its bytes."""

    def alter(signed: bytes) -> bytes:
        outer = msgspec.msgpack.decode(signed, type=SignedVerdict)
        return altered(**{name: change_it(getattr(outer, name))})(signed)

    return alter


def _unreduced(signature: bytes) -> bytes:
    s = int.from_bytes(signature[32:], "little")
    return signature[:32] + (s + ORDER).to_bytes(32, "little")


def _signed_again(**fields: object) -> Callable[[bytes], bytes]:
    """Replace fields of the verdict inside, and sign it alone with the kernel's own key."""

    def alter(signed: bytes) -> bytes:
        outer = msgspec.msgpack.decode(signed, type=SignedVerdict)
        inner = msgspec.msgpack.decode(outer.verdict, type=Verdict)
        verdict = msgspec.msgpack.encode(msgspec.structs.replace(inner, **fields))
        root = sha256(b"\x00" + verdict).digest()
        statement = b"authgate_async batch v1\x00" + (1).to_bytes(8, "big") + root
        return msgspec.msgpack.encode(SignedVerdict(verdict, 0, 1, b"", SEED.sign(statement)))

    return alter


def _resigned(signed: bytes) -> bytes:
    """Sign the same verdict with the key of another kernel."""
    outer = msgspec.msgpack.decode(signed, type=SignedVerdict)
    root = sha256(b"\x00" + outer.verdict).digest()
    statement = b"authgate_async batch v1\x00" + (1).to_bytes(8, "big") + root
    signature = OTHER_KERNEL.sign(statement)
    return altered(index=0, size=1, path=b"", signature=signature)(signed)


def _flip(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


CASES = [
    _salted("with its salt", "", SALT),
    _salted("without its salt", "permit_mismatch", b""),
    _salted("with another salt", "permit_mismatch", b"t" * 32),
    _salted("with a shorter salt", "permit_mismatch", SALT[:31]),
    _salted("with a byte of its arguments as salt", "permit_mismatch", SALT + ARGS[:1], ARGS[1:]),
    _salted("with other arguments", "permit_mismatch", SALT, b"{}"),
    _misused("with a salt that it has not", "permit_mismatch", salt=SALT),
    *(_whole_batch(size) for size in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17)),
    case("two equal actions in a batch get permits of their own", given(grant()),
         Deciding((Expected(act()), Expected(act()))), redeem((use(0, 0), ""), (use(0, 1), ""))),
    case("the same entropy again gives the same nonce, which is good once", given(grant()),
         permit(act()), permit(act()),
         redeem((use(0), ""), (use(1), "permit_replayed"))),
    case("the same nonce in a later permit, both of them valid", given(grant()), permit(act()),
         permit(act(), now=NOW + TTL - 1_000_000),
         redeem((use(0), ""), (use(1), "permit_replayed"), now=NOW + TTL - 500_000)),
    case("the same nonce in a later permit, when the first has expired", given(grant()),
         permit(act()), permit(act(), now=NOW + TTL - 1),
         redeem((use(0), "")), redeem((use(1), "permit_replayed"), now=NOW + TTL - 1),
         redeem((use(1), ""), now=NOW + TTL),
         redeem((use(1), "permit_replayed"), now=NOW + TTL)),
    case("the clock goes back by less than a permit's life", given(grant()), permit(act()),
         redeem((use(), ""), now=NOW + 50), redeem((use(), "permit_replayed"), now=NOW + 1)),
    case("the clock goes back to when a forgotten permit was valid", given(grant()),
         permit(act()), redeem((use(), "")), _later(9 * TTL),
         redeem((use(1), ""), now=9 * TTL), redeem((use(0), "permit_replayed"))),
    case("the clock goes back by a little to when a forgotten permit was valid", given(grant()),
         permit(act()), redeem((use(), "")), _later(2 * TTL), redeem((use(1), ""), now=2 * TTL),
         redeem((use(0), "permit_replayed"), now=TTL + 1)),
    case("the clock goes back: a permit that nobody used, of a forgotten time", given(grant()),
         permit(act()), _later(9 * TTL),
         redeem((use(1), ""), now=9 * TTL), redeem((use(0), "permit_replayed"))),
    case("the clock goes back after a refused redemption, which makes forget nothing",
         given(grant()), permit(act()), _later(9 * TTL),
         redeem((use(1, tool="x"), "permit_mismatch"), now=9 * TTL), redeem((use(0), ""))),
    case("the clock goes back, and a permit that ends in the present generation is known",
         given(grant()), permit(act()), _later(TTL), redeem((use(1), ""), now=TTL),
         redeem((use(0), ""), (use(0), "permit_replayed"))),
    case("a nonce of another length", given(grant()), permit(act()),
         redeem((use(alter=_signed_again(nonce=b"")), "permit_replayed"),
                (use(alter=_signed_again(nonce=b"n" * 17)), "permit_replayed"), (use(), ""))),
    case("no redemptions", redeem()),
    case("signed again by the same key", given(grant()), permit(act()),
         redeem((use(alter=_signed_again()), ""), (use(), "permit_replayed"))),
    case("from another kernel with the same key", given(grant()), permit(act()),
         redeem((use(alter=_signed_again(instance=b"i" * 16)), FORGED),
                (use(alter=_signed_again(instance=b"")), FORGED), (use(), ""))),
    case("a denial from another kernel with the same key is told as forged",
         given(grant()), deny(act(ask("w")), "no_grant"),
         redeem((use(alter=_signed_again(instance=b"i" * 16)), FORGED))),
    _misused("at once", "", now=NOW),
    _misused("at the last moment", "", now=NOW + TTL - 1),
    _misused("when it has expired", "permit_expired", now=NOW + TTL),
    _misused("before it was issued", "permit_expired", now=NOW - 1),
    _misused("for another tool", "permit_mismatch", tool="writer"),
    _misused("for other arguments", "permit_mismatch", args=ARGS + b" "),
    _misused("for no arguments", "permit_mismatch", args=b""),
    _misused("for another tool when it has expired", "permit_mismatch", tool="", now=NOW + TTL),
    case("a permit that is never valid", given(grant()), permit(act()),
         redeem((use(), "permit_expired"), now=NOW), permit_ttl=0),
    case("a permit that is valid for one microsecond", given(grant()), permit(act()),
         redeem((use(), ""), now=NOW), permit_ttl=1),
    case("a denial", given(grant()), deny(act(ask("w")), "no_grant"),
         redeem((use(), "permit_denied"), (use(tool=""), "permit_denied"))),
    case("replay, in the same call and in a later one", given(grant()), permit(act()),
         redeem((use(), ""), (use(), "permit_replayed")), redeem((use(), "permit_replayed"))),
    case("a refused redemption does not use up the permit", given(grant()), permit(act()),
         redeem((use(tool="x"), "permit_mismatch"), (use(), ""))),
    case("a used permit that has expired is told as expired", given(grant()), permit(act()),
         redeem((use(), "")), redeem((use(), "permit_expired"), now=NOW + TTL)),
    case("the epoch rose since", given(grant(epoch=1)), permit(act()), change(AdvanceEpoch()),
         redeem((use(), "permit_stale"))),
    case("decided again after the epoch rose", given(grant(epoch=1)), permit(act()),
         change(AdvanceEpoch()),
         Deciding((Expected(act()),), entropy=b"\x22" * 32),
         redeem((use(0), "permit_stale"), (use(1), ""))),
    case("its grant was revoked since", given(grant()), permit(act()), change(Revoke("g")),
         redeem((use(), "permit_stale"))),
    case("a grant above it was revoked since",
         given(grant("root", "rd", holder="bob", kind="human"), grant(parent="root")),
         permit(act()), change(Revoke("root")), redeem((use(), "permit_stale"))),
    case("another grant was revoked since", given(grant(), grant("other")), permit(act()),
         change(Revoke("other")), redeem((use(), ""))),
    case("of two revoked grants the first in the chains is told",
         given(grant("r"), grant("x", "x")), permit(act(ask("r"), ask("x"))),
         change(Revoke("x"), Revoke("r")), redeem((use(), "permit_stale"))),
    case("it rests on a grant that this kernel never had", given(grant()), permit(act()),
         redeem((use(alter=_signed_again(chains=(("ghost",),))), "permit_stale"),
                (use(alter=_signed_again(chains=(("g", "ghost"),))), "permit_stale"),
                (use(alter=_signed_again(chains=((), ("g",)))), ""))),
    case("of a revoked grant and an unknown one the first is told",
         given(grant(), grant("h")), permit(act()), change(Revoke("h")),
         redeem((use(alter=_signed_again(chains=(("ghost", "h"),))), "permit_stale"),
                (use(alter=_signed_again(chains=(("h", "ghost"),))), "permit_stale"))),
    case("a grant that is only a parent's name is not there",
         given(grant(), grant("h", "w", parent="ghost")), permit(act()),
         redeem((use(alter=_signed_again(chains=(("ghost",),))), "permit_stale"))),
    case("a used permit whose grant was revoked is told as stale", given(grant()), permit(act()),
         redeem((use(), "")), change(Revoke("g")), redeem((use(), "permit_stale"))),
    *(_ending(f"with its grant: {name}", last, *steps) for name, last, *steps in [
        ("one grant", NOW + 999, given(grant(expires_at=NOW + 1000)), permit(act())),
        ("a grant for one microsecond", NOW, given(grant(expires_at=NOW + 1)), permit(act())),
        ("a grant that ends as the permit would", NOW + TTL - 1,
         given(grant(expires_at=NOW + TTL)), permit(act())),
        ("a grant that ends after the permit would", NOW + TTL - 1,
         given(grant(expires_at=NOW + TTL + 1)), permit(act())),
        ("a grant that ends at the end of time", NOW + TTL - 1,
         given(grant(expires_at=2**63 - 1)), permit(act())),
        ("an ancestor that ends when it ends", NOW + 999,
         given(_root(expires_at=NOW + 1000), grant(parent="root", expires_at=NOW + 1000)),
         permit(act())),
        ("an ancestor that ends later", NOW + 999,
         given(_root(expires_at=NOW + 2000), grant(parent="root", expires_at=NOW + 1000)),
         permit(act())),
        ("an ancestor that never ends", NOW + 999,
         given(_root(), grant(parent="root", expires_at=NOW + 1000)), permit(act())),
        ("of two grants the first ends first", NOW + 999,
         given(grant("r", expires_at=NOW + 1000), grant("x", "x", expires_at=NOW + 2000)),
         permit(act(ask("r"), ask("x")))),
        ("of two grants the second ends first", NOW + 999,
         given(grant("r", expires_at=NOW + 2000), grant("x", "x", expires_at=NOW + 1000)),
         permit(act(ask("r"), ask("x")))),
        ("of two grants the first never ends", NOW + 999,
         given(grant("r"), grant("x", "x", expires_at=NOW + 1000)),
         permit(act(ask("r"), ask("x")))),
        ("another grant, which was not chosen, ends first", NOW + TTL - 1,
         given(grant("h", confidence=900_000, expires_at=NOW + 1000), grant()), permit(act())),
    ]),
    *(case(f"an ancestor that ends {name} gives no permit",
           given(_root(expires_at=NOW + 1000), grant(parent="root", expires_at=end)),
           deny(act(), "attenuation"), redeem((use(), "permit_denied")))
      for name, end in [("earlier", NOW + 1001), ("where the grant never does", 0)]),
    case("a denial ends when a permit without a grant would", given(grant(expires_at=NOW + 1000)),
         deny(act(ask("r"), ask("w")), "no_grant"),
         redeem((use(), "permit_denied"), now=NOW + 1000)),
    case("a better grant since does not recall a permit", given(grant(confidence=1)),
         permit(act(), "low_confidence"), change(Register(changed_grant(grant("h"), scope=""))),
         redeem((use(), ""))),
    _forged("nothing", lambda _: b""),
    _forged("a zero byte", lambda _: b"\x00"),
    _forged("an empty array", lambda _: b"\x90"),
    _forged("a byte too many", lambda signed: signed + b"\x00"),
    _forged("a byte too few", lambda signed: signed[:-1]),
    _forged("in an encoding that is not the shortest",
            lambda signed: b"\xdc\x00\x05" + signed[1:]),
    _forged("the verdict alone",
            lambda s: msgspec.msgpack.decode(s, type=SignedVerdict).verdict),
    _forged("a verdict that is none", altered(verdict=b"\x90")),
    _forged("an empty verdict", altered(verdict=b"")),
    _forged("a verdict with a byte too many", _field("verdict", lambda v: v + b"\x00")),
    _forged("signed by another kernel", _resigned),
    _forged("the path's first bit flipped", _field("path", _flip)),
    _forged("a path too short", _field("path", lambda path: path[:-32])),
    _forged("a path too long", _field("path", lambda path: path + bytes(32))),
    _forged("a path of a length that is no multiple of 32", _field("path", lambda p: p + b"x")),
    _forged("no path", altered(path=b"")),
    _forged("another index", altered(index=0)),
    _forged("an index beyond the size", altered(index=3)),
    _forged("the greatest index", altered(index=2**63 - 1)),
    _forged("size 0", altered(size=0)),
    _forged("size 1", altered(size=1)),
    _forged("another size with a path of the same length", altered(size=4)),
    _forged("the greatest size", altered(size=2**63 - 1)),
    _forged("an R flipped", _field("signature", _flip)),
    _forged("a signature cut", _field("signature", lambda signature: signature[:63])),
    _forged("no signature", altered(signature=b"")),
    _forged("a signature of zeros", altered(signature=bytes(64))),
    _forged("an s that is not reduced", _field("signature", _unreduced)),
    _forged("another action id", _with_verdict(action_id="a-9")),
    _forged("another action digest", _with_verdict(action_digest=bytes(32))),
    _forged("another actor", _with_verdict(actor="alice")),
    _forged("another kind", _with_verdict(kind="human")),
    _forged("another tool", _with_verdict(tool="writer")),
    _forged("another argument digest", _with_verdict(args_digest=bytes(32))),
    _forged("other requests", _with_verdict(requests=(ask("w"),))),
    _forged("a denial", _with_verdict(permitted=False)),
    _forged("a violation", _with_verdict(violations=(("no_grant", ""),))),
    _forged("a warning", _with_verdict(warnings=(("low_confidence", ""),))),
    _forged("another confidence", _with_verdict(confidence=999_999)),
    _forged("arbitration", _with_verdict(requires_human_arbitration=True)),
    _forged("no chains", _with_verdict(chains=())),
    _forged("a higher epoch", _with_verdict(epoch=1)),
    _forged("another nonce", _with_verdict(nonce=bytes(16))),
    _forged("issued earlier", _with_verdict(issued_at=0)),
    _forged("expiring later", _with_verdict(expires_at=2**63 - 1)),
    _forged("another instance", _with_verdict(instance=bytes(16))),
    case("forged: a denial turned into a permit", given(grant()),
         deny(act(ask("w")), "no_grant"),
         redeem((use(alter=_with_verdict(permitted=True, violations=())), FORGED))),
]  # fmt: skip
