"""Ratings from Arrow tables, and so from any frame that speaks the Arrow interface."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from encore.errors import DocumentError, InputError, MismatchError, RatingsError
from encore.files import check_version
from encore.ratings.pairs import PreferencePairs
from encore.ratings.table import MEMORY, Ids, RatingsTable
from encore.rules import Rulebook

KIND = "encore.ratings"
VERSION = 1
RULES_DIGEST = "encore.rules_digest"
SIDES = ("chosen", "rejected")
# What a text file may hold where a rating is absent.
_ABSENT = pa.array(["", "NaN", "nan", "NA", "null", "None"])


def to_arrow(data: Any, source: str = MEMORY) -> pa.Table:
    """Any frame that speaks Arrow (Arrow, polars, pandas, …), or a mapping of columns, as a table.

    Raises
    ------
    InputError
        If *data* is nothing of the kind.
    RatingsError
        If a column name stands twice.
    """
    try:
        table = data if isinstance(data, pa.Table) else pa.table(data)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise InputError(
            f"{source}: {type(data).__name__} is not a ratings table ({error}). Expected a NumPy "
            f"array, an Arrow table, a polars or pandas frame, or a RatingsTable."
        ) from error
    refuse_twins(table.column_names, source)
    return table


def refuse_twins(names: list[str], source: str) -> None:
    """Refuse columns that stand twice: which one is meant cannot be known."""
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise RatingsError(f"columns stand twice: {twice}. Keep one of each.", source=source)


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
    """
    names = table.column_names
    columns = rating_columns(rules, names, source)
    numbers = {name: _numbers(table[name], name, source, first_row) for name in columns}
    repeat = {"repeat": _repeats(table["repeat"], source, first_row)} if "repeat" in names else {}
    prompts = _first_of(table, ("prompt_id", "prompt"))
    if prompts is not None and pa.types.is_nested(prompts.type):  # a list of chat messages
        prompts = pa.array([str(messages) for messages in prompts.to_pylist()])
    if not is_pairs(names):
        ids = {"prompt_id": prompts, "response_id": _first_of(table, ("response_id",))}
        present = {name: column for name, column in ids.items() if column is not None}
        return pa.table({**present, **repeat, **numbers})
    own = table["id"] if "id" in names else pa.array(range(first_row, first_row + len(table)))
    own = own.cast(pa.string())
    sides = [
        pa.table(
            {
                "prompt_id": own if prompts is None else prompts,
                "response_id": pc.binary_join_element_wise(own, side, "/"),
                **repeat,
                **{
                    name.removeprefix(f"{side}."): values
                    for name, values in numbers.items()
                    if name.startswith(f"{side}.")
                },
            }
        )
        for side in SIDES
    ]
    alternating = np.arange(2 * table.num_rows).reshape(2, table.num_rows).T.ravel()
    return pa.concat_tables(sides, promote_options="default").take(alternating)


def ratings_of(
    responses: pa.Table, rules: Rulebook, source: str, first_row: int = 1, *, paired: bool = False
) -> RatingsTable:
    """A ratings table from what :func:`to_responses` gave.

    With *paired*, two rows here are one row of the source, and errors say so.

    Raises
    ------
    RatingsError
        If the ratings break their contract.
    """
    names = responses.column_names
    spreads = [f"{rule_id}.spread" for rule_id in rules.ids]
    try:
        return RatingsTable(
            rules,
            _block(responses, list(rules.ids)),
            prompts=_ids(responses, "prompt_id", source, first_row),
            responses=_ids(responses, "response_id", source, first_row),
            repeats=responses["repeat"].to_numpy() if "repeat" in names else None,
            spread=_block(responses, spreads) if not set(spreads).isdisjoint(names) else None,
            source=source,
            first_row=first_row,
        )
    except RatingsError as error:
        if not paired or error.row is None:
            raise
        side = SIDES[(error.row - 1) % 2]
        known = error.column in rules.ids
        raise RatingsError(
            error.message,
            source=source,
            row=(error.row + 1) // 2,
            column=f"{side}.{error.column}" if known else error.column,
        ) from error


def ratings_from(table: pa.Table, rules: Rulebook, source: str) -> RatingsTable:
    """A ratings table from an Arrow table of either layout; other columns are left alone.

    Raises
    ------
    MismatchError
        If the table says that it was made with other rules.
    RatingsError
        If the ratings break their contract.
    """
    check_metadata(table.schema, rules, source)
    paired = is_pairs(table.column_names)
    return ratings_of(to_responses(table, rules, source), rules, source, paired=paired)


def pairs_from(table: pa.Table, rules: Rulebook, source: str) -> PreferencePairs:
    """Preference pairs from the pairs layout; repeats join the ratings but make no pair.

    Raises
    ------
    MismatchError
        If the table says that it was made with other rules.
    RatingsError
        If this is not the pairs layout, an id stands twice, or the ratings break their contract.
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
    if ratings.repeats is not None:
        first = first[ratings.repeats[first] == 0]
    subsets = _ids(table, "subset", source) or Ids.of(["all"] * table.num_rows)
    return PreferencePairs(ratings, first, first + 1, subsets.take(first // 2))


def check_metadata(schema: pa.Schema, rules: Rulebook, source: str) -> None:
    """Refuse a table that says it is no ratings, of a newer schema, or made with other rules.

    Raises
    ------
    DocumentError
        If it is of another kind or a newer schema.
    MismatchError
        If it was made with other rules.
    """
    stated = {
        key.decode(): value.decode()
        for key, value in (schema.metadata or {}).items()
        if key.startswith(b"encore.")
    }
    kind = stated.get("encore.kind", KIND)
    if kind != KIND:
        raise DocumentError(f"{source}: expected a file of kind {KIND!r}, got {kind!r}.")
    version = stated.get("encore.schema_version", str(VERSION))
    check_version(source, KIND, int(version) if version.isdigit() else version, VERSION)
    digest = stated.get(RULES_DIGEST, rules.digest)
    if digest != rules.digest:
        raise MismatchError(
            f"{source} was made with other rules (digest {digest[:12]}…) than these (digest "
            f"{rules.digest[:12]}…). Give the rules, or weights of the rules, it was made with."
        )


def numbers_from_text(column: Any, name: str, source: str, first_row: int) -> Any:
    """A column of a text file as float64; what stands for nothing becomes null.

    Raises
    ------
    RatingsError
        If a cell is not a number; the message names it.
    """
    column = pc.if_else(pc.is_in(column, _ABSENT), pa.scalar(None, pa.string()), column)
    try:
        return column.cast(pa.float64())
    except pa.ArrowInvalid as error:
        texts = column.to_pylist()
        row = next((row for row, text in enumerate(texts) if not _is_number(text)), 0)
        raise RatingsError(
            f"{texts[row]!r} is not a number; expected one, or nothing where unrated.",
            source=source,
            row=first_row + row,
            column=name,
        ) from error


def _is_number(text: str | None) -> bool:
    try:
        float(text or 0)
    except ValueError:
        return False
    return True


def _first_of(table: pa.Table, names: tuple[str, ...]) -> Any:
    return next((table[name] for name in names if name in table.column_names), None)


def _ids(table: pa.Table, name: str, source: str, first_row: int = 1) -> Ids | None:
    if name not in table.column_names:
        return None
    column = table[name].combine_chunks()
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
        raise RatingsError(
            "this id is empty; give every row one.", source=source, row=first_row + row, column=name
        )
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    codes = column.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return Ids(codes, column.dictionary.to_pylist())


def _repeats(column: Any, source: str, first_row: int) -> Any:
    numbers = np.asarray(_numbers(column, "repeat", source, first_row).to_numpy())
    wrong = ~(numbers == np.floor(numbers))
    if wrong.any():
        row = int(wrong.argmax())
        raise RatingsError(
            f"repeat {numbers[row]:g} is not a whole number; expected 0, 1, 2, …",
            source=source,
            row=first_row + row,
            column="repeat",
        )
    return pa.array(numbers.astype(np.int64))


def _block(table: pa.Table, names: list[str]) -> NDArray[np.float64]:
    """Columns as one column-major array; a column that is not there is all NaN."""
    block = np.full((table.num_rows, len(names)), np.nan, order="F")
    present = set(table.column_names)
    for position, name in enumerate(names):
        if name in present:
            block[:, position] = table[name].to_numpy()
    return block


def _numbers(column: Any, name: str, source: str, first_row: int) -> Any:
    """A column as float64 with nulls where unrated."""
    kind = column.type
    if pa.types.is_boolean(kind):
        column = column.cast(pa.uint8())
    elif not (
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_null(kind)
    ):
        values = column.to_pylist()
        row = next((row for row, value in enumerate(values) if value is not None), 0)
        raise RatingsError(
            f"{values[row] if values else None!r} is of type {kind}; expected a number, or "
            f"nothing where unrated.",
            source=source,
            row=first_row + row,
            column=name,
        )
    return column.cast(pa.float64())
