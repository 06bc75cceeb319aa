"""Argument constraints of a grant (`docs/rules.md`, section 8).

`arguments` reads the argument bytes, `bounds` the twelve tests, `judge` says what a grant forbids;
`pattern`, `host` and `path` are what some of the tests rest on.
"""
