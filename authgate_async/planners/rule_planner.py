"""A planner without a model: it finds arithmetic, searches and file names in an English sentence.

The same sentence gives the same plan. It is meant for demos, tests and machines without a model,
and errs on the side of proposing: what it proposes is judged like anybody's plan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anyio import to_thread

from authgate_async.errors import PlanError
from authgate_async.planners.arithmetic import as_arithmetic, expressions
from authgate_async.planners.lexer import Kind, Lexer, Token
from authgate_async.planners.parse import MAX_STEPS
from authgate_async.planners.protocol import Step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authgate_async.planners.protocol import StepResult, Task

__all__ = ["MAX_INTENT", "RulePlanner", "Sentence", "steps_of"]

_LONG = 512
"""Characters of an intent that takes a millisecond or two to read."""

MAX_INTENT = 64 * 2**10
"""Characters of an intent."""

_SEARCH = frozenset({"search", "google", "find", "look"})
_READ = frozenset(
    {"read", "open", "show", "print", "display", "load", "view", "cat", "summarise", "summarize"}
)
_COMPUTE = frozenset({"compute", "calculate", "evaluate", "what", "tell", "add"})
_VERBS = _SEARCH | _READ | _COMPUTE
_LINKS = frozenset({"then", "and", "afterwards", "finally", "next", "also", "after"})
# What may stand between the verb and the thing that is searched for.
_FILLERS = frozenset(
    "for up the web internet online out about me please on information".split()  # noqa: SIM905 - shorter
)
_SUFFIXES = frozenset(
    "txt md csv tsv json jsonl toml yaml yml log py rs c h js ts html xml ini cfg rst".split()  # noqa: SIM905 - shorter
)
_LONGEST_SUFFIX = 10


class RulePlanner:
    """Plans once, from the sentence alone; where it finds nothing, the plan is empty."""

    def plan(self, task: Task, results: Sequence[StepResult]) -> object:
        """Return the steps in order of mention, or none if there are results already.

        A long intent, which would hold up the event loop, is read in a thread: then what is
        returned has to be awaited. Raises as `steps_of`.
        """
        if results:
            return []
        if len(task.intent) > _LONG:
            return to_thread.run_sync(steps_of, task.intent)
        return steps_of(task.intent)


def steps_of(intent: str) -> list[Step]:
    """Return the steps that a sentence asks for, in order of mention.

    Raises:
        PlanError: it is longer than `MAX_INTENT`, or asks for more than `MAX_STEPS` steps.
    """
    if len(intent) > MAX_INTENT:
        raise PlanError(f"the intent has more than {MAX_INTENT} characters; split the task")
    steps = Sentence(intent).steps()
    if len(steps) > MAX_STEPS:
        raise PlanError(f"the intent asks for more than {MAX_STEPS} steps; split the task")
    return steps


class Sentence:
    """One intent being read; `visited` counts the characters and tokens that were looked at."""

    def __init__(self, text: str) -> None:
        self._text = text
        lexer = Lexer(text)
        self._tokens = lexer.tokens()
        self._at = 0
        self._reading = False
        self._steps: list[Step] = []
        self.visited = lexer.visited

    def steps(self) -> list[Step]:
        """Return what the sentence asks for, in order."""
        while self._at < len(self._tokens):
            self._clause()
        return self._steps

    def _peek(self, ahead: int = 0) -> Token | None:
        self.visited += 1
        place = self._at + ahead
        return self._tokens[place] if place < len(self._tokens) else None

    def _word(self, ahead: int = 0) -> str:
        token = self._peek(ahead)
        return token.text.lower() if token and token.kind is Kind.WORD else ""

    def _clause(self) -> None:
        """Read a search, a file, a run of arithmetic, or one token that is none of these."""
        token = self._tokens[self._at]
        word = self._word()
        if word in _SEARCH and (word != "look" or self._word(1) in ("up", "for")):
            self._search()
        elif as_arithmetic(token):
            self._arithmetic()
        else:
            self._at += 1
            if token.kind is Kind.STOP or word in _VERBS:
                self._reading = word in _READ
            elif self._is_file(token):
                self._propose("file_read", "path", token.text, token)

    def _is_file(self, token: Token) -> bool:
        if token.kind is Kind.QUOTED and self._reading:
            return True
        if token.kind not in (Kind.WORD, Kind.QUOTED):
            return False
        stem, dot, suffix = token.text.rpartition(".")
        if self._reading and ("/" in token.text or "\\" in token.text):
            return True
        if not dot or not stem:
            return False
        if self._reading:
            return len(suffix) <= _LONGEST_SUFFIX and suffix.isalnum() and not suffix.isdecimal()
        return suffix.lower() in _SUFFIXES and " " not in token.text

    def _arithmetic(self) -> None:
        first = self._tokens[self._at]
        parts = []
        while (token := self._peek()) and (part := as_arithmetic(token)):
            parts.append(part)
            is_spoken = token.text.lower() in ("divided", "multiplied")
            self._at += 2 if is_spoken and self._word(1) == "by" else 1
        self.visited += 4 * len(parts)
        for text in expressions(parts):
            self._propose("calculator", "expression", text, first)

    def _search(self) -> None:
        verb = self._tokens[self._at]
        self._at += 1
        self._reading = False
        while self._word() in _FILLERS or self._is_colon():
            self._at += 1
        first = self._at
        while (token := self._peek()) and token.kind is not Kind.STOP and not self._turns():
            self._at += 1
        phrase = self._tokens[first : self._at]
        if len(phrase) == 1 and phrase[0].kind is Kind.QUOTED:
            query = phrase[0].text.strip()
        elif phrase:
            query = " ".join(self._text[phrase[0].start : phrase[-1].end].split()).rstrip(" ,:")
        else:
            return
        self.visited += len(query)
        if any(char.isalnum() for char in query):
            self._propose("web_search", "query", query, verb)

    def _is_colon(self) -> bool:
        token = self._peek()
        return token is not None and token.text == ":" and token.kind is Kind.OTHER

    def _turns(self) -> bool:
        """Tell whether the sentence turns here from what is searched for to something else."""
        token = self._peek()
        if self._word() == "then":
            return True
        if token is None or not (token.kind is Kind.COMMA or self._word() == "and"):
            return False
        ahead = 1
        while ahead <= 3 and self._word(ahead) in _LINKS:  # noqa: PLR2004 - as in ", and then also"
            ahead += 1
        return self._word(ahead) in _VERBS or self._word(ahead - 1) == "then"

    def _propose(self, tool: str, argument: str, value: str, token: Token) -> None:
        args: dict[str, Any] = {argument: value}
        self._steps.append(Step(tool, args, f"the task mentions it at character {token.start + 1}"))
