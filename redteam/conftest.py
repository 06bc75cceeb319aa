"""Lets tests find `redteam` in a checkout, also where the package that it attacks is a wheel."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))
