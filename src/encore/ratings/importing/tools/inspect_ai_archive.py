"""The ``.eval`` files of inspect_ai: a ZIP archive with a JSON text per sample."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from encore import files
from encore.errors import PathError, RatingsError
from encore.parsing import json_value

MOST_BYTES = 1 << 28
"""Of one text within an archive, unpacked: a sample with all its events is a few megabytes."""
MOST_TEXTS = 1_000_000
_ZSTANDARD = 93
_LOCAL = struct.Struct("<26xHH")  # of a file's local header: the lengths of its name and extra


@dataclass(frozen=True)
class Samples:
    """The samples of an archive, read one by one, as often as asked for."""

    path: Path
    names: tuple[str, ...]

    def __iter__(self) -> Iterator[Any]:
        with _opened(self.path) as archive:
            for name in self.names:
                yield _parsed(archive, name, self.path)


def open_log(path: Path) -> dict[str, Any]:
    """The document of an ``.eval`` file, as its JSON log would be, but with samples read lazily."""
    with _opened(path) as archive:
        names = list(dict.fromkeys(archive.namelist()))
        if len(names) > MOST_TEXTS:
            raise _refused(path, f"holds {len(names):,} files; at most {MOST_TEXTS:,} are read")
        # A run that is not finished has no header yet, but its beginning.
        head = next((n for n in ("header.json", "_journal/start.json") if n in names), None)
        if head is None:
            raise _refused(path, "holds no 'header.json'")
        document = _parsed(archive, head, path)
        if not isinstance(document, dict):
            raise _refused(path, f"holds no log: {head!r} is no object")
    samples = sorted(n for n in names if n.startswith("samples/") and n.endswith(".json"))
    return document | {"samples": Samples(path, tuple(samples))}


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(files.readable(path))
    except PathError:
        raise
    except (zipfile.BadZipFile, ValueError, struct.error, NotImplementedError) as error:
        raise _refused(path, f"is not a ZIP archive: {error}") from error


def _parsed(archive: zipfile.ZipFile, name: str, path: Path) -> Any:
    try:
        return json_value(_text(archive, archive.getinfo(name)), finite=False)
    except _BROKEN as error:
        raise _refused(path, f"its {name!r} cannot be read: {error}") from error


_BROKEN = (
    *(ValueError, OSError, EOFError, RuntimeError, struct.error, zlib.error),
    *(zipfile.BadZipFile, KeyError, OverflowError, MemoryError),
)


def _text(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """A file's bytes: no more than :data:`MOST_BYTES`, whatever the archive says of them."""
    if entry.compress_type == _ZSTANDARD:
        text = _from_zstandard(archive, entry)
    else:
        with archive.open(entry) as packed:
            text = packed.read(MOST_BYTES + 1)
    if len(text) > MOST_BYTES:
        raise ValueError(f"it unpacks to more than {MOST_BYTES >> 20} MiB")
    if zlib.crc32(text) != entry.CRC:
        raise ValueError("its checksum is another one: the file is damaged")
    return text


def _from_zstandard(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """What Python's zipfile unpacks from 3.14 only, and Arrow in every version."""
    import pyarrow as pa

    file = archive.fp
    if file is None:
        raise ValueError("the archive is closed")
    file.seek(entry.header_offset)
    name, extra = _LOCAL.unpack(file.read(_LOCAL.size))
    file.seek(name + extra, 1)
    packed = file.read(entry.compress_size)
    with pa.CompressedInputStream(pa.BufferReader(packed), "zstd") as stream:
        return bytes(stream.read(MOST_BYTES + 1))


def _refused(path: Path, message: str) -> RatingsError:
    return RatingsError(
        f"{message}. Expected a log of inspect_ai; `inspect log convert --to json` writes it as "
        f"JSON.",
        source=str(path),
    )
