"""The log: what was decided and what came of it, one canonical JSON line a record.

`records` declares the records, `entries` makes them from the kernel's messages, `numbering` numbers
them per run, `lines` chains their bytes, `storage` keeps the bytes on disk, `writer` joins these.
`verify` and `rules` read a log that they do not trust. The format stands in `docs/log.md`.
"""
