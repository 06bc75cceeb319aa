"""Section 8: what grants say about arguments."""

import json

from language import (
    NOW,
    Case,
    Deciding,
    Expected,
    act,
    case,
    change,
    changed_grant,
    deny,
    given,
    grant,
    permit,
)

from authgate_async.wire import Action, Constraint, Declare, Delegate, Grant

BOUNDED = "constraint"


def _must(op: str, bound: object, arg: str = "x") -> Constraint:
    return Constraint(arg, op, json.dumps(bound))


def _limited(*constraints: Constraint, grant_id: str = "g", **more: str | int) -> Grant:
    return changed_grant(grant(grant_id, **more), constraints=constraints)


def _with(*args: object) -> Action:
    """An action with the argument `x`, or without any."""
    return _given({"x": args[0]} if args else {})


def _given(args: object) -> Action:
    return act(args=args if isinstance(args, bytes) else json.dumps(args).encode())


def _test(op: str, bound: object, *, holds: tuple[object, ...], fails: tuple[object, ...]) -> Case:
    """Try values of `x` under one constraint; a missing one, and null, always fail."""
    asked = [Expected(_with(value)) for value in holds]
    asked += [Expected(_with(value), (BOUNDED,)) for value in (*fails, None)]
    asked.append(Expected(_with(), (BOUNDED,)))
    name = json.dumps(bound)[:80]
    return case(f"{op} {name}", given(_limited(_must(op, bound))), Deciding(tuple(asked)))


def _hosts(bound: object, holds: str, fails: str) -> Case:
    return _test("host", bound, holds=tuple(holds.split()), fails=tuple(fails.split()))


ROOT = grant("root", "rd", holder="alice", kind="human")
CHILD = grant("child", parent="root")


def _chain(root: tuple[Constraint, ...], child: tuple[Constraint, ...]) -> tuple[Grant, Grant]:
    return changed_grant(ROOT, constraints=root), changed_grant(CHILD, constraints=child)


LOW, HIGH = _must("ge", 3), _must("le", 9)

CASES = [
    _test("eq", 10, holds=(10, 10.0, 1e1), fails=(11, "10", [10], True)),
    _test("eq", 1, holds=(1, 1.0), fails=(True, False, "1", 0)),
    _test("eq", "a", holds=("a",), fails=("A", "a ", "", ["a"], {"a": 1})),
    _test("eq", True, holds=(True,), fails=(1, 1.0, "true", False)),  # noqa: FBT003 - a bound
    _test("eq", 0, holds=(0, -0.0), fails=(False, "", [], 1e-300)),
    _test(
        "eq",
        [1, "b"],
        holds=([1, "b"], [1.0, "b"]),
        fails=(["b", 1], [1], [1, "b", 2], [True, "b"]),
    ),
    _test(
        "eq",
        {"a": 1, "b": [None]},
        holds=({"b": [None], "a": 1.0},),
        fails=({"a": 1}, {"a": 1, "b": []}, {"a": 1, "b": [None], "c": 0}, [["a", 1]]),
    ),
    _test("eq", 2**53 - 1, holds=(2**53 - 1,), fails=(2**53,)),
    _test("one_of", ["a", 2, False], holds=("a", 2, 2.0, False), fails=("b", 0, "2", ["a"], True)),
    _test(
        "all_in",
        ["a", "b"],
        holds=(["a"], ["b", "a", "a"]),
        fails=([], "a", ["c"], ["a", "c"], ["a", None], [["a"]]),
    ),
    _test("all_in", [1], holds=([1, 1.0],), fails=([True], [1, 2], {"0": 1})),
    _test("prefix", "ab", holds=("ab", "abc"), fails=("a", "Ab", " ab", ["ab"], 1)),
    _test("prefix", "", holds=("", "x"), fails=(1, [])),
    _test("regex", "[a-c]+", holds=("a", "abc"), fails=("", "abd", "abc\n", "xabc", 1, ["a"])),
    _test("regex", "a.b", holds=("a\nb", "a\u00e9b", "a\U0001f600b"), fails=("ab", "a\n\nb")),
    _test("regex", "a|bc", holds=("a", "bc"), fails=("ac", "abc", "b")),
    _test(
        "regex",
        "(?:\\d{2,3}-){2}\\w?",
        holds=("12-345-", "12-34-x"),
        fails=("1-23-", "12-345-xy", "1234-12-", "\u0661\u0662-34-"),
    ),
    _test(
        "regex", "(a*)*b{1,}\\D[^\\s.-]$", holds=("b-x", "aaabbbbx_"), fails=("b1x", "b-.", "b- ")
    ),
    _test("regex", "", holds=("",), fails=("a", "\n")),
    _test(
        "regex", "\\n\\r\\t[\\n\\r\\t]*", holds=("\n\r\t", "\n\r\t\t\r\n"), fails=("nrt", "\n\r\tn")
    ),
    _test("regex", "^\\.\\*\\[\\]\\\\$", holds=(".*[]\\",), fails=("x*[]\\",)),
    _test(
        "not_regex",
        "rm\\b|^sudo",
        holds=("", "farm1", "a sudo"),
        fails=("rm", "a; rm -rf", "sudo x", 1, ["x"]),
    ),
    _test("not_regex", "a{3}", holds=("aa", "aabaa"), fails=("aaa", "baaaab")),
    _test("not_regex", "", holds=(), fails=("", "a")),
    _test("le", 10, holds=(10, 10.0, -1e300, 0), fails=(11, 10.000001, True, "1", [1])),
    _test("le", -1.5, holds=(-1.5, -2), fails=(-1, 0, False)),
    _test("ge", 1, holds=(1, 1e300), fails=(0, 0.999, True, "9", {})),
    _test(
        "max_len",
        2,
        holds=("", "ab", "\u00e9\U0001f600", [], [1, 2]),
        fails=("abc", [1, 2, 3], 1, {}, True),
    ),
    _test("max_len", 0, holds=("", []), fails=("a", [0])),
    case(
        "absent true",
        given(_limited(_must("absent", bound=True))),
        Deciding(
            (
                Expected(_with()),
                Expected(_with(None)),
                *[Expected(_with(value), (BOUNDED,)) for value in (0, "", False, [], {})],
            )
        ),
    ),
    _test(
        "subpath",
        "reports",
        holds=("reports", "reports/", "./reports/a", "reports//a/./b"),
        fails=(
            "",
            "/reports",
            "report",
            "reports2",
            "reports/..",
            "reports/../reports",
            "reports\\..\\x",
            "reports/a\x00",
            "Reports/a",
            "..",
            1,
            ["reports"],
        ),
    ),
    _test("subpath", "/", holds=("/", "//", "/etc/x"), fails=("etc", ".", "/../etc")),
    _test("subpath", ".", holds=("a", "./a", ".", "..a/b.."), fails=("/a", "a/../b")),
    _hosts(
        "example.com",
        "http://example.com https://EXAMPLE.com/ https://example.com.:8443/a@b?c#d wss://example.com#x",
        "example.com //example.com ftp://example.com http:example.com http:///example.com "
        "http://a.example.com http://example.com.evil.org http://example.com@evil.org "
        "http://evil.org@example.com http://u:p@example.com http://example.com\\.evil.org "
        "http://example.com: http://example.com:65536 http://example.com:8_0 "
        "http://example.com:+80 http://example.com:000080 http://example.com/a\\b "
        "http://example.com%2eevil.org "
        "http://ex%61mple.com http://example.com.. http://.example.com file://example.com/x "
        "http://\u212aexample.com javascript://example.com/%0aalert",
    ),
    _test(
        "host",
        "a.org",
        holds=("http://a.org",),
        fails=(
            " http://a.org",
            "http://a.org ",
            "http://a\t.org",
            "http://a.org\n",
            "http://a.org\x85",
            "http://a.org/a b",
            "http://a.org/\u00e9",
            1,
            ["http://a.org"],
        ),
    ),
    _hosts(
        "*.example.com",
        "http://a.example.com http://a.b.Example.Com.",
        "http://example.com http://aexample.com http://.example.com http://example.com.evil.org",
    ),
    _hosts(
        "x-1_y.org",
        "http://X-1_Y.org",
        "http://x1y.org",
    ),
    _hosts(
        ["a.org", "*.b.org", "127.0.0.1"],
        "http://a.org http://x.b.org http://127.0.0.1:80/ http://127.0.0.1.",
        "http://b.org http://127.1 http://2130706433 http://0x7f.0.0.1 http://0177.0.0.1 "
        "http://[::1] "
        "http://127.0.0.01 http://127.0.0.1.1 http://x.127.0.0.1 http://127.0.0.256 http://0x7f000001",
    ),
    case(
        "64 constraints are allowed",
        given(_limited(*[_must("le", 1)] * 64)),
        permit(_with(1)),
        deny(_with(2), *[BOUNDED] * 64),
    ),
    case(
        "a grant that names no argument leaves all free",
        given(grant()),
        permit(_given({"a": 1, "b": 2})),
        permit(_given(b"")),
        permit(_given(b"{")),
    ),
    case(
        "a grant of other arguments any leaves all free",
        given(changed_grant(grant(), other_args="any")),
        permit(_given({"a": 1})),
    ),
    case(
        "a grant of other arguments none allows none",
        given(changed_grant(grant(), other_args="none")),
        permit(_given({})),
        permit(_given({"a": None})),
        deny(_given({"a": 1}), BOUNDED),
    ),
    case(
        "arguments that a grant does not name are refused",
        given(_limited(_must("le", 1), _must("ge", 0, "y"))),
        permit(_given({"x": 1, "y": 0, "z": None})),
        deny(_given({"x": 1, "y": 0, "z": 0}), BOUNDED),
        deny(_given({"b": 1, "a": 1, "x": 1}), BOUNDED, BOUNDED),
    ),
    case(
        "unless it says that they are free",
        given(changed_grant(_limited(_must("le", 1)), other_args="any")),
        permit(_given({"x": 1, "z": 0})),
        deny(_given({"x": 2, "z": 0}), BOUNDED),
    ),
    case(
        "a name that cannot be shown is not quoted",
        given(_limited(_must("absent", bound=True))),
        deny(_given({"a\n": 1}), BOUNDED),
        deny(_given({"": 1}), BOUNDED),
        deny(_given({"a" * 257: 1}), BOUNDED),
    ),
    case(
        "a long bound is cut in the sentence",
        given(_limited(_must("one_of", ["b" * 9] * 30))),
        deny(_with("c"), BOUNDED),
    ),
    case(
        "all constraints of an argument hold",
        given(_limited(LOW, HIGH)),
        permit(_with(3)),
        permit(_with(9)),
        deny(_with(2), BOUNDED),
        deny(_with(10), BOUNDED),
        deny(_with("a"), BOUNDED, BOUNDED),
    ),
    case(
        "arguments over 65536 bytes are not read",
        given(_limited(_must("absent", bound=True), _must("absent", bound=True, arg="y"))),
        deny(_given(b'{"x":"' + b"a" * 65_529 + b'","y":1}'), "malformed", BOUNDED),
    ),
    case(
        "arguments that cannot be read satisfy no grant that judges them",
        given(_limited(_must("absent", bound=True))),
        permit(_given(b'{"x":null}')),
        permit(_given(b" {}\n")),
        *[
            deny(_given(bad), BOUNDED)
            for bad in (
                b"",
                b"null",
                b"[]",
                b"{",
                b"{} {}",
                b'{"y":1,"y":1}',
                b'{"x":{"a":1,"a":1}}',
                b'{"a":NaN}',
                b'{"a":1e999}',
                b'{"a":"\\ud800"}',
                b'{"a":"\xff"}',
                b"\xef\xbb\xbf{}",
                b'{"a":' + b"[" * 32 + b"]" * 32 + b"}",
            )
        ],
    ),
    case(
        "a chain is bound by what each of its grants says",
        given(*_chain((HIGH,), (LOW,))),
        permit(_with(5)),
        deny(_with(2), BOUNDED),
        deny(_with(10), BOUNDED),
    ),
    case(
        "a child that names nothing is bound by its parent",
        given(*_chain((HIGH,), ())),
        permit(_with(5)),
        deny(_with(10), BOUNDED),
        deny(_given({"x": 1, "y": 1}), BOUNDED),
    ),
    case(
        "a child that says less is bound by its parent",
        given(*_chain((HIGH,), (_must("le", 100),))),
        permit(_with(9)),
        deny(_with(10), BOUNDED),
    ),
    case(
        "a child cannot free what its parent refuses",
        given(
            *(
                changed_grant(one, other_args=word)
                for one, word in zip(_chain((HIGH,), (HIGH,)), ("", "any"), strict=True)
            )
        ),
        permit(_with(9)),
        deny(_given({"x": 1, "y": 1}), BOUNDED),
    ),
    case(
        "a delegation may say less or more, since the chain decides",
        given(changed_grant(ROOT, constraints=(HIGH,))),
        change(Delegate(changed_grant(CHILD, constraints=(LOW,)), "alice", "human")),
        permit(_with(5)),
        deny(_with(2), BOUNDED),
    ),
    case(
        "of several grants one that allows the arguments is taken",
        given(
            _limited(HIGH, confidence=1_000_000),
            _limited(_must("le", 20), grant_id="h", confidence=900_000),
        ),
        permit(_with(5)),
        permit(_with(15)),
        deny(_with(25), BOUNDED),
    ),
    case(
        "the constraints of a grant count among its faults",
        given(_limited(HIGH, LOW, expires_at=NOW), _limited(HIGH, grant_id="h", expires_at=NOW)),
        deny(_with("a"), "expired", BOUNDED),
    ),
    case(
        "a constraint stands after the chain's faults and before the trust domain",
        change(Declare("folder", "notes", trust_domain="east")),
        given(
            changed_grant(ROOT, rights=1, constraints=(HIGH,)),
            changed_grant(CHILD, constraints=(HIGH,)),
        ),
        deny(_with(10), "chain_broken", BOUNDED, BOUNDED, "trust_domain"),
    ),
    case(
        "a public read asks no grant about its arguments",
        change(Declare("folder", "notes", public=True)),
        given(_limited(HIGH)),
        permit(_with(10)),
    ),
]
