"""A table as it was found: columns of codes, so that what is done per value is done once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from encore.arrays import Record
from encore.errors import RatingsError
from encore.formatting import listed
from encore.ratings.ids import as_id

Codes = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Coded:
    """A column: a code per row, -1 where it is empty, and the values that codes stand for.

    Parameters
    ----------
    codes : ndarray of int32, shape (n_rows,)
        Positions in *values*.
    values : pyarrow.Array or list
        The values; one may stand there more than once.
    """

    codes: Codes
    values: pa.Array | list[Any]

    @classmethod
    def of(cls, column: pa.ChunkedArray | pa.Array) -> Coded:
        """A flat column of Arrow; what is null or NaN is empty."""
        whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        if pa.types.is_run_end_encoded(whole.type):
            whole = pc.run_end_decode(whole)
        if not pa.types.is_dictionary(whole.type):
            whole = pc.dictionary_encode(whole)
        codes = whole.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
        values = whole.dictionary
        if pa.types.is_floating(values.type) and len(values):
            nan = np.append(np.isnan(values.to_numpy(zero_copy_only=False)), False)
            codes[nan[codes]] = -1
        return cls(codes, values)

    @classmethod
    def constant(cls, value: Any, n_rows: int) -> Coded:
        """The same in every row."""
        return cls(np.zeros(n_rows, dtype=np.int32), [value])

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def empty(self) -> NDArray[np.bool_]:
        """Where nothing stands."""
        return self.codes < 0

    def take(self, rows: NDArray[Any]) -> Coded:
        """These rows, empty where the row is -1."""
        return Coded(np.where(rows < 0, np.int32(-1), self.codes[rows]), self.values)

    def objects(self) -> list[Any]:
        """The values as Python has them."""
        return self.values if isinstance(self.values, list) else self.values.to_pylist()

    def mapped(self, words: Mapping[str, str]) -> Coded:
        """The column with other values for some texts; those are numbers where they read so."""
        read = {old: _number_or_text(new) for old, new in words.items()}
        used = self.used()
        kept = np.array(list(used), dtype=np.int32)
        codes = np.full(len(self.values) + 1, -1, dtype=np.int32)  # and empty stays empty
        codes[kept] = np.arange(len(kept))
        objects = self.objects()
        values = [read.get(text_of(objects[code]) or "", objects[code]) for code in used]
        return Coded(codes[self.codes], values)

    def used(self) -> dict[int, int]:
        """How often each code occurs."""
        codes, counts = np.unique(self.codes[self.codes >= 0], return_counts=True)
        return dict(zip(codes.tolist(), counts.tolist(), strict=True))

    def is_text(self) -> bool:
        """Whether every value is text."""
        if isinstance(self.values, list):
            return all(type(value) is str for value in self.values)
        kind = self.values.type
        return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))

    def texts(self) -> pa.Array:
        """The values as text: ids as ids are written, anything else as JSON."""
        if not isinstance(self.values, list) and self.is_text():
            return self.values.cast(pa.string())
        return pa.array([text_of(value) for value in self.objects()], pa.string())

    def column(self) -> pa.Array:
        """The rows as a column of Arrow, of the values' type where they share one."""
        values: Any = self.values
        if isinstance(values, list):
            kinds = {type(value) for value in values}
            plain = (len(kinds) == 1 or kinds == {int, float}) and kinds < _PLAIN
            # Whole numbers of any size are text where Arrow has no type that holds them.
            fits = all(abs(v) < 1 << 63 for v in values if type(v) is int)
            values = pa.array(values) if plain and fits else self.texts()
        return values.take(pa.array(self.codes, mask=self.empty))

    def keys(self) -> NDArray[np.int64]:
        """A number per row that is the same where the text is; -1 where it is empty."""
        texts = pc.dictionary_encode(self.texts())
        numbers = texts.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        return np.append(numbers, -1)[self.codes]


_PLAIN = {str, int, float, bool, object}


def _number_or_text(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def text_of(value: Any) -> str | None:
    """A cell's text as people would write it.

    Examples
    --------
    >>> text_of(3.0), text_of(True), text_of(" x"), text_of([1, 2])
    ('3', 'true', ' x', '[1, 2]')
    """
    try:
        return as_id(value)
    except ValueError:
        return str(value)


@dataclass(frozen=True, eq=False, repr=False)
class Found(Record):
    """What a file, or several, held.

    Parameters
    ----------
    columns : dict of str to Coded
        By name, in order.
    sources : tuple of str
        The files.
    source : ndarray of int, shape (n_rows,)
        The file of each row, as a position in *sources*.
    rows : ndarray of int, shape (n_rows,)
        The row of the file, counted from 1.
    tool : str, optional
        The tool that wrote it.
    decimal : str
        What stands before decimals in its texts.
    """

    columns: dict[str, Coded]
    sources: tuple[str, ...]
    source: NDArray[np.int32]
    rows: NDArray[np.int64]
    tool: str | None = None
    decimal: str = "."

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        return len(self.rows)

    def error(self, message: str, row: int, column: str | None = None) -> RatingsError:
        """An error that names the file, its row and the column; *row* is counted from 0."""
        source = self.sources[int(self.source[row])]
        return RatingsError(message, source=source, row=int(self.rows[row]), column=column)

    @classmethod
    def of_one(
        cls, source: str, columns: dict[str, Coded], rows: Sequence[int] | None = None, **how: Any
    ) -> Found:
        """What one file held; its rows are numbered in order where nothing else is said."""
        n_rows = len(next(iter(columns.values()))) if columns else 0
        numbers = np.arange(1, n_rows + 1) if rows is None else np.asarray(rows, dtype=np.int64)
        return cls(columns, (source,), np.zeros(n_rows, dtype=np.int32), numbers, **how)

    @classmethod
    def joined(cls, parts: Sequence[Found]) -> Found:
        """Several files' rows, one below the other."""
        if len(parts) == 1:
            return parts[0]
        tools = {part.tool for part in parts}
        if len(tools) > 1:
            names = [part.sources[0] for part in parts]
            raise RatingsError(
                f"written by different tools than {listed(names[1:])}; import them one by one, and "
                f"merge their ratings after.",
                source=names[0],
            )
        every = dict.fromkeys(name for part in parts for name in part.columns)
        columns = {
            name: below([part.columns.get(name) for part in parts], [p.n_rows for p in parts])
            for name in every
        }
        return cls(
            columns,
            tuple(source for part in parts for source in part.sources),
            np.concatenate([np.full(p.n_rows, i, np.int32) for i, p in enumerate(parts)]),
            np.concatenate([part.rows for part in parts]),
            tool=tools.pop(),
            decimal=next((part.decimal for part in parts if part.decimal != "."), "."),
        )


def below(parts: Sequence[Coded | None], lengths: Iterable[int]) -> Coded:
    """Columns one below the other; one that is absent is empty."""
    kinds = {p.values.type for p in parts if p is not None and isinstance(p.values, pa.Array)}
    lists = any(part is not None and isinstance(part.values, list) for part in parts)
    codes, start = [], 0
    values: list[Any] = []
    for part, length in zip(parts, lengths, strict=True):
        if part is None:
            codes.append(np.full(length, -1, np.int32))
            continue
        codes.append(np.where(part.codes < 0, -1, part.codes + start).astype(np.int32))
        start += len(part.values)
        if lists or len(kinds) > 1:
            values += part.objects()
        else:
            values.append(part.values)
    whole = values if lists or len(kinds) > 1 else pa.concat_arrays(values)
    return Coded(np.concatenate(codes), whole)
