"""Columns of an Arrow table as ids, numbers and probabilities; the first bad cell is named."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from encore.parsing import json_value
from encore.ratings.ids import as_id
from encore.ratings.origin import Origin

APPLIES = ".applies"
"""Ends the name of a column that says how far a rule applies."""
IMPORTS = "`encore import` reads words, percentages and N/A (--map, --na, --unrated)."
"""What helps where a cell of somebody's own table is not a number."""
# What a text file may hold where there is no rating.
_ABSENT = pa.array(["", "NaN", "nan", "NA", "null", "None"])
_LISTS = pa.list_(pa.float64())


def one_line(error: BaseException) -> str:
    """An error's text on one line, without a full stop."""
    return " ".join(str(error).split()).rstrip(".")


def numbers_from_text(column: Any, name: str, origin: Origin) -> Any:
    """A column of a text file as float64; cells that hold no rating become null.

    Raises
    ------
    RatingsError
        If a cell is not a number; the message names it.
    """
    column = pc.utf8_trim_whitespace(column)
    if name.endswith(APPLIES):
        column = _yes_or_no(column)
    else:
        column = null_where(pc.is_in(column, _ABSENT), column)
    try:
        return column.cast(pa.float64())
    except pa.ArrowInvalid as error:
        texts = column.to_pylist()
        row = next((row for row, text in enumerate(texts) if not _is_number(text)), 0)
        message = (
            f"{texts[row]!r} is not a number; expected one, or nothing where unrated. {IMPORTS}"
        )
        raise origin.error(message, row, name) from error


def _yes_or_no(column: Any) -> Any:
    """Whether a rule applies, in words, as 1 and 0; numbers are left alone.

    Only an empty cell says nothing: "NA" may well mean that the rule does not apply.
    """
    column = null_where(pc.equal(column, ""), column)
    words = pc.utf8_lower(column)
    column = pc.if_else(pc.equal(words, "true"), "1", column)
    return pc.if_else(pc.equal(words, "false"), "0", column)


def _is_number(text: str | None) -> bool:
    try:
        pa.scalar(text, pa.string()).cast(pa.float64())
    except pa.ArrowInvalid:
        return False
    return True


def id_column(table: pa.Table, name: str, origin: Origin) -> Any:
    """A column of ids as text, none of them empty; see :func:`encore.ratings.ids.as_id`.

    Raises
    ------
    RatingsError
        If a cell is empty, or not an id; the message names it.
    """
    column = texts_of_ids(table[name], name, origin)
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy())[0])
        raise origin.error("this id is empty; give every row one.", row, name)
    return column


def texts_of_ids(column: Any, name: str, origin: Origin) -> Any:
    """Ids as text, null where empty.

    Raises
    ------
    RatingsError
        If a cell is not an id; the message names it.
    """
    kind = column.type
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return texts_of_ids(_decoded(column), name, origin)
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        column = column.cast(pa.string())
    elif pa.types.is_string_view(kind):
        column = _plain_text(column)
    elif not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        width = {pa.float16(): np.float16, pa.float32(): np.float32}.get(kind, float)
        try:
            values = column.to_pylist()
        except (ValueError, pa.ArrowException) as error:  # such as a time in nanoseconds
            raise origin.error(f"{one_line(error)}; write ids as text.", column=name) from error
        typed = (width(value) if isinstance(value, float) else value for value in values)
        column = pa.chunked_array([ids_of_values(typed, name, origin)])
    return null_where(pc.equal(column, ""), column)


def null_where(mask: Any, column: Any) -> Any:
    """A column with nulls where *mask* is true."""
    # Given a scalar instead, Arrow 21 spoils the offsets of texts in a slice.
    return pc.if_else(mask, pa.nulls(len(column), column.type), column)


def ids_of_values(values: Iterable[Any], name: str, origin: Origin) -> pa.Array:
    """Ids of any types as text, null where empty.

    Raises
    ------
    RatingsError
        If a value is not an id; the message names it.
    """
    ids = []
    for row, value in enumerate(values):
        try:
            ids.append(as_id(value))
        except ValueError as error:
            raise origin.error(f"{error}.", row, name) from error
    return pa.array(ids, pa.string())


def _plain_text(column: Any) -> Any:
    """A string view (polars' text), which Arrow cannot yet take rows of, as ordinary text."""
    return column.cast(pa.large_string()) if pa.types.is_string_view(column.type) else column


def _decoded(column: Any) -> Any:
    """A column of categories, or of runs, as the values that they stand for."""
    if pa.types.is_run_end_encoded(column.type):
        return pc.run_end_decode(column)
    whole = column.combine_chunks()
    dictionary = _plain_text(whole.dictionary)
    return pa.chunked_array(
        [pa.DictionaryArray.from_arrays(whole.indices, dictionary).dictionary_decode()]
    )


def numbers_of(table: pa.Table, name: str, origin: Origin) -> Any:
    """A column as float64 with nulls where unrated.

    Raises
    ------
    RatingsError
        If it does not hold numbers; the message names the first cell.
    """
    column = table[name]
    if pa.types.is_dictionary(column.type) or pa.types.is_run_end_encoded(column.type):
        column = _decoded(column)
    kind = column.type
    if pa.types.is_boolean(kind) and name != "repeat":
        column = column.cast(pa.uint8())
    elif not (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_null(kind)
    ):
        values = column.to_pylist()
        row = next((row for row, value in enumerate(values) if value is not None), 0)
        raise origin.error(
            f"{values[row] if values else None!r} is of type {kind}; expected a number, or "
            f"nothing where unrated. {IMPORTS}",
            row,
            name,
        )
    # A whole number beyond 2^53 is rounded; the scale, or the limit of repeats, refuses it.
    return column.cast(pa.float64(), safe=False)


def probabilities_of(table: pa.Table, name: str, origin: Origin) -> Any:
    """A column of level probabilities as lists of float64, null or empty where there are none.

    In text they are JSON lists.

    Raises
    ------
    RatingsError
        If a cell is not a list of numbers; the message names it.
    """
    column = table[name]
    if pa.types.is_dictionary(column.type) or pa.types.is_run_end_encoded(column.type):
        column = _decoded(column)
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.chunked_array([lists_of_values(column.to_pylist(), name, origin)])
    if pa.types.is_null(kind):
        return column.cast(_LISTS)
    value = getattr(kind, "value_type", None)
    if value is None or not (
        pa.types.is_floating(value) or pa.types.is_integer(value) or pa.types.is_null(value)
    ):
        raise origin.error(
            f"a column of type {kind}; expected a list of level probabilities per rating.",
            column=name,
        )
    return column.cast(_LISTS)


def lists_of_values(values: Iterable[Any], name: str, origin: Origin) -> pa.Array:
    """Level probabilities from lists or their JSON text, null where a cell holds nothing.

    Raises
    ------
    RatingsError
        If a cell is not a list of numbers; the message names it.
    """
    lists = []
    for row, value in enumerate(values):
        try:
            text = value.strip() if isinstance(value, str) else None
            given = json_value(text) if text else None if text == "" else value
            lists.append(None if given is None else list(map(_probability, given)))
        except (ValueError, TypeError) as error:
            raise origin.error(
                f"{value!r:.80} is not a list of level probabilities; expected one number for each "
                f"level, or nothing.",
                row,
                name,
            ) from error
    return pa.array(lists, _LISTS)


def _probability(value: Any) -> float:
    if type(value) not in (int, float):
        raise TypeError
    return float(value)
