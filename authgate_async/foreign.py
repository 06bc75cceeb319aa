"""Code that is not ours: whatever it raises may hurt nobody but itself."""

from __future__ import annotations

import anyio

__all__ = ["is_ours"]


def is_ours(error: BaseException, scope: anyio.CancelScope) -> bool:
    """Whether what came out of foreign code within `scope` is not its own error, and has to go on.

    That is a cancellation that somebody asked for, or Ctrl-C. A `SystemExit` is foreign, and so is
    a cancellation that nobody asked for: let out of a task, it would end all its siblings.
    """
    if isinstance(error, KeyboardInterrupt):
        return True
    if not isinstance(error, anyio.get_cancelled_exc_class()):
        return False
    return scope.cancel_called or anyio.get_current_task().has_pending_cancellation()
