"""The bundled ratings: 458 human-labelled safety pairs, rated by an LLM judge under 12 rules.

The data card is ``README.md`` in this folder.
"""

from __future__ import annotations

from pathlib import Path

from encore.rules import Rulebook
from encore.rules.rulebook import catalogue_path


def ratings_path() -> Path:
    """The ratings file, in the pairs layout.

    Examples
    --------
    >>> ratings_path().name
    'ratings.parquet'
    """
    return Path(__file__).parent / "ratings.parquet"


def rules_path() -> Path:
    """The rules file that the ratings were made with; also the catalogue ``safety-12``.

    Examples
    --------
    >>> rules_path().name
    'safety-12.toml'
    """
    return catalogue_path("safety-12")


def rules() -> Rulebook:
    """The twelve rules of the bundled ratings.

    Examples
    --------
    >>> rules().ids[:3]
    ('violence', 'crime', 'hate')
    """
    return Rulebook.load(rules_path())
