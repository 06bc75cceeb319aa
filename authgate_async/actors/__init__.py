"""Actors: mailboxes, references and supervision, and the four actors of the runtime.

::

    channel.py       what crosses: frozen structs as MessagePack, failures as code and sentence
    envelope.py      one message on its way; settled exactly once
    mailbox.py       bounded, in order, pushing back; `Inbox` is the actor's view of it
    reference.py     `Ref`: tell and ask; one task ends all overdue asks
    waiter.py        what one task waits for, as cheap as the loop can make it
    crew.py          bounded child tasks for slow waits
    supervision.py   restart, escalate, drain
    running.py       permits of the calls that run; `withdrawals.py` ends those that hold no longer

An actor is a class with `async def run(self, inbox)`. It handles one message at a time unless it
takes a batch or hands envelopes to child tasks, so its state needs no locks.
"""
