"""`python -m authgate_async.cli` is `authgate`."""

from __future__ import annotations

import sys

from authgate_async.cli import main

if __name__ == "__main__":
    sys.exit(main())
