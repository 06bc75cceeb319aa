"""Section 2: each field of an action, and each way in which it can be wrong."""

from language import Case, act, ask, case, change, deny, given, grant, permit

from authgate_async.wire import Enrol, Own, Request

NAME = "n" * 256
LONG = "n" * 257
WIDE = "é" * 128
"""256 bytes of UTF-8, 128 characters."""

CONTROLS = ("\x00", "\x1f", "\n", "\x7f", "\x80", "\x9f")


def _malformed(name: str, *codes: str, **fields: object) -> Case:
    return case(f"malformed: {name}", given(grant()), deny(act(**fields), "malformed", *codes))


def _request(what: str, *codes: str, **fields: object) -> Case:
    request = {"rtype": "folder", "name": "notes", "scope": "", "right": 1, **fields}
    action = act(ask(), Request(**request))
    return case(f"malformed: request {what}", given(grant()), deny(action, "malformed", *codes))


def _longest() -> Case:
    return case(
        "the longest names are well formed",
        change(Enrol(NAME, "machine"), Enrol(WIDE, "human"), Own(NAME, WIDE)),
        given(grant(NAME, holder=NAME, rtype=NAME, name=NAME)),
        permit(act(ask("r", "", NAME, NAME), actor=NAME, id=NAME, tool=NAME)),
    )


def _governed(*humans: str) -> Case:
    action = act(governs_humans=humans, actor="alice", kind="human")
    return case(
        f"malformed: governs_humans of {len(humans)}, the last of {len(humans[-1])} characters",
        given(grant(holder="alice", kind="human")),
        deny(action, "malformed"),
    )


CASES = [
    case("a well-formed action is permitted", given(grant()), permit(act())),
    _longest(),
    case("non-ASCII names are compared as bytes", given(grant(name="nötes")),
         permit(act(ask(name="nötes"))), deny(act(ask(name="no\u0308tes")), "no_grant")),
    _malformed("id is empty", id=""),
    _malformed("id is too long", id=LONG),
    _malformed("id is 129 characters of two bytes", id=WIDE + "é"),
    *(_malformed(f"id has U+{ord(c):04X}", id=f"a{c}b") for c in CONTROLS),
    *(_malformed(f"id is U+{ord(c):04X}", id=c) for c in CONTROLS),
    case("U+0020, U+007E and U+00A0 are no control characters", given(grant()),
         permit(act(id="a \x7e\xa0"))),
    _malformed("actor is empty", actor=""),
    _malformed("actor is too long", actor=LONG),
    _malformed("actor has a control character", actor="bot\n"),
    _malformed("kind is empty", kind=""),
    _malformed("kind is in capitals", kind="MACHINE"),
    _malformed("kind has a control character", kind="machine\n"),
    *(case(f"malformed: with a malformed {field} only the flags are judged beside the fields",
           given(grant()),
           deny(act(ask("w"), Request("", "notes", "", 1),
                    **{"actor": "nobody", "governs_humans": ("bob",), "flags": 1, field: value}),
                "malformed", "malformed", "forbidden_flag"))
      for field, value in (("id", ""), ("actor", LONG), ("kind", "robot"), ("tool", "\x00"))),
    case("malformed: a machine that would govern a malformed name", given(grant()),
         deny(act(governs_humans=(LONG, "bob")), "malformed")),
    case("malformed: a machine that would govern a human and a malformed name", given(grant()),
         deny(act(governs_humans=("bob", LONG)), "malformed", "machine_dominion")),
    case("malformed: a contested write of a malformed tool warns of nothing",
         given(grant("g", "w"), grant("h", "w", holder="alice", kind="human")),
         deny(act(ask("w"), tool=""), "malformed")),
    _malformed("tool is empty", tool=""),
    _malformed("tool is too long", tool=LONG),
    _malformed("tool has a control character", tool="t\x1b[2J"),
    _malformed("args has 65537 bytes", args=b"a" * 65_537),
    _malformed("no requests", requests=()),
    case("64 requests are allowed", given(grant()), permit(act(*[ask()] * 64))),
    case("65 requests are not", given(grant()), deny(act(*[ask()] * 65), "malformed")),
    case("the 65th request is not looked at", given(grant()),
         deny(act(*[ask()] * 64, Request("", "", "", 0)), "malformed")),
    _request("rtype is empty", rtype=""),
    _request("rtype is too long", rtype=LONG),
    _request("rtype has a control character", rtype="fol\tder"),
    _request("name is empty", name=""),
    _request("name is too long", name=LONG),
    _request("name has a control character", name="no\rtes"),
    _request("scope is too long", scope="s" * 4097),
    _request("scope has a control character", scope="a\x00b"),
    _request("scope has 65 components", scope="/".join("c" * 65)),
    _request("scope is too long and has a control character and 65 components",
             scope="\n" + "/" * 4096),
    _request("scope has a control character and 65 components", scope="\n" + "/" * 64),
    case("a scope of 4096 bytes and 64 components is allowed", given(grant()),
         permit(act(ask(scope="/".join(["c" * 63] * 64)), ask(scope="s" * 4096)))),
    case("backslashes do not count as components", given(grant()),
         permit(act(ask(scope="\\" * 65)))),
    _request("right is 0", right=0),
    _request("right is two bits", right=3),
    _request("right is an unknown bit", right=16),
    _request("right is the largest integer", right=2**63 - 1),
    _request("with every field wrong", "malformed", "malformed", "malformed",
             rtype="", name="", scope="\x00", right=0),
    case("a malformed request is skipped, the others are judged", given(grant()),
         deny(act(Request("", "notes", "", 1), ask("w")), "malformed", "no_grant")),
    _malformed("flags has bit 10", flags=1 << 10),
    _malformed("flags has bit 62 and a known one", "forbidden_flag", flags=1 << 62 | 1),
    _malformed("proof has 1 byte", proof=b"p"),
    _malformed("proof has 63 bytes", proof=b"p" * 63),
    _malformed("proof has 65 bytes", proof=b"p" * 65),
    *(_malformed(f"salt has {length} bytes", salt=b"s" * length) for length in (1, 31, 33, 64)),
    case("a salt has 32 bytes", given(grant()), permit(act(salt=b"s" * 32))),
    _governed("alice", ""),
    _governed(LONG),
    _governed("ali\x9bce"),
    _governed(*["alice"] * 65),
    _governed(*["alice"] * 64, ""),
    case("64 governed humans are well formed", given(grant(holder="alice", kind="human")),
         permit(act(governs_humans=("bob",) * 64, actor="alice", kind="human"))),
    case("the greatest integers are well formed", given(grant(epoch=2**63 - 1)),
         permit(act(min_epoch=2**63 - 1))),
    case("every fault of an action is told, in the order of the fields",
         deny(act(Request("", "", "\x00", 0), id="", actor="", kind="", tool="",
                  governs_humans=("",), flags=1 << 11, proof=b"p"),
              *["malformed"] * 11)),
]  # fmt: skip
