"""The categories, in the order of the table."""

from redteam.categories import (
    audit,
    budgets,
    calculator,
    capability,
    delegation,
    identity,
    replay,
    revocation,
)

__all__ = ["CATEGORIES"]

CATEGORIES = (
    capability.CATEGORY,
    calculator.CATEGORY,
    revocation.CATEGORY,
    audit.CATEGORY,
    replay.CATEGORY,
    identity.CATEGORY,
    delegation.CATEGORY,
    budgets.CATEGORY,
)
