"""Ratings from Arrow tables, and so from any frame that supports the Arrow interface."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from encore.errors import DocumentError, InputError, MismatchError, RatingsError
from encore.files import check_version
from encore.ratings.ids import Ids, as_id
from encore.ratings.origin import SIDES, Origin
from encore.ratings.pairs import PreferencePairs
from encore.ratings.table import RatingsTable
from encore.rules import Rulebook

KIND = "encore.ratings"
VERSION = 1
RULES_DIGEST = "encore.rules_digest"
# What a text file may hold where there is no rating.
_ABSENT = pa.array(["", "NaN", "nan", "NA", "null", "None"])


def to_arrow(data: Any, source: str) -> pa.Table:
    """Any frame that supports Arrow (polars, pandas, …), or a mapping of columns, as a table.

    Raises
    ------
    InputError
        If *data* is none of these.
    RatingsError
        If column names are duplicated.
    """
    refuse_twins(list(map(str, getattr(data, "columns", []))) if _is_frame(data) else [], source)
    try:
        table = data if isinstance(data, pa.Table) else pa.table(data)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise InputError(
            f"{source}: {type(data).__name__} is not a ratings table ({one_line(error)}). Expected "
            f"a NumPy array, an Arrow table, a polars or pandas frame, or a RatingsTable."
        ) from error
    refuse_twins(table.column_names, source)
    return table


def _is_frame(data: Any) -> bool:
    """Whether *data* names its columns in ``columns``; an Arrow table's are the columns."""
    return hasattr(data, "columns") and not isinstance(data, pa.Table)


def one_line(error: BaseException) -> str:
    """An error's text on one line, without a full stop."""
    return " ".join(str(error).split()).rstrip(".")


def refuse_twins(names: list[str], source: str) -> None:
    """Refuse duplicate columns: there is no telling which one is meant."""
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise RatingsError(f"duplicate columns: {twice}. Keep one of each.", source=source)


def is_pairs(names: list[str]) -> bool:
    """Whether these are the columns of the pairs layout: ``chosen.<rule>``, ``rejected.<rule>``."""
    return any(name.startswith(tuple(f"{side}." for side in SIDES)) for name in names)


def rating_columns(rules: Rulebook, names: list[str], source: str) -> list[str]:
    """The columns that ratings and spreads are read from, in either layout.

    Raises
    ------
    RatingsError
        If a rule has no column.
    """
    prefixes = [f"{side}." for side in SIDES] if is_pairs(names) else [""]
    present = set(names)
    needed = [prefix + rule_id for prefix in prefixes for rule_id in rules.ids]
    missing = [name for name in needed if name not in present]
    if missing:
        raise RatingsError(
            f"no column for {len(missing)} of {len(needed)} ratings: {missing[:5]}. Found "
            f"columns {names[:20]}. Name the columns after the rules' ids, or give the rules "
            f"that these ratings were made with.",
            source=source,
        )
    return needed + [name for column in needed if (name := f"{column}.spread") in present]


def to_responses(table: pa.Table, rules: Rulebook, source: str, first_row: int = 1) -> pa.Table:
    """Only the ids and ratings, in the responses layout, ratings as float64.

    A pair becomes two rows, chosen first.

    Raises
    ------
    RatingsError
        If a rule has no column, a rating is not a number, or an id is empty.
    """
    names, origin = table.column_names, Origin(source, first_row)
    columns = rating_columns(rules, names, source)
    numbers = {name: numbers_of(table, name, origin) for name in columns}
    prompt = next((name for name in ("prompt_id", "prompt") if name in names), None)
    prompts = {} if prompt is None else {"prompt_id": id_column(table, prompt, origin)}
    repeat = {"repeat": numbers_of(table, "repeat", origin)} if "repeat" in names else {}
    if not is_pairs(names):
        ids = {n: id_column(table, n, origin) for n in ("response_id",) if n in names}
        return pa.table({**prompts, **ids, **repeat, **numbers})
    has_id = "id" in names
    own = pa.array(range(first_row, first_row + len(table))).cast(pa.string())
    if has_id:
        own = id_column(table, "id", origin).cast(pa.string())
    subset = {}
    if "subset" in names:
        subsets = texts_of_ids(table["subset"], "subset", origin).fill_null("")
        subset = {"subset": subsets.cast(pa.string())}
    sides = []
    for side in SIDES:
        ids = {**(prompts or {"prompt_id": _own_prompt(own, **subset)}), **subset}
        if has_id or not repeat:
            ids["response_id"] = pc.binary_join_element_wise(own, side, "/")
        rated = {n.removeprefix(f"{side}."): v for n, v in numbers.items() if n.startswith(side)}
        sides.append(pa.table({**ids, **repeat, **rated}))
    alternating = np.arange(2 * table.num_rows).reshape(2, table.num_rows).T.ravel()
    return pa.concat_tables(sides, promote_options="default").take(alternating)


def _own_prompt(own: Any, subset: Any = None) -> Any:
    """A prompt for each pair where none is named: ids of pairs may be unique in a subset only."""
    if subset is None:
        return own
    # With the length before it, no other subset and id read alike.
    size = pc.utf8_length(subset).cast(pa.string())
    return pc.binary_join_element_wise(size, subset, own, ":")


def ratings_of(responses: pa.Table, rules: Rulebook, origin: Origin) -> RatingsTable:
    """A ratings table from what :func:`to_responses` gave.

    Raises
    ------
    RatingsError
        If the ratings break their contract.
    """
    names = responses.column_names
    spreads = [f"{rule_id}.spread" for rule_id in rules.ids]
    return RatingsTable(
        rules,
        _block(responses, list(rules.ids)),
        prompts=_ids(responses["prompt_id"]) if "prompt_id" in names else None,
        responses=_responses(responses) if "response_id" in names else None,
        repeats=responses["repeat"].to_numpy() if "repeat" in names else None,
        spread=_block(responses, spreads) if not set(spreads).isdisjoint(names) else None,
        origin=origin,
    )


def ratings_from(table: pa.Table, rules: Rulebook, source: str) -> RatingsTable:
    """A ratings table from an Arrow table of either layout; other columns are left alone.

    Raises
    ------
    DocumentError, MismatchError
        If the table states that it is something else, or was made with different rules.
    RatingsError
        If the ratings break their contract.
    """
    check_metadata(table.schema, rules, source)
    origin = Origin(source, paired=is_pairs(table.column_names))
    return ratings_of(to_responses(table, rules, source), rules, origin)


def pairs_from(table: pa.Table, rules: Rulebook, source: str) -> PreferencePairs:
    """Preference pairs from the pairs layout; repeats join the ratings but make no pair.

    Raises
    ------
    DocumentError, MismatchError
        If the table states that it is something else, or was made with different rules.
    RatingsError
        If this is not the pairs layout, an id is duplicated, or the ratings break their contract.
    """
    names = table.column_names
    if not is_pairs(names):
        raise RatingsError(
            f"these are not pairs: expected columns 'chosen.<rule>' and 'rejected.<rule>', found "
            f"{names[:20]}. Only pairs say which response people chose.",
            source=source,
        )
    ratings = ratings_from(table, rules, source)
    first = np.arange(table.num_rows) * 2
    first = first[ratings.is_first[first]]
    subsets = Ids.of(["all"] * table.num_rows)
    if "subset" in names:
        subsets = _ids(id_column(table, "subset", Origin(source)))
    return PreferencePairs(ratings, first, first + 1, subsets.take(first // 2))


def check_metadata(schema: pa.Schema, rules: Rulebook, source: str) -> None:
    """Refuse a table that states another kind, a newer schema, or different rules.

    Raises
    ------
    DocumentError
        If it is of another kind or of a newer schema.
    MismatchError
        If it was made with different rules.
    """
    metadata = (schema.metadata or {}).items()
    stated = {k.decode(errors="replace"): v.decode(errors="replace") for k, v in metadata}
    kind = stated.get("encore.kind", KIND)
    if kind != KIND:
        raise DocumentError(f"{source}: expected a file of kind {KIND!r}, got {kind!r}.")
    version = stated.get("encore.schema_version", str(VERSION))
    check_version(
        source, KIND, int(version) if re.fullmatch("[0-9]{1,9}", version) else version, VERSION
    )
    digest = stated.get(RULES_DIGEST, rules.digest)
    if digest != rules.digest:
        raise MismatchError(
            f"{source} was made with other rules (digest {digest[:12]}…) than these (digest "
            f"{rules.digest[:12]}…). Give the rules that it was made with, or weights for them."
        )


def numbers_from_text(column: Any, name: str, origin: Origin) -> Any:
    """A column of a text file as float64; cells that hold no rating become null.

    Raises
    ------
    RatingsError
        If a cell is not a number; the message names it.
    """
    column = pc.utf8_trim_whitespace(column)
    column = null_where(pc.is_in(column, _ABSENT), column)
    try:
        return column.cast(pa.float64())
    except pa.ArrowInvalid as error:
        texts = column.to_pylist()
        row = next((row for row, text in enumerate(texts) if not _is_number(text)), 0)
        message = f"{texts[row]!r} is not a number; expected one, or nothing where unrated."
        raise origin.error(message, row, name) from error


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


def _ids(column: Any) -> Ids:
    encoded = column.combine_chunks().dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return Ids(codes, encoded.dictionary.to_pylist())


def _responses(responses: pa.Table) -> Ids:
    """The ids of responses; those of pairs in two subsets are two, also where they are the same."""
    ids = _ids(responses["response_id"])
    if "subset" not in responses.column_names:
        return ids
    subsets = _ids(responses["subset"])
    both = ids.codes * len(subsets.names) + subsets.codes
    _, first, codes = np.unique(both, return_index=True, return_inverse=True)
    return Ids(codes, [ids.names[code] for code in ids.codes[first].tolist()])


def _block(table: pa.Table, names: list[str]) -> NDArray[np.float64]:
    """Columns as one column-major array; a column that is absent is all NaN."""
    block = np.full((table.num_rows, len(names)), np.nan, order="F")
    present = set(table.column_names)
    for position, name in enumerate(names):
        if name in present:
            block[:, position] = table[name].to_numpy()
    return block


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
            f"nothing where unrated.",
            row,
            name,
        )
    # A whole number beyond 2^53 is rounded; the scale, or the limit of repeats, refuses it.
    return column.cast(pa.float64(), safe=False)
