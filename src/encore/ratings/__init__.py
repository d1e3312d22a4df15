"""Ratings: tables in memory, files, and preference pairs.

Nothing here imports pyarrow until a frame or a file is given: plain arrays do not need it.
"""

from encore.ratings.convert import as_pairs, as_ratings
from encore.ratings.ids import Ids
from encore.ratings.origin import Origin
from encore.ratings.pairs import PreferencePairs
from encore.ratings.table import RatingsTable

__all__ = ["Ids", "Origin", "PreferencePairs", "RatingsTable", "as_pairs", "as_ratings"]
