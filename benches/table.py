"""What every benchmark shares: rounds, medians, a table, and `--json`."""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Row", "Subject", "arguments", "measure", "show"]


@dataclass(frozen=True)
class Subject:
    """Something to measure: `run` does the work once and returns seconds per unit of it."""

    name: str
    package: str
    run: Callable[[], float]


@dataclass(frozen=True)
class Row:
    """One subject's figures, in microseconds per unit."""

    name: str
    version: str
    median: float
    least: float
    most: float


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that every benchmark takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="print rows and ratios as JSON")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, after one to warm up")
    return parser


def measure(subjects: Sequence[Subject], rounds: int) -> list[Row]:
    """Measure all, round by round so that a busy moment hits all alike; drop the first round."""
    figures: dict[str, list[float]] = {subject.name: [] for subject in subjects}
    for number in range(rounds + 1):
        for subject in subjects if number % 2 else reversed(subjects):
            seconds = subject.run()
            if number:
                figures[subject.name].append(seconds * 1e6)
    return [
        Row(s.name, version_of(s.package), statistics.median(f), min(f), max(f))
        for s in subjects
        for f in [figures[s.name]]
    ]


def version_of(package: str) -> str:
    """Return an installed package's version, or `missing`."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def show(title: str, rows: Sequence[Row], ratios: Mapping[str, float], *, as_json: bool) -> None:
    """Print the figures; a ratio above 1 means that we are faster."""
    if as_json:
        print(json.dumps({"rows": [row.__dict__ for row in rows], "ratios": dict(ratios)}))
        return
    print(f"{title}\n{'':34}{'version':>10}{'median':>12}{'least':>12}{'most':>12}   µs")
    for row in rows:
        figures = f"{row.median:12.1f}{row.least:12.1f}{row.most:12.1f}"
        print(f"{row.name:34}{row.version:>10}{figures}")
    for name, ratio in ratios.items():
        print(f"{name:34}{ratio:10.2f}")
