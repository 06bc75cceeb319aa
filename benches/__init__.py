"""Benchmarks: `python -m benches.NAME` prints ours beside its rivals, measured in one run.

They install nothing: a rival that is not there is named as missing. `make bench` installs all.
"""

import sys
from pathlib import Path

# The installed package is measured; the checkout, which `-m` puts first, has no native part.
_CHECKOUT = {"", str(Path(__file__).parents[1])}
sys.path.sort(key=lambda entry: entry in _CHECKOUT)
