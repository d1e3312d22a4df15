"""Labels of single responses: a column of people's scores, outcomes or ranks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from encore.errors import InputError, RatingsError, UnknownNameError
from encore.ratings.ids import Ids
from encore.ratings.origin import Origin
from encore.ratings.pairs import PreferencePairs
from encore.ratings.table import RatingsTable
from encore.rules import Rulebook
from encore.rules.rule import RESERVED_IDS

if TYPE_CHECKING:
    import pyarrow as pa

_ALREADY = "these are pairs already, which say which response people chose: leave out the label."
_TRUTH = {
    **dict.fromkeys(("true", "yes", "pass", "passed"), 1.0),
    **dict.fromkeys(("false", "no", "fail", "failed"), 0.0),
}
_ABSENT = frozenset(("", "NaN", "nan", "NA", "null", "None"))  # as where there is no rating


def labelled_responses(
    data: Any, rules: Rulebook, label: str | ArrayLike
) -> tuple[RatingsTable, ArrayLike, Ids | None]:
    """Ratings of responses in any form, the label of each row, and its subset if it names one.

    Raises
    ------
    UnknownNameError
        If there is no column of that name.
    InputError
        If that column is one of ids, texts or ratings, the name is of nothing that has columns, or
        these are pairs already.
    """
    if isinstance(data, PreferencePairs):
        raise InputError(f"{data.ratings.source}: {_ALREADY}")
    if isinstance(data, RatingsTable | np.ndarray | list | tuple):
        if isinstance(label, str):
            raise InputError(
                f"a {type(data).__name__} has no columns: give the labels themselves, one for each "
                f"row, in place of {label!r}."
            )
        if not isinstance(data, RatingsTable):
            return RatingsTable(rules, data), label, None
        rules.same_as(data.rules, "these rules", data.source)
        return data, label, None
    from encore.ratings.arrow import ratings_from
    from encore.ratings.columns import id_column

    table, source = _table(data, rules, label if isinstance(label, str) else None)
    labels = label_column(table, label, source) if isinstance(label, str) else label
    subsets = None
    if "subset" in table.column_names:
        subsets = Ids.of(id_column(table, "subset", Origin(source)).to_pylist())
    return ratings_from(table, rules, source), labels, subsets


def _table(data: Any, rules: Rulebook, column: str | None) -> tuple[pa.Table, str]:
    """A frame or a file as an Arrow table with its labels, and what it is called."""
    from encore.ratings import arrow, files

    is_path = isinstance(data, str | os.PathLike)
    source = os.fspath(data) if is_path else "ratings"
    if column is not None:
        _check_name(column, rules, source)
    if is_path:
        also = ("subset",) if column is None else ("subset", column)
        table = files.read_arrow(source, rules, also=also)
    else:
        table = arrow.to_arrow(data, source)
    if arrow.is_pairs(table.column_names):
        raise RatingsError(_ALREADY, source=source)
    if column is not None and column not in table.column_names:
        names = files.column_names(source) if is_path else table.column_names
        known = [name for name in names if name not in {*RESERVED_IDS, *rules.ids}]
        raise UnknownNameError(f"column of labels in {source}", column, known)
    return table, source


def _check_name(column: str, rules: Rulebook, source: str) -> None:
    """Refuse a column that holds something else than labels."""
    from encore.ratings import arrow

    if column in rules.ids:
        raise InputError(
            f"{source}: {column!r} is one of the rules, so it would be compared with itself. Name "
            f"the column of people's labels, or leave this rule out."
        )
    endings = (*arrow.NUMBERS_BESIDE, arrow.PROBABILITIES)
    beside = {rule_id + ending for rule_id in rules.ids for ending in endings}
    if column in RESERVED_IDS or column in beside:
        raise InputError(f"{source}: {column!r} holds no labels; name the column of labels.")


def label_column(table: pa.Table, column: str, source: str) -> NDArray[np.float64]:
    """A column of labels: numbers, true or false; NaN where there is none.

    Raises
    ------
    RatingsError
        If a cell is none of these; the message names it.
    """
    import pyarrow as pa

    from encore.ratings.columns import numbers_of, texts_of_ids

    kind, origin = table[column].type, Origin(source)
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if number or pa.types.is_boolean(kind) or pa.types.is_null(kind):
        return np.asarray(numbers_of(table, column, origin).to_numpy(), dtype=np.float64)
    texts = texts_of_ids(table[column], column, origin).to_pylist()
    read = {text: _label_of(text) for text in set(texts)}
    wrong = [text for text, value in read.items() if value is None]
    words = {text for text in read if text is not None and text.strip().lower() in _TRUTH}
    if words and any(v not in (0.0, 1.0) and v == v for v in read.values() if v is not None):
        wrong += words  # some true, some 3
    if wrong:
        row = next(row for row, text in enumerate(texts) if text in wrong)
        raise origin.error(
            f"the label {texts[row]!r:.60} is not a number; expected numbers, or true and false "
            f"(yes and no, pass and fail), with nothing where unlabelled. Map other words to "
            f"numbers first: encore import --label {column} --map "
            f"{column}:{texts[row]:.60}=NUMBER.",
            row,
            column,
        )
    return np.array([read[text] for text in texts], dtype=np.float64)


def _label_of(text: str | None) -> float | None:
    """A label from text, NaN where it is empty; None if it is neither number nor truth value."""
    word = "" if text is None else text.strip()
    if word in _ABSENT:
        return float("nan")
    if word.lower() in _TRUTH:
        return _TRUTH[word.lower()]
    try:
        return None if "_" in word else float(word)
    except ValueError:
        return None
