"""What a recorded log would have been under another policy.

`follow.py` takes the records in order and asks a kernel again; `session.py` is that kernel, and a
registry beside it that tells what it could rest a permit on; `asked.py` makes the action of an
intent again; `accounts.py` keeps what calls left in budgets; `doubt.py` finds what cannot be
decided again; `least.py` finds the fewest grants that are enough; `replay.py` puts it together.

What is promised stands in `docs/replay.md`.
"""

from __future__ import annotations

from authgate_async.replay.follow import Judged
from authgate_async.replay.replay import Summary, replay

__all__ = ["Judged", "Summary", "replay"]
