"""Several raters' ratings of the same responses as one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from encore.errors import InputError, RatingsError, UnknownNameError
from encore.ratings.arrow import PROBABILITIES, is_pairs, rating_columns, ratings_from
from encore.ratings.columns import id_column
from encore.ratings.importing.agreement import RatersAgreement
from encore.ratings.importing.pool import PooledCells, pooled
from encore.ratings.origin import SIDES, Origin
from encore.rules import Rulebook

How = Literal["mean", "repeats"]
HOW: tuple[How, ...] = get_args(How)
RATER = "rater"
_KEYS = ("prompt_id", "prompt", "subset", "response_id", "id", "repeat")

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Combined:
    """Ratings of several raters as one table, and how far they agree.

    Parameters
    ----------
    table : pyarrow.Table
        The ratings, in the layout of the raters' tables.
    agreement : tuple of RatersAgreement
        One per rule.
    raters : tuple of str
        Their names.
    n_responses : int
        Responses (or pairs) that any of them has, repeats counted on their own.
    n_alone : int
        Of these, those that only one rater has.
    """

    table: pa.Table
    agreement: tuple[RatersAgreement, ...]
    raters: tuple[str, ...]
    n_responses: int
    n_alone: int


def combine_raters(tables: Mapping[str, pa.Table], rules: Rulebook, *, how: How) -> Combined:
    """Ratings of the same responses by several raters as one table.

    Responses are told by their ids: prompt and response (and subset and repeat, where there are
    any), or the pair's. A response that only one rater has stays as it is.

    Parameters
    ----------
    tables : mapping of str to pyarrow.Table
        Each rater's ratings, all in the layout of responses or all in that of pairs.
    rules : Rulebook
        The rules.
    how : {"mean", "repeats"}
        ``"mean"``: one rating, the mean of those that there are. On a scale of levels that is an
        expected level, with the spread of the raters' pooled distribution over the levels. How
        far a rule applies is the mean over the raters who rated, or said that it does not.
        ``"repeats"``: all ratings, numbered, with the rater's name in the column ``rater``.

    Raises
    ------
    InputError
        If there are fewer than two tables.
    UnknownNameError
        If there is no such way to combine.
    RatingsError
        If the tables differ in layout, do not name their responses, name one twice, or break the
        contract of ratings.

    Examples
    --------
    >>> ids = {"prompt_id": ["p", "p"], "response_id": ["a", "b"]}
    >>> one, other = pa.table({**ids, "harm": [1, 5]}), pa.table({**ids, "harm": [3, 5]})
    >>> rules = Rulebook.from_ids(["harm"], [1, 2, 3, 4, 5])
    >>> found = combine_raters({"one": one, "other": other}, rules, how="mean")
    >>> found.table["harm"].to_pylist(), found.agreement[0].exact
    ([2.0, 5.0], 0.5)
    """
    if how not in HOW:
        raise UnknownNameError("way to combine raters", how, HOW)
    if len(tables) < 2:
        raise InputError(f"{len(tables)} raters; there is nothing to combine. Give two or more.")
    paired = _same_layout(tables)
    keys = [_keys(name, table, paired=paired) for name, table in tables.items()]
    cells = _cells(tables, rules, paired=paired)
    order = _in_order(keys)
    rows = [_rows_of(own, order) for own in keys]  # by rater, -1 where it has no such response
    shared = PooledCells.stacked([own.take(found) for own, found in zip(cells, rows, strict=True)])
    n_raters = (np.array(rows) >= 0).sum(axis=0)
    if how == "mean":
        others = _other_columns(tables, rules, rows)
        table = pa.table({**others, **_rating_columns(pooled(shared, rules), rules, paired=paired)})
    else:
        table = _stacked(tables, rules, keys, cells, paired=paired)
    return Combined(
        table,
        _agreement(shared, rules),
        tuple(tables),
        n_responses=len(order),
        n_alone=int((n_raters == 1).sum()),
    )


def _same_layout(tables: Mapping[str, pa.Table]) -> bool:
    """Whether all are pairs; refused where only some are."""
    paired = {name: is_pairs(table.column_names) for name, table in tables.items()}
    if len(set(paired.values())) > 1:
        pairs = next(name for name, is_one in paired.items() if is_one)
        other = next(name for name, is_one in paired.items() if not is_one)
        raise RatingsError(
            f"these are ratings of responses, those of {pairs!r} of pairs; they cannot be matched.",
            source=other,
        )
    return any(paired.values())


def _keys(name: str, table: pa.Table, *, paired: bool) -> list[tuple[str | None, ...]]:
    """What tells each row's response; its first part is the prompt."""
    own, names = "id" if paired else "response_id", table.column_names
    if own not in names:
        raise RatingsError(
            f"no column {own!r}: there is no telling which ratings are of one response. Name "
            f"each {'pair' if paired else 'response'} in it, as the other rater's table does.",
            source=name,
        )
    prompt = next((key for key in ("prompt_id", "prompt") if key in names), None)
    parts = [prompt, "subset" if paired and "subset" in names else None, own]
    parts += ["repeat" if "repeat" in names else None]
    origin, nothing = Origin(name), [None] * len(table)
    columns = [nothing if p is None else id_column(table, p, origin).to_pylist() for p in parts]
    keys = list(zip(*columns, strict=True))
    seen: dict[tuple[str | None, ...], int] = {}
    for row, key in enumerate(keys):
        if seen.setdefault(key, row) != row:
            said = ", ".join(f"{p} {value!r}" for p, value in zip(parts, key, strict=True) if p)
            raise RatingsError(
                f"{said} is rated in row {seen[key] + 1} already. Number the ratings of one "
                f"response in a column 'repeat', or name the response otherwise.",
                source=name,
                row=row + 1,
            )
    return keys


def _cells(tables: Mapping[str, pa.Table], rules: Rulebook, *, paired: bool) -> list[PooledCells]:
    ratings = [ratings_from(table, rules, name) for name, table in tables.items()]
    with_levels = any(own.probabilities is not None for own in ratings)
    n_levels = int(rules.n_levels.max()) if with_levels else 0
    n_sides = len(SIDES) if paired else 1
    return [PooledCells.of(own, n_sides=n_sides, n_levels=n_levels) for own in ratings]


def _in_order(keys: Sequence[Sequence[tuple[str | None, ...]]]) -> list[tuple[str | None, ...]]:
    """Every response once, as they come, but those of one prompt together."""
    every = dict.fromkeys(key for own in keys for key in own)
    prompts: dict[str | None, int] = {}
    for key in every:
        prompts.setdefault(key[0], len(prompts))
    return sorted(every, key=lambda key: prompts[key[0]]) if None not in prompts else list(every)


def _rows_of(own: Sequence[tuple[str | None, ...]], order: Sequence[Any]) -> Rows:
    places = {key: row for row, key in enumerate(own)}
    return np.array([places.get(key, -1) for key in order], dtype=np.int64)


def _agreement(shared: PooledCells, rules: Rulebook) -> tuple[RatersAgreement, ...]:
    n_raters = len(shared.values)
    counted = np.where(np.nan_to_num(shared.applies, nan=1.0) >= 0.5, shared.values, np.nan)
    return tuple(
        RatersAgreement.of(rule.id, rule.scale.unit(counted[..., place].reshape(n_raters, -1)))
        for place, rule in enumerate(rules)
    )


def _rating_columns(cells: PooledCells, rules: Rulebook, *, paired: bool) -> dict[str, Any]:
    """Columns of ratings, and of what stands beside them where there is any."""
    columns: dict[str, Any] = {}
    prefixes = [f"{side}." for side in SIDES] if paired else [""]
    n_levels = rules.n_levels
    for side, prefix in enumerate(prefixes):
        for place, rule_id in enumerate(rules.ids):
            name, at = prefix + rule_id, (slice(None), side, place)
            columns[name] = pa.array(cells.values[at], from_pandas=True)
            if not np.isnan(cells.spread[at]).all():
                columns[f"{name}.spread"] = pa.array(cells.spread[at], from_pandas=True)
            if (np.nan_to_num(cells.applies[at], nan=1.0) != 1).any():
                columns[f"{name}.applies"] = pa.array(cells.applies[at], from_pandas=True)
            levels = cells.probabilities[at][:, : n_levels[place]]
            known = np.asarray(~np.isnan(levels).any(axis=1))
            if levels.shape[1] and known.any():
                lists = [row.tolist() if k else None for row, k in zip(levels, known, strict=True)]
                columns[name + PROBABILITIES] = pa.array(lists, pa.list_(pa.float64()))
    return columns


def _other_columns(
    tables: Mapping[str, pa.Table], rules: Rulebook, rows: Sequence[Rows]
) -> dict[str, Any]:
    """The columns that are no ratings: what the first rater who has a response says there.

    Reasons are of a rating, so all raters' stand there, each after the rater's name.
    """
    prefixes = ("", *(f"{side}." for side in SIDES))
    reasons = {f"{prefix}{own}.reason" for prefix in prefixes for own in rules.ids}
    which = (np.array(rows) >= 0).argmax(axis=0)
    starts = np.cumsum([0, *(len(table) for table in tables.values())])[:-1]
    places = starts[which] + np.array(rows)[which, np.arange(len(which))]
    return {
        name: _said_by_all(tables, name, rows) if name in reasons else column.take(pa.array(places))
        for name, column in _joined(tables, rules).items()
    }


def _said_by_all(tables: Mapping[str, pa.Table], name: str, rows: Sequence[Rows]) -> pa.Array:
    """A column of texts, each after its rater's name where several raters say something."""
    cells: list[list[str]] = [[] for _ in rows[0]]
    alone: list[str | None] = [None] * len(cells)
    for (rater, table), own in zip(tables.items(), rows, strict=True):
        if name in table.column_names:
            texts = table[name].to_pylist()
            for place in np.flatnonzero(own >= 0).tolist():
                text = texts[own[place]]
                if text is not None:
                    cells[place].append(f"{rater}: {text}")
                    alone[place] = str(text)
    several = (cell if len(cell) > 1 else None for cell in cells)
    return pa.array(
        [" | ".join(c) if c else text for c, text in zip(several, alone, strict=True)], pa.string()
    )


def _joined(tables: Mapping[str, pa.Table], rules: Rulebook) -> dict[str, Any]:
    """Each column that is no rating, one table's below the other's; ids are text."""
    kept: dict[str, list[Any]] = {}
    for name, table in tables.items():
        ratings = set(rating_columns(rules, table.column_names, name))
        for column in table.column_names:
            if column not in ratings:
                kept.setdefault(column, [])
    for column, parts in kept.items():
        for name, table in tables.items():
            part = table[column] if column in table.column_names else pa.nulls(len(table))
            if column in _KEYS and column != "repeat" and column in table.column_names:
                part = id_column(table, column, Origin(name))
            parts.append(part)
    return {column: _one_type(parts) for column, parts in kept.items()}


def _one_type(parts: Sequence[Any]) -> Any:
    """Columns of one type, or else as text."""
    kinds = {part.type for part in parts if part.type != pa.null()}
    if len(kinds) > 1:
        parts = [pa.array([None if v is None else str(v) for v in p.to_pylist()]) for p in parts]
    kind = next(iter(kinds)) if len(kinds) == 1 else pa.string()
    return pa.chunked_array(
        [
            chunk.cast(kind)
            for part in parts
            for chunk in (part.chunks if isinstance(part, pa.ChunkedArray) else [part])
        ],
        kind,
    )


def _stacked(
    tables: Mapping[str, pa.Table],
    rules: Rulebook,
    keys: Sequence[Sequence[tuple[str | None, ...]]],
    cells: Sequence[PooledCells],
    *,
    paired: bool,
) -> pa.Table:
    """All rows, those of one response together in the raters' order, numbered from 0."""
    responses = [[key[:-1] for key in own] for own in keys]
    place = {key: at for at, key in enumerate(_in_order(responses))}
    where = np.array([place[key] for own in responses for key in own], dtype=np.int64)
    rater = np.repeat(np.arange(len(tables)), [len(table) for table in tables.values()])
    given = np.array([float(key[-1] or 0) for own in keys for key in own])
    order = np.lexsort((given, rater, where))
    starts = np.flatnonzero(np.diff(where[order], prepend=-1))
    number = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
    others = {name: c.take(pa.array(order)) for name, c in _joined(tables, rules).items()}
    if RATER not in others and RATER not in rules.ids:
        others[RATER] = pa.array(np.array(list(tables), dtype=object)[rater[order]], pa.string())
    together = PooledCells.joined(cells).take(order)
    ratings = _rating_columns(together, rules, paired=paired)
    return pa.table({**others, "repeat": pa.array(number), **ratings})
