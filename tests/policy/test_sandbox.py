"""The `[sandbox]` table of a policy file: which layers must hold every call."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import pytest

from authgate_async.errors import PolicyError
from authgate_async.launchers.protocol import LAYERS, LayerName
from authgate_async.policy import check, load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Write = Callable[[str], Path]


def sandbox(*lines: str) -> str:
    """Write a policy of this table alone."""
    return "\n".join(["[sandbox]", *lines, ""])


@pytest.mark.parametrize("text", ["", sandbox(), sandbox("require = []")])
def test_nothing_is_required(write: Write, text: str) -> None:
    """A policy that names no layer requires none."""
    assert load(write(text)).require == ()


@pytest.mark.parametrize("layer", LAYERS)
def test_each_layer(write: Write, layer: str) -> None:
    """Every layer that there is can be required by its name."""
    assert load(write(sandbox(f'require = ["{layer}"]'))).require == (layer,)


def test_several_layers_in_their_order(write: Write) -> None:
    """Layers are required in the order in which they are named, over as many lines as it takes."""
    text = sandbox("require = [", '  "seccomp",', '  "cpu",', '  "landlock",', "]")
    assert load(write(text)).require == ("seccomp", "cpu", "landlock")


def test_the_layers_are_those_of_the_launchers() -> None:
    """What can be required is what launchers name."""
    assert get_args(LayerName) == LAYERS
    assert len(set(LAYERS)) == len(LAYERS)


@pytest.mark.parametrize(
    ("lines", "line", "word"),
    [
        (['require = ["secomp"]'], 2, "secomp"),
        (['require = ["cpu", "Landlock"]'], 2, "Landlock"),
        (['require = [""]'], 2, "require"),
        (['require = "seccomp"'], 2, "require"),
        (["require = [7]"], 2, "require"),
        (["require = true"], 2, "require"),
        (['required = ["cpu"]'], 2, "required"),
        (['require = ["cpu", "cpu"]'], 2, "twice"),
        (["", 'require = ["cpu", "seccomp", "cpu"]'], 3, "twice"),
    ],
)
def test_what_is_wrong(write: Write, lines: list[str], line: int, word: str) -> None:
    """An unknown layer or key, a layer named twice or a wrong type is one problem in its place."""
    policy, problems = check(write(sandbox(*lines)))
    assert policy is None
    (problem,) = problems
    assert problem.line == line
    assert word in problem.sentence
    assert problem.sentence.isprintable()


def test_it_is_a_table(write: Write) -> None:
    """`sandbox` that is no table is told so, and nothing is required instead."""
    for text in ('sandbox = "cpu"\n', "sandbox = 1\n", "[[sandbox]]\n"):
        policy, problems = check(write(text))
        assert policy is None
        assert len(problems) == 1


def test_a_policy_with_a_typing_error_is_not_loaded(write: Write) -> None:
    """A layer that is not known is never left out silently."""
    with pytest.raises(PolicyError, match="secomp"):
        load(write(sandbox('require = ["seccomp", "secomp"]')))
