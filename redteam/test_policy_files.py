"""What a hostile policy file cannot do."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from authgate_async.errors import PolicyError
from authgate_async.policy import check, load
from authgate_async.reference.kernel import ReferenceKernel
from authgate_async.wire import Change, Changed

if TYPE_CHECKING:
    from pathlib import Path

import msgspec

PEOPLE = """
[[principals]]
name = "ann"
kind = "human"
[[principals]]
name = "bot"
kind = "machine"
owner = "ann"
"""


def _changed(changes: list[Change]) -> list[Changed]:
    kernel = ReferenceKernel(bytes(32), bytes(32))
    answer = kernel.change(msgspec.msgpack.encode(changes), 1_000_000)
    return msgspec.msgpack.decode(answer, type=list[Changed])


BOMBS = {
    "brackets": "a = " + "[" * 1_000_000,
    "inline tables": "a = " + "{a=" * 300_000,
    "a key of a million parts": "a" + ".a" * 1_000_000 + " = 1",
    "a header of a million parts": "[" + "a." * 1_000_000 + "a]",
    "a number of a million digits": "a = " + "9" * 1_000_000,
    "a hexadecimal number of a million digits": "a = 0x" + "9" * 1_000_000,
    "quotes without end": "a = '''" + "''" * 500_000,
    "escapes without end": 'a = "' + '\\"' * 500_000,
    "ten thousand empty grants": "[[grants]]\n" * 10_000,
    "a hundred thousand wrong rights": "[[grants]]\nrights = [" + '"x",' * 100_000 + "]",
    "a control character": "a = '\x00'",
    "a byte order mark": "\ufeffa = 1",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_file_made_to_exhaust_the_reader_gets_a_sentence(name: str, tmp_path: Path) -> None:
    """Nesting, length and endless strings end in sentences and not in a crash or a hang."""
    path = tmp_path / "p.toml"
    path.write_text(BOMBS[name], encoding="utf-8")
    policy, problems = check(path)
    assert policy is None
    assert all("; " in problem.sentence for problem in problems)


@pytest.mark.parametrize(
    "text",
    [
        '[[principals]]\nname = "a\\u001b[2Jb"\nkind = "\\u202ehuman"\n',
        '"\\u001b]0;owned\\u0007" = 1\n',
        '[[grants]]\nholder = "m:\\u001b[31m"\nresource = "f:\\u2066x"\nrights = ["\\u001b"]\n',
        '[tools."\\u001b[1m"]\n',
    ],
)
def test_a_file_cannot_write_to_the_terminal_through_its_errors(text: str, tmp_path: Path) -> None:
    """Escape sequences and bidi controls of a file come out of its error as plain letters."""
    path = tmp_path / "p.toml"
    path.write_text(text)
    with pytest.raises(PolicyError) as caught:
        load(path)
    assert all(line.isprintable() for line in str(caught.value).split("\n"))


@pytest.mark.parametrize(
    "expiry", ["1970-01-01T00:00:00Z", "1970-01-01T01:00:00+01:00", "1969-12-31T23:59:59Z"]
)
def test_no_expiry_can_be_written_that_means_never(expiry: str, tmp_path: Path) -> None:
    """A time whose number on the wire would be 0 is refused: 0 there means never."""
    path = tmp_path / "p.toml"
    grant = '[[grants]]\nholder = "machine:bot"\nresource = "f:w"\nrights = ["read"]\n'
    path.write_text(f"{PEOPLE}{grant}expires_at = {expiry}\n")
    _, [problem] = check(path)
    assert "is not after 1970" in problem.sentence


_NAMES = st.sampled_from(["ann", "bot", "x", "", "a b", "ü", "n" * 257, "\\u0000", "a:b"])
_RIGHTS = st.sampled_from(['["read"]', '["write", "delegate"]', "[]", '["all"]', '"read"'])


@st.composite
def _files(draw: st.DrawFn) -> str:
    text = PEOPLE
    for _ in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(["human", "machine"]))
        text += f'[[principals]]\nname = "{draw(_NAMES)}"\nkind = "{kind}"\n'
        text += draw(st.sampled_from(["", 'owner = "ann"\n', 'owner = "bot"\n']))
    for _ in range(draw(st.integers(0, 3))):
        text += f'[[grants]]\nholder = "machine:{draw(_NAMES)}"\nresource = "f:{draw(_NAMES)}"\n'
        text += f'rights = {draw(_RIGHTS)}\nscope = "{draw(_NAMES)}"\n'
        text += draw(st.sampled_from(["", 'parent = "g"\n', 'id = "g"\n', "confidence = 0.5\n"]))
    return text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(text=_files())
def test_what_the_check_lets_through_the_kernel_takes_whole(text: str, tmp_path: Path) -> None:
    """No change of a policy that passed is refused by the kernel: none is dropped on the way."""
    tomllib.loads(text)
    path = tmp_path / "p.toml"
    path.write_text(text)
    policy, problems = check(path)
    assert (policy is None) == bool(problems)
    if policy is not None:
        assert [changed.sentence for changed in _changed(policy.changes()) if changed.code] == []
