"""The texts to rate: prompts with responses, or with a chosen and a rejected one, from a file."""

from __future__ import annotations

import csv
import itertools
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from encore.errors import InputError, RatingsError, UnknownNameError
from encore.extras import require
from encore.files import StrPath, file_digest, refuse_twin_keys
from encore.heads.model.conversation import Conversation
from encore.raters.protocol import Item, short_digest
from encore.ratings.ids import as_id
from encore.ratings.origin import SIDES
from encore.ratings.write import plain

if TYPE_CHECKING:
    import pyarrow as pa

Messages = tuple[tuple[str, str], ...]
# Columns that identify or group rows; they are copied to the ratings file.
_CARRIED = ("subset", "model", "chosen_model", "rejected_model")
_READ = frozenset(
    {"id", "prompt_id", "response_id", "prompt", "response", "repeat", *SIDES, *_CARRIED}
)


@dataclass(frozen=True)
class TextRow:
    """One row of the data: its ids, and one item, or the two of a pair, chosen first."""

    ids: Mapping[str, Any]
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Texts:
    """Data to rate, read again each time it is iterated.

    Parameters
    ----------
    source : path-like
        A ``.jsonl``, ``.csv`` or ``.parquet`` file, a folder, or the name of a Hugging Face
        dataset, with the columns ``prompt, response`` or ``prompt, chosen, rejected``, and
        optionally ``id``, ``prompt_id``, ``response_id``, ``subset`` and ``model``.
        A prompt, and likewise a response, is text or a list of chat messages.
    split : str, optional
        Which split of a dataset.
    limit : int, optional
        Only the first rows.
    revision : str, optional
        Which commit of a dataset.

    Raises
    ------
    InputError
        If *source* cannot be read.
    RatingsError
        During iteration, if a column is missing or a value is not text.
    """

    source: StrPath
    split: str | None = None
    limit: int | None = None
    revision: str | None = None

    def __iter__(self) -> Iterator[TextRow]:
        paired: bool | None = None
        number = 0
        for number, row in enumerate(self.rows(), start=1):
            if self.limit is not None and number > self.limit:
                return
            if paired is None:
                paired = _is_paired(row, str(self.source))
            yield _Reader(str(self.source), number, row).row(paired=paired)
        if not number:
            raise RatingsError("no rows; expected at least one.", source=str(self.source))

    def items(self) -> Iterator[Item]:
        """The responses, two of each pair."""
        return (item for row in self for item in row.items)

    def distinct(self) -> Iterator[TextRow]:
        """The rows, each response with its own ids.

        Raises
        ------
        RatingsError
            If two rows hold a response with the same prompt and id.
        """
        known: dict[tuple[str, str], int] = {}
        for number, row in enumerate(self, start=1):
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


@dataclass(frozen=True)
class _Reader:
    """One row of the source, and where it is, for errors."""

    source: str
    number: int
    cells: Mapping[str, Any]

    def row(self, *, paired: bool) -> TextRow:
        told = [self._text_of(side) for side in (SIDES if paired else ("response",))]
        prompts = {prompt for prompt, _ in told}
        if len(prompts) > 1:
            raise self._error("chosen and rejected end different conversations.", "chosen")
        prompt = told[0][0]
        own = self._id("id") if paired else self._id("response_id")
        own = str(self.number) if own is None else own
        prompt_id = self._id("prompt_id") or short_digest(prompt).hex()
        ids = {"id": own, "prompt_id": prompt_id}
        if not paired:
            ids = {"prompt_id": prompt_id, "response_id": own}
        carried = {name: self._id(name) for name in _CARRIED if name in self.cells}
        names = [f"{own}/{side}" for side in SIDES] if paired else [own]
        items = tuple(
            Item(prompt, response, prompt_id, name)
            for (_, response), name in zip(told, names, strict=True)
        )
        return TextRow({**ids, **carried}, items)

    def _text_of(self, column: str) -> tuple[Messages, str]:
        """The conversation up to a response, and the response."""
        prompt = self._messages("prompt") if "prompt" in self.cells else ()
        value = _decoded(self.cells.get(column))
        if isinstance(value, str):
            return prompt, value
        messages = self._as_messages(value, column)
        if not messages or messages[-1][0] == "user":
            raise self._error("the last message must be the response, not the user's.", column)
        before = messages[:-1]
        whole = before if before[: len(prompt)] == prompt else prompt + before
        return whole, messages[-1][1]

    def _messages(self, column: str) -> Messages:
        value = _decoded(self.cells.get(column))
        return (("user", value),) if isinstance(value, str) else self._as_messages(value, column)

    def _as_messages(self, value: Any, column: str) -> Messages:
        if not isinstance(value, Sequence):
            raise self._error(
                f"{value!r:.60} is not text; expected text, or a list of messages with role and "
                f"content.",
                column,
            )
        return tuple(self._message(message, column) for message in value)

    def _message(self, message: Any, column: str) -> tuple[str, str]:
        role = message.get("role") if isinstance(message, Mapping) else None
        content = message.get("content") if isinstance(message, Mapping) else None
        if isinstance(content, Sequence) and not isinstance(content, str):
            parts = [part.get("text") if isinstance(part, Mapping) else None for part in content]
            content = None if None in parts else "".join(map(str, parts))
        if not isinstance(role, str) or not isinstance(content, str):
            raise self._error(
                f"{message!r:.60} is not a message; expected a role and text content.", column
            )
        return role, content

    def _id(self, column: str) -> str | None:
        try:
            return as_id(self.cells.get(column))
        except ValueError as error:
            raise self._error(f"{error}.", column) from error

    def _error(self, message: str, column: str) -> RatingsError:
        return RatingsError(message, source=self.source, row=self.number, column=column)


def _is_paired(row: Mapping[str, Any], source: str) -> bool:
    names = set(row)
    if names >= set(SIDES):
        return True
    if "response" in names:
        return False
    raise RatingsError(
        f"expected the columns 'prompt' and 'response', or 'prompt', 'chosen' and 'rejected'; "
        f"found {sorted(names)[:20]}.",
        source=source,
    )


def _decoded(value: Any) -> Any:
    """A list of messages written as JSON, as a list; other text as it is."""
    if not isinstance(value, str) or not value.lstrip().startswith("[{"):
        return value
    try:
        messages = json.loads(value)
    except (ValueError, RecursionError):
        return value
    listed = all(isinstance(m, dict) and {"role", "content"} <= set(m) for m in messages)
    return messages if listed else value


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


def first_conversations(source: StrPath, limit: int) -> list[Conversation]:
    """The first conversations of some texts, each with its response at the end."""
    items = itertools.islice(Texts(source, limit=limit).items(), limit)
    return [item.conversation for item in items]


def ids_table(ids: Iterable[Mapping[str, Any]]) -> pa.Table:
    """The ids of rows as columns."""
    import pyarrow as pa

    rows = list(ids)
    return pa.table({name: [row.get(name) for row in rows] for name in rows[0]})
