"""Opening the tables of strangers: what is broken or damaged is refused, with the row."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from encore.errors import EncoreError, RatingsError
from encore.files import StrPath, readable
from encore.parsing import json_value

DIGEST = "encore.digest"
_HEX = 64
# As Parquet's footer holds it: the key, the type of the value, its length. Then comes the value.
_MARK = DIGEST.encode() + b"\x18" + bytes([_HEX])
_TAIL = 8  # the footer's length and "PAR1"
_BLOCK = 1 << 20
# A file of some bytes cannot claim lists of more entries, nor texts longer, than this.
_LIMITS = {"thrift_string_size_limit": 1 << 28, "thrift_container_size_limit": 1 << 22}


@contextmanager
def open_parquet(path: StrPath, *, verify: bool = True) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file; checksums of pages, and the digest that ours have, are verified.

    The digest takes a pass over the file: without *verify* it is left to who reads the rows.

    Raises
    ------
    RatingsError
        If it is not a Parquet file, is incomplete or damaged, here or while it is read.
    PathError, FileNotFoundError
        As :func:`encore.files.readable`.
    """
    readable(path)
    try:
        with pq.ParquetFile(path, page_checksum_verification=True, **_LIMITS) as file:
            stated = (file.metadata.metadata or {}).get(DIGEST.encode())
            if verify and stated is not None and stated != _digest(Path(path)):
                raise RatingsError(
                    "damaged, or changed after ENCORE wrote it: its contents do not have the "
                    "digest that it states. Make it again, or fetch it again.",
                    source=str(path),
                )
            yield file
    except EncoreError:
        raise
    except BROKEN as error:
        raise unreadable(path, error) from error


BROKEN = (pa.ArrowException, OSError, ValueError, MemoryError, OverflowError)
"""What reading a broken table raises."""


def batches_of(
    file: pq.ParquetFile, columns: list[str], batch_rows: int
) -> Iterator[pa.RecordBatch]:
    """Some columns of an open Parquet file, their texts known to be UTF-8."""
    for batch in file.iter_batches(batch_size=batch_rows, columns=columns):
        batch.validate(full=True)
        yield batch


def seal_parquet(path: Path) -> None:
    """Write a file's digest into the place that :data:`DIGEST` keeps for it.

    Every byte of the file counts, its metadata too; the digest itself counts as zeros.
    """
    digest = _digest(path)
    with path.open("rb+") as file:
        start, footer = _footer(file)
        file.seek(start + footer.index(_MARK) + len(_MARK))
        file.write(digest)


NO_DIGEST = "0" * _HEX
"""What stands where a file's digest will be."""


def _digest(path: Path) -> bytes:
    import hashlib

    seen = hashlib.sha256()
    with path.open("rb") as file:
        start, footer = _footer(file)
        at = footer.find(_MARK) + len(_MARK)
        file.seek(0)
        while block := file.read(min(_BLOCK, start - file.tell())):
            seen.update(block)
        seen.update(footer[:at] + NO_DIGEST.encode() + footer[at + _HEX :])
    return seen.hexdigest().encode()


def _footer(file: Any) -> tuple[int, bytes]:
    """Where the metadata at the end of a Parquet file begin, and all that follows."""
    end = file.seek(-_TAIL, os.SEEK_END)
    start = end - int.from_bytes(file.read(4), "little")
    if start < 0:
        raise ValueError("its metadata are longer than itself")
    file.seek(start)
    return start, file.read()


def unreadable(path: StrPath, error: Exception) -> RatingsError:
    """A table that cannot be read, and why."""
    why = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return RatingsError(
        f"cannot be read: {why}. Is it complete, and in the format that its name says?",
        source=str(path),
    )


def json_rows(path: StrPath) -> Iterator[dict[str, Any]]:
    """The objects of a JSON Lines file, one per line; empty lines do not count.

    Raises
    ------
    RatingsError
        If a line is not one object; see :func:`encore.parsing.json_value`.
    PathError, FileNotFoundError
        As :func:`encore.files.readable`.
    """
    with readable(path).open("rb") as file:
        number = 0
        for line in file:
            if not line.strip() or line.strip() == b"\xef\xbb\xbf":
                continue
            number += 1
            try:
                value = json_value(line, finite=False)
            except ValueError as error:
                said = getattr(error, "msg", None) or str(error)
                raise RatingsError(
                    f"not a JSON object: {said}. Write one object per line.",
                    source=str(path),
                    row=number,
                ) from error
            if not isinstance(value, dict):
                raise RatingsError(
                    f"expected one object per line, got {type(value).__name__}.",
                    source=str(path),
                    row=number,
                )
            yield value
