"""Section 7: `verify_json`. A case is a name, a text, and what must come of it."""

import json
from typing import Any, NamedTuple

from authgate_async.wire import FLAGS


class Text(NamedTuple):
    """A text, and its violations' and warnings' codes; or the path that its error must name."""

    name: str
    text: str
    codes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    path: str | None = None


NOTES = {"name": "notes", "rtype": "folder"}
ALICE = {"name": "alice", "kind": "HUMAN"}
BOT = {"name": "bot", "kind": "MACHINE"}
CLAIM = {"holder": BOT, "resource": NOTES}
REGISTRY = {"claims": [CLAIM], "machine_owners": {"bot": "alice"}}
ACTION = {"action_id": "a-1", "actor": BOT, "resources_read": [NOTES]}


def _text(
    action: dict[str, Any] | None = None, claim: dict[str, Any] | None = None, **registry: Any
) -> str:
    document = {
        "registry": {**REGISTRY, "claims": [{**CLAIM, **(claim or {})}], **registry},
        "action": {**ACTION, **(action or {})},
    }
    return json.dumps(document)


def _permitted(name: str, text: str, *warnings: str) -> Text:
    return Text(name, text, (), warnings)


def _denied(name: str, text: str, *codes: str, warnings: tuple[str, ...] = ()) -> Text:
    return Text(name, text, codes, warnings)


def _wrong(path: str, text: str, name: str = "") -> Text:
    return Text(f"wrong: {name or path}", text, path=path)


def _without(document: dict[str, Any], field: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != field}


def _raw(old: str, new: str) -> str:
    """The plain text with a part of it replaced, to write what `json.dumps` cannot."""
    plain = _text({"min_epoch": 0}, {"confidence": 0.5, "expires_at": 5, "epoch": 0})
    assert old in plain
    return plain.replace(old, new)


CONFIDENCE = '"confidence": 0.5'
EXPIRY = '"expires_at": 5'
MIN_EPOCH = '"min_epoch": 0'

GOOD = [
    _permitted("a machine reads what it was given", _text()),
    _permitted("the smallest text", '{"registry":{},"action":{"action_id":"a","actor":'
               '{"name":"alice","kind":"HUMAN"},"resources_read":[{"name":"n","rtype":"r",'
               '"is_public":true}]}}'),
    _permitted("white space and escapes", " \n\t\r" + _raw('"a-1"', '"\\u0061\\/\\ud83d\\ude00"')
               .replace(EXPIRY, '"expires_at"\t:\r\n5e3 ') + "\n", "low_confidence"),
    _permitted("non-ASCII text comes back as it is",
               _text({"action_id": 'é\u2028\U0001f600"\\'})),
    _permitted("a description and a tool", _text({"description": "why", "tool": "t"})),
    _permitted("numbers in other forms",
               _raw(CONFIDENCE, '"confidence": 8.5E-1').replace(EXPIRY, '"expires_at": 2.0e0')),
    _permitted("confidence 1 as an integer", _raw(CONFIDENCE, '"confidence": 1')
               .replace(EXPIRY, '"expires_at": null')),
    _permitted("confidence of a millionth", _raw(CONFIDENCE, '"confidence": 0.000001'),
               "low_confidence"),
    _permitted("confidence of ten millionths", _raw(CONFIDENCE, '"confidence": 1e-5'),
               "low_confidence"),
    _permitted("confidence of a hundred millionths", _raw(CONFIDENCE, '"confidence": 1e-4'),
               "low_confidence"),
    _permitted("confidence rounded to even, down", _raw(CONFIDENCE, '"confidence": 5e-7'),
               "low_confidence"),
    _permitted("confidence rounded to even, up", _raw(CONFIDENCE, '"confidence": 1.5e-6'),
               "low_confidence"),
    _permitted("confidence 0", _raw(CONFIDENCE, '"confidence": 0'), "low_confidence"),
    _permitted("confidence -0.0", _raw(CONFIDENCE, '"confidence": -0.0'), "low_confidence"),
    _permitted("confidence that rounds up to the threshold",
               _raw(CONFIDENCE, '"confidence": 0.7999996')),
    _permitted("expiry far away", _raw(CONFIDENCE, '"confidence": 1')
               .replace(EXPIRY, '"expires_at": 9223372036854')),
    _denied("expiry now", _raw(EXPIRY, '"expires_at": 1'), "expired"),
    _permitted("expiry rounded down to just after now",
               _raw(CONFIDENCE, '"confidence": 1').replace(EXPIRY, '"expires_at": 1.0000019')),
    _denied("expiry rounded down to now", _raw(EXPIRY, '"expires_at": 1.0000009'), "expired"),
    _denied("no claims", _text(claims=[]), "no_grant"),
    _denied("an empty registry", json.dumps({"registry": {}, "action": ACTION}),
            "unowned_machine", "no_grant"),
    _denied("no resources", _text({"resources_read": []}), "malformed"),
    _denied("65 resources", _text({"resources_read": [NOTES] * 65}), "malformed"),
    _denied("an empty action id", _text({"action_id": ""}), "malformed"),
    _denied("a control character", _text({"action_id": "a\u0007\u007f"}), "malformed"),
    _denied("an empty scope component is fine, `..` is not",
            _text({"resources_read": [{**NOTES, "scope": "a/../b"}]}), "no_grant"),
    _denied("every flag", _text(dict.fromkeys(FLAGS, True)), *["forbidden_flag"] * 10),
    _denied("one flag", _text({"coerces": True}), "forbidden_flag"),
    _denied("dominion", _text({"governs_humans": ["alice"]}), "machine_dominion"),
    _denied("no owner", _text(machine_owners={}), "unowned_machine"),
    _denied("a machine that says it is human", _text({"actor": {**BOT, "kind": "HUMAN"}}),
            "identity_mismatch", "no_grant"),
    _denied("reading does not write", _text({"resources_write": [NOTES]}), "no_grant"),
    _denied("reading does not delegate", _text({"resources_delegate": [NOTES]}), "no_grant"),
    _permitted("read, write and delegate",
               _text({"resources_write": [NOTES], "resources_delegate": [NOTES]},
                     {"can_write": True, "can_delegate": True})),
    _denied("a claim with no right is skipped", _text(claim={"can_read": False}), "no_grant"),
    _denied("an old epoch", _text({"min_epoch": 2}, {"epoch": 1}), "epoch_stale"),
    _permitted("an equal epoch", _text({"min_epoch": 2}, {"epoch": 2})),
    _permitted("a scope inside", _text({"resources_read": [{**NOTES, "scope": "a/b"}]},
                                       {"resource": {**NOTES, "scope": "a"}})),
    _denied("a trust domain", _text({"resources_read": [{**NOTES, "trust_domain": "west"}]},
                                    {"resource": {**NOTES, "trust_domain": "west"}},
                                    trust_domains={"bot": "east"}), "trust_domain"),
    _permitted("the same trust domain",
               _text({"resources_read": [{**NOTES, "trust_domain": "west"}]},
                     {"resource": {**NOTES, "trust_domain": "west"}},
                     trust_domains={"bot": "west", "nobody": "east"})),
    _permitted("a contested write",
               _text({"resources_read": [], "resources_write": [NOTES]},
                     claims=[{**CLAIM, "can_write": True},
                             {**CLAIM, "holder": ALICE, "can_write": True}]), "contested_write"),
]  # fmt: skip

WRONG = [
    _wrong("", "", "nothing"),
    _wrong("", "null", "null"),
    _wrong("", "[]", "an array"),
    _wrong("", "{", "half an object"),
    _wrong("", _text() + "x", "a letter too many"),
    _wrong("", _text() + "{}", "two objects"),
    _wrong("", "\ufeff" + _text(), "a byte order mark"),
    _wrong("", _raw('"a-1"', "'a-1'"), "single quotes"),
    _wrong("", _raw(EXPIRY, EXPIRY + ","), "a comma too many"),
    _wrong("", _raw('"a-1"', '"a\n1"'), "a raw line feed in a string"),
    _wrong("", _raw('"a-1"', '"\\x61"'), "an unknown escape"),
    _wrong("", _raw(EXPIRY, '"expires_at": 05'), "a leading zero"),
    _wrong("", _raw(EXPIRY, '"expires_at": +5'), "a plus sign"),
    _wrong("", _raw(EXPIRY, '"expires_at": 5.'), "a point without digits"),
    _wrong("", _raw(EXPIRY, '"expires_at": True'), "a Python literal"),
    _wrong("registry", json.dumps({"action": ACTION})),
    _wrong("action", json.dumps({"registry": REGISTRY})),
    _wrong("extra", json.dumps({"registry": REGISTRY, "action": ACTION, "extra": 1})),
    _wrong("registry", json.dumps({"registry": [], "action": ACTION}), "registry is an array"),
    _wrong("registry.extra", _text(extra=1)),
    _wrong("registry.claims", _text(claims={})),
    _wrong("registry.claims", _text(claims=None), "claims is null"),
    _wrong("registry.claims[0]", _text(claims=[1])),
    _wrong("registry.claims[1].holder", _text(claims=[CLAIM, _without(CLAIM, "holder")])),
    _wrong("registry.claims[0].resource", _text(claims=[_without(CLAIM, "resource")])),
    _wrong("registry.claims[0].rights", _text(claim={"rights": 1})),
    _wrong("registry.claims[0].holder.kind", _text(claim={"holder": {**BOT, "kind": "machine"}})),
    _wrong("registry.claims[0].holder.kind", _text(claim={"holder": {"name": "bot"}}),
           "no kind"),
    _wrong("registry.claims[0].holder.key", _text(claim={"holder": {**BOT, "key": ""}})),
    _wrong("registry.claims[0].holder.name", _text(claim={"holder": {**BOT, "name": 7}})),
    _wrong("registry.claims[0].holder", _text(claim={"holder": {**BOT, "name": ""}}),
           "an empty holder"),
    _wrong("registry.claims[0].resource.name", _text(claim={"resource": {"rtype": "folder"}})),
    _wrong("registry.claims[0].resource.scope", _text(claim={"resource": {**NOTES, "scope": 1}})),
    _wrong("registry.claims[0].resource.is_public",
           _text(claim={"resource": {**NOTES, "is_public": "yes"}})),
    _wrong("registry.claims[0]", _text(claim={"resource": {**NOTES, "scope": "\u0007"}}),
           "a control character in a claim's scope"),
    _wrong("registry.claims[0].can_read", _text(claim={"can_read": 1})),
    _wrong("registry.claims[0].can_write", _text(claim={"can_write": None})),
    _wrong("registry.claims[0].confidence", _raw(CONFIDENCE, '"confidence": NaN'), "NaN"),
    _wrong("registry.claims[0].confidence", _raw(CONFIDENCE, '"confidence": Infinity'),
           "Infinity"),
    _wrong("registry.claims[0].confidence", _raw(CONFIDENCE, '"confidence": -Infinity'),
           "-Infinity"),
    _wrong("registry.claims[0].confidence", _raw(CONFIDENCE, '"confidence": 1e999'), "1e999"),
    _wrong("registry.claims[0].confidence", _text(claim={"confidence": 1.0000001}),
           "confidence just above 1"),
    _wrong("registry.claims[0].confidence", _text(claim={"confidence": -0.0000001}),
           "confidence just below 0"),
    _wrong("registry.claims[0].confidence", _text(claim={"confidence": "1"}),
           "confidence as text"),
    _wrong("registry.claims[0].confidence", _text(claim={"confidence": True}),
           "confidence as a boolean"),
    _wrong("registry.claims[0].confidence", _text(claim={"confidence": None}),
           "confidence null"),
    _wrong("registry.claims[0].expires_at", _text(claim={"expires_at": 0}),
           "an expiry of 0, which would mean never"),
    _wrong("registry.claims[0].expires_at", _text(claim={"expires_at": 1e-7}),
           "an expiry that rounds down to 0"),
    _wrong("registry.claims[0].expires_at", _text(claim={"expires_at": -1}),
           "a negative expiry"),
    _wrong("registry.claims[0].expires_at", _text(claim={"expires_at": 9223372036855}),
           "an expiry out of range"),
    _wrong("registry.claims[0].expires_at", _text(claim={"expires_at": "soon"}),
           "an expiry as text"),
    _wrong("registry.claims[0].epoch", _text(claim={"epoch": -1}), "a negative epoch"),
    _wrong("registry.claims[0].epoch", _text(claim={"epoch": 1.0}), "an epoch with a point"),
    _wrong("registry.claims[0].epoch", _text(claim={"epoch": 2**63}), "an epoch of 2^63"),
    _wrong("registry.claims[0].epoch", _text(claim={"epoch": 10**100}), "an endless epoch"),
    _wrong("registry.claims[64]", _text(claims=[CLAIM] * 65), "65 claims on one scope"),
    _wrong("registry.claims[0].confidence",
           _raw(CONFIDENCE, f"{CONFIDENCE}, {CONFIDENCE}"), "a field twice"),
    _wrong("registry.claims[0].confidence",
           _raw(CONFIDENCE, f'{CONFIDENCE}, "\\u0063onfidence": 1'), "a field twice, escaped"),
    _wrong("registry.machine_owners.bot",
           _raw('"bot": "alice"', '"bot": "alice", "bot": "alice"'), "a machine twice"),
    _wrong("registry.machine_owners.bot", _text(machine_owners={"bot": 1}), "an owner of 1"),
    _wrong("registry.machine_owners", _text(machine_owners=[])),
    _wrong("registry.machine_owners.bot", _text(machine_owners={"bot": ""}), "an empty owner"),
    _wrong("registry.trust_domains.bot", _text(trust_domains={"bot": None})),
    _wrong("action.action_id", _text().replace('"action_id": "a-1", ', "")),
    _wrong("action.action_id", _text({"action_id": 1}), "an action id of 1"),
    _wrong("action.action_id", _raw('"a-1"', '"\\ud800"'), "half of a surrogate pair"),
    _wrong("action.actor", _text({"actor": "bot"})),
    _wrong("action.actor.name", _text({"actor": {"kind": "HUMAN"}})),
    _wrong("action.actor.kind", _text({"actor": {**BOT, "kind": "ROBOT"}})),
    _wrong("action.actor", _text({"actor": {"name": "a\u0000", "kind": "HUMAN"}}),
           "a control character in an actor's name"),
    _wrong("action.resources_read", _text({"resources_read": NOTES})),
    _wrong("action.resources_write[0].rtype", _text({"resources_write": [{"name": "notes"}]})),
    _wrong("action.resources_delegate[0].owner",
           _text({"resources_delegate": [{**NOTES, "owner": "alice"}]})),
    _wrong("action.resources_execute", _text({"resources_execute": [NOTES]})),
    _wrong("action.resources_read[0]", _text({"resources_read": [{**NOTES, "is_public": True}]}),
           "a resource described in two ways"),
    _wrong("action.resources_write[0]",
           _text({"resources_write": [{**NOTES, "trust_domain": "east"}]}),
           "a resource described in two domains"),
    _wrong("action.governs_humans[1]", _text({"governs_humans": ["alice", 1]})),
    _wrong("action.coerces", _text({"coerces": 0})),
    _wrong("action.min_epoch", _raw(MIN_EPOCH, '"min_epoch": -0'), "a min_epoch of -0"),
    _wrong("action.min_epoch", _raw(MIN_EPOCH, '"min_epoch": 0e0'), "a min_epoch of 0e0"),
    _wrong("action.min_epoch", _raw(MIN_EPOCH, '"min_epoch": NaN'), "a min_epoch of NaN"),
    _wrong("action.proof", _text({"proof": ""})),
    _wrong("action.tool", _text({"tool": None})),
    _wrong("action.description", _text({"description": {"nested": [1, {"deeply": NOTES}]}})),
]  # fmt: skip

CASES = [*GOOD, *WRONG]
