"""Launchers: what runs a tool body, and how it is held.

`protocol` is the seam; `inline` runs trusted async functions in this process under a cancel scope;
`process` forks each call from a warm template process.
"""
