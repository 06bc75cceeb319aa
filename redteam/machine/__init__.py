"""A state machine that drives a live runtime through random stories, and what it holds it against.

`machine.py` has the rules, `base.py` what must hold after each, `model.py` the rules of grants in
small, `world.py` the runtime with its tools and log, `stage.py` the loop that replays.
`table.py`, `jails.py` and `wardens.py` play the processes of its calls on the same loop,
`standins.py` puts them in place, `tools.py` has tools of every level. `test_machine.py` runs it;
`test_planted.py` and `test_templates.py` show that it finds what is broken. `processes.py` is a
second one, smaller and in real time, whose bodies are processes; `test_processes.py` does both.
"""
