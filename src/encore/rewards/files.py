"""Rewards of pairs in a file: written by what trains on pairs, read by what compares rewards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encore.arrays import Record
from encore.errors import RatingsError
from encore.files import StrPath
from encore.ratings import Ids, PreferencePairs
from encore.ratings.origin import SIDES
from encore.ratings.write import open_table

KIND, VERSION = "encore.rewards", "1"
METADATA = {"encore.kind": KIND, "encore.schema_version": VERSION}
_COLUMNS = tuple(f"{side}.reward" for side in SIDES)


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
    """
    import pyarrow as pa

    columns = {
        name: pa.array(column, from_pandas=True)
        for name, column in zip(_COLUMNS, rewards.T, strict=True)
    }
    with open_table(out, format=format, metadata=METADATA) as write:
        write(pa.table({"id": pa.array(ids, pa.string()), **columns}))


def load_rewards(path: StrPath, pairs: PreferencePairs) -> NDArray[np.float64]:
    """Rewards that something else gave to the same pairs, matched by the pairs' ids.

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
        If a column is absent, a reward is not a number, an id is duplicated, or no id is a pair's.
    """
    found = read_rewards(path)
    rows = {name: row for row, name in enumerate(found.ids)}
    places = np.array([rows.get(name, -1) for name in pairs.ids])
    if (places < 0).all():
        raise RatingsError(
            f"no id is one of the pairs'; the first here are {list(rows)[:3]}, those of the pairs "
            f"{list(pairs.ids[:3])}.",
            source=str(path),
        )
    return np.where(places[:, None] < 0, np.nan, found.values[places])


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
        If a column is absent, a reward is not a number, or an id is duplicated.
    """
    table = _read(path)
    first: dict[str, int] = {}
    for row, name in enumerate(table["id"].to_pylist()):
        if first.setdefault(str(name), row) != row and "repeat" not in table.column_names:
            raise RatingsError(f"duplicate pair {name!r}.", source=str(path), row=row + 1)
    table = table.take(list(first.values()))
    ids = list(first)
    names = table.column_names
    return PairRewards(
        ids,
        np.column_stack([table[name].to_numpy() for name in _COLUMNS]),
        Ids.of(table["prompt_id"].to_pylist() if "prompt_id" in names else ids),
        Ids.of(table["subset"].to_pylist() if "subset" in names else ["all"] * len(ids)),
    )


def _read(path: StrPath) -> Any:
    """What identifies pairs, as text, and the rewards."""
    import pyarrow as pa

    from encore.ratings.files import table_batches

    def choose(names: list[str]) -> dict[str, bool]:
        if absent := [name for name in ("id", *_COLUMNS) if name not in names]:
            raise RatingsError(
                f"not rewards of pairs: no column {', '.join(map(repr, absent))}; found "
                f"{names[:20]}.",
                source=str(path),
            )
        more = {"prompt_id": False, "subset": False, "repeat": True}
        there = {name: kind for name, kind in more.items() if name in names}
        return {"id": False, **there, **dict.fromkeys(_COLUMNS, True)}

    batches = list(table_batches(path, choose))
    if not sum(batch.num_rows for batch in batches):
        raise RatingsError("no rows; expected at least one pair.", source=str(path))
    table = pa.concat_tables(batches, promote_options="permissive")
    numbers = (*_COLUMNS, "repeat")
    try:
        return pa.table(
            {n: table[n].cast("float64" if n in numbers else "string") for n in table.column_names}
        )
    except pa.ArrowException as error:
        raise RatingsError(f"a reward is not a number: {error}.", source=str(path)) from error
