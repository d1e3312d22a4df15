"""Ratings files: Parquet, CSV and JSON Lines, read in bounded batches."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from encore.errors import InputError, RatingsError
from encore.files import StrPath, atomic_write
from encore.ratings.arrow import (
    KIND,
    RULES_DIGEST,
    VERSION,
    check_metadata,
    is_pairs,
    numbers_from_text,
    rating_columns,
    ratings_of,
    refuse_twins,
    to_responses,
)
from encore.ratings.table import RatingsTable
from encore.rules import Rulebook

BATCH_ROWS = 65_536
_ID_COLUMNS = ("id", "prompt_id", "response_id", "repeat")


def read_batches(
    path: StrPath, rules: Rulebook, *, batch_rows: int = BATCH_ROWS
) -> Iterator[RatingsTable]:
    """Stream a ratings file of either layout as tables that never split a run of one prompt.

    Only ids and ratings are read, never texts (the prompt's, if it is all that tells prompts
    apart). Memory holds one batch, and the rows of one prompt.

    Parameters
    ----------
    path : path-like
        A ``.parquet``, ``.csv`` or ``.jsonl`` file.
    rules : Rulebook
        Which columns to read, and on what scales.
    batch_rows : int
        Rows read at a time.

    Yields
    ------
    RatingsTable
        In file order.

    Raises
    ------
    MismatchError
        If the file says that it was made with other rules.
    RatingsError
        If it has no rows, lacks a rule's column, or a rating breaks its contract.
    """
    source = str(path)
    held: pa.Table | None = None
    row = file_row = 1
    paired = False
    for batch in arrow_batches(path, rules, batch_rows=batch_rows):
        paired = is_pairs(batch.column_names)
        responses = to_responses(batch, rules, source, file_row)
        file_row += batch.num_rows
        if held is not None:
            responses = pa.concat_tables([held, responses], promote_options="permissive")
        cut = _last_prompt_starts(responses)
        if cut:
            yield ratings_of(responses.slice(0, cut), rules, source, row, paired=paired)
        row += cut
        held = responses.slice(cut)
    if held is None or row + held.num_rows == 1:
        raise RatingsError("no rows; expected at least one response.", source=source)
    if held.num_rows:
        yield ratings_of(held, rules, source, row, paired=paired)


def read_arrow(path: StrPath, rules: Rulebook, *, also: tuple[str, ...] = ()) -> pa.Table:
    """Read a file's ids and ratings whole, and the columns *also*; see :func:`arrow_batches`."""
    batches = list(arrow_batches(path, rules, also=also))
    if not batches:
        raise RatingsError("no rows; expected at least one response.", source=str(path))
    return pa.concat_tables(batches, promote_options="permissive")


def arrow_batches(
    path: StrPath,
    rules: Rulebook,
    *,
    batch_rows: int = BATCH_ROWS,
    also: tuple[str, ...] | None = (),
) -> Iterator[pa.Table]:
    """Stream a file's ids and ratings, and the columns *also*, as Arrow tables.

    ``also=None`` reads every column.

    Raises
    ------
    InputError
        If the file's name ends in nothing that ENCORE reads.
    MismatchError
        If the file says that it was made with other rules.
    RatingsError
        If it lacks a rule's column, or is broken.
    """
    source = str(path)
    reader = _READERS.get(Path(path).suffix.lower())
    if reader is None:
        raise InputError(
            f"{source}: not a ratings file. Expected one ending in {', '.join(_READERS)}."
        )
    with Path(path).open("rb"):  # a missing or unreadable file is named by the system's error
        pass
    try:
        yield from reader(Path(path), rules, batch_rows, also)
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeDecodeError, OSError) as error:
        if isinstance(error, FileNotFoundError | PermissionError):
            raise
        raise RatingsError(
            f"cannot be read: {error}. Is it complete, and of the kind its name says?",
            source=source,
        ) from error


def write_ratings(
    path: StrPath, table: pa.Table, rules: Rulebook, provenance: Mapping[str, Any]
) -> None:
    """Write a ratings Parquet file that states its rules and where it comes from."""
    metadata = {
        "encore.kind": KIND,
        "encore.schema_version": str(VERSION),
        RULES_DIGEST: rules.digest,
        "encore.provenance": json.dumps(dict(provenance), sort_keys=True),
    }
    kept = table.schema.metadata or {}
    with atomic_write(path) as temporary:
        pq.write_table(table.replace_schema_metadata({**kept, **metadata}), temporary)


def _last_prompt_starts(responses: pa.Table) -> int:
    """First row of the trailing run of one prompt; all rows where no prompt is named."""
    n_rows = int(responses.num_rows)
    if "prompt_id" not in responses.column_names or not n_rows:
        return n_rows
    prompts = responses["prompt_id"]
    others = pc.not_equal(prompts, prompts[n_rows - 1]).fill_null(True).to_numpy()
    before = np.flatnonzero(others)
    return int(before[-1]) + 1 if before.size else 0


def _wanted(
    names: list[str], rules: Rulebook, source: str, also: tuple[str, ...] | None
) -> list[str]:
    """Columns to read: ids and ratings; the prompt's text only where it stands for the id."""
    refuse_twins(names, source)
    if also is None:
        rating_columns(rules, names, source)
        return names
    ids = [*_ID_COLUMNS, *also] if "prompt_id" in names else [*_ID_COLUMNS, *also, "prompt"]
    return [name for name in ids if name in names] + rating_columns(rules, names, source)


def _read_parquet(
    path: Path, rules: Rulebook, batch_rows: int, also: tuple[str, ...] | None
) -> Iterator[pa.Table]:
    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        check_metadata(schema, rules, str(path))
        wanted = _wanted(schema.names, rules, str(path), also)
        for batch in file.iter_batches(batch_size=batch_rows, columns=wanted):
            yield pa.Table.from_batches([batch])


def _read_csv(
    path: Path, rules: Rulebook, batch_rows: int, also: tuple[str, ...] | None
) -> Iterator[pa.Table]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        names = next(csv.reader(file), [])
    wanted = _wanted(names, rules, str(path), also)
    numeric = {*rating_columns(rules, names, str(path)), "repeat"}
    # Types are given, not guessed: a guess from the first block fails on the second.
    convert = pyarrow.csv.ConvertOptions(
        include_columns=wanted,
        column_types=dict.fromkeys(wanted, pa.string()),
        strings_can_be_null=False,
    )
    parse = pyarrow.csv.ParseOptions(newlines_in_values=True)
    row = 1
    with pyarrow.csv.open_csv(path, parse_options=parse, convert_options=convert) as reader:
        for batch in reader:
            table = pa.Table.from_batches([batch])
            yield pa.table(
                {
                    name: numbers_from_text(table[name], name, str(path), row)
                    if name in numeric
                    else table[name]
                    for name in wanted
                }
            )
            row += batch.num_rows


def _read_jsonl(
    path: Path, rules: Rulebook, batch_rows: int, also: tuple[str, ...] | None
) -> Iterator[pa.Table]:
    with path.open(encoding="utf-8") as file:
        line = next((line for line in file if line.strip()), "{}")
    first = _json_object(line, str(path), 1)
    needed = rating_columns(rules, list(first), str(path))
    # A later line may have a spread where the first has none.
    spreads = [f"{name}.spread" for name in needed if not name.endswith(".spread")]
    numeric = list(dict.fromkeys([*needed, *spreads]))
    wanted = list(dict.fromkeys([*_wanted(list(first), rules, str(path), also), *numeric]))
    rows: list[dict[str, Any]] = []
    n_read = 0
    with path.open(encoding="utf-8") as file:
        for n_read, line in enumerate((line for line in file if line.strip()), start=1):
            row = _json_object(line, str(path), n_read)
            rows.append({name: row.get(name) for name in wanted})
            if len(rows) == batch_rows:
                yield _json_table(rows, numeric, str(path), n_read - len(rows) + 1)
                rows = []
    if rows:
        yield _json_table(rows, numeric, str(path), n_read - len(rows) + 1)


def _json_object(line: str, source: str, row: int) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise RatingsError(f"not JSON: {error}.", source=source, row=row) from error
    if not isinstance(value, dict):
        raise RatingsError(
            f"expected one object a line, got {type(value).__name__}.", source=source, row=row
        )
    return value


def _json_table(
    rows: list[dict[str, Any]], numeric: list[str], source: str, first_row: int
) -> pa.Table:
    for name in numeric:
        for position, row in enumerate(rows):
            if not isinstance(row[name], int | float | None):
                raise RatingsError(
                    f"{row[name]!r} is not a number; expected one, or null where unrated.",
                    source=source,
                    row=first_row + position,
                    column=name,
                )
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return pa.table(
        {
            name: pa.array(values, pa.float64() if name in numeric else None)
            for name, values in columns.items()
        }
    )


_READERS = {
    ".parquet": _read_parquet,
    ".csv": _read_csv,
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
}
__all__ = ["BATCH_ROWS", "arrow_batches", "read_arrow", "read_batches", "write_ratings"]
