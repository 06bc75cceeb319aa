"""The command line: `authgate VERB`. One module a verb, imported when it runs.

Exit statuses stand in `exits`. No traceback reaches a user, except for a bug of ours.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from authgate_async.cli.parser import make_parser

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status (`exits.Exit`).

    Raises:
        SystemExit: for `--help` and for arguments that do not parse.
    """
    args = make_parser().parse_args(argv)
    try:
        return int(import_module(f"authgate_async.cli.{args.verb}").run(args))
    except BaseException as error:  # noqa: BLE001 - here every error becomes a status
        return int(import_module("authgate_async.cli.blame").status(error))
