"""Ratings in memory as other libraries hold them, in forms that NumPy or Arrow take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from encore.arrays import as_numpy, is_array
from encore.errors import InputError, RatingsError


def settled(data: Any, source: str = "ratings") -> Any:
    """Ratings as an array, a frame that Arrow takes, or columns; anything else as it is.

    Nothing is imported: a library whose data these are is there already.

    Raises
    ------
    InputError
        If it is a stream, or several tables, of datasets; the message says what to give.
    RatingsError
        If a list of rows holds something else.

    Examples
    --------
    >>> settled([{"harm": 1}, {"harm": 2, "tone": 0.5}])
    {'harm': [1, 2], 'tone': [None, 0.5]}
    """
    if is_array(data):
        return as_numpy(data)
    kinds = {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(data).__mro__}
    if "polars.LazyFrame" in kinds:
        return data.collect()
    if "datasets.Dataset" in kinds:
        return data.with_format("arrow")[:]  # its rows as they are after select, sort and shuffle
    _refuse_several(data, kinds, source)
    if is_rows(data):
        return _columns(data, source)
    if isinstance(data, Mapping):
        return {name: as_numpy(column) for name, column in data.items()}
    return data


def is_rows(data: Any) -> bool:
    """Whether this is a list of rows, each a mapping of columns."""
    return isinstance(data, list | tuple) and bool(data) and isinstance(data[0], Mapping)


def _refuse_several(data: Any, kinds: Iterable[str], source: str) -> None:
    if not {"datasets.DatasetDict", "datasets.IterableDatasetDict"}.isdisjoint(kinds):
        splits = list(data)
        raise InputError(
            f"{source}: a {type(data).__name__} holds {len(splits)} data sets; give one of them, "
            f"such as data[{str(splits[0]) if splits else 'train'!r}]. It has {splits[:10]}."
        )
    if "datasets.IterableDataset" in kinds:
        raise InputError(
            f"{source}: an IterableDataset is a stream, and what is computed from ratings is "
            f"computed from all of them. Give list(data), or list(data.take(n)) for the first n; "
            f"what does not fit into memory as a Parquet file: data.to_parquet(path)."
        )


def _columns(rows: Sequence[Any], source: str) -> dict[str, list[Any]]:
    """Rows as columns: every key of any row, with nothing where a row does not have it."""
    for number, row in enumerate(rows, 1):
        if not isinstance(row, Mapping):
            message = f"expected a mapping of columns; got {row!r:.80}."
            raise RatingsError(message, source=source, row=number)
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [_cell(row.get(name)) for row in rows] for name in names}


def _cell(value: Any) -> Any:
    if value is np.ma.masked:
        return None
    return as_numpy(value).tolist() if is_array(value) else value
