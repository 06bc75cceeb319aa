"""Launchers: what runs a tool body, and how it is held.

`protocol` is the seam; `inline` runs trusted async functions in this process under a cancel scope;
`process` forks each call from a warm template process; `jail`, the default, does too, and lets it
reach what its permit names and nothing else (`cells` has its parts).
"""
