"""The categories, in the order of the table."""

from redteam.categories import (
    arguments,
    audit,
    budgets,
    calculator,
    capability,
    channels,
    delegation,
    deputy,
    disorder,
    display,
    files,
    identity,
    plan,
    probing,
    races,
    replay,
    revocation,
    sandbox,
    secrets,
)

__all__ = ["CATEGORIES"]

CATEGORIES = (
    sandbox.CATEGORY,
    capability.CATEGORY,
    calculator.CATEGORY,
    plan.CATEGORY,
    revocation.CATEGORY,
    probing.CATEGORY,
    audit.CATEGORY,
    replay.CATEGORY,
    arguments.CATEGORY,
    identity.CATEGORY,
    delegation.CATEGORY,
    budgets.CATEGORY,
    channels.CATEGORY,
    display.CATEGORY,
    secrets.CATEGORY,
    files.CATEGORY,
    races.CATEGORY,
    deputy.CATEGORY,
    disorder.CATEGORY,
)
