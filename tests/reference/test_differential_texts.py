"""`verify_json` of both kernels on the same random texts: the same line, or an error in both."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authgate_async import _native, reference

SEED, ENTROPY = b"\x01" * 32, b"\x02" * 32
THOROUGH = settings(max_examples=300, derandomize=True, deadline=None)

now = st.integers(9, 12)
name = st.sampled_from(["a", "b", "b"])
rtype = st.sampled_from(["f", "f", "f", "g"])
epoch = st.sampled_from([0, 1, 1, 2])
domain = st.sampled_from(["", "", "", "east", "west"])
odd_text = st.text(max_size=3) | st.sampled_from(["", "\x7f", "n" * 257, "\x85", "/" * 64])

shares = st.one_of(
    st.floats(0, 1),
    st.sampled_from([0, 1, -0.0, 1e-7, 1e-6, 1.5e-6, 1e-5, 12e-6, 0.8, 0.7999995]),
    st.integers(0, 1_000_000).map(lambda millionths: millionths / 1e6),
)
moments = st.none() | st.floats(9e-6, 13e-6) | st.floats(0, 1e13) | st.integers(1, 2**40)
wrong = st.one_of(st.floats(), st.integers(-2, 2**64), st.none(), odd_text)
principals = st.builds(
    lambda n, k: {"name": n, "kind": k}, name, st.sampled_from(["MACHINE"] * 5 + ["HUMAN"])
)
resources = st.builds(
    lambda r, s, more: {"rtype": r, "name": "a", "scope": s, **more},
    rtype,
    st.sampled_from(["", "a", "a/b", "a/../b"]),
    st.sampled_from([{}] * 12 + [{"is_public": True}, {"trust_domain": "east"}]),
)
claims = st.fixed_dictionaries(
    {"holder": principals, "resource": resources, "can_write": st.booleans()},
    optional={"confidence": shares, "expires_at": moments, "epoch": epoch},
)
odd_claims = st.builds(
    lambda claim, field, value: {**claim, field: value},
    claims,
    st.sampled_from(["confidence", "expires_at", "epoch", "can_read", "can_delegate", "holder"]),
    wrong | st.booleans(),
)
registries = st.fixed_dictionaries(
    {
        "claims": st.lists(st.one_of(*[claims] * 6, odd_claims), max_size=4),
        "machine_owners": st.sampled_from([{"a": "c", "b": "c"}] * 4 + [{}, {"a": "b"}]),
    },
    optional={"trust_domains": st.dictionaries(name, domain, max_size=2)},
)
asked = st.fixed_dictionaries(
    {
        "action_id": st.just("x") | st.text(max_size=4),
        "actor": principals,
        "resources_read": st.lists(resources, min_size=1, max_size=2),
        "resources_write": st.lists(resources, max_size=1),
        "min_epoch": st.sampled_from([0, 0, 0, 1, 2]),
        "coerces": st.sampled_from([False] * 7 + [True]),
        "governs_humans": st.sampled_from([[]] * 7 + [["a"]]),
    },
    optional={"resources_delegate": st.lists(resources, max_size=1), "tool": odd_text},
)
documents = st.fixed_dictionaries({"registry": registries, "action": asked})


def _answer(module: Any, text: str, moment: int) -> str | None:
    """The line; None for an error, whichever it is."""
    try:
        answer: str = module.verify_json(text, SEED, moment, ENTROPY)
    except ValueError:
        return None
    return answer


def _same_text(text: str, moment: int = 10) -> None:
    answers = [_answer(module, text, moment) for module in (_native, reference)]
    assert answers[0] == answers[1]


@THOROUGH
@given(documents, st.booleans(), now)
def test_texts_give_the_same_line(document: Any, escaped: bool, moment: int) -> None:  # noqa: FBT001
    """Documents that are right, or nearly, give the same line of JSON or an error in both."""
    _same_text(json.dumps(document, ensure_ascii=escaped), moment)


TEXT = json.dumps(
    {
        "registry": {
            "claims": [{"holder": {"name": "b", "kind": "MACHINE"},
                        "resource": {"name": "a", "rtype": "f"}, "confidence": 0.5, "epoch": 1}],
            "machine_owners": {"b": "a"},
        },
        "action": {"action_id": "x", "actor": {"name": "b", "kind": "MACHINE"},
                   "resources_read": [{"name": "a", "rtype": "f"}], "min_epoch": 1},
    }
)  # fmt: skip
words = ["NaN", "-0", "e5", "-", "true", "null", "\\u0061", "\\ud800", "é", "\u2028"]
tokens = st.sampled_from([*'{}[]",:\\/ \t\n\x00\x7f\ufeff019.', *words])


@THOROUGH
@given(st.data())
def test_damaged_texts_fare_the_same(data: st.DataObject) -> None:
    """Text with characters replaced, put in or taken out is refused by both or by neither."""
    place = data.draw(st.integers(0, len(TEXT)))
    length = data.draw(st.integers(0, 3))
    new = "".join(data.draw(st.lists(tokens, max_size=3)))
    _same_text(TEXT[:place] + new + TEXT[place + length :])


@pytest.mark.parametrize("depth", [100, 127, 128, 129, 1000, 100_000])
def test_deep_nesting_is_refused_by_both(depth: int) -> None:
    """Brackets without end are an error, not a crash."""
    text = "[" * depth + "]" * depth
    for module in (_native, reference):
        with pytest.raises(ValueError, match=r"."):
            module.verify_json(text, SEED, 1, ENTROPY)
