"""Writes `*.json` beside this file: `python tests/vectors/make.py`.

The cases and what must come of them (permitted or not, which codes) are written by hand in
`cases/`. The reference kernel adds the sentences and bytes, and is held to what was written by
hand.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "cases")]

from language import (  # noqa: E402
    NOW,
    Case,
    Changing,
    Deciding,
    Past,
    Redeeming,
    Refused,
    Settling,
    Standing,
    Step,
)

from authgate_async.reference import ReferenceKernel, verify_json  # noqa: E402
from authgate_async.wire import Changed, Redeemed, SignedVerdict, Verdict  # noqa: E402

SEED = b"\x01" * 32
ENTROPY = b"\x02" * 32
TOPICS = (
    "well_formed",
    "principals",
    "grants",
    "chains",
    "bounds",
    "budgets",
    "approvals",
    "constraints",
    "changes",
    "revocations",
    "resources",
    "permits",
    "undecodable",
)
TEXTS = "texts"

_broken: list[str] = []
"""What the reference and the cases do not agree on."""

_encode = msgspec.msgpack.encode
_decode = msgspec.msgpack.decode


def plain(value: Any) -> Any:
    """Write a wire value as JSON: structs as arrays, bytes as `{"hex": "..."}`."""
    return json.loads(
        json.dumps(msgspec.to_builtins(value, builtin_types=(bytes,)), default=_marked)
    )


def _marked(value: bytes) -> dict[str, str]:
    return {"hex": value.hex()}


def readable(verdict: Verdict) -> dict[str, Any]:
    """What a reader wants to know of a verdict."""
    return {
        "permitted": verdict.permitted,
        "violations": [list(violation) for violation in verdict.violations],
        "warnings": [list(warning) for warning in verdict.warnings],
        "confidence": verdict.confidence,
        "requires_human_arbitration": verdict.requires_human_arbitration,
        "chains": [list(chain) for chain in verdict.chains],
        "approvers": list(verdict.approvers),
    }


def _expect(name: str, found: Any, wanted: Any) -> None:
    if found != wanted:
        _broken.append(f"{name}: the reference says {found}, the case says {wanted}")


class Run:
    """One case on a fresh reference kernel."""

    def __init__(self, case: Case) -> None:
        self.name = case.name
        self.kernel = ReferenceKernel(SEED, ENTROPY, case.permit_ttl)
        self.past: Past = []

    def step(self, step: Step) -> dict[str, Any]:
        """Take one step, hold it to its case, and write it down."""
        match step:
            case Changing():
                return self._change(step)
            case Deciding():
                return self._decide(step)
            case Redeeming():
                return self._redeem(step)
            case Settling():
                return self._settle(step)
            case Standing():
                return self._stale(step)
            case Refused():
                return self._refuse(step)

    def _change(self, step: Changing) -> dict[str, Any]:
        changes = [change for change, _ in step.changes]
        output = self.kernel.change(_encode(changes), step.now)
        results = _decode(output, type=list[Changed])
        _expect(self.name, [r.code for r in results], [code for _, code in step.changes])
        expected = plain(results)
        return _written("change", step.now, plain(changes), expected, output)

    def _decide(self, step: Deciding) -> dict[str, Any]:
        actions = [expected.action for expected in step.actions]
        output = self.kernel.decide(_encode(actions), step.now, step.entropy)
        signed = _decode(output, type=list[SignedVerdict])
        self.past.append([_encode(one) for one in signed])
        verdicts = [_decode(one.verdict, type=Verdict) for one in signed]
        for verdict, expected in zip(verdicts, step.actions, strict=True):
            found = tuple(code for code, _ in verdict.violations)
            _expect(self.name, found, expected.codes)
            _expect(self.name, verdict.permitted, not expected.codes)
            _expect(self.name, tuple(code for code, _ in verdict.warnings), expected.warnings)
        written = _written(
            "decide", step.now, plain(actions), list(map(readable, verdicts)), output
        )
        return {**written, "entropy": plain(step.entropy)}

    def _redeem(self, step: Redeeming) -> dict[str, Any]:
        redemptions = [make(self.past) for make, _ in step.redemptions]
        output = self.kernel.redeem(_encode(redemptions), step.now)
        answers = _decode(output, type=list[Redeemed])
        _expect(self.name, [a.code for a in answers], [code for _, code in step.redemptions])
        return _written("redeem", step.now, plain(redemptions), plain(answers), output)

    def _settle(self, step: Settling) -> dict[str, Any]:
        settlements = [make(self.past) for make, _ in step.settlements]
        output = self.kernel.settle(_encode(settlements))
        found = _decode(output, type=list[bool])
        _expect(self.name, found, [held for _, held in step.settlements])
        return _written("settle", 0, plain(settlements), found, output)

    def _stale(self, step: Standing) -> dict[str, Any]:
        signed = [self.past[at][place] for (at, place), _ in step.verdicts]
        verdicts = [_decode(one, type=SignedVerdict).verdict for one in signed]
        output = self.kernel.stale(_encode(verdicts))
        sentences = _decode(output, type=list[str])
        _expect(self.name, [not each for each in sentences], [holds for _, holds in step.verdicts])
        return _written("stale", 0, plain(verdicts), sentences, output)

    def _refuse(self, step: Refused) -> dict[str, Any]:
        operation = getattr(self.kernel, step.operation)
        more = {"settle": (), "stale": (), "decide": (NOW, b"\x11" * 32)}.get(
            step.operation, (NOW,)
        )
        try:
            operation(step.data, *more)
        except ValueError:
            return {"op": step.operation, "now": NOW, "raises": True, "bytes": plain(step.data)}
        _expect(self.name, "an answer", "an error")
        return {}


def _written(op: str, now: int, data: Any, expected: Any, output: bytes) -> dict[str, Any]:
    return {"op": op, "now": now, "input": data, "expected": expected, "output": plain(output)}


def _vector(case: Case) -> dict[str, Any]:
    run = Run(case)
    kernel = {"seed": plain(SEED), "entropy": plain(ENTROPY), "permit_ttl": case.permit_ttl}
    return {"name": case.name, "kernel": kernel, "steps": [run.step(s) for s in case.steps]}


def _text_vector(case: Any) -> dict[str, Any]:
    vector = {"name": case.name, "text": case.text, "seed": plain(SEED), "now": NOW}
    vector["entropy"] = plain(ENTROPY)
    try:
        answer = verify_json(case.text, SEED, NOW, ENTROPY)
    except ValueError as error:
        _expect(f"{case.name} ({error})", _named(str(error)), case.path)
        return {**vector, "error_names": case.path}
    verdict = json.loads(answer)
    _expect(case.name, None, case.path)
    found = tuple(violation.split(":")[0] for violation in verdict["violations"])
    _expect(case.name, found, case.codes)
    _expect(case.name, tuple(w.split(":")[0] for w in verdict["warnings"]), case.warnings)
    _expect(case.name, verdict["permitted"], not case.codes)
    return {**vector, "output": answer}


def _named(sentence: str) -> str:
    """The path that an error's sentence opens with; empty if it is about the whole text."""
    return sentence.split("`")[1] if sentence.startswith("`") else ""


def _text_of(topic: str, vectors: list[dict[str, Any]]) -> str:
    names = [vector["name"] for vector in vectors]
    doubles = {name for name in names if names.count(name) > 1}
    _expect(topic, doubles, set())
    lines = ",\n".join(json.dumps(vector) for vector in vectors)
    return f"[\n{lines}\n]\n"


def main() -> None:
    """Write every file, or none if a case does not hold; `--check` only compares."""
    made = {topic: [_vector(case) for case in import_module(topic).CASES] for topic in TOPICS}
    made[TEXTS] = [_text_vector(case) for case in import_module(TEXTS).CASES]
    texts = {HERE / f"{topic}.json": _text_of(topic, vectors) for topic, vectors in made.items()}
    if "--check" in sys.argv:
        for path, text in texts.items():
            _expect(path.name, path.read_text(encoding="ascii") == text, wanted=True)
    if _broken:
        raise SystemExit("\n".join(_broken))
    for path, text in texts.items():
        path.write_text(text, encoding="ascii")


if __name__ == "__main__":
    main()
