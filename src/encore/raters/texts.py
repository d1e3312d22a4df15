"""The texts to rate: prompts with responses, or with a chosen and a rejected one, from a file."""

from __future__ import annotations

import csv
import itertools
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from encore.errors import InputError, RatingsError, UnknownNameError
from encore.extras import require
from encore.files import StrPath, file_digest, refuse_twin_keys
from encore.heads.model.conversation import Conversation
from encore.raters.layouts import LAYOUTS, TEXT_COLUMNS, layout_of
from encore.raters.protocol import Item
from encore.raters.rows import CARRIED, Findings, RowReader, TextRow
from encore.ratings.write import plain

if TYPE_CHECKING:
    import pyarrow as pa

Note = Callable[[str], None]
_HEAD = 64  # rows that tell the layout
_READ = frozenset({"id", "prompt_id", "response_id", "repeat", *CARRIED, *TEXT_COLUMNS})


def silent(message: str) -> None:
    """What a caller who is not told gives to be told."""


@dataclass(frozen=True)
class Texts:
    """Data to rate, read again each time it is iterated.

    Parameters
    ----------
    source : path-like
        A ``.jsonl``, ``.csv`` or ``.parquet`` file, a folder, or the name of a Hugging Face
        dataset, with the columns ``prompt, response`` or ``prompt, chosen, rejected``, and
        optionally ``id``, ``prompt_id``, ``response_id``, ``subset`` and ``model``.
        A cell is text, or a list of chat messages where its type is a list; a response that is
        text is never read as anything else.
    split : str, optional
        Which split of a dataset.
    limit : int, optional
        Only the first rows.
    revision : str, optional
        Which commit of a dataset.
    layout : {"pairs", "responses", "messages", "transcripts", "unprompted"}, optional
        Which columns are read, and how; by default, as the columns' names say.

        - ``messages``: whole conversations, in the column ``messages`` or ``conversations``; the
          last message, the assistant's, is the response.
        - ``transcripts``: texts with the turns ``Human:`` and ``Assistant:`` after empty lines.
          The turns that chosen and rejected share are the prompt, if there is no other.
        - ``unprompted``: responses without a prompt; each row counts as a prompt of its own.
    json_messages : bool, default False
        Whether lists of messages are written as JSON in cells of text, as in CSV. Prompts that
        are such lists are always read as messages.

    Raises
    ------
    UnknownNameError
        If there is no such layout.
    InputError
        If *source* cannot be read.
    RatingsError
        During iteration, if a column is missing, or no row can be read.
    """

    source: StrPath
    split: str | None = None
    limit: int | None = None
    revision: str | None = None
    layout: str | None = field(default=None, kw_only=True)
    json_messages: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        if self.layout is not None and self.layout not in LAYOUTS:
            raise UnknownNameError("layout of texts", self.layout, LAYOUTS)
        if self.limit is not None and self.limit < 1:
            raise InputError(f"limit {self.limit}: expected 1 or more rows.")

    def __iter__(self) -> Iterator[TextRow]:
        return self.read()

    def read(self, note: Note = silent) -> Iterator[TextRow]:
        """The rows of ratings; *note* is told, once each, what changes what they mean.

        Raises
        ------
        RatingsError
            If the columns are not those of a layout, or no row can be read.
        """
        source, rows = str(self.source), itertools.islice(self.rows(), self.limit)
        head = list(itertools.islice(rows, _HEAD))
        if not head:
            raise RatingsError("no rows; expected at least one.", source=source)
        layout = layout_of(head, self.layout, source, json_messages=self.json_messages)
        found = Findings()
        reader = RowReader(source, layout, self.json_messages, found)
        for number, cells in enumerate(itertools.chain(head, rows), start=1):
            yield from reader(number, cells)
        if found.first is not None and not found.n_readable:
            others = " No other row can be read either." if found.n_rows > 1 else ""
            raise RatingsError(
                f"{found.first.message}{others}",
                source=source,
                row=found.first.row,
                column=found.first.column,
            )
        for message in (*layout.said, *found.notes()):
            note(message)

    def items(self, note: Note = silent) -> Iterator[Item]:
        """The responses, two of each pair, without those that cannot be read."""
        rows = self.read(note)
        return (item for row in rows for item in row.items if isinstance(item, Item))

    def distinct(self, note: Note = silent) -> Iterator[TextRow]:
        """The rows, each response with its own ids.

        Raises
        ------
        RatingsError
            If two rows hold a response with the same prompt and id.
        """
        known: dict[tuple[str, str], int] = {}
        for number, row in enumerate(self.read(note), start=1):
            for item in row.items:
                first = known.setdefault((item.prompt_id, item.response_id), number)
                if first != number:
                    raise RatingsError(
                        f"response {item.response_id!r} of prompt {item.prompt_id!r} is also in "
                        f"row {first}. Give every row its own id.",
                        source=str(self.source),
                        row=number,
                    )
            yield row

    def provenance(self) -> dict[str, Any]:
        """The name of the data, and the digest of its file."""
        path = Path(self.source)
        named: dict[str, Any] = {"data": path.name if path.exists() else str(self.source)}
        named |= {"data_sha256": file_digest(path)} if path.is_file() else {}
        named |= {"split": self.split} if self.split is not None else {}
        named |= {"revision": self.revision} if self.revision is not None else {}
        named |= {"layout": self.layout} if self.layout is not None else {}
        named |= {"json_messages": True} if self.json_messages else {}
        return named | ({"limit": self.limit} if self.limit is not None else {})

    def rows(self) -> Iterator[Mapping[str, Any]]:
        """The rows as they are in the data, with any columns."""
        path = Path(self.source)
        if not path.is_file():
            return _dataset_rows(str(self.source), self.split, self.revision)
        reader = _READERS.get(path.suffix.lower())
        if reader is None:
            raise InputError(
                f"{path}: not a file of texts. Expected one ending in {', '.join(_READERS)}, or "
                f"the name of a dataset."
            )
        return reader(path)


def _parquet_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            wanted = [name for name in file.schema_arrow.names if name in _READ]
            for batch in file.iter_batches(batch_size=1024, columns=wanted):
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise RatingsError(f"cannot be read: {error}", source=str(path)) from error


def _csv_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file, strict=True)
        number = 0
        try:
            rows.fieldnames = [plain(name) for name in rows.fieldnames or ()]
            while (row := _next_row(rows)) is not None:
                number += 1
                if None in row or None in row.values():
                    raise RatingsError(
                        "too few or too many cells. Quote text that holds commas or line breaks.",
                        source=str(path),
                        row=number,
                    )
                yield {name: plain(cell) for name, cell in row.items()}
        except (csv.Error, UnicodeDecodeError) as error:
            raise RatingsError(f"cannot be read: {error}.", source=str(path)) from error


def _next_row(rows: csv.DictReader[str]) -> dict[str, Any] | None:
    """The next row; a response may be longer than the 128 kB that all CSV readers share."""
    before = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        if len(rows.fieldnames or ()) != 1:
            return next(rows, None)
        # In a single column a blank line is an empty cell, which DictReader would pass over.
        cells = next(rows.reader, None)
        if cells is None:
            return None
        (name,) = rows.fieldnames or ()
        cell, *more = cells or [""]
        row: dict[Any, Any] = {name: cell, None: more}
        return row if more else {name: cell}
    finally:
        csv.field_size_limit(before)


def _jsonl_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    with path.open(encoding="utf-8-sig") as file:
        number = 0
        try:
            for line in file:
                if not line.strip():
                    continue
                number += 1
                row = json.loads(line, object_pairs_hook=refuse_twin_keys)
                if not isinstance(row, dict):
                    raise ValueError("it is not an object")
                yield row
        except (ValueError, RecursionError) as error:
            raise RatingsError(
                f"not a JSON object: {error}. Write one object per line.",
                source=str(path),
                row=number + isinstance(error, UnicodeDecodeError),
            ) from error


def _dataset_rows(
    name: str, split: str | None, revision: str | None
) -> Iterator[Mapping[str, Any]]:
    if not Path(name).is_dir() and "/" not in name:
        raise UnknownNameError("file, folder or dataset (owner/name)", name, ())
    datasets = require("datasets", extra="hub", feature="Reading a Hugging Face dataset")
    try:
        loaded = datasets.load_dataset(name, split=split, revision=revision)
        if columns := _of_csv(loaded):
            # Text as it stands: by itself, `datasets` reads 001 as 1, true as True and NA as null.
            text = datasets.Features({column: datasets.Value("string") for column in columns})
            how = {"features": text, "keep_default_na": False}
            loaded = datasets.load_dataset(name, split=split, revision=revision, **how)
    except Exception as error:  # whatever the hub, its cache or its network raises
        raise InputError(f"the dataset {name!r} cannot be loaded: {error}") from error
    if isinstance(loaded, dict):
        if len(loaded) > 1:
            raise InputError(f"the dataset {name!r} has the splits {list(loaded)}; give one.")
        loaded = next(iter(loaded.values()))
    for row in loaded:
        yield {name: plain(cell) for name, cell in row.items()} if columns else row


def _of_csv(loaded: Any) -> list[str]:
    """The columns of a dataset that is CSV files; none of any other."""
    part = next(iter(loaded.values())) if isinstance(loaded, dict) else loaded
    builder = getattr(getattr(part, "info", None), "builder_name", None)
    return list(part.column_names) if builder == "csv" else []


_READERS = {
    ".jsonl": _jsonl_rows,
    ".ndjson": _jsonl_rows,
    ".csv": _csv_rows,
    ".parquet": _parquet_rows,
}


def first_conversations(texts: Texts, limit: int, note: Note = silent) -> list[Conversation]:
    """The first conversations of some texts, each with its response at the end."""
    items = list(replace(texts, limit=limit).items(note))
    return [item.conversation for item in items[:limit]]


def ids_table(ids: Iterable[Mapping[str, Any]]) -> pa.Table:
    """The ids of rows as columns."""
    import pyarrow as pa

    rows = list(ids)
    return pa.table({name: [row.get(name) for row in rows] for name in rows[0]})
