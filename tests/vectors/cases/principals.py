"""Section 3: flags, owners, dominion, identity and proofs."""

from hashlib import sha256, sha512

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from language import ARGS, Case, act, ask, case, change, deny, given, grant, permit

from authgate_async.wire import FLAGS, Action, Enrol, Own

KEY = Ed25519PrivateKey.from_private_bytes(b"\x42" * 32)
OTHER = Ed25519PrivateKey.from_private_bytes(b"\x43" * 32)
PUBLIC = KEY.public_key().public_bytes_raw()
ORDER = 2**252 + 27742317777372353535851937790883648493
IDENTITY = b"\x01" + b"\x00" * 31
SMALL_ORDER = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")


def _digest(action: Action) -> bytes:
    """Section 3: of ten fields, without the proof, and with the digest of the arguments."""
    digested = msgspec.structs.replace(action, args=sha256(action.args).digest(), proof=b"")
    return sha256(msgspec.msgpack.encode(msgspec.structs.astuple(digested)[:10])).digest()


def _signed(action: Action, key: Ed25519PrivateKey = KEY) -> Action:
    digest = _digest(action)
    proof = key.sign(b"authgate_async action v1\x00" + digest)
    return msgspec.structs.replace(action, proof=proof)


def _with_proof(proof: bytes) -> Action:
    return act(actor="signer", proof=proof)


def _signed_without_randomness() -> Action:
    """Sign with R the identity and the s that fits it: a lax check takes that."""
    action = act(actor="signer")
    expanded = bytearray(sha512(b"\x42" * 32).digest()[:32])
    expanded[0] &= 248
    expanded[31] = expanded[31] & 127 | 64
    digest = _digest(action)
    hashed = sha512(IDENTITY + PUBLIC + b"authgate_async action v1\x00" + digest).digest()
    s = int.from_bytes(hashed, "little") * int.from_bytes(expanded, "little") % ORDER
    return _with_proof(IDENTITY + s.to_bytes(32, "little"))


def _signed_with_its_salt() -> Action:
    salt = b"s" * 32
    args = sha256(ARGS).digest()
    salted = sha256(b"authgate_async arguments v1\x00" + salt + args).digest()
    fields = msgspec.structs.astuple(act(actor="signer", args=salted))[:10]
    digest = sha256(msgspec.msgpack.encode(fields)).digest()
    proof = KEY.sign(b"authgate_async action v1\x00" + digest)
    return act(actor="signer", proof=proof, salt=salt)


SIGNED = _signed(act(actor="signer"))
S = int.from_bytes(SIGNED.proof[32:], "little")


def _keyed(name: str, action: Action, *codes: str) -> Case:
    judged = deny(action, *codes) if codes else permit(action)
    return case(
        f"proof: {name}",
        change(Enrol("signer", "machine", PUBLIC), Own("signer", "alice")),
        given(grant(holder="signer")),
        judged,
    )


CASES = [
    *(case(f"flag {name} alone denies", given(grant()),
           deny(act(flags=1 << bit), "forbidden_flag")) for bit, name in enumerate(FLAGS)),
    case("all flags deny, lowest bit first", given(grant()),
         deny(act(flags=1023), *["forbidden_flag"] * 10)),
    case("no grant lets a human set a flag", given(grant(holder="alice", kind="human")),
         deny(act(actor="alice", kind="human", flags=512), "forbidden_flag")),
    case("a machine without an owner", change(Enrol("stray", "machine")),
         given(grant(holder="stray")), deny(act(actor="stray"), "unowned_machine")),
    case("a machine that got its owner", change(Enrol("stray", "machine")),
         given(grant(holder="stray")), change(Own("stray", "bob")), permit(act(actor="stray"))),
    case("a human needs no owner", given(grant(holder="bob", kind="human")),
         permit(act(actor="bob", kind="human"))),
    case("a machine that would govern a human", given(grant()),
         deny(act(governs_humans=("bob", "alice")), "machine_dominion")),
    case("a human may govern", given(grant(holder="bob", kind="human")),
         permit(act(actor="bob", kind="human", governs_humans=("alice",)))),
    case("an ownerless machine that governs is both",
         change(Enrol("stray", "machine")), given(grant(holder="stray")),
         deny(act(actor="stray", governs_humans=("bob",)), "unowned_machine",
              "machine_dominion")),
    case("nobody of that name",
         deny(act(actor="nobody", kind="human"), "identity_mismatch", "no_grant")),
    case("an unknown machine is unowned too",
         deny(act(actor="ghost"), "unowned_machine", "identity_mismatch", "no_grant")),
    case("a machine that says it is human",
         given(grant()), deny(act(kind="human"), "identity_mismatch", "no_grant")),
    case("a human that says it is a machine", given(grant(holder="bob", kind="human")),
         deny(act(actor="bob"), "unowned_machine", "identity_mismatch", "no_grant")),
    case("one name enrolled as both kinds is two principals",
         change(Enrol("bot", "human")), given(grant(holder="bot", kind="human")),
         permit(act(kind="human")), deny(act(), "no_grant")),
    case("names are not case-folded", given(grant()),
         deny(act(actor="Bot"), "unowned_machine", "identity_mismatch", "no_grant")),
    _keyed("a valid one", SIGNED),
    _keyed("made before there was a salt", msgspec.structs.replace(SIGNED, salt=b"s" * 32)),
    _keyed("over the salted digest", _signed_with_its_salt(), "identity_mismatch"),
    _keyed("none", _with_proof(b""), "identity_mismatch"),
    _keyed("of another key", _signed(act(actor="signer"), OTHER), "identity_mismatch"),
    _keyed("of another action", msgspec.structs.replace(SIGNED, id="a-2"), "identity_mismatch"),
    _keyed("of other requests", msgspec.structs.replace(SIGNED, requests=(ask(), ask())),
           "identity_mismatch"),
    _keyed("with one bit changed", _with_proof(bytes([SIGNED.proof[0] ^ 1]) + SIGNED.proof[1:]),
           "identity_mismatch"),
    _keyed("of 64 zero bytes", _with_proof(bytes(64)), "identity_mismatch"),
    _keyed("of a wrong length", _with_proof(SIGNED.proof[:63]), "malformed",
           "identity_mismatch"),
    _keyed("with an s that is not reduced",
           _with_proof(SIGNED.proof[:32] + (S + ORDER).to_bytes(32, "little")),
           "identity_mismatch"),
    _keyed("with an R of small order", _with_proof(SMALL_ORDER + SIGNED.proof[32:]),
           "identity_mismatch"),
    _keyed("with an R of small order and the s that fits it", _signed_without_randomness(),
           "identity_mismatch"),
    case("a proof of a principal without a key is ignored", given(grant()),
         permit(act(proof=b"\xff" * 64))),
    case("a keyed principal under the other kind", change(Enrol("signer", "machine", PUBLIC)),
         deny(act(actor="signer", kind="human"), "identity_mismatch", "no_grant")),
]  # fmt: skip
