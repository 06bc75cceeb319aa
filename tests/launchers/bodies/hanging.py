"""A module that never ends its import."""

import time

time.sleep(600)
