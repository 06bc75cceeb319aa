"""What must hold of scopes and chains whatever the values."""

from hypothesis import given, settings
from hypothesis import strategies as st

from authgate_async.reference.chain import narrows
from authgate_async.reference.scope import climbs, covering, covers
from authgate_async.wire import Grant

QUICK = settings(max_examples=300, derandomize=True, deadline=None)

scopes = st.lists(st.sampled_from(["a", "b", "/", "/", "\\", "..", "é"]), max_size=7).map("".join)
grants = st.builds(
    Grant,
    st.sampled_from(["g", "h"]),
    st.just("bot"),
    st.just("machine"),
    st.sampled_from(["f", "f", "f", "k"]),
    st.just("n"),
    st.sampled_from(["", "a", "a", "a/b"]),
    st.sampled_from([15, 15, 11, 9]),
    st.sampled_from([1_000_000, 5]),
    st.sampled_from([0, 5, 6]),
    st.sampled_from([0, 1]),
    st.just(""),
    st.sampled_from([False, False, True]),
)


@QUICK
@given(scopes, scopes)
def test_the_list_of_covering_scopes_is_complete(granted: str, asked: str) -> None:
    """A scope is in the list of those that a lookup tries exactly if it covers."""
    assert (granted in covering(asked)) == covers(granted, asked)


@QUICK
@given(scopes)
def test_the_list_of_covering_scopes_has_no_doubles_and_is_bounded(asked: str) -> None:
    """Each scope is tried once, and there are at most two for each slash and two more."""
    tried = covering(asked)
    assert len(set(tried)) == len(tried) <= 2 * asked.count("/") + 2


@QUICK
@given(scopes)
def test_a_scope_covers_itself_unless_it_climbs(scope: str) -> None:
    """Covering is reflexive where `..` does not occur, and nothing covers what climbs."""
    assert covers(scope, scope) == (not climbs(scope))
    assert covers("", scope) == (not climbs(scope))


@QUICK
@given(scopes, scopes, scopes)
def test_covering_is_transitive(high: str, middle: str, low: str) -> None:
    """What is covered by the covered is covered."""
    if covers(high, middle) and covers(middle, low):
        assert covers(high, low)


@QUICK
@given(grants, grants, grants)
def test_narrowing_is_transitive(root: Grant, middle: Grant, leaf: Grant) -> None:
    """A grant that narrows one that narrows a root gives nothing that the root does not."""
    if not [*narrows(middle, root), *narrows(leaf, middle)]:
        assert not list(narrows(leaf, root))


@QUICK
@given(grants)
def test_a_copy_narrows_if_it_may_be_handed_on(grant: Grant) -> None:
    """Equal in every dimension is not wider in any."""
    assert not list(narrows(grant, grant))
