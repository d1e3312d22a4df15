"""Ratings files: Parquet, CSV and JSON Lines, read in bounded batches."""

from __future__ import annotations

import contextlib
import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from encore.errors import EncoreError, InputError, RatingsError
from encore.files import StrPath, readable
from encore.ratings.arrow import (
    KIND,
    PROBABILITIES,
    RULES_DIGEST,
    VERSION,
    check_metadata,
    is_pairs,
    rating_columns,
    ratings_of,
    refuse_twins,
    to_responses,
)
from encore.ratings.columns import (
    ids_of_values,
    lists_of_values,
    null_where,
    numbers_from_text,
)
from encore.ratings.ids import ID_COLUMNS
from encore.ratings.origin import Origin
from encore.ratings.readers import BROKEN, batches_of, json_rows, open_parquet, unreadable
from encore.ratings.table import RatingsTable
from encore.ratings.write import FORMULA, open_table, plain
from encore.rules import Rulebook

BATCH_ROWS = 65_536
_ID_COLUMNS = ("id", "prompt_id", "response_id")
# One cell of a CSV must fit in a block, and responses can be long.
_CSV_BLOCK_BYTES = 32 << 20
_NO_ROWS = "no rows; expected at least one response."


class Kind(StrEnum):
    """What the cells of a column are read as."""

    TEXT = "text"
    NUMBER = "number"
    PROBABILITIES = "probabilities"


# From the columns present, those to read, and as what.
Choose = Callable[[list[str]], dict[str, Kind]]
_Reader = Callable[[Path, Choose, int], Iterator[pa.Table]]


def read_batches(
    path: StrPath, rules: Rulebook, *, batch_rows: int = BATCH_ROWS
) -> Iterator[RatingsTable]:
    """Stream a ratings file of either layout as tables that never split a run of one prompt.

    Only ids and ratings are read, never texts (the prompt's, if nothing else identifies it).
    Memory holds one batch, and the rows of one prompt. Without prompts, the repeats of one
    response stay together.

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
    DocumentError, MismatchError
        If the file states that it is something else, or was made with different rules.
    RatingsError
        If it has no rows, lacks a rule's column, or a rating breaks its contract.
    """
    return tables_of(arrow_batches(path, rules, batch_rows=batch_rows), rules, str(path))


def tables_of(batches: Iterable[pa.Table], rules: Rulebook, source: str) -> Iterator[RatingsTable]:
    """What :func:`read_batches` yields, from the Arrow tables of a file."""
    held: pa.Table | None = None
    first_row = row = 1
    paired = False
    for batch in batches:
        paired = is_pairs(batch.column_names)
        responses = to_responses(batch, rules, source, row)
        row += batch.num_rows
        if held is not None:
            responses = pa.concat_tables([held, responses], promote_options="permissive")
        cut = _last_run_starts(responses)
        cut -= cut % 2 if paired else 0  # a pair stays whole, so that rows can be named
        if cut:
            yield ratings_of(responses.slice(0, cut), rules, Origin(source, first_row, paired))
        first_row += cut // 2 if paired else cut
        held = responses.slice(cut)
    if row == 1:
        raise RatingsError(_NO_ROWS, source=source)
    if held is not None and held.num_rows:
        yield ratings_of(held, rules, Origin(source, first_row, paired))


def read_arrow(path: StrPath, rules: Rulebook, *, also: tuple[str, ...] = ()) -> pa.Table:
    """Read all of a file's ids and ratings, and the columns *also*; see :func:`arrow_batches`."""
    return joined(list(arrow_batches(path, rules, also=also)), str(path))


def joined(batches: list[pa.Table], source: str) -> pa.Table:
    """All the Arrow tables of a file as one.

    Raises
    ------
    RatingsError
        If there is no row.
    """
    if not sum(batch.num_rows for batch in batches):
        raise RatingsError(_NO_ROWS, source=source)
    return pa.concat_tables(batches, promote_options="permissive")


def arrow_batches(
    path: StrPath,
    rules: Rulebook,
    *,
    batch_rows: int = BATCH_ROWS,
    also: tuple[str, ...] = (),
    keep: tuple[str, ...] = (),
) -> Iterator[pa.Table]:
    """Stream a file's ids and ratings as Arrow tables.

    The columns *also* are included where present; the columns *keep* must be present.

    Raises
    ------
    InputError
        If ENCORE does not read files of this ending.
    DocumentError, MismatchError
        If the file states that it is something else, or was made with different rules.
    RatingsError
        If it lacks a rule's column or one to keep, or is broken.
    """
    source = str(path)

    def choose(names: list[str]) -> dict[str, Kind]:
        """Ids and ratings; the prompt's text only where it serves as the id."""
        if absent := [name for name in keep if name not in names]:
            raise RatingsError(
                f"no column {', '.join(map(repr, absent))} to keep; found {names[:20]}.",
                source=source,
            )
        within = ("subset",) if is_pairs(names) else ()
        prompt = () if "prompt_id" in names else ("prompt",)
        ids = (*_ID_COLUMNS, *within, *also, *keep, *prompt)
        chosen = {name: Kind.TEXT for name in ids if name in names}
        chosen |= {name: Kind.NUMBER for name in ("repeat",) if name in names}
        for name in rating_columns(rules, names, source):
            chosen[name] = Kind.PROBABILITIES if name.endswith(PROBABILITIES) else Kind.NUMBER
        return chosen

    if Path(path).suffix.lower() == ".parquet":
        _check_parquet(Path(path), rules)
    yield from table_batches(path, choose, batch_rows=batch_rows)


def table_batches(
    path: StrPath, choose: Choose, *, batch_rows: int = BATCH_ROWS
) -> Iterator[pa.Table]:
    """Stream some columns of a ``.parquet``, ``.csv`` or ``.jsonl`` file as Arrow tables.

    Raises
    ------
    InputError
        If ENCORE does not read files of this ending.
    RatingsError
        If it is broken, a column is duplicated, or a cell that should be a number is not.
    """
    source = str(path)
    reader = _READERS.get(Path(path).suffix.lower())
    if reader is None:
        raise InputError(f"{source}: not a table. Expected a name ending in {', '.join(_READERS)}.")

    def chosen(names: list[str]) -> dict[str, Kind]:
        if not names:
            raise RatingsError(_NO_ROWS, source=source)
        refuse_twins(names, source)
        return choose(names)

    try:
        yield from reader(readable(path), chosen, batch_rows)
    except (EncoreError, FileNotFoundError):
        raise
    except (*BROKEN, csv.Error) as error:
        raise _unreadable(Path(path), error) from error


def column_names(path: StrPath) -> list[str]:
    """The names of a file's columns; raises as :func:`table_batches`."""
    found: list[str] = []

    def choose(names: list[str]) -> dict[str, Kind]:
        found.extend(names)
        return {names[0]: Kind.TEXT}

    for _ in table_batches(path, choose, batch_rows=1):
        break
    return found


def write_ratings(
    path: StrPath,
    table: pa.Table,
    rules: Rulebook,
    provenance: Mapping[str, Any],
    *,
    format: str | None = None,
) -> None:
    """Write a ratings file; as Parquet it states its rules and where it comes from."""
    metadata = {
        "encore.kind": KIND,
        "encore.schema_version": str(VERSION),
        RULES_DIGEST: rules.digest,
        "encore.provenance": json.dumps(dict(provenance), sort_keys=True),
    }
    with open_table(path, format=format, metadata=metadata) as write:
        write(table)


def _last_run_starts(responses: pa.Table) -> int:
    """First row of the trailing run of one prompt (or response); all rows where none is named."""
    n_rows = int(responses.num_rows)
    named = [name for name in ("prompt_id", "response_id") if name in responses.column_names]
    if not named or not n_rows:
        return n_rows
    column = responses[named[0]]
    others = np.flatnonzero(pc.not_equal(column, column[n_rows - 1]).to_numpy())
    return int(others[-1]) + 1 if others.size else 0


def _unreadable(path: Path, error: Exception) -> RatingsError:
    """A broken file, with the row of a CSV that has too few or too many cells."""
    if path.suffix.lower() == ".csv" and isinstance(error, pa.ArrowInvalid):
        with (
            contextlib.suppress(csv.Error),  # a cell beyond what this reader takes
            path.open(encoding="utf-8-sig", errors="replace", newline="") as file,
        ):
            rows = csv.reader(file)
            n_columns = len(next(rows, []))
            for number, row in enumerate((r for r in rows if r or n_columns == 1), start=1):
                if len(row or [""]) != n_columns:
                    return RatingsError(
                        f"{len(row)} cells; expected {n_columns}, as in the header. Quote text "
                        f"that holds commas or line breaks.",
                        source=str(path),
                        row=number,
                    )
    return unreadable(path, error)


def _check_parquet(path: Path, rules: Rulebook) -> None:
    with open_parquet(path, verify=False) as file:
        check_metadata(file.schema_arrow, rules, str(path))


def _read_parquet(path: Path, choose: Choose, batch_rows: int) -> Iterator[pa.Table]:
    with open_parquet(path) as file:
        wanted = list(choose(file.schema_arrow.names))
        for batch in batches_of(file, wanted, batch_rows):
            yield pa.Table.from_batches([batch])


def _read_csv(path: Path, choose: Choose, batch_rows: int) -> Iterator[pa.Table]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        written = next(csv.reader(file), [])
    # A blank line is an empty cell where there is one column, and nothing where there are more.
    parse = pyarrow.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=len(written) != 1)
    wanted = choose([plain(name) for name in written])
    names = {name: plain(name) for name in written if plain(name) in wanted}
    # Types are given, not guessed: a guess from the first block fails on the second.
    convert = pyarrow.csv.ConvertOptions(
        include_columns=list(names),
        column_types=dict.fromkeys(names, pa.string()),
        strings_can_be_null=False,
    )
    read = pyarrow.csv.ReadOptions(block_size=_CSV_BLOCK_BYTES)
    row = 1
    with pyarrow.csv.open_csv(path, read, parse, convert) as reader:
        for block in reader:
            block = pa.Table.from_batches([block]).rename_columns(list(names.values()))
            table = _typed(block.select(list(wanted)), wanted, Origin(str(path), row))
            for start in range(0, table.num_rows, batch_rows):
                yield table.slice(start, batch_rows)
            row += table.num_rows


def _typed(table: pa.Table, wanted: Mapping[str, Kind], origin: Origin) -> pa.Table:
    """A block of text with its ratings as numbers, and empty ids as null."""
    columns = {}
    for name in table.column_names:
        column = table[name]
        if wanted[name] is Kind.NUMBER:
            columns[name] = numbers_from_text(column, name, origin)
        elif wanted[name] is Kind.PROBABILITIES:
            columns[name] = lists_of_values(column.to_pylist(), name, origin)
        else:
            column = pc.replace_substring_regex(column, f"^'({FORMULA})", r"\1")
            columns[name] = null_where(pc.equal(column, ""), column)
    return pa.table(columns)


def _read_jsonl(path: Path, choose: Choose, batch_rows: int) -> Iterator[pa.Table]:
    # Read twice: a column or a type may first appear in the last line.
    kinds: dict[str, pa.DataType] = {}
    for row in json_rows(path):
        for name, value in row.items():
            kinds[name] = _kind_of(value, kinds.get(name, pa.null()))
    wanted = choose(list(kinds))
    rows: list[dict[str, Any]] = []
    first_row = 1
    for row in json_rows(path):
        rows.append(row)
        if len(rows) == batch_rows:
            yield _json_table(rows, wanted, kinds, Origin(str(path), first_row))
            first_row, rows = first_row + len(rows), []
    if rows:
        yield _json_table(rows, wanted, kinds, Origin(str(path), first_row))


def _kind_of(value: object, before: pa.DataType) -> pa.DataType:
    """The type of a column that is kept: whole numbers, or text if anything else occurs."""
    if value is None or before == pa.string():
        return before
    whole = type(value) is int and -(2**63) <= value < 2**63
    return pa.int64() if whole else pa.string()


def _json_table(
    rows: list[dict[str, Any]],
    wanted: Mapping[str, Kind],
    kinds: dict[str, pa.DataType],
    origin: Origin,
) -> pa.Table:
    columns = {}
    for name, kind in wanted.items():
        values = [row.get(name) for row in rows]
        if kind is Kind.NUMBER:
            columns[name] = pa.array(_json_numbers(values, name, origin), pa.float64())
        elif kind is Kind.PROBABILITIES:
            columns[name] = lists_of_values(values, name, origin)
        elif name in ID_COLUMNS or (name == "prompt" and "prompt_id" not in wanted):
            columns[name] = ids_of_values(values, name, origin)
        else:
            text = kinds[name] != pa.int64()
            cells = [_as_text(v) if text and v is not None else v for v in values]
            columns[name] = pa.array(cells, pa.string() if text else pa.int64())
    return pa.table(columns)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _json_numbers(values: list[Any], name: str, origin: Origin) -> list[float | None]:
    numbers: list[float | None] = []
    for row, value in enumerate(values):
        try:
            if not isinstance(value, int | float | None) or (name, type(value)) == ("repeat", bool):
                raise TypeError
            numbers.append(None if value is None else float(value))
        except (TypeError, OverflowError) as error:
            message = f"{value!r:.80} is not a number; expected one, or null where unrated."
            raise origin.error(message, row, name) from error
    return numbers


_READERS: dict[str, _Reader] = {
    ".parquet": _read_parquet,
    ".csv": _read_csv,
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
}
