"""The log: what was decided and what came of it, one canonical JSON line a record.

`records` declares the records, `schemas` their JSON Schemas, `entries` makes them from the kernel's
messages, `numbering` numbers them per run, `keeping` says what they have of a call and `sealing`
encrypts it, `lines` chains their bytes, `growth` has the tree over them, `notes` its checkpoints,
`storage` keeps the bytes on disk with `files` and `closed`, `recovery` goes on where a process
died, `rotation` divides a log, `writer` joins these. `segments` finds a log's files; `reading`,
`verify`, `rules`, `agreement`, `carrying` and `scanning` read a log that they do not trust;
`complete`, `proofs`, `tiles` and `opening` are what can be shown of it. The format stands in
`docs/log.md`.
"""
