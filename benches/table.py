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

__all__ = ["Row", "Subject", "arguments", "measure", "ratios", "show", "version_of"]


@dataclass(frozen=True)
class Subject:
    """Something to measure: `run` does the work once and returns seconds per unit of it.

    `run` is None for what is not there; `version` then says so.
    """

    name: str
    version: str
    run: Callable[[], float] | None


@dataclass(frozen=True)
class Row:
    """One subject's figures, in microseconds per unit; None for what is not there."""

    name: str
    version: str
    median: float | None = None
    least: float | None = None
    most: float | None = None


def arguments(description: str | None, *, rounds: int = 5) -> argparse.ArgumentParser:
    """Return a parser with the options that every benchmark takes."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="print rows and ratios as JSON")
    parser.add_argument("--rounds", type=int, default=rounds, help="rounds, after one to warm up")
    return parser


def measure(subjects: Sequence[Subject], rounds: int) -> list[Row]:
    """Measure all, round by round so that a busy moment hits all alike; drop the first round."""
    figures: dict[str, list[float]] = {subject.name: [] for subject in subjects}
    for number in range(rounds + 1):
        for subject in subjects if number % 2 else reversed(subjects):
            seconds = None if subject.run is None else subject.run()
            if number and seconds is not None:
                figures[subject.name].append(seconds * 1e6)
    return [_row(subject, figures[subject.name]) for subject in subjects]


def ratios(rows: Sequence[Row], named: Mapping[str, tuple[str, str]]) -> dict[str, float]:
    """Return each ratio of two rows' medians, those of rows that are both there."""
    medians = {row.name: row.median for row in rows if row.median is not None}
    return {
        name: medians[above] / medians[below]
        for name, (above, below) in named.items()
        if above in medians and below in medians
    }


def _row(subject: Subject, figures: Sequence[float]) -> Row:
    if not figures:
        return Row(subject.name, subject.version)
    spread = (statistics.median(figures), min(figures), max(figures))
    return Row(subject.name, subject.version, *spread)


def version_of(package: str) -> str:
    """Return an installed package's version, or `missing`."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def show(title: str, rows: Sequence[Row], ratios: Mapping[str, float], *, as_json: bool) -> None:
    """Print the figures; a ratio above 1 means that we are faster, unless its name differs."""
    if as_json:
        print(json.dumps({"rows": [row.__dict__ for row in rows], "ratios": dict(ratios)}))
        return
    heads = "".join(f"{head:>12}" for head in ("version", "median µs", "least", "most", "per s"))
    print(f"{title}\n{'':38}{heads}")
    for row in rows:
        print(f"{row.name:38}{row.version:>12}{_figures(row)}")
    for name, ratio in ratios.items():
        print(f"{name:38}{ratio:12.2f}")


def _figures(row: Row) -> str:
    if row.median is None:
        return "   not measured: `make bench` installs what it can"
    return f"{row.median:12.1f}{row.least:12.1f}{row.most:12.1f}{1e6 / row.median:12.0f}"
