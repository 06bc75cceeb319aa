"""The categories, in the order of the table."""

from redteam.categories import calculator, identity

__all__ = ["CATEGORIES"]

CATEGORIES = (calculator.CATEGORY, identity.CATEGORY)
