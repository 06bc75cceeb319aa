from __future__ import annotations

import json
import subprocess
import sys
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authgate_async.errors import PlanError
from authgate_async.planners.parse import MAX_STEPS, parse_plan
from authgate_async.planners.protocol import StepResult, Task
from authgate_async.planners.rule_planner import MAX_INTENT, RulePlanner, Sentence, steps_of
from authgate_async.tools import ToolSet

if TYPE_CHECKING:
    from authgate_async.planners.protocol import Planner, Step

CALC, READ, SEARCH = "calculator", "file_read", "web_search"


def found(intent: str) -> list[tuple[str, Any]]:
    """Return tool and only argument of each step."""
    return [(step.tool, *step.args.values()) for step in Sentence(intent).steps()]


SENTENCES: list[tuple[str, list[tuple[str, str]]]] = [
    ("", []),
    ("hello there", []),
    (
        "compute 2+2 and then read a.txt, then search for Rust ownership",
        [(CALC, "2+2"), (READ, "a.txt"), (SEARCH, "Rust ownership")],
    ),
    # arithmetic
    ("What is (3 + 4) * 5?", [(CALC, "(3+4)*5")]),
    ("2+2. 3*3.", [(CALC, "2+2"), (CALC, "3*3")]),
    ("compute 1 + 1, 2 + 2", [(CALC, "1+1"), (CALC, "2+2")]),
    ("compute 2^10", [(CALC, "2**10")]),
    ("compute 6 \u00f7 3 \u00d7 2 \u2212 1", [(CALC, "6/3*2-1")]),
    ("1,000 * 3 and 1,2", [(CALC, "1000*3")]),
    ("3 times 4 plus 1", [(CALC, "3*4+1")]),
    ("10 divided by 4", [(CALC, "10/4")]),
    ("5 squared minus 2 cubed", [(CALC, "5**2-2**3")]),
    (
        "max(1, 2.5) and sqrt(16) and abs(-3)",
        [(CALC, "max(1,2.5)"), (CALC, "sqrt(16)"), (CALC, "abs(-3)")],
    ),
    ("2 * pi", [(CALC, "2*pi")]),
    ("1.5e3 + .5 + 1e-2", [(CALC, "1.5e3+.5+1e-2")]),
    ("((2+2", [(CALC, "2+2")]),
    ("(see 2+2)", [(CALC, "2+2")]),
    ("2+2 divided by", [(CALC, "2+2")]),
    ("2 ** -1 and 2--2", [(CALC, "2**-1"), (CALC, "2--2")]),
    ("7 // 2 % 3", [(CALC, "7//2%3")]),
    ("compute: 2+2", [(CALC, "2+2")]),
    ("what is `2+2`, \"3+3\" and '4+4'?", [(CALC, "2+2"), (CALC, "3+3"), (CALC, "4+4")]),
    ("read 3 pages, 100% of them, on 2024-05-17", []),
    ("-5 and e and (1,2) and sqrt() and 1 (2)", []),
    ("2 ** ** 3", []),
    # files
    ("read report.txt", [(READ, "report.txt")]),
    ("open notes/a.md", [(READ, "notes/a.md")]),
    ("read “my file.txt” and 'b c'", [(READ, "my file.txt"), (READ, "b c")]),
    ("what does report.txt say?", [(READ, "report.txt")]),
    ("compare a.txt with b.csv.", [(READ, "a.txt"), (READ, "b.csv")]),
    ("read 2024-report.txt", [(READ, "2024-report.txt")]),
    ("read ../../etc/passwd", [(READ, "../../etc/passwd")]),
    ("open /etc/passwd please", [(READ, "/etc/passwd")]),
    ("open //server/share/x.txt", [(READ, "//server/share/x.txt")]),
    ("read C:\\Windows\\x.txt", [(READ, "C:\\Windows\\x.txt")]),
    ("read .env.local and ./a.b", [(READ, ".env.local"), (READ, "./a.b")]),
    ("read the man's file a.xyz", [(READ, "a.xyz")]),
    ("node.js and and/or 'a quotation'", [(READ, "node.js")]),
    ("version 2.5 of e.g. this", []),
    # searches
    ("search for cats and dogs", [(SEARCH, "cats and dogs")]),
    ("look up tides, and find the moon phases.", [(SEARCH, "tides"), (SEARCH, "moon phases")]),
    ('search for: "Rust ownership"', [(SEARCH, "Rust ownership")]),
    ('search for "Rust" books', [(SEARCH, '"Rust" books')]),
    ("Search the web for node.js tutorials; 5-3", [(SEARCH, "node.js tutorials"), (CALC, "5-3")]),
    (
        "google  apples,\tpears and figs and read b.md",
        [(SEARCH, "apples, pears and figs"), (READ, "b.md")],
    ),
    ("search for 2+2 then 3+3", [(SEARCH, "2+2"), (CALC, "3+3")]),
    ("find a, and then also read b.md", [(SEARCH, "a"), (READ, "b.md")]),
    ("look at this; search", []),
    ("search for ''", []),
    ("find x\nread a.txt", [(SEARCH, "x"), (READ, "a.txt")]),
]


@pytest.mark.parametrize(("intent", "steps"), SENTENCES)
def test_a_sentence_gives_its_steps_in_order(intent: str, steps: list[tuple[str, str]]) -> None:
    """Arithmetic, files and searches are found where they are mentioned, and nothing else is."""
    assert found(intent) == steps


@pytest.mark.parametrize("intent", [intent for intent, steps in SENTENCES if steps])
def test_every_step_fits_its_tool(intent: str) -> None:
    """What the planner proposes is a plan, for tools that exist, with arguments that they take."""
    tools = ToolSet.builtin()
    for step in parse_plan(Sentence(intent).steps()):
        assert tools[step.tool].bind(step.args).requests


def test_the_reason_names_the_place() -> None:
    """Each step says where in the sentence it comes from."""
    assert Sentence("compute 2+2").steps()[0].rationale.endswith("at character 9")


def test_it_plans_once() -> None:
    """With results in hand there is nothing left to plan."""
    task = Task("a", "compute 2+2")
    planner: Planner = RulePlanner()
    first = cast("list[Step]", planner.plan(task, []))
    result = StepResult(seq=0, tool=CALC, action_id="r:0", permitted=True)
    assert [step.tool for step in first] == [CALC]
    assert planner.plan(task, [result]) == []


@pytest.mark.parametrize(
    ("intent", "sentence"),
    [("x" * (MAX_INTENT + 1), "characters"), ("1+1. " * (MAX_STEPS + 1), "steps")],
)
def test_too_much_is_a_plan_error(intent: str, sentence: str) -> None:
    """An intent beyond the limits is refused with a sentence."""
    with pytest.raises(PlanError, match=sentence):
        steps_of(intent)


async def test_a_long_intent_is_read_off_the_event_loop() -> None:
    """What would hold up the loop comes as something to await, and is the same plan."""
    intent = "Please, if you can, " * 50 + "compute 2+2"
    raw = RulePlanner().plan(Task("a", intent), [])
    assert isawaitable(raw)
    assert await raw == steps_of(intent)


_PLAIN = (
    "read open search for find look up the and then , . ( ) 1 2.5 + - * / ** a.txt ../b ` sqrt pi "
    "divided by 1,000 2024-05-17 /etc é"
)
_words = st.sampled_from(
    [*_PLAIN.split(), '"', "'", "\u201c", "\u201d", "\u00b2", "\u0661", "\ud800", "\x00", "\n"]
)
_sentences = st.lists(_words, max_size=40)
_intents = st.one_of(st.text(max_size=200), _sentences.map(" ".join), _sentences.map("".join))


@given(_intents)
def test_any_text_gives_a_plan_or_a_plan_error(intent: str) -> None:
    """No text makes the planner raise anything else, and the same text gives the same plan."""
    try:
        first = steps_of(intent)
    except PlanError:
        with pytest.raises(PlanError):
            steps_of(intent)
    else:
        assert steps_of(intent) == first


NASTY = [
    "“", "”", '"', "'", "`", "«", "''", "“”", "“1", "'1+1' ", "`1", '"1"', "a'", "'a", "1'", "1,",
    "1-", "1.", "1_", "1e", "1e5", "1,000", "1::::", "1.a ", "2 2 ", ".5", "2024-05-17 ", "1", "(",
    ")", "()", "((1+1)", "sqrt(", "max(1,", "+", "-", "*", "//", "%", "/", "\\", "~", ".", "..",
    "./", "and ", "then ", "and then ", ", and then also ", ",", ", ", "search ", "search for ",
    "search,", "look ", "find a, and and and b ", "read ", "read a ", "a/", "a.", "a:", "a.txt",
    " ", "\n", ";", "é", "²", "\x00", "\ud800",
]  # fmt: skip

LOOKS = 16
"""How often each character may be looked at, on average; the worst that we know is below 14."""


@pytest.mark.parametrize("piece", NASTY)
def test_the_work_is_linear_in_the_length(piece: str) -> None:
    """The longest repetitive text costs a fixed number of looks a character, like a short one."""
    text = (piece * MAX_INTENT)[:MAX_INTENT]
    sentence = Sentence(text)
    sentence.steps()
    assert sentence.visited <= LOOKS * len(text)


@given(st.lists(st.sampled_from(NASTY), min_size=1, max_size=6), st.integers(50, 200))
def test_mixtures_cost_no_more(pieces: list[str], times: int) -> None:
    """Nor does any mixture of the worst pieces cost more."""
    text = "".join(pieces) * times
    sentence = Sentence(text)
    sentence.steps()
    assert sentence.visited <= LOOKS * len(text)


def test_every_process_plans_alike() -> None:
    """The plan does not depend on the process: not on hash seeds, nor on what ran before."""
    code = (
        "import json, sys\n"
        "from authgate_async.planners.rule_planner import Sentence\n"
        "texts = json.load(sys.stdin)\n"
        "print([[repr(step) for step in Sentence(text).steps()] for text in texts])"
    )
    texts = json.dumps([intent for intent, _ in SENTENCES] + [piece * 500 for piece in NASTY])
    shown = {
        subprocess.run(
            [sys.executable, "-c", code],
            input=texts,
            env={"PYTHONHASHSEED": seed, "PYTHONUTF8": "1"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    here = [[repr(step) for step in Sentence(text).steps()] for text in json.loads(texts)]
    assert shown == {f"{here}\n"}
