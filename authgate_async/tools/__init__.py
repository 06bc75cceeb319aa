"""Tools: what an agent may ask for.

`tool` makes one of a typed function; `ToolSet` holds those that a runtime offers. The built-in ones
stand in `calculator`, `file_read`, `web_search`, and with `programs` behind them, `run_program` and
`python_exec`. The sandbox imports this package in its template process, so it stays light: nothing
here starts an event loop, a log or a key.
"""

from authgate_async.tools.definition import Bound, Tool, tool
from authgate_async.tools.folders import Folders, ToolFailure
from authgate_async.tools.toolset import ToolSet

__all__ = ["Bound", "Folders", "Tool", "ToolFailure", "ToolSet", "tool"]
