"""Run 1,000 tasks by 100 agents on both kernels, compare the decisions, and check both logs.

Everything goes through the command line, as a user would. Files are in `demo-out/`; the exit status
is not 0 if a decision differs between the kernels or from what is known ahead, or if a log fails.
"""

# ruff: noqa: INP001, T201 - a script, and no package

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

OUT = Path("demo-out")
BACKENDS = ("rust", "python")
_DONE_OR_DENIED = (0, 3)


def authgate(*args: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command line of this interpreter."""
    command = [sys.executable, "-I", "-m", "authgate_async.cli", *map(str, args)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603


def main() -> int:
    """Run the demo, and return the exit status."""
    make_tasks = Path(__file__).with_name("make_tasks.py")
    if OUT.exists():
        shutil.rmtree(OUT)
    command = [sys.executable, "-I", str(make_tasks), str(OUT)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own
    print(f"{'kernel':8} {'done':>5} {'denied':>6} {'failed':>6}   {'log':20} verify")
    decisions, faults = {}, []
    for backend in BACKENDS:
        decisions[backend], wrong = run(backend)
        faults += wrong
    if decisions["rust"] != decisions["python"]:
        faults.append("the two kernels decided differently")
    for fault in faults:
        print(f"FAILED: {fault}", file=sys.stderr)
    if not faults:
        print("both kernels decided alike, as was known ahead, and both logs verify")
    return 1 if faults else 0


def run(backend: str) -> tuple[dict[str, Any], list[str]]:
    """Run the batch on one kernel; return its decisions by task, and what is wrong."""
    log, out = OUT / f"log-{backend}", OUT / f"results-{backend}.jsonl"
    batch = authgate(
        *("batch", OUT / "tasks.jsonl", "--policy", OUT / "policy.toml", "--out", out),
        *("--log", log, "--backend", backend, "--log-level", "warning", "--json"),
    )
    if batch.returncode not in _DONE_OR_DENIED:
        return {}, [f"the batch on {backend} ended with status {batch.returncode}"]
    summary = json.loads(batch.stdout)
    verified = authgate("audit", "verify", log, "--json")
    verdict = "FAILS" if verified.returncode else "holds"
    counts = f"{summary['done']:5} {summary['denied']:6} {summary['failed']:6}"
    print(f"{backend:8} {counts}   {log!s:20} {verdict}")
    results = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    faults = [f"{backend}: {wrong}" for wrong in map(_wrong, results) if wrong]
    if verified.returncode:
        faults.append(f"the log of {backend} does not verify")
    return {result["task"]: _decision(result) for result in results}, faults


def _decision(result: dict[str, Any]) -> list[Any]:
    """Return what was decided and why, without what differs from run to run."""
    steps = result["steps"]
    return [(step["tool"], step["permitted"], step["codes"], step["sentences"]) for step in steps]


def _wrong(result: dict[str, Any]) -> str:
    expected = "denied" if result["task"].endswith("must-not") else "done"
    errors = [step["error"] for step in result["steps"] if step["error"]]
    if result["status"] != expected or errors:
        return f"{result['task']} is {result['status']}, not {expected} {errors or ''}"
    return ""


if __name__ == "__main__":
    sys.exit(main())
