"""Cells: the jail of one call, from its template process to the sentence that explains its end.

`template` and `body` run in the sandbox and stay light; `pool` and `jailed` are the runtime's side;
`messages` is what crosses between them, `shown` what every call sees of the machine.
"""
