"""Rewards of pairs in a file: written by what trains on pairs, read by what compares rewards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encore.errors import InputError, RatingsError
from encore.files import StrPath, atomic_write
from encore.ratings import PreferencePairs
from encore.ratings.origin import SIDES

KIND, VERSION = "encore.rewards", "1"
METADATA = {"encore.kind": KIND, "encore.schema_version": VERSION}
_COLUMNS = tuple(f"{side}.reward" for side in SIDES)


def save_rewards(ids: Sequence[str], rewards: NDArray[np.float64], out: StrPath) -> None:
    """Write rewards of pairs as Parquet: ``id``, ``chosen.reward``, ``rejected.reward``.

    Parameters
    ----------
    ids : sequence of str
        The pairs.
    rewards : ndarray of float64, shape (n_pairs, 2)
        Of the chosen and the rejected response; NaN, where unknown, is null in the file.
    out : path-like
        The file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        name: pa.array(column, from_pandas=True)
        for name, column in zip(_COLUMNS, rewards.T, strict=True)
    }
    table = pa.table({"id": pa.array(ids, pa.string()), **columns}, metadata=METADATA)
    with atomic_write(out) as temporary:
        pq.write_table(table, temporary)


def load_rewards(path: StrPath, pairs: PreferencePairs) -> NDArray[np.float64]:
    """Rewards that anything else gave to the same pairs, found by the pairs' ids.

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
        If the file's name ends in nothing that is read.
    RatingsError
        If a column is absent, a reward is no number, an id stands twice, or no id is a pair's.
    """
    table = _read(Path(path))
    absent = [name for name in ("id", *_COLUMNS) if name not in table.column_names]
    if absent:
        raise RatingsError(
            f"these are no rewards of pairs: no column {', '.join(map(repr, absent))}; found "
            f"{table.column_names[:20]}.",
            source=str(path),
        )
    try:
        numbers = np.column_stack([table[name].cast("float64").to_numpy() for name in _COLUMNS])
    except ValueError as error:  # pyarrow's errors are ones
        raise RatingsError(f"a reward is no number: {error}.", source=str(path)) from error
    rows: dict[str, int] = {}
    for row, name in enumerate(map(str, table["id"].to_pylist())):
        if rows.setdefault(name, row) != row:
            raise RatingsError(f"pair {name!r} stands twice.", source=str(path), row=row + 1)
    places = np.array([rows.get(name, -1) for name in pairs.ids])
    if (places < 0).all():
        raise RatingsError(
            f"no id is one of the pairs'; the first here are {list(rows)[:3]}, of the pairs "
            f"{list(pairs.ids[:3])}.",
            source=str(path),
        )
    return np.where(places[:, None] < 0, np.nan, numbers[places])


def _read(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.json
    import pyarrow.parquet as pq

    readers = {
        ".parquet": pq.read_table,
        ".csv": pyarrow.csv.read_csv,
        ".jsonl": pyarrow.json.read_json,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path}: not a file of rewards. Expected {', '.join(readers)}.")
    with path.open("rb"):  # a missing or unreadable file is named by the system's error
        pass
    try:
        return reader(path)
    except pa.ArrowInvalid as error:
        raise RatingsError(f"cannot be read: {error}.", source=str(path)) from error
