"""Both kernels on random constraints and arguments: the same bytes out, whatever goes in.

The patterns are matched by a library in one kernel and by an automaton of ours in the other.
"""

import json
from typing import Any

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from authgate_async import _native, reference
from authgate_async.wire import (
    OPERATORS,
    Action,
    Change,
    Constraint,
    Delegate,
    Enrol,
    Grant,
    Register,
    Request,
)

SECRET = b"\x01" * 32
THOROUGH = settings(max_examples=400, derandomize=True, deadline=None)
READ = (Request("f", "n", "", 1),)
GRANT = Grant("g", "ann", "human", "f", "n", "", 9)

encode = msgspec.msgpack.encode


class Twins:
    """Both kernels, given the same and held to the same."""

    def __init__(self) -> None:
        self.kernels = [
            _native.Kernel(SECRET, SECRET, 9),
            reference.ReferenceKernel(SECRET, SECRET, 9),
        ]
        self.change(Enrol("ann", "human"))

    def _both(self, method: str, message: object, *more: Any) -> bytes:
        answers = [getattr(kernel, method)(encode(message), 1, *more) for kernel in self.kernels]
        assert answers[0] == answers[1]
        return bytes(answers[0])

    def change(self, *changes: Change) -> bytes:
        """Apply changes."""
        return self._both("change", changes)

    def decide(self, *arguments: bytes) -> bytes:
        """Decide reads with these arguments."""
        asked = [
            Action(f"a-{i}", "ann", "human", "t", args, READ) for i, args in enumerate(arguments)
        ]
        return self._both("decide", asked, SECRET)


def _args(**values: object) -> bytes:
    return json.dumps(values).encode()


def _judged(op: str, bound: object, *values: object) -> None:
    """Hold values of `x` against one constraint, in both kernels."""
    twins = Twins()
    constraints = (Constraint("x", op, json.dumps(bound)),)
    twins.change(Register(msgspec.structs.replace(GRANT, constraints=constraints)))
    twins.decide(*[_args(x=value) for value in values])


atoms = st.sampled_from(
    [
        "a",
        "b",
        "\u00e9",
        "\U0001f600",
        ".",
        "\\d",
        "\\D",
        "\\w",
        "\\W",
        "\\s",
        "\\S",
        "\\b",
        "^",
        "$",
        "\\.",
        "[ab]",
        "[^a]",
        "[a-c1]",
        "[\\w-]",
        "[^\\s\u00e9]",
        "\\n",
        "[\u00e0-\uffee]",
        "",
        "-",
        "_",
    ]
)
repeats = st.sampled_from(["", "", "", "*", "+", "?", "{2}", "{1,3}", "{0,2}", "{2,}"])


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    groups = st.builds("({}){}".format, inner, repeats)
    return st.one_of(
        groups, st.lists(inner, max_size=3).map("".join), st.lists(inner, max_size=3).map("|".join)
    )


patterns = st.recursive(st.builds("{}{}".format, atoms, repeats), _grown, max_leaves=8)
scraps = st.lists(
    st.sampled_from([*"ab()[]{}|*+?^$.\\-,:12dwsbnDp\u00e9&", "(?:", "{2,3}", "[^", "\\d"]),
    max_size=8,
).map("".join)
texts = st.lists(st.sampled_from([*"aaabbc1_- .\n\u00e9\U0001f600\u0661"]), max_size=9).map("".join)


@THOROUGH
@given(patterns, st.lists(texts, min_size=1, max_size=6))
@example("(a*)*b", ["a" * 3_000])
@example("(|a|(b|))*c?", ["abab", "ababc", ""])
@example("(\\b|a)*\\b", ["a a", "aa", " "])
@example("[^\u00e9]{256}", ["a" * 256, "\U0001f600" * 256, "\u00e9" * 256])
def test_patterns_match_alike(pattern: str, subjects: list[str]) -> None:
    """A library and our own automaton agree on each text, as a whole and for a hit anywhere."""
    for op in ("regex", "not_regex"):
        _judged(op, pattern, *subjects)


@THOROUGH
@given(scraps)
def test_what_is_no_pattern_is_refused_alike(pattern: str) -> None:
    """The same pieces are patterns in both kernels, and the others get the same sentence."""
    _judged("regex", pattern, "a", "ab", "")


urls = st.lists(
    st.sampled_from(
        [
            "http",
            "https",
            "ftp",
            "://",
            ":/",
            "//",
            "a.org",
            "A.oRg",
            "b",
            ".",
            "@",
            "/",
            "\\",
            ":",
            "80",
            "65536",
            "?",
            "#",
            "127.0.0.1",
            "0x7f",
            "1",
            "%2e",
            " ",
            "\t",
            "\u00e9",
            "[::1]",
            "*",
            "-",
            "u:p@",
            "\u212a",
            "\x7f",
        ]
    ),
    max_size=8,
).map("".join)


@THOROUGH
@given(
    st.one_of(urls, st.lists(urls, max_size=2)),
    st.lists(urls.map("http://{}".format) | urls, max_size=6),
)
def test_hosts_are_found_alike(bound: object, subjects: list[str]) -> None:
    """The same texts are bounds, and the same URLs have the same hosts."""
    _judged("host", bound, *subjects)
    for sound in ("a.org", "*.a.org", "127.0.0.1"):
        _judged("host", sound, *subjects)


paths = st.lists(st.sampled_from(["a", "b", "/", "/", "..", ".", "\\", "\0", ""]), max_size=7).map(
    "".join
)


@THOROUGH
@given(paths, st.lists(paths, max_size=6))
def test_paths_are_compared_alike(bound: str, subjects: list[str]) -> None:
    """The same paths are folders, and the same paths are in them."""
    _judged("subpath", bound, *subjects)


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, 1, 1.0, -0.0, 2, 2.5, 2**53, 1e300]),
    st.sampled_from(["", "a", "1", "ab"]),
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=4,
)
bounds = values.map(json.dumps) | st.text(st.sampled_from('[]{}"a1,:.e-\\ u0'), max_size=8)
constraints = st.builds(Constraint, st.sampled_from("xyz"), st.sampled_from(OPERATORS), bounds)
grants = st.builds(
    msgspec.structs.replace,
    st.just(GRANT),
    id=st.sampled_from(["g", "h", "i"]),
    parent=st.sampled_from(["", "g"]),
    constraints=st.lists(constraints, max_size=3).map(tuple),
    other_args=st.sampled_from(["", "any", "none", "all"]),
)
arguments = st.dictionaries(st.sampled_from(["x", "y", "z", "w", "\n"]), values, max_size=4).map(
    lambda args: json.dumps(args).encode()
)


@THOROUGH
@given(
    st.lists(grants, min_size=1, max_size=4),
    st.lists(arguments | st.binary(max_size=6), min_size=1, max_size=4),
)
def test_grants_judge_arguments_alike(held: list[Grant], asked: list[bytes]) -> None:
    """Any constraints over any chain give the same verdict, sentence for sentence."""
    twins = Twins()
    for grant in held:
        twins.change(Register(grant))
        twins.change(
            Delegate(msgspec.structs.replace(grant, id=f"{grant.id}-child"), "ann", "human")
        )
    twins.decide(*asked)


numbers = st.from_regex(
    r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?", fullmatch=True
)


@THOROUGH
@given(numbers, numbers)
def test_numbers_are_the_same_doubles(bound: str, value: str) -> None:
    """However a number is written, both kernels take it for the same double, or for none."""
    twins = Twins()
    for grant_id, op in (("g", "eq"), ("h", "le"), ("i", "ge")):
        grant = msgspec.structs.replace(
            GRANT, id=grant_id, constraints=(Constraint("x", op, bound),)
        )
        twins.change(Register(grant))
    twins.decide(b'{"x":%s}' % value.encode(), b'{"x":%s}' % bound.encode())
