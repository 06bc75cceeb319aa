"""Section 8: what a constraint may be, and what no grant may say about arguments."""

import json

from language import Case, case, change, changed_grant, given, grant

from authgate_async.wire import Constraint, Grant, Register


def _must(op: str, bound: object, arg: str = "x") -> Constraint:
    return Constraint(arg, op, json.dumps(bound))


def _limited(constraint: Constraint, grant_id: str) -> Grant:
    return changed_grant(grant(grant_id), constraints=(constraint,))


def _bad(name: str, *constraints: Constraint, **more: str) -> Case:
    faulty = changed_grant(grant(), constraints=constraints, **more)
    return case(f"malformed: {name}", change((Register(faulty), "malformed")))


def _no_bound(op: str, *bounds: object) -> Case:
    """Try bounds that an operator does not take."""
    grants = [Register(_limited(_must(op, bound), f"g-{i}")) for i, bound in enumerate(bounds)]
    return case(f"malformed: no bounds of {op}", change(*[(one, "malformed") for one in grants]))


CASES = [
    _no_bound("eq", None),
    _no_bound("one_of", [], "a", [None], {"a": 1}),
    _no_bound("all_in", [], 1),
    _no_bound("prefix", 1, ["a"]),
    _no_bound("le", "1", None, [1]),
    _no_bound("ge", [1]),
    _no_bound("max_len", -1, 1.5, "1", 2**53, [1]),
    _no_bound("absent", 1, None, "true"),
    _no_bound("subpath", "", "..", "a/..", "a\\..\\b", "a\x00", 1),
    _no_bound(
        "host",
        "",
        "*",
        "*.",
        "http://a",
        "a:80",
        "a b",
        "*.1",
        "*.127.0.0.1",
        "1.2.3",
        "0x1",
        "a..b",
        "[::1]",
        "*.*.a",
        "\u00e9.org",
        [],
        [1],
        1,
        "l" * 64,
        {"a": 1},
    ),
    _no_bound(
        "regex",
        1,
        "(",
        ")",
        "a)",
        "[",
        "[]",
        "[a",
        "]",
        "}",
        "{",
        "a{",
        "a{2",
        "a{,2}",
        "a{3,2}",
        "a{0}",
        "a{257}",
        "*",
        "a**",
        "a*?",
        "a++",
        "a{2}{3}",
        "(*)",
        "|*",
        "^*",
        "a$?",
        "\\b+",
        "(?i)a",
        "(?=a)",
        "(?<n>a)",
        "\\1",
        "\\x41",
        "\\p",
        "\\pL",
        "\\u0041",
        "\\",
        "\\B",
        "\\A",
        "\\\u00e9",
        "[[:alpha:]]",
        "[a[b]",
        "[b-a]",
        "[a-\\d]",
        "[\\d-a]",
        "[a-b-c]",
        "[\\D]",
        "a{16}" * 17,
        "(a{16}){17}",
        "[" + "a" * 129 + "]{2}",
        "(){257}",
        "(){16}(){256}",
        "(a{16}){17}*",
        "a{200}|a{100}",
        "(" * 33 + ")" * 33,
        "a" * 1025,
    ),
    _no_bound("not_regex", 1, "a{1", "(a"),
    case(
        "patterns at their limits are patterns",
        given(
            *[
                _limited(_must("regex", pattern), f"g-{i}")
                for i, pattern in enumerate(
                    [
                        "a" * 256,
                        "(a{16}){16}",
                        "a{200}|a{2}",
                        "\U0001f600" * 256,
                        "(" * 32 + ")" * 32,
                        "[^" + "\u00e9-\u0101" * 150 + "]",
                        "[-a]",
                        "[a-]",
                        "[^-]",
                        "[a-a]",
                        "[a^]",
                        "[&&]",
                        "a{0,256}",
                        "a{256}",
                        "[^\u4e00-\u9fa5]{256}",
                    ]
                )
            ]
        ),
    ),
    _bad("an argument without a name", _must("le", 1, "")),
    _bad("an argument whose name is too long", _must("le", 1, "x" * 257)),
    _bad("an argument with a control character", _must("le", 1, "x\n")),
    _bad("an unknown operator", _must("lt", 1)),
    _bad("an empty operator", _must("", 1)),
    _bad("a bound that is no JSON", Constraint("x", "le", "1,")),
    _bad("an empty bound", Constraint("x", "le", "")),
    _bad("a bound that is not finite", Constraint("x", "le", "1e999")),
    _bad("a bound that is NaN", Constraint("x", "le", "NaN")),
    _bad("a bound with a name twice", Constraint("x", "eq", '{"a":1,"a":1}')),
    _bad("a bound with half a surrogate pair", Constraint("x", "eq", '"\\ud800"')),
    _bad("a bound that is nested too deeply", Constraint("x", "eq", "[" * 33 + "]" * 33)),
    _bad("a bound that is too long", Constraint("x", "eq", '"' + "a" * 4095 + '"')),
    _bad("a bound with a control character", Constraint("x", "eq", '"a\x85"')),
    _bad("65 constraints", *[_must("le", 1)] * 65),
    _bad("the second of two", _must("le", 1), _must("le", "1")),
    _bad("the word for other arguments", other_args="all"),
    case(
        "malformed: a bound, told before the id that is taken",
        given(grant("g")),
        change((Register(_limited(_must("le", "1"), "g")), "malformed")),
    ),
]
