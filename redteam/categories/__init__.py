"""The categories, in the order of the table."""

from redteam.categories import audit, calculator, capability, identity, replay, revocation

__all__ = ["CATEGORIES"]

CATEGORIES = (
    capability.CATEGORY,
    calculator.CATEGORY,
    revocation.CATEGORY,
    audit.CATEGORY,
    replay.CATEGORY,
    identity.CATEGORY,
)
