"""The bundled ratings: 458 human-labelled safety pairs, rated by an LLM judge under 12 rules.

The data card is ``README.md`` in this folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from encore.rules import Rulebook
from encore.rules.rulebook import catalogue_path

if TYPE_CHECKING:
    import pyarrow as pa


def ratings_path() -> Path:
    """The ratings file, in the pairs layout.

    Examples
    --------
    >>> ratings_path().name
    'ratings.parquet'
    """
    return Path(__file__).parent / "ratings.parquet"


def applies_path() -> Path:
    """How likely each rule is at stake in a pair's prompt, and how likely the prompt is unsafe.

    A row per pair: ``id``, a column per rule, and ``unsafe``; probabilities, read from the prompt
    alone.

    Examples
    --------
    >>> applies_path().name
    'applies.parquet'
    """
    return Path(__file__).parent / "applies.parquet"


def ratings_with_applies() -> pa.Table:
    r"""The ratings, and beside each how far its rule applies, 1 − q (1 − a).

    a says how likely the rule is at stake in the prompt and q how likely the prompt is unsafe, so
    every rule applies to a safe prompt, and to an unsafe one those that are at stake. ``unsafe`` is
    q.

    Examples
    --------
    >>> table = ratings_with_applies()
    >>> table.num_rows, table["chosen.crime.applies"][0].as_py()
    (698, 0.25)
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    ratings, said = pq.read_table(ratings_path()), pq.read_table(applies_path())
    said = said.take(pc.index_in(ratings["id"], said["id"]))
    q = said["unsafe"].cast(pa.float64())
    for rule_id in rules().ids:
        a = said[rule_id].cast(pa.float64())
        applies = pc.subtract(1.0, pc.multiply(q, pc.subtract(1.0, a)))
        for side in ("chosen", "rejected"):
            ratings = ratings.append_column(f"{side}.{rule_id}.applies", applies)
    return ratings.append_column("unsafe", q)


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
