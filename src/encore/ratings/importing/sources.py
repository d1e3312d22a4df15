"""Files, folders and patterns as plain UTF-8 files, whatever they were packed or encoded as."""

from __future__ import annotations

import codecs
import glob
import gzip
import os
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from encore.errors import InputError, RatingsError
from encore.files import StrPath, readable

ENDINGS = (
    *(".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".txt", ".parquet", ".feather", ".arrow"),
    *(".ipc", ".eval", ".xlsx", ".xlsm"),
)
"""Of the files that are read in a folder; ``.gz`` may follow."""
_BINARY = {b"PAR1": "parquet", b"ARROW1": "feather", b"FEA1": "feather", b"PK\x03\x04": "zip"}
_OLE = b"\xd0\xcf\x11\xe0"
_BLOCK = 1 << 22
# Text of ratings packs to a twentieth; zeros to a thousandth.
_MOST_TIMES, _FREE = 500, 1 << 26
# Codes that no text in Windows-1252 holds.
_UNDEFINED = set(b"\x81\x8d\x8f\x90\x9d\x00")


@dataclass(frozen=True)
class Opened:
    """A file to read.

    Parameters
    ----------
    name : str
        What the user calls it.
    path : Path
        Where its contents are, in plain UTF-8 if it is text.
    kind : str
        ``"parquet"``, ``"feather"``, ``"zip"`` or ``"text"``.
    ending : str
        The name's ending, without ``.gz``.
    encoding : str
        What it was written in.
    """

    name: str
    path: Path
    kind: str
    ending: str
    encoding: str = "utf-8"


def files_of(sources: StrPath | Iterable[StrPath]) -> list[Path]:
    """The files that are meant: themselves, those of folders, and those that a pattern matches.

    Raises
    ------
    InputError
        If a folder or pattern holds none, or a file is named twice.
    FileNotFoundError
        If there is no such file.
    """
    named = [sources] if isinstance(sources, str | os.PathLike) else list(sources)
    found: list[Path] = []
    for source in named:
        path = Path(source)
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.is_file() and _is_read(p))
            if not inside:
                raise InputError(
                    f"{source}: no file in this folder that is read; expected names ending in "
                    f"{', '.join(ENDINGS)}."
                )
            found += inside
        elif not os.path.exists(path) and glob.has_magic(os.fspath(source)):
            matched = sorted(Path(p) for p in glob.glob(os.fspath(source), recursive=True))
            matched = [p for p in matched if p.is_file()]
            if not matched:
                raise InputError(f"{source}: no file matches this pattern.")
            found += matched
        else:
            found.append(path)
    if not found:
        raise InputError("no file to import; give one or more.")
    seen: dict[str, Path] = {}
    for path in found:
        place = os.path.realpath(path)
        if place in seen:
            raise InputError(f"{path} is given twice (also as {seen[place]}); give it once.")
        seen[place] = path
    return found


def _is_read(path: Path) -> bool:
    suffix = (path.with_suffix("") if path.suffix.lower() == ".gz" else path).suffix.lower()
    return suffix in ENDINGS and not path.name.startswith(".")


def opened(path: Path, folder: Path, encoding: str | None = None) -> Opened:
    """A file ready to be read; what is packed or not UTF-8 is copied into *folder* first.

    Raises
    ------
    RatingsError
        If it is packed and damaged, or not text of the *encoding*.
    InputError
        If there is no such encoding.
    """
    readable(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder.")
    ending, plain = path.suffix.lower(), path
    if _starts(path, 2) == b"\x1f\x8b":
        plain = folder / f"{len(list(folder.iterdir()))}.unpacked"
        try:
            with gzip.open(path) as packed, plain.open("wb") as out:
                most = max(_FREE, _MOST_TIMES * path.stat().st_size)
                while block := packed.read(_BLOCK):
                    out.write(block)
                    if out.tell() > most:
                        raise RatingsError(
                            f"unpacks to more than {_MOST_TIMES} times its size. If that is "
                            f"meant, unpack it, and import what comes out.",
                            source=str(path),
                        )
        except (OSError, EOFError, zlib.error) as error:
            raise RatingsError(f"cannot be unpacked: {error}.", source=str(path)) from error
        ending = (path.with_suffix("") if ending == ".gz" else path).suffix.lower()
    head = _starts(plain, 8)
    if head.startswith(_OLE):
        raise RatingsError(
            "an old workbook, or one with a password; save it as .xlsx without one.",
            source=str(path),
        )
    for mark, kind in _BINARY.items():
        if head.startswith(mark):
            return Opened(str(path), plain, kind, ending)
    found = _encoding(plain) if encoding is None else _known(encoding)
    if found not in ("utf-8", "ascii"):
        plain = _transcoded(str(path), plain, folder, found)
    return Opened(str(path), plain, "text", ending, found)


def _starts(path: Path, n_bytes: int) -> bytes:
    with path.open("rb") as file:
        return file.read(n_bytes)


def _known(encoding: str) -> str:
    try:
        return codecs.lookup(encoding).name
    except LookupError as error:
        raise InputError(
            f"no encoding is called {encoding!r}; usual ones are utf-8, utf-16 and cp1252."
        ) from error


def _encoding(path: Path) -> str:
    """By its byte order mark; else UTF-8 if it is that; else UTF-16 by its zeros; else 1252."""
    head = _starts(path, 1024)
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if head.count(0) * 4 > len(head) > 2:  # Latin text has a zero in every other byte
        return "utf-16-le" if head[1::2].count(0) > head[::2].count(0) else "utf-16-be"
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        try:
            while block := file.read(_BLOCK):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "cp1252"
    return "utf-8"


def _transcoded(name: str, path: Path, folder: Path, encoding: str) -> Path:
    plain = folder / f"{len(list(folder.iterdir()))}.utf8"
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with path.open("rb") as file, plain.open("wb") as out:
            while block := file.read(_BLOCK):
                if encoding == "cp1252" and not _UNDEFINED.isdisjoint(block):
                    raise ValueError("it is neither UTF-8 nor Windows-1252")
                out.write(decoder.decode(block).encode())
            out.write(decoder.decode(b"", final=True).encode())
    except ValueError as error:
        raise RatingsError(
            f"not text in {encoding}: {error}. Name its encoding with --encoding.", source=name
        ) from error
    return plain
