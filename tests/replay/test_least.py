"""The fewest grants that are enough, held against trying all sets."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from authgate_async.replay.least import MOST, Need, enough

ways = st.frozensets(st.sampled_from("abcdefg"), min_size=1, max_size=3)
needs = st.frozensets(st.frozensets(ways, min_size=1, max_size=4), max_size=6)


def _meet(grants: frozenset[str], asked: frozenset[Need]) -> bool:
    return all(any(way <= grants for way in need) for need in asked)


@settings(max_examples=500, derandomize=True, deadline=None)
@given(needs)
def test_no_smaller_set_is_enough(asked: frozenset[Need]) -> None:
    """What is called the least meets all needs, and every smaller set fails one."""
    found = enough(asked)
    assert found.least
    assert _meet(found.grants, asked)
    smaller = combinations("abcdefg", max(len(found.grants) - 1, 0))
    assert not found.grants or not any(_meet(frozenset(each), asked) for each in smaller)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.lists(st.sets(st.integers(0, 40), min_size=2, max_size=4), min_size=1, max_size=60))
def test_of_a_large_set_none_can_be_left_out(pairs: list[set[int]]) -> None:
    """Above the size that is searched whole, too; and it is said which it was."""
    ring = [{f"{n}", f"{n + 1}"} for n in range(MOST)]
    asked = frozenset(frozenset(frozenset([f"{n}"]) for n in pair) for pair in (*pairs, *ring))
    found = enough(asked)
    assert not found.least
    assert _meet(found.grants, asked)
    assert not any(_meet(found.grants - {each}, asked) for each in found.grants)


def test_a_chain_counts_with_all_its_links() -> None:
    """A grant of its own is less than one with a parent, unless another needs that parent."""
    child, own = frozenset({"child", "root"}), frozenset({"own"})
    either = frozenset({child, own})
    assert enough([either]).grants == own
    assert enough([either, frozenset({frozenset({"root"})})]).grants in (child, own | {"root"})
    assert enough([]) == (frozenset(), True)
