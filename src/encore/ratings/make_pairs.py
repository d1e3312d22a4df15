"""The verb ``pairs``: rated responses with labels made preference pairs, and those written."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from encore.errors import InputError, RatingsError
from encore.files import StrPath, file_digest, refuse_overwrite
from encore.parsing import json_value
from encore.ratings.convert import as_pairs
from encore.ratings.origin import SIDES
from encore.ratings.pairing import MAX_PER_PROMPT
from encore.ratings.pairs import PreferencePairs
from encore.rules import Rules, as_rulebook

if TYPE_CHECKING:
    import pyarrow as pa

_TEXTS = ("prompt", "response")


def pairs(
    ratings: Any,
    rules: Rules,
    label: str | ArrayLike,
    *,
    scale: Any = None,
    gap: float | None = None,
    max_per_prompt: int = MAX_PER_PROMPT,
    across_prompts: bool = False,
    lower_is_better: bool | None = None,
    rng: np.random.Generator | int = 0,
    out: StrPath | None = None,
    include_text: bool = False,
    format: str | None = None,
) -> PreferencePairs:
    r"""Make preference pairs of rated responses, each with a label of its own.

    A label is a person's score, a 0/1 outcome or a rank. Two responses to one prompt, and of one
    subset, are a pair if their labels differ by *gap* or more; the better one is the chosen one.
    Ties, pairs nearer than the gap and responses without a label make no pair and are counted, see
    ``PreferencePairs.pairing``. First ratings make pairs; repeats stay beside them.

    :func:`~encore.compare` and the other verbs that take pairs take *label* directly. That is
    better than a file of pairs where all schemes are compared, for there each response is
    calibrated on once, however many pairs it is in, and responses in no pair too.

    Parameters
    ----------
    ratings : RatingsTable, array_like, frame or path
        Ratings of responses in any form; see :func:`~encore.as_ratings`.
    rules : Rulebook, path, catalogue's name, or list of ids
        The rules; see :func:`encore.rules.as_rulebook`.
    label : str or array_like of float, shape (n_rows,)
        The column of labels, numbers or true and false, or the labels; NaN where unlabelled.
    scale : LevelScale, RangeScale or list of levels, optional
        The scale, if the rules are a list of ids.
    gap : float, optional
        By how much the labels of a pair must differ; 0 takes all that differ. By default one
        standard deviation of the labels of all labelled responses.
    max_per_prompt : int, default 20
        At most so many pairs of one prompt, drawn at random from all that differ by the gap.
    across_prompts : bool, default False
        Whether to join responses to different prompts too. Prompts (responses where none are named)
        are then dealt at random into groups of 2 to 16, so that there are 50 groups if possible,
        and a group counts as one prompt in all that follows (as its number of prompts in
        *max_per_prompt*): pairs are of one group, and intervals, splits and margins go by group. So
        no prompt is in two of the units that intervals resample.
    lower_is_better : bool, optional
        Whether a lower label is better, as among ranks. By default it is not; where the column's
        name makes that doubtful, such as ``rank`` or ``n_errors``, it must be said.
    rng : numpy.random.Generator or int, default 0
        The source of randomness, or a seed for one.
    out : path-like, optional
        A ``.parquet``, ``.csv`` or ``.jsonl`` file to write the pairs to, in the pairs layout.
    include_text : bool, default False
        Whether to write the columns ``prompt`` and ``response`` of the ratings as ``prompt``,
        ``chosen`` and ``rejected``.
    format : {"parquet", "csv", "jsonl"}, optional
        Of a stream; see :func:`encore.ratings.write.table_format`.

    Returns
    -------
    PreferencePairs

    Raises
    ------
    UnknownNameError
        If there is no such column.
    MismatchError
        If the ratings were made with other rules.
    InputError
        If no two responses make a pair, the column is a rule's, a label is not a number, which
        label is better is in doubt, or *out* is *ratings*; nothing is written then.

    Examples
    --------
    >>> ratings = {"prompt_id": ["p", "p", "p"], "response_id": ["a", "b", "c"]}
    >>> ratings |= {"privacy": [5, 1, 3], "score": [4.5, 1.0, 4.0]}
    >>> found = pairs(ratings, ["privacy"], "score", scale=[1, 2, 3, 4, 5])
    >>> found.ids
    ('a > b', 'c > b')
    >>> round(found.pairing.gap, 3), found.pairing.n_close
    (1.893, 1)
    """
    rules = as_rulebook(rules, scale)
    is_path = isinstance(ratings, str | os.PathLike)
    if out is not None and is_path:
        refuse_overwrite(out, ratings)
    if include_text and across_prompts:
        raise InputError("a pair across prompts has two prompts, so its texts make no pair.")
    found = as_pairs(
        ratings,
        rules,
        label=label,
        gap=gap,
        max_per_prompt=max_per_prompt,
        across_prompts=across_prompts,
        lower_is_better=lower_is_better,
        rng=rng,
    )
    if out is None:
        return found
    from encore.ratings.files import write_ratings

    texts = _texts(ratings, found) if include_text else {}
    said = asdict(found.pairing) if found.pairing else {}
    provenance: dict[str, Any] = {"pairs": {**said, "seed": rng if isinstance(rng, int) else None}}
    if is_path:
        provenance |= {"source": Path(ratings).name, "sha256": file_digest(ratings)}
        provenance |= {name: value for name, value in _stated(ratings).items() if name == "rater"}
    write_ratings(out, _pairs_layout(found, texts), rules, provenance, format=format)
    return found


def _pairs_layout(pairs: PreferencePairs, texts: dict[str, Any]) -> pa.Table:
    """Ids, labels, texts, and what the table holds of each rule, on both sides."""
    import pyarrow as pa

    prompts, subsets = pairs.prompts, pairs.subsets
    columns: dict[str, Any] = {
        "id": pa.array(pairs.ids, pa.string()),
        "prompt_id": pa.array([str(prompts.names[code]) for code in prompts.codes.tolist()]),
    }
    if list(subsets.names) != ["all"]:
        columns["subset"] = pa.array([str(subsets.names[code]) for code in subsets.codes.tolist()])
    rows = {side: getattr(pairs, side) for side in SIDES}
    for side in SIDES:  # no rule's column has such a name: those have a full stop
        columns[f"{side}_id"] = pa.array(pairs.response_ids(rows[side]), pa.string())
    for side in SIDES:
        if pairs.labels is not None:
            columns[f"{side}_label"] = pa.array(pairs.labels[rows[side]])
    columns |= texts
    for position, rule in enumerate(pairs.rules):
        for side in SIDES:
            cells = _cells(pairs, rows[side], position)
            columns |= {f"{side}.{rule.id}{end}": column for end, column in cells.items()}
    return pa.table(columns)


def _cells(pairs: PreferencePairs, rows: NDArray[np.int64], rule: int) -> dict[str, pa.Array]:
    """What the table holds of a rule, by the ending of its column; null where it holds nothing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    table = pairs.ratings
    blocks = {"": table.values, ".spread": table.spread, ".applies": table.applies}
    cells = {
        end: pa.array(block[rows, rule], from_pandas=True)
        for end, block in blocks.items()
        if block is not None and (end == "" or not np.isnan(block[:, rule]).all())
    }
    if table.probabilities is not None:
        n_levels = table.rules.n_levels[rule]
        given = table.probabilities[rows, rule, :n_levels]
        known = ~np.isnan(given).any(axis=1)
        if known.any():
            lists = pa.array(given.tolist(), pa.list_(pa.float64()))
            cells[".p"] = pc.if_else(pa.array(known), lists, pa.nulls(len(lists), lists.type))
    return cells


def _texts(ratings: Any, pairs: PreferencePairs) -> dict[str, Any]:
    """The texts of both sides.

    Raises
    ------
    RatingsError
        If the ratings hold none.
    """
    import pyarrow as pa

    from encore.ratings.arrow import to_arrow
    from encore.ratings.files import table_batches

    source, names = pairs.ratings.source, list(_TEXTS)
    if isinstance(ratings, str | os.PathLike):

        def choose(there: list[str]) -> dict[str, Any]:
            return {name: False for name in names if name in there}

        table = pa.concat_tables(table_batches(ratings, choose), promote_options="permissive")
    elif hasattr(ratings, "values") and isinstance(ratings.values, np.ndarray):
        raise RatingsError("no texts to include.", source=source)
    else:
        table = to_arrow(ratings, source)
    if absent := [name for name in names if name not in table.column_names]:
        raise RatingsError(f"no column {absent} of texts to include.", source=source)
    prompt, response = (table[name].combine_chunks() for name in names)
    return {
        "prompt": prompt.take(pa.array(pairs.chosen)),
        **{side: response.take(pa.array(getattr(pairs, side))) for side in SIDES},
    }


def _stated(path: StrPath) -> dict[str, Any]:
    """What a Parquet file says it was made from."""
    if Path(path).suffix.lower() != ".parquet":
        return {}
    from encore.ratings.readers import open_parquet

    with open_parquet(path, verify=False) as file:
        stated = (file.schema_arrow.metadata or {}).get(b"encore.provenance", b"{}")
    try:
        found = json_value(stated)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
