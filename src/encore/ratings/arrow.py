"""Ratings from Arrow tables, and so from any frame that supports the Arrow interface."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from encore.errors import DocumentError, InputError, MismatchError, RatingsError
from encore.files import check_version
from encore.ratings.columns import (
    APPLIES,
    id_column,
    numbers_of,
    one_line,
    probabilities_of,
    texts_of_ids,
)
from encore.ratings.forms import settled
from encore.ratings.ids import Ids
from encore.ratings.origin import SIDES, Origin
from encore.ratings.pairs import PreferencePairs
from encore.ratings.table import RatingsTable
from encore.rules import Rulebook

KIND = "encore.ratings"
VERSION = 1
RULES_DIGEST = "encore.rules_digest"
# Columns beside a rule's ratings: entropies, how far it applies, level probabilities.
NUMBERS_BESIDE = (".spread", APPLIES)
PROBABILITIES = ".p"


def to_arrow(data: Any, source: str) -> pa.Table:
    """Any frame that supports Arrow (polars, pandas, …), rows or columns, as a table.

    Raises
    ------
    InputError
        If *data* is none of these; see :func:`encore.ratings.forms.settled`.
    RatingsError
        If column names are duplicated.
    """
    data = settled(data, source)
    refuse_twins(list(map(str, getattr(data, "columns", []))) if _is_frame(data) else [], source)
    try:
        table = data if isinstance(data, pa.Table) else pa.table(data)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise InputError(
            f"{source}: {type(data).__name__} is not a ratings table ({one_line(error)}). Expected "
            f"a NumPy array, an Arrow table, a polars or pandas frame, a Dataset, a tensor, a list "
            f"of rows, a mapping of columns, or a RatingsTable."
        ) from error
    refuse_twins(table.column_names, source)
    return table


def _is_frame(data: Any) -> bool:
    """Whether *data* names its columns in ``columns``; an Arrow table's are the columns."""
    return hasattr(data, "columns") and not isinstance(data, pa.Table)


def refuse_twins(names: list[str], source: str) -> None:
    """Refuse duplicate columns: there is no telling which one is meant."""
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise RatingsError(f"duplicate columns: {twice}. Keep one of each.", source=source)


def is_pairs(names: list[str]) -> bool:
    """Whether these are the columns of the pairs layout: ``chosen.<rule>``, ``rejected.<rule>``."""
    return any(name.startswith(tuple(f"{side}." for side in SIDES)) for name in names)


def rating_columns(rules: Rulebook, names: list[str], source: str) -> list[str]:
    """The columns that ratings, and what stands beside them, are read from, in either layout.

    Raises
    ------
    RatingsError
        If a rule has no column, neither of ratings nor of level probabilities.
    """
    prefixes = [f"{side}." for side in SIDES] if is_pairs(names) else [""]
    present = set(names)
    needed = [prefix + rule_id for prefix in prefixes for rule_id in rules.ids]
    missing = [name for name in needed if present.isdisjoint((name, name + PROBABILITIES))]
    if missing:
        raise RatingsError(
            f"no column for {len(missing)} of {len(needed)} ratings: {missing[:5]}. Found "
            f"columns {names[:20]}. Name the columns after the rules' ids, or give the rules "
            f"that these ratings were made with.",
            source=source,
        )
    endings = ("", *NUMBERS_BESIDE, PROBABILITIES)
    return [name for end in endings for column in needed if (name := column + end) in present]


def to_responses(table: pa.Table, rules: Rulebook, source: str, first_row: int = 1) -> pa.Table:
    """Only the ids and ratings with what stands beside them, in the responses layout, as float64.

    A pair becomes two rows, chosen first.

    Raises
    ------
    RatingsError
        If a rule has no column, a rating is not a number, or an id is empty.
    """
    names, origin = table.column_names, Origin(source, first_row)
    numbers = {
        name: probabilities_of(table, name, origin)
        if name.endswith(PROBABILITIES)
        else numbers_of(table, name, origin)
        for name in rating_columns(rules, names, source)
    }
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
    beside = {end: [rule_id + end for rule_id in rules.ids] for end in NUMBERS_BESIDE}
    spread, applies = (
        None if set(columns).isdisjoint(names) else _block(responses, columns)
        for columns in beside.values()
    )
    return RatingsTable(
        rules,
        _block(responses, list(rules.ids)),
        prompts=_ids(responses["prompt_id"]) if "prompt_id" in names else None,
        responses=_responses(responses) if "response_id" in names else None,
        repeats=responses["repeat"].to_numpy() if "repeat" in names else None,
        spread=spread,
        applies=applies,
        probabilities=_probabilities(responses, rules, origin),
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
            f"{names[:20]}. Only pairs say which response people chose. If each response has a "
            f"label, such as a person's score, name that column: --label COLUMN (label=).",
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


def _probabilities(
    responses: pa.Table, rules: Rulebook, origin: Origin
) -> NDArray[np.float64] | None:
    """Level probabilities of shape (n_rows, n_rules, max n_levels); NaN where there are none."""
    columns = {
        position: name
        for position, rule_id in enumerate(rules.ids)
        if (name := rule_id + PROBABILITIES) in responses.column_names
    }
    if not columns:
        return None
    n_levels = rules.n_levels
    block = np.full((responses.num_rows, len(rules), int(n_levels.max())), np.nan)
    for position, name in columns.items():
        column = responses[name].combine_chunks()
        lengths = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
        known = lengths > 0
        wrong = known & (lengths != n_levels[position])
        if wrong.any():
            row, rule = int(wrong.argmax()), rules.rules[position]
            raise origin.error(
                f"{lengths[row]} level probabilities; expected {rule.scale.n_levels}, one for each "
                f"level of the rule ({rule.scale}).",
                row,
                origin.column(row, rule.id) + PROBABILITIES,
            )
        flat = column.flatten().to_numpy(zero_copy_only=False)
        block[known, position, : n_levels[position]] = flat.reshape(-1, n_levels[position])
    return block
