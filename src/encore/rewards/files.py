"""Rewards of pairs in a file: written by what trains on pairs, read by what compares rewards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from encore.arrays import Record, as_floats
from encore.errors import InputError, RatingsError
from encore.files import StrPath
from encore.ratings import Ids, PreferencePairs
from encore.ratings.blocks import whole_repeats
from encore.ratings.ids import as_id
from encore.ratings.origin import SIDES, Origin
from encore.ratings.write import open_table

if TYPE_CHECKING:
    from encore.ratings.files import Kind

KIND, VERSION = "encore.rewards", "1"
METADATA = {"encore.kind": KIND, "encore.schema_version": VERSION}
_COLUMNS = tuple(f"{side}.reward" for side in SIDES)
_KEY = ("id", "prompt_id", "subset")  # what tells pairs apart


def save_rewards(
    ids: Sequence[str], rewards: NDArray[np.float64], out: StrPath, *, format: str | None = None
) -> None:
    """Write rewards of pairs as a table: ``id``, ``chosen.reward``, ``rejected.reward``.

    Parameters
    ----------
    ids : sequence of str
        The pairs.
    rewards : ndarray of float64, shape (n_pairs, 2)
        Rewards of the chosen and the rejected response; NaN, where unknown, is null in the file.
    out : path-like
        The ``.parquet``, ``.csv`` or ``.jsonl`` file.
    format : {"parquet", "csv", "jsonl"}, optional
        The format of a stream; see :func:`encore.ratings.write.table_format`.

    Raises
    ------
    InputError
        If a reward is infinite.
    """
    import pyarrow as pa

    values = as_floats(rewards, "rewards")
    if np.isinf(values).any():
        raise InputError("a reward is infinite; expected finite ones, with NaN where unknown.")
    columns = {
        name: pa.array(column, from_pandas=True)
        for name, column in zip(_COLUMNS, values.T, strict=True)
    }
    with open_table(out, format=format, metadata=METADATA) as write:
        write(pa.table({"id": pa.array(ids, pa.string()), **columns}))


def load_rewards(path: StrPath, pairs: PreferencePairs) -> NDArray[np.float64]:
    """Rewards that something else gave to the same pairs, matched by the pairs' ids.

    Ids are text, and need to be unique only within a prompt and a subset: where both the file and
    the pairs say which prompt (``prompt_id``) and which subset it is, these have to match too.

    Parameters
    ----------
    path : path-like
        A ``.parquet``, ``.csv`` or ``.jsonl`` file with the columns ``id``, ``chosen.reward`` and
        ``rejected.reward``, on any scale; the output of ``encore score`` is one.
    pairs : PreferencePairs
        The pairs that they belong to.

    Returns
    -------
    ndarray of float64, shape (n_pairs, 2)
        NaN where the file has no reward for a pair.

    Raises
    ------
    InputError
        If files of this ending are not read.
    RatingsError
        If a column is absent, a reward is not a finite number, an id is empty, duplicated or that
        of several pairs, or no id is a pair's.
    """
    table = _read(path)
    columns: dict[str, Sequence[str]] = {"id": pairs.ids}
    if pairs.names_prompts:
        columns["prompt_id"] = _names(pairs.prompts)
    if list(pairs.subsets.names) != ["all"]:  # that is what stands for none
        columns["subset"] = _names(pairs.subsets)
    matched = [name for name in _KEY if name in columns and name in table.column_names]
    theirs = list(zip(*(table[name].to_pylist() for name in matched), strict=True))
    ours = list(zip(*(columns[name] for name in matched), strict=True))
    rows = {key: row for row, key in enumerate(theirs)}
    _refuse_ambiguous(path, matched, theirs, ours, pairs)
    places = np.array([rows.get(key, -1) for key in ours])
    if (places < 0).all():
        raise RatingsError(
            f"no {', '.join(matched)} is one of the pairs'; the first here are "
            f"{_told(theirs)}, those of the pairs {_told(ours)}. Ids are text: 007 is not 7."
            + (
                f" Leave out the columns {matched[1:]} to match by id alone." if matched[1:] else ""
            ),
            source=str(path),
        )
    values = np.column_stack([table[name].to_numpy() for name in _COLUMNS])
    return np.where(places[:, None] < 0, np.nan, values[places])


def _refuse_ambiguous(
    path: StrPath,
    matched: Sequence[str],
    theirs: Sequence[tuple[str, ...]],
    ours: Sequence[tuple[str, ...]],
    pairs: PreferencePairs,
) -> None:
    """Refuse ids by which a reward could be that of several pairs, or a pair have several."""
    of: dict[tuple[str, ...], list[int]] = {}
    several = {key for key, times in Counter(theirs).items() if times > 1} & set(ours)
    for key, *both in zip(ours, pairs.chosen.tolist(), pairs.rejected.tolist(), strict=True):
        if of.setdefault(key, both) != both:
            several.add(key)
    if twice := [key for key in theirs if key in several]:
        raise RatingsError(
            f"{_told(twice)[0]!r} is the {', '.join(matched)} of more than one pair. Give both "
            f"files the columns 'prompt_id' and 'subset', or every pair its own id.",
            source=str(path),
        )


def _names(ids: Ids) -> list[str]:
    return [as_id(ids.names[code]) or "" for code in ids.codes.tolist()]


def _told(keys: Sequence[tuple[str, ...]]) -> list[Any]:
    """The first of some ids, as a message shows them."""
    return [key[0] if len(key) == 1 else key for key in list(keys)[:3]]


@dataclass(frozen=True, eq=False, repr=False)
class PairRewards(Record):
    """Rewards of pairs, as a file holds them.

    Parameters
    ----------
    ids : sequence of str
        The pairs.
    values : ndarray of float64, shape (n_pairs, 2)
        Rewards of the chosen and the rejected response; NaN where unknown.
    prompts, subsets : Ids
        The pairs' prompts (each its own where none are named) and subsets (``all``).
    """

    ids: Sequence[str]
    values: NDArray[np.float64]
    prompts: Ids
    subsets: Ids


def read_rewards(path: StrPath) -> PairRewards:
    """Read rewards of pairs; where a pair has repeats, the first.

    Raises
    ------
    InputError
        If files of this ending are not read.
    RatingsError
        If a column is absent, a reward is not a finite number, or an id is empty or duplicated
        within its prompt and subset.
    """
    table = _read(path)
    columns = {name: table[name].to_pylist() for name in table.column_names}
    ids = columns["id"]
    subsets = columns.get("subset", ["all"] * len(ids))
    # An id may be unique in its subset only.
    own = ids if "subset" not in columns else list(zip(subsets, ids, strict=True))
    return PairRewards(
        ids,
        np.column_stack([table[name].to_numpy() for name in _COLUMNS]),
        Ids.of(columns.get("prompt_id", own)),
        Ids.of(subsets),
    )


def _read(path: StrPath) -> Any:
    """What identifies pairs, as text, and the rewards: one row per pair, its first repeat."""
    import pyarrow as pa

    from encore.ratings.columns import id_column, numbers_of
    from encore.ratings.files import table_batches

    source, n_rows, parts = str(path), 0, []
    for batch in table_batches(path, partial(_choose, source)):
        origin = Origin(source, n_rows + 1)
        read = {n: id_column if n in _KEY else numbers_of for n in batch.column_names}
        parts.append(pa.table({name: read[name](batch, name, origin) for name in read}))
        n_rows += len(batch)
    if not n_rows:
        raise RatingsError("no rows; expected at least one pair.", source=source)
    return _first_repeats(pa.concat_tables(parts, promote_options="permissive"), Origin(source))


def _choose(source: str, names: list[str]) -> dict[str, Kind]:
    """The columns to read: ids, and numbers."""
    from encore.ratings.files import Kind

    if absent := [name for name in ("id", *_COLUMNS) if name not in names]:
        raise RatingsError(
            f"not rewards of pairs: no column {', '.join(map(repr, absent))}; found {names[:20]}.",
            source=source,
        )
    texts = [name for name in _KEY if name in names]
    numbers = [name for name in ("repeat", *_COLUMNS) if name in names]
    return dict.fromkeys(texts, Kind.TEXT) | dict.fromkeys(numbers, Kind.NUMBER)


def _first_repeats(table: Any, origin: Origin) -> Any:
    """The row of each pair's lowest repeat, in the order of the file; and nothing is amiss."""
    for name in table.column_names:
        values = table[name].to_numpy()
        if name in _COLUMNS and (wrong := np.isinf(values)).any():
            row = int(wrong.argmax())
            message = f"reward {values[row]:g} is not finite. Leave it empty (NaN) where unknown."
            raise origin.error(message, row, name)
    columns = [table[name].to_pylist() for name in _KEY if name in table.column_names]
    keys = list(zip(*columns, strict=True))
    repeats = np.zeros(len(keys), dtype=np.int64)
    if "repeat" in table.column_names:
        repeats = whole_repeats(table["repeat"].to_numpy(), origin)
    first: dict[Any, int] = {}
    seen: dict[Any, int] = {}
    for row in np.argsort(repeats, kind="stable").tolist():
        first.setdefault(keys[row], row)
        if seen.setdefault((keys[row], repeats[row]), row) != row:
            before = seen[keys[row], repeats[row]] + 1
            raise origin.error(f"duplicate pair {keys[row][0]!r} (also in row {before}).", row)
    return table.take(sorted(first.values()))
