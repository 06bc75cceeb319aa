"""Running a program of this machine, by its name and with arguments, never through a shell.

The name is the resource, so a policy alone decides which programs an agent may run. Whatever the
program does, it does in the jail of its call; a grant on one that starts others, such as `sh`,
`env` or `find`, is as good as one on every program that a jail shows.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from authgate_async.tools.definition import tool
from authgate_async.tools.folders import ToolFailure
from authgate_async.tools.programs import FOLDERS, Completed, complete, find

__all__ = ["run_program"]

# At the end stands "nothing follows": `$` would let a line break pass.
_Name = Annotated[
    str, msgspec.Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*(?![\s\S])", max_length=255)
]
_Argument = Annotated[str, msgspec.Meta(pattern=r"^[^\x00]*$")]


@tool(resource="program:{program}", right="execute", programs=True)
def run_program(
    program: _Name, arguments: tuple[_Argument, ...] = (), stdin: str = ""
) -> Completed:
    """Run a program of /usr/bin or /bin, such as `wc` with `["-w"]`; no shell reads the arguments.

    It sees a scratch folder, no file of yours, no network, and of the environment HOME, LANG and
    PATH.

    Raises:
        ToolFailure: there is no such program, or the system does not start it.
    """
    path = find(program)
    if path is None:
        folders = " or ".join(FOLDERS)
        raise ToolFailure(f"there is no program {program!a} in {folders} on this machine")
    return complete(path, *arguments, stdin=stdin)
