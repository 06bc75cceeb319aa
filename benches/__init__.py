"""Benchmarks: `python -m benches.NAME` prints ours beside its rivals, measured in one run.

They install nothing: a rival that is not there is named as missing. `make bench` installs all.
"""
