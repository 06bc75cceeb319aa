from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from authgate_async.planners.parse import parse_plan
from authgate_async.planners.protocol import Step, StepResult, Task
from authgate_async.planners.scripted import ScriptedPlanner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authgate_async.planners.protocol import Planner

A, B, C = {"tool": "a"}, {"tool": "b"}, Step("c")


def results(count: int) -> list[StepResult]:
    """Return the results of that many steps."""
    return [
        StepResult(seq=seq, tool="t", action_id=f"r:{seq}", permitted=True, value=seq)
        for seq in range(count)
    ]


@pytest.mark.parametrize(
    ("plans", "done", "said"),
    [
        ([A, B], 0, [A, B]),
        ([A, B], 2, ()),
        ((C,), 0, (C,)),
        ([], 0, []),
        ([[A, B], [C]], 0, [A, B]),
        ([[A, B], [C]], 2, [C]),
        ([[A, B], [C]], 1, ()),
        ([[A, B], [C]], 3, ()),
        ({"agent": [A], "id": [B]}, 0, [B]),
        ({"agent": [A]}, 0, [A]),
        ({"other": [A]}, 0, ()),
        ({"agent": 5}, 0, 5),
        ({"agent": "[]"}, 0, "[]"),
        ({"agent": "[]"}, 1, ()),
    ],
)
def test_a_script_is_said_round_by_round(plans: Any, done: int, said: object) -> None:
    """The first call gives the first round, a call with its results the next, and then nothing."""
    task = Task("agent", id="id")
    assert ScriptedPlanner(plans).plan(task, results(done)) == said


def test_a_function_is_asked_each_time() -> None:
    """A function of task and results can say anything."""
    planner = ScriptedPlanner(lambda task, done: [{"tool": task.agent + str(len(done))}])
    assert planner.plan(Task("x"), results(2)) == [{"tool": "x2"}]


class FakeModel:
    """Stands for a model's client: answers text with text."""

    def __init__(self, *answers: str) -> None:
        self.asked: list[str] = []
        self._answers = list(answers)

    async def complete(self, prompt: str) -> str:
        """Return the next answer."""
        self.asked.append(prompt)
        return self._answers.pop(0)


class ModelPlanner:
    """A planner over a model: it shows the results so far, and returns what comes."""

    def __init__(self, model: FakeModel) -> None:
        self._model = model

    async def plan(self, task: Task, results: Sequence[StepResult]) -> object:
        """Ask the model."""
        seen = [{"tool": r.tool, "value": r.value, "error": r.error} for r in results]
        return await self._model.complete(json.dumps({"intent": task.intent, "results": seen}))


async def test_a_model_can_observe_and_plan_again() -> None:
    """The protocol is enough for a planner that sees what its steps gave and goes on."""
    model = FakeModel(
        '[{"tool": "calculator", "args": {"expression": "2+2"}}]', '[{"tool": "file_read"}]', "[]"
    )
    planner = ModelPlanner(model)
    fits: Planner = planner
    assert fits is planner
    task, done, tools = Task("a", "go"), list[StepResult](), []
    while steps := parse_plan(await planner.plan(task, done)):
        tools += [step.tool for step in steps]
        done += [
            StepResult(seq=len(done), tool=s.tool, action_id="", permitted=True, value="4")
            for s in steps
        ]
    assert tools == ["calculator", "file_read"]
    assert [len(json.loads(prompt)["results"]) for prompt in model.asked] == [0, 1, 2]
