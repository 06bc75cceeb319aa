"""Running a snippet of Python in an interpreter of its own.

Running it in the process of the call, which is jailed Python already, would save the start of an
interpreter, 10 to 20 ms. It was rejected: all calls are forked from one template, so a snippet
would find in its memory whatever the modules of the other tools had read when they were imported;
and as first process of its jail it could not be told from the tool when it crashes or exits, and no
signal that it sends itself would have an effect.
"""

from __future__ import annotations

import sys
from typing import Annotated

import msgspec

from authgate_async.tools.definition import tool
from authgate_async.tools.programs import Completed, complete

__all__ = ["python_exec"]

_Code = Annotated[str, msgspec.Meta(pattern=r"^[^\x00]*$")]


@tool(resource="compute:python", right="execute", programs=True)
def python_exec(code: _Code, stdin: str = "") -> Completed:
    """Run Python code as `python -c` does, with its standard library and installed packages.

    It sees a scratch folder, no file of yours and no network, and may start further processes.

    Raises:
        ToolFailure: the system does not start the interpreter.
    """
    return complete(sys.executable, "-I", "-X", "utf8", "-c", code, stdin=stdin)
