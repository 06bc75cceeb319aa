"""The command line: `authgate VERB`. One module a verb, imported when it runs.

Exit statuses stand in `exits`. No traceback reaches a user, except for a bug of ours.
"""

from __future__ import annotations

import os
import sys
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
    _fill_streams()
    args = make_parser().parse_args(argv)
    try:
        return int(import_module(f"authgate_async.cli.{args.verb}").run(args))
    except BaseException as error:  # noqa: BLE001 - here every error becomes a status
        return int(import_module("authgate_async.cli.blame").status(error))
    finally:  # what stderr did not take must not change the status when the interpreter ends
        import_module("authgate_async.cli.output").say()


def _fill_streams() -> None:
    """Lead each stream that the caller closed to nothing: else a file of ours takes its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            nothing = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(nothing, True)  # noqa: FBT003 - as the streams of every program are
            setattr(sys, name, os.fdopen(nothing, mode))
