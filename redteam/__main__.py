"""`python -m redteam`: attack the runtime, print tables, and fail if anything got out."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import msgspec

from authgate_async import oplog
from redteam.campaign import Tally, Trial, attack, shares, try_broken
from redteam.categories import CATEGORIES
from redteam.engineers import Setting
from redteam.report import as_data, failed, rows_of, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redteam.engineers import Category

EACH = 100
"""Engineers of a category, unless told otherwise."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run what the arguments say; 0 if all held, 1 if not, 2 for arguments that make no sense."""
    args = _parser().parse_args(argv)
    oplog.configure("critical")
    settings = _settings(args)
    chosen = [one for one in CATEGORIES if not args.category or one.name in args.category]
    engineers = EACH * len(chosen) if args.engineers is None else args.engineers
    found = {}
    for setting in settings:
        campaign = partial(_campaign, chosen, setting, engineers, args.seed, broken=args.broken)
        found[setting] = anyio.run(campaign, backend=setting.loop)
        if not args.json:
            show(f"redteam, seed {args.seed}: {setting}", *found[setting])
    same = len({str(rows_of(tallies)) for tallies, _ in found.values()}) == 1
    data = {
        "seed": args.seed,
        "same_tables": same,
        "settings": {str(setting): as_data(*each) for setting, each in found.items()},
    }
    _hand_out(data, args)
    return int(not same or any(failed(*each) for each in found.values()))


async def _campaign(
    chosen: Sequence[Category], setting: Setting, engineers: int, seed: int, *, broken: bool
) -> tuple[list[Tally], list[Trial]]:
    tallies = [await attack(one, setting, n, seed) for one, n in shares(chosen, engineers)]
    trials = [
        await try_broken(one, runtime, setting, EACH, seed)
        for one in chosen
        for runtime in (one.broken if broken else ())
    ]
    return tallies, trials


def _settings(args: argparse.Namespace) -> list[Setting]:
    if args.matrix:
        every = product(("rust", "python"), ("asyncio", "trio"), ("jail", "process"))
        return [Setting(*each) for each in every]
    return [Setting(args.backend, args.loop, args.level)]


def _hand_out(data: dict[str, object], args: argparse.Namespace) -> None:
    if args.json:
        print(msgspec.json.encode(data).decode())  # noqa: T201 - what was asked for
    elif not data["same_tables"]:
        print("the tables differ")  # noqa: T201
    if args.report:
        args.report.write_bytes(msgspec.json.format(msgspec.json.encode(data)) + b"\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="redteam", description=__doc__)
    add = parser.add_argument
    add("--seed", type=int, default=0, metavar="N", help="what all is drawn from (0)")
    add("--engineers", type=_count, metavar="N", help=f"in all ({EACH} for each category)")
    names = [one.name for one in CATEGORIES]
    add("--category", action="append", choices=names, help="only this one; may be repeated")
    add("--backend", choices=("rust", "python"), default="rust", help="the kernel (rust)")
    add("--loop", choices=("asyncio", "trio"), default="asyncio", help="the loop (asyncio)")
    add("--level", choices=("jail", "process"), default="jail", help="of the tools (jail)")
    add("--matrix", action="store_true", help="both kernels, loops and levels, in turn")
    add("--broken", action="store_true", help="attack the broken runtimes too")
    add("--json", action="store_true", help="print one JSON object")
    add("--report", type=Path, metavar="FILE", help="write the same to a file")
    return parser


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:8]) > 0):
        raise argparse.ArgumentTypeError("give a whole number above 0")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
