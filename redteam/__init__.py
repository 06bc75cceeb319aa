"""Adversaries against a live runtime: `python -m redteam`, in a clone. See `docs/redteam.md`.

`engineers.py` says what an engineer, a category and a broken runtime are; `campaign.py` sends the
engineers out and counts; `report.py` shows the counts; `stage.py` builds the runtime that they
attack. `categories/` has one file for each kind of attack, `broken/` the runtimes that each must
tell from the sound one, `bodies/` the tools. `escapes/` and the tests beside it stand for
themselves.
"""

import sys
from pathlib import Path

# The installed package is attacked; the checkout, which `-m` puts first, may lack its native part.
_CHECKOUT = {"", str(Path(__file__).parents[1])}
sys.path.sort(key=lambda entry: entry in _CHECKOUT)
