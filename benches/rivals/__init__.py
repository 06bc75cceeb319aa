"""The rivals, each in a module of its own since any may be missing.

`run(agents, steps)` does the work once, as the rival's documentation recommends, and returns
seconds per step.
"""
