from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from authgate_async.errors import PolicyError
from authgate_async.policy import check, load
from authgate_async.policy.load import MAX_BYTES, examine
from authgate_async.policy.rules import BUILT_IN
from authgate_async.tools import ToolSet
from authgate_async.wire import NO_LIMIT, Constraint, Declare, Enrol, Grant, Own, Register, Right

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Write = Callable[[str], Path]

PEOPLE = """
[[principals]]
name = "bot"
kind = "machine"
owner = "ann"
[[principals]]
name = "ann"
kind = "human"
"""
KEY = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
"""The public key of RFC 8032's first test."""
FIRST = PEOPLE.count("\n") + 1


def _grant(**keys: str) -> str:
    values = {"holder": '"machine:bot"', "resource": '"file:w"', "rights": '["read"]'} | keys
    return "[[grants]]\n" + "".join(f"{key} = {value}\n" for key, value in values.items() if value)


def _sentences(write: Write, text: str) -> list[tuple[int, str]]:
    policy, problems = check(write(text))
    assert (policy is None) == bool(problems)
    return [(problem.line, problem.sentence) for problem in problems]


def test_an_empty_file_is_a_policy_that_grants_nothing(write: Write) -> None:
    """Configured but empty is a sound policy, under which everything is denied."""
    policy = load(write(""))
    assert policy.changes() == []
    assert not policy.folders


def test_a_policy_becomes_changes_in_an_order_that_the_kernel_takes(write: Write) -> None:
    """People come before owners, owners before resources, resources before grants."""
    text = PEOPLE + '[[resources]]\nid = "file:w"\npublic = true\n' + _grant(id='"g"', epoch="3")
    assert load(write(text)).changes() == [
        Enrol("ann", "human"),
        Enrol("bot", "machine"),
        Own("bot", "ann"),
        Declare("file", "w", public=True),
        Register(Grant("g", "bot", "machine", "file", "w", "", Right.READ, epoch=3)),
    ]


def test_every_key_of_a_grant_reaches_the_kernel(write: Write) -> None:
    """What a grant says in the file is what the wire grant says, in the wire's units."""
    text = PEOPLE + _grant(id='"root"', rights='["delegate", "read"]')
    text += _grant(
        id='"g"',
        resource='"file:a:b"',
        scope='"x/y"',
        rights='["write", "execute"]',
        confidence="0.1234565",
        expires_at="1970-01-01T01:00:00.5+01:00",
        parent='"root"',
        cross_domain="true",
    )
    wide = {"parent": "root", "cross_domain": True}
    assert load(write(text)).grants[1] == Grant(
        "g", "bot", "machine", "file", "a:b", "x/y", 6, 123456, 500_000, **wide
    )


def test_bounds_of_arguments_reach_the_kernel_as_json(write: Write) -> None:
    """Each argument's bounds become constraints, in the order of the format."""
    args = '{ n = { le = 10, ge = 0.5 }, u = { host = ["a.org"] }, x = { absent = true } }'
    text = PEOPLE + _grant(args=args, other_args='"any"') + _grant(id='"g"', other_args='"none"')
    first, second = load(write(text)).grants
    assert first.constraints == (
        Constraint("n", "le", "10"),
        Constraint("n", "ge", "0.5"),
        Constraint("u", "host", '["a.org"]'),
        Constraint("x", "absent", "true"),
    )
    assert (first.other_args, second.other_args, second.constraints) == ("any", "none", ())


def test_a_budget_reaches_the_kernel_in_its_units(write: Write) -> None:
    """Seconds become microseconds, and what is not there has no end."""
    text = PEOPLE + _grant(budget="{ calls = 3, wall_seconds = 1.5, cost = 0 }")
    (grant,) = load(write(text)).grants
    limits = (grant.max_calls, grant.max_wall_us, grant.max_output_bytes, grant.max_cost)
    assert limits == (3, 1_500_000, NO_LIMIT, 0)


def test_approvers_reach_the_kernel(write: Write) -> None:
    """Humans with a key are named in their order, and by content in an id that is made."""
    text = PEOPLE + f'key = "{KEY}"\n'
    (grant, free) = load(write(text + _grant(approvers='["ann"]') + _grant())).grants
    assert (grant.approvers, free.approvers) == (("ann",), ())
    assert grant.id != free.id


@pytest.mark.parametrize(
    ("approvers", "sentence"),
    [
        ('["bot"]', "`approvers` names `bot`, who is no human with a key here; give"),
        ('["eve"]', "`approvers` names `eve`, who is no human with a key here; give"),
        ('["x"]', "`approvers` names `x`, who is no human with a key here; give"),
        ("[]", "`approvers` is empty; name a human, or remove it"),
        ('["ann", "ann"]', "`approvers` has too many names; name each human once, and 16 at most"),
        ('"ann"', "`approvers` is a string; give a list"),
    ],
)
def test_a_fault_of_approvers_is_told(write: Write, approvers: str, sentence: str) -> None:
    """Whoever could never approve is told before anything waits for them."""
    text = PEOPLE + f'key = "{KEY}"\n[[principals]]\nname = "eve"\nkind = "human"\n'
    [(_, told)] = _sentences(write, text + _grant(approvers=approvers))
    assert told.startswith(sentence)


BAD_ARGS = [
    ("a = { lt = 3 }", 5, "`lt` is no key of `a`; the keys are eq, one_of"),
    ("a = 4", 5, "`a` must be a table"),
    ("b = { le = 1 }\na = { le = 'x' }", 6, "`le` is a string; give a number"),
    ("a = { max_len = -1 }", 5, "`max_len` cannot be `-1`; give the most characters"),
    ("a = { absent = false }", 5, "`absent` cannot be `False`; give true"),
    ("a = { regex = '(' }", 5, "`regex` of `args` is no pattern: a bracket is not closed"),
    ("a = { subpath = '../x' }", 5, "`subpath` of `args` must be a path without `..`"),
    ("a = { host = 'http://a' }", 5, "`host` of `args` must be a host name"),
    ("a = { one_of = [] }", 5, "`one_of` of `args` must be a list of values, at least one"),
    ("a = { eq = 2030-01-01 }", 5, "`eq` has no JSON form; give text, numbers"),
    ("a = { ge = nan }", 5, "`ge` has no JSON form; give text, numbers"),
    (f"a = {{ eq = '{'x' * 4095}' }}", 5, "`eq` of `args` is longer than 4096 bytes"),
    ('"" = { le = 1 }', 5, "`` is empty; give 1 to 256 bytes"),
    ("\n".join(f"a{i} = {{ le = 1 }}" for i in range(65)), 4, "`args` has more than 64 bounds"),
]


@pytest.mark.parametrize(("args", "offset", "sentence"), BAD_ARGS)
def test_a_fault_of_a_bound_is_told_with_its_line(
    write: Write, args: str, offset: int, sentence: str
) -> None:
    """Each bound is checked as the kernel would, and the sentence stands at its line."""
    [(line, told)] = _sentences(write, f"{PEOPLE}{_grant()}[grants.args]\n{args}\n")
    assert (line - FIRST, told[: len(sentence)]) == (offset, sentence)


def test_a_grant_without_id_is_named_by_its_content(write: Write) -> None:
    """The made id does not depend on the place in the file, and differs for another grant."""
    one, two = _grant(), _grant(scope='"x"')
    first = [g.id for g in load(write(PEOPLE + one + two)).grants]
    second = [g.id for g in load(write(PEOPLE + two + one)).grants]
    assert first == second[::-1]
    assert len(set(first)) == 2


def test_folders_are_seen_from_the_policy_file(write: Write, tmp_path: Path) -> None:
    """A relative path of a resource starts at the policy's own folder, and comes out absolute."""
    policy = load(write('[[resources]]\nid = "file:w"\npath = "./docs/../docs"\n'))
    assert dict(policy.folders) == {("file", "w"): str((tmp_path / "docs").resolve())}


def test_only_files_must_lie_in_a_folder(write: Write, tmp_path: Path) -> None:
    """Another resource may be one file, say the index of a search."""
    policy = load(write('[[resources]]\nid = "search:web"\npath = "policy.toml"\n'))
    assert policy.folders["search", "web"] == str((tmp_path / "policy.toml").resolve())


@pytest.mark.parametrize("text", ["00" * 31 + "07", "A" * 42 + "c=", "A" * 42 + "c"])
def test_a_key_may_be_hex_or_base64(write: Write, text: str) -> None:
    """Both spellings of a public key give its 32 bytes."""
    policy = load(write(f'[[principals]]\nname = "a"\nkind = "human"\nkey = "{text}"\n'))
    assert policy.principals[0].key == bytes(31) + b"\x07"


def test_limits_are_read_for_the_runtime_and_for_its_tools(write: Write) -> None:
    """One table sets the runtime's limits and the default of each call."""
    limits = load(write("[limits]\nconcurrency = 7\nwall_ms = 9\ngrace_ms = 0\n")).limits
    assert (limits.concurrency, limits.grace_ms, limits.permit_ttl_ms) == (7, 0, 60_000)
    assert (limits.tool.wall_ms, limits.tool.cpu_seconds) == (9, 5)


def test_the_built_in_names_are_those_of_the_tools() -> None:
    """The names that need no import are exactly the built-in tools."""
    assert {tool.name for tool in ToolSet.builtin()} == BUILT_IN


LONG = "x" * 257
BAD = [
    ("a = 1", 1, "`a` is no key of a policy; the keys are"),
    ("grantz = []", 1, "`grantz` is no key of a policy; did you mean `grants`?"),
    ("\ngrants = 1", 2, "`grants` must be a list of tables; write [[grants]] above each"),
    ("grants = [\n1]", 2, "`0` must be a table"),
    ("limits = 1", 1, "`limits` must be a table"),
    ("tools = 1", 1, "`tools` must be a table; write [tools.NAME] for each"),
    ("[limits]\n\nwall_ms = 0", 3, "`wall_ms` cannot be `0`; give the wall-clock deadline"),
    ("[limits]\nwall_ms = true", 2, "`wall_ms` is true or false; give"),
    ("[limits]\nwall_ms = 0x" + "f" * 9000, 2, "`wall_ms` cannot be a huge number; give"),
    ("[tools.nope]", 1, "`nope` is no built-in tool; add `import`, or mend the name"),
    ('[tools.file_read]\nimport = "a:b"', 2, "file_read is a built-in tool; give your tool"),
    ('[tools.mine]\nimport = "a.b"', 2, "`import` cannot be `a.b`; give where a tool"),
    ("[tools.calculator]\nlimits = {x = 1}", 2, "`x` is no key of `limits`; the keys are"),
    ("[tools.calculator]\nlimits = 1", 2, "`limits` must be a table"),
    ('[[principals]]\nname = "a"', 1, "`kind` is missing; give one of human, machine"),
    ('[[principals]]\nname = ""\nkind = "human"', 2, "`name` is empty; give 1 to 256 bytes"),
    (f'[[principals]]\nkind = "human"\nname = "{LONG}"', 3, "`name` is longer than 256 bytes"),
    ('[[principals]]\nname = "\\u0085"\nkind = "human"', 2, "`name` has a control character"),
    ('[[principals]]\nname = "a"\nkind = "cat"', 3, "`kind` cannot be `cat`; give one of human"),
    ('[[principals]]\nname = "a"\nkind = "human"\nowner = "b"', 4, "a human has no owner; remove"),
    ('[[principals]]\nname = "a"\nkind = "machine"\nowner = "b"', 4, "`owner` names `b`, who is"),
    ('[[principals]]\nname = "a"\nkind = "human"\nkey = "00"', 4, "`key` is no key; give"),
    (f'[[principals]]\nname = "a"\nkind = "human"\nkey = "{"zz" * 32}"', 4, "`key` is no key"),
    ('[[principals]]\nname = "a"\nkind = "human"\nkey = "é"', 4, "`key` is no key; give"),
    ('[[resources]]\nid = "file"', 2, "`id` cannot be `file`; write TYPE:NAME"),
    ('[[resources]]\nid = ":x"', 2, "`id` cannot be `:x`; write TYPE:NAME"),
    ('[[resources]]\nid = "f:x"\npath = "gone"', 3, "`path` names `gone`, which is neither"),
    ('[[resources]]\nid = "f:x"\npath = "/dev/null"', 3, "`path` names `/dev/null`, which is"),
    (f'[[resources]]\nid = "f:x"\npath = "{LONG}"', 3, "`path` names `xxx"),
    ('[[resources]]\nid = "file:x"\npath = "policy.toml"', 3, "`path` names `policy.toml`, which"),
    ('[[resources]]\nid = "f:x"\npath = ""', 3, "`path` is empty; give"),
    ('[[resources]]\nid = "f:x"\npath = "a\\u0000b"', 3, "`path` has a control character"),
    ('[[resources]]\nid = "f:x"\npublic = 1', 3, "`public` is a number; give true if everybody"),
]


@pytest.mark.parametrize(("text", "line", "sentence"), BAD)
def test_a_fault_is_told_with_its_line(write: Write, text: str, line: int, sentence: str) -> None:
    """Each kind of fault gets one sentence that says where it is and what to do."""
    [(found, told)] = _sentences(write, text)
    assert (found, told[: len(sentence)]) == (line, sentence)


BAD_GRANTS = [
    ({"holder": '"bot"'}, 1, "`holder` cannot be `bot`; write KIND:NAME"),
    ({"holder": '"machine:x"'}, 1, "`holder` names `machine:x`, who is not enrolled here"),
    ({"holder": '"human:bot"'}, 1, "`holder` names `human:bot`, who is not enrolled here"),
    ({"holder": ""}, 0, "`holder` is missing; give `KIND:NAME` of a principal"),
    ({"holder": "7"}, 1, "`holder` is a number; give `KIND:NAME`"),
    ({"resource": '"w"'}, 2, "`resource` cannot be `w`; write TYPE:NAME"),
    ({"rights": "[]"}, 3, "`rights` is empty; name at least one"),
    ({"rights": '"read"'}, 3, "`rights` is a string; give a list with at least one"),
    ({"rights": '["read",\n"fly"]'}, 4, "`rights[1]` cannot be `fly`; give a list"),
    ({"rights": '["read", "read"]'}, 3, "`rights` has read more than once"),
    ({"scope": '"a/../b"'}, 4, "`scope` has `..` and would cover nothing"),
    ({"scope": "'a\\..'"}, 4, "`scope` has `..` and would cover nothing"),
    ({"scope": f'"{"/" * 64}"'}, 4, "`scope` has more than 64 components"),
    ({"scope": f'"{"x" * 4097}"'}, 4, "`scope` is longer than 4096 bytes"),
    ({"confidence": "1.01"}, 4, "`confidence` cannot be `1.01`; give how sure"),
    ({"confidence": "nan"}, 4, "`confidence` cannot be `nan`"),
    ({"expires_at": "2030-01-01T00:00:00"}, 4, "`expires_at` cannot be `2030-01-01 00:00:00`"),
    ({"expires_at": "2030-01-01"}, 4, "`expires_at` is a date without a time; give a time"),
    ({"expires_at": "1970-01-01T00:00:00Z"}, 4, "`expires_at` is not after 1970"),
    ({"expires_at": "0001-01-01T00:00:00+14:00"}, 4, "`expires_at` is not after 1970"),
    ({"expires_at": '"2030-01-01T00:00:00Z"'}, 4, "`expires_at` is a string; give a time"),
    ({"epoch": "-1"}, 4, "`epoch` cannot be `-1`"),
    ({"parent": '"gone"'}, 4, "`parent` names `gone`, which is no grant here"),
    ({"id": '""'}, 4, "`id` is empty"),
    ({"other_args": '"all"'}, 4, "`other_args` cannot be `all`; give any or none"),
    ({"budget": "{ calls = -1 }"}, 4, "`calls` cannot be `-1`; give how many calls"),
    ({"budget": "{ call = 1 }"}, 4, "`call` is no key of `budget`; did you mean `calls`?"),
    ({"budget": "{ wall_seconds = nan }"}, 4, "`wall_seconds` cannot be `nan`"),
    ({"args": "7"}, 4, "`args` is a number; give what must hold"),
    ({"rigths": "1"}, 4, "`rigths` is no key of `grants`; did you mean `rights`?"),
]


@pytest.mark.parametrize(("keys", "offset", "sentence"), BAD_GRANTS)
def test_a_fault_of_a_grant_is_told_with_its_line(
    write: Write, keys: dict[str, str], offset: int, sentence: str
) -> None:
    """Each dimension of a grant is checked, and the sentence stands at that key's line."""
    [(line, told)] = _sentences(write, PEOPLE + _grant(**keys))
    assert (line - FIRST, told[: len(sentence)]) == (offset, sentence)


TWICE = [
    (PEOPLE + '[[principals]]\nkind = "human"\nname = "ann"', FIRST + 2, 7),
    ('[[resources]]\nid = "a:b"\n[[resources]]\nid = "a:b"', 4, 2),
    (PEOPLE + _grant(id='"g"') + _grant(id='"g"', scope='"x"'), FIRST + 9, FIRST + 4),
    (PEOPLE + _grant() + _grant(), FIRST + 4, FIRST),
]


@pytest.mark.parametrize(("text", "line", "first"), TWICE)
def test_what_stands_twice_is_told_with_both_lines(
    write: Write, text: str, line: int, first: int
) -> None:
    """A duplicate names the line where the first one stands."""
    [(found, told)] = _sentences(write, text)
    assert found == line
    assert told.endswith(f"; line {first} has it already")


def test_the_65th_alternative_is_refused(write: Write) -> None:
    """One holder may have 64 grants on one resource and scope, and the kernel's limit is told."""
    grants = [_grant(confidence=f"0.{n:03}") for n in range(65)]
    assert load(write(PEOPLE + "".join(grants[:64])))
    [(line, told)] = _sentences(write, PEOPLE + "".join(grants))
    assert line == FIRST + 64 * 5
    assert "more than 64 grants" in told


def test_every_problem_is_told_at_once(write: Write) -> None:
    """One bad field hides neither the other faults of its table nor those of other tables."""
    text = '[limits]\nx = 1\n[[grants]]\nholder = 1\nscope = ".."\nrights = ["a", 2]\n[[resources]]'
    assert [line for line, _ in _sentences(write, text)] == [2, 3, 4, 5, 6, 6, 7]


def test_a_principal_with_a_bad_kind_is_still_known_to_the_grants(write: Write) -> None:
    """A fault is told where it is and not again wherever its table is referred to."""
    text = '[[principals]]\nname = "bot"\nkind = "robot"\n' + _grant()
    assert [line for line, _ in _sentences(write, text)] == [3]


def test_load_raises_one_error_with_a_line_for_each_problem(write: Write) -> None:
    """The error of `load` has `FILE:LINE: SENTENCE` for every problem."""
    path = write("a = 1\nb = 2\n")
    with pytest.raises(PolicyError) as caught:
        load(path)
    first, second = str(caught.value).split("\n")
    assert first.startswith(f"{path}:1: `a`")
    assert second.startswith(f"{path}:2: `b`")


SYNTAX = [
    (b"a = 1\nb = = 2", 2, "is not TOML: "),
    (b"a = 1\na = 2", 2, "is not TOML: Cannot overwrite a value"),
    (b'a = 1\nb = """\n\n', 2, "is not TOML: "),
    (b"a = 1\n\nb = '\xff'", 3, "is not UTF-8; save the file in that encoding"),
    (b"\nb = " + b"9" * 5000, 2, "has a number that is too long"),
    (b"\n\nb = " + b"[" * 5000, 3, "nests deeper than 32 levels"),
    (b"a" + b".a" * 5000 + b" = 1", 1, "nests deeper than 32 levels"),
    (b"#" * (MAX_BYTES + 1), 0, "is larger than 16 MiB"),
]


@pytest.mark.parametrize(("data", "line", "sentence"), SYNTAX)
def test_what_is_no_toml_is_told_with_its_line(
    tmp_path: Path, data: bytes, line: int, sentence: str
) -> None:
    """Bytes that are no TOML at all still get one sentence with the line."""
    path = tmp_path / "policy.toml"
    path.write_bytes(data)
    policy, [problem] = check(path)
    assert policy is None
    assert (problem.line, problem.sentence[: len(sentence)]) == (line, sentence)


@pytest.mark.parametrize("name", ["gone.toml", ".", "a\0b"])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, name: str) -> None:
    """A missing file, a folder and an impossible name each get a sentence."""
    policy, [problem] = check(tmp_path / name)
    assert policy is None
    assert "cannot be read: " in str(problem)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs POSIX")
@pytest.mark.parametrize("kind", ["fifo", "link"])
def test_only_a_regular_file_is_read(tmp_path: Path, kind: str) -> None:
    """A pipe that nobody writes to holds nothing up, by no name."""
    path = tmp_path / kind
    os.mkfifo(tmp_path / "fifo")
    if kind == "link":
        path.symlink_to("fifo")
    [problem] = check(path)[1]
    assert str(problem) == f"{path}: is no regular file; name the policy file itself"


def test_a_byte_order_mark_is_told(tmp_path: Path) -> None:
    """What some editors put before the first key is named, since nobody can see it."""
    (tmp_path / "p.toml").write_text("", "utf-8-sig")
    [problem] = check(tmp_path / "p.toml")[1]
    assert (problem.line, problem.sentence[:29]) == (1, "opens with a byte order mark;")


def test_a_file_comes_with_its_text(write: Write) -> None:
    """What is judged is one text, which comes with the judgement."""
    path = write("[limits]\n")
    policy, problems, text = examine(path)
    assert (policy is not None, problems, text) == (True, [], "[limits]\n")
