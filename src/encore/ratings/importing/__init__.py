"""Ratings as other people and their tools write them."""

from encore.ratings.importing.choices import Question, UnsureError
from encore.ratings.importing.engine import Imported, import_ratings
from encore.ratings.importing.understood import RuleUnderstood, Understood

__all__ = [
    "Imported",
    "Question",
    "RuleUnderstood",
    "Understood",
    "UnsureError",
    "import_ratings",
]
