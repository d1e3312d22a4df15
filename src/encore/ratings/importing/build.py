"""From a grid whose values are decided to the ratings table that is written."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from encore.arrays import Record
from encore.ratings.columns import lists_of_values
from encore.ratings.importing.choices import Choices
from encore.ratings.importing.coded import Coded
from encore.ratings.importing.decide import Decided
from encore.ratings.importing.grid import RatingsGrid, combined, ordinal
from encore.ratings.importing.scale import reversed_scale, scale_text
from encore.ratings.importing.values import (
    NOT_APPLICABLE,
    RATED,
    UNREAD,
    read_values,
)
from encore.ratings.origin import SIDES, Origin
from encore.rules import Rule, Rulebook, Scale
from encore.rules.scale import outside

_FIRST = ("id", "prompt_id", "response_id", "repeat", "rater", "model", "subset")
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Built(Record):
    """The columns of one rule, a number per row of the grid.

    Parameters
    ----------
    values, applies, spread : ndarray of float
        The ratings (NaN: none), how far the rule applies, and the spread (NaN: none).
    """

    values: Floats
    applies: Floats
    spread: Floats


def built(grid: RatingsGrid, decided: Mapping[str, Decided], rules: Rulebook) -> dict[str, Built]:
    """Every rule's columns.

    Raises
    ------
    RatingsError
        If a value is not on its rule's scale; the message names the cell.
    """
    return {rule: _rule(grid, rule, decided[rule], rules[rule].scale) for rule in grid.rules}


def _rule(grid: RatingsGrid, rule: str, decided: Decided, scale: Scale) -> Built:
    read, cells = decided.read, grid.rules[rule].cells
    place = np.full(len(cells.values) + 1, len(read.codes), dtype=np.int64)
    place[list(read.codes)] = np.arange(len(read.codes))
    at = place[cells.codes]
    rated = read.kinds == RATED
    values = np.append(np.where(rated, read.numbers, np.nan), np.nan)[at]
    applies = np.append(np.where(read.kinds == NOT_APPLICABLE, 0.0, 1.0), 1.0)[at]
    spread = np.append(read.spread, np.nan)[at]
    beside = grid.rules[rule].beside
    if "spread" in beside:
        given = _numbers(grid, rule, beside["spread"], "spread")
        spread = np.where(np.isnan(given), spread, given)
    if "applies" in beside:
        given = _numbers(grid, rule, beside["applies"], "applies")
        applies = np.where(np.isnan(given), applies, given)
    if "not_applicable" in beside:
        given = _numbers(grid, rule, beside["not_applicable"], "not_applicable")
        applies = np.where(given == 1, 0.0, applies)
    off = scale.off_level(values) & (np.isnan(spread) | outside(scale, values))
    off |= outside(scale, values)
    if off.any():
        row = int(off.argmax())
        text = read.texts[int(at[row])]
        raise grid.error(
            f"{text!r:.80} is not on the scale of {rule!r} ({scale}). Say --scale {rule}=…, what "
            f"it stands for with --map {rule}:{text:.20}=…, or that it is no rating with "
            f"--unrated or --na.",
            rule,
            row,
        )
    values = np.where(applies == 0, np.nan, values)
    return Built(values, applies, np.where(np.isnan(values), np.nan, spread))


def _numbers(grid: RatingsGrid, rule: str, column: Coded, what: str) -> Floats:
    """A column that stands beside ratings as numbers; yes and no are 1 and 0."""
    read = read_values(rule, column, Choices(), decimal=grid.found.decimal)
    wrong = (read.kinds == UNREAD) | (read.kinds == NOT_APPLICABLE)
    if wrong.any():
        at = int(wrong.argmax())
        row = int(np.flatnonzero(column.codes == read.codes[at])[0])
        raise grid.error(
            f"{read.texts[at]!r:.80} stands as {what!r} beside this rating; expected a number"
            f"{', or yes or no' if what != 'spread' else ''}.",
            rule,
            row,
        )
    place = np.full(len(column.values) + 1, len(read.codes), dtype=np.int64)
    place[list(read.codes)] = np.arange(len(read.codes))
    return np.append(read.numbers, np.nan)[place[column.codes]]


def table_of(grid: RatingsGrid, columns: Mapping[str, Built]) -> pa.Table:
    """The table in our layout: ids and other columns, then the ratings.

    Raises
    ------
    RatingsError
        If an id is empty, or two columns would share a name.
    """
    others = _others(grid)
    ratings: dict[str, Any] = {}
    sides = [(f"{side}.", slice(i, None, 2)) for i, side in enumerate(SIDES)]
    for prefix, part in sides if grid.paired else [("", slice(None))]:
        for rule, given in columns.items():
            ratings |= _written(prefix + rule, given, part)
        for rule, cells in grid.rules.items():
            ratings |= _beside(grid, prefix + rule, cells.beside, part)
    both = [name for name in others if name in ratings]
    if both:
        others = {(f"{n}.found" if n in both else n): c for n, c in others.items()}
    order = [name for name in _FIRST if name in others]
    named = {name: others[name] for name in (*order, *(n for n in others if n not in order))}
    return pa.table({**named, **ratings})


def _written(name: str, given: Built, part: slice) -> dict[str, Any]:
    columns = {name: pa.array(given.values[part], from_pandas=True)}
    if not np.isnan(given.spread[part]).all():
        columns[f"{name}.spread"] = pa.array(given.spread[part], from_pandas=True)
    if (given.applies[part] != 1).any():
        columns[f"{name}.applies"] = pa.array(given.applies[part])
    return columns


def _beside(
    grid: RatingsGrid, name: str, beside: Mapping[str, Coded], part: slice
) -> dict[str, Any]:
    """The reasons, and the level probabilities, that stand beside ratings."""
    found = {}
    if "p" in beside:
        texts = _part(beside["p"], part).column().to_pylist()
        found[f"{name}.p"] = lists_of_values(texts, name, Origin(grid.found.sources[0]))
    if "reason" in beside:
        found[f"{name}.reason"] = _texts(_part(beside["reason"], part))
    return found


def _part(column: Coded, part: slice) -> Coded:
    return Coded(column.codes[part], column.values)


def _texts(column: Coded) -> pa.Array:
    return column.texts().take(pa.array(column.codes, mask=column.empty))


def _others(grid: RatingsGrid) -> dict[str, Any]:
    """The columns that are no ratings, ids as texts; responses that have no id get one."""
    found: dict[str, Any] = {}
    for name, column in grid.others.items():
        if name in ("id", "prompt_id", "response_id", "prompt"):
            if column.empty.any():
                _refuse_empty(grid, name, int(column.empty.argmax()))
            found[name] = _texts(column)
        elif name == "repeat":
            found[name] = pa.array(_repeats(grid, column))
        elif name in ("model", "subset", "rater", "response", *SIDES):
            found[name] = _texts(column)
        else:
            found[name] = column.column()
    if not grid.paired and "response_id" not in found:
        found["response_id"] = pa.array(_own_ids(grid))
    return found


def _refuse_empty(grid: RatingsGrid, name: str, row: int) -> None:
    place = row
    if grid.shape == "long":
        place = max(int(cells.places[row]) for cells in grid.rules.values())
    raise grid.found.error(
        "this id is empty; give every row one.", place, grid.roles.get(name, name)
    )


def _repeats(grid: RatingsGrid, column: Coded) -> NDArray[np.int64]:
    """Numbers of repeats as they are, or counted from 0 where they are names."""
    texts = column.texts().to_pylist()
    numbers = [int(t) if t is not None and t.isdecimal() and len(t) < 10 else -1 for t in texts]
    if all(numbers[code] >= 0 for code in column.used()) and not column.empty.any():
        return np.array(numbers, dtype=np.int64)[column.codes]
    return ordinal(_response_keys(grid))


def _response_keys(grid: RatingsGrid) -> NDArray[np.int64]:
    keys_of: tuple[str, ...] = ("prompt_id", "prompt", "response_id", "rater")
    names = [n for n in keys_of if n in grid.others]
    if "response_id" not in names:
        keys_of = ("response", "model")
        names += [n for n in keys_of if n in grid.others]
    keys = [grid.others[name].keys() for name in names]
    return combined(keys or [np.arange(grid.n_rows)])[0]


def _own_ids(grid: RatingsGrid) -> list[str]:
    """Ids of responses by their texts and models, or else their place at the prompt."""
    n_rows, others = grid.n_rows, grid.others
    prompt = next((others[n] for n in ("prompt_id", "prompt") if n in others), None)
    prompts = np.zeros(n_rows, np.int64) if prompt is None else prompt.keys()
    telling = [others[n] for n in ("model", "response") if n in others]
    apart = [others[n].keys() for n in ("rater", "repeat") if n in others]
    if not telling:
        return [str(place + 1) for place in ordinal(combined([prompts, *apart])[0]).tolist()]
    texts = [_texts(column).to_pylist() for column in telling]
    ids = [
        hashlib.blake2b("\0".join(t or "" for t in row).encode(), digest_size=6).hexdigest()
        for row in zip(*texts, strict=True)
    ]
    # The same words twice are two responses, as refusals often are.
    own = Coded.of(pa.array(ids)).keys()
    again = ordinal(combined([prompts, own, *apart])[0]).tolist()
    return [
        f"{name}-{place + 1}" if place else name for name, place in zip(ids, again, strict=True)
    ]


def drafted(decided: Mapping[str, Decided]) -> Rulebook:
    """Rules with the scales that were found, and their names for texts."""
    return Rulebook(
        tuple(Rule(name, name, found.scale) for name, found in decided.items() if found.scale)
    )


def said_scales(decided: Mapping[str, Decided], reversed_rules: set[str]) -> dict[str, str]:
    """The scales as options say them, before any was reversed."""
    said = {}
    for rule, found in decided.items():
        if found.scale is not None:
            scale = reversed_scale(found.scale) if rule in reversed_rules else found.scale
            said[rule] = scale_text(scale, found.words)
    return said
