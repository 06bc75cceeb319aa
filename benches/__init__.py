"""Benchmarks: `python -m benches.NAME` prints ours beside its rivals, measured in one run.

They install nothing: a rival that is not there is named as missing. `make bench` installs all.
"""

import os.path
import sys

# The installed package is measured; the checkout, which `-m` puts first, has no native part.
# A template imports this, too, and is the lighter without `pathlib`.
_CHECKOUT = {"", os.path.dirname(os.path.dirname(os.path.abspath(__file__)))}  # noqa: PTH100, PTH120
sys.path.sort(key=lambda entry: entry in _CHECKOUT)
