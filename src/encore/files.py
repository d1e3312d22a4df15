"""Writing that never leaves half a file, and JSON documents that say what they are."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from encore.errors import DocumentError

StrPath = str | os.PathLike[str]


@contextlib.contextmanager
def atomic_write(path: StrPath) -> Iterator[Path]:
    """Give a temporary path beside *path*; move it there when the block ends well.

    Readers see the old file or the new one, never a part. If the block fails, for a full disk
    or for Ctrl-C, the old file stays as it was and the temporary one is removed.

    Parameters
    ----------
    path : path-like
        The file to write. Its folder must exist.

    Yields
    ------
    pathlib.Path
        The temporary file, empty, in the same folder: a rename across file systems is not atomic.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with atomic_write(folder / "a.txt") as temporary:
    ...     _ = temporary.write_text("whole")
    >>> (folder / "a.txt").read_text()
    'whole'
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.urandom(6).hex()}.part")
    try:
        temporary.open("xb").close()
    except OSError as error:
        # The caller knows the file that was asked for, not the one beside it.
        raise type(error)(error.errno, error.strerror, str(target)) from error
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    # The rename itself is durable only once the folder's entry is on disk.
    with contextlib.suppress(OSError):
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def digest(value: object) -> str:
    """SHA-256 (hex) of *value* as canonical JSON: sorted keys, no spaces, no NaN."""
    import hashlib  # it loads OpenSSL: only who makes a digest pays for it

    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: StrPath) -> str:
    """SHA-256 (hex) of a file's bytes, read in blocks."""
    import hashlib

    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def without_nan(value: Any) -> Any:
    """Plain data fit for JSON: what is undefined (NaN) or infinite becomes None.

    Examples
    --------
    >>> without_nan({"a": [float("nan"), 1.0]})
    {'a': [None, 1.0]}
    """
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: without_nan(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(entry) for entry in value]
    return value


def write_document(path: StrPath, kind: str, version: int, body: Mapping[str, Any]) -> None:
    """Write *body* as a JSON document that states its kind and schema version, atomically.

    Floats are written with the digits that bring back the same float.
    """
    document = {"kind": kind, "schema_version": version, **body}
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False)
    with atomic_write(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_document(path: StrPath, kind: str, version: int) -> dict[str, Any]:
    """Read a JSON document of this *kind*, of schema *version* or older.

    Raises
    ------
    DocumentError
        If the file is not JSON, is of another kind, or was written by a newer ENCORE.
    FileNotFoundError
        If there is no such file.
    """
    document = _read_json(path, kind)
    if document.get("kind") != kind:
        raise DocumentError(
            f"{path}: expected a document of kind {kind!r}, got {document.get('kind')!r}."
        )
    check_version(path, kind, document.get("schema_version"), version)
    return document


def document_kind(path: StrPath) -> str | None:
    """The kind that a JSON document states, or None.

    Raises
    ------
    DocumentError
        If the file is not JSON.
    FileNotFoundError
        If there is no such file.
    """
    kind = _read_json(path, "encore.*").get("kind")
    return kind if isinstance(kind, str) else None


def check_version(path: StrPath, kind: str, written: object, known: int) -> None:
    """Refuse a schema version that this ENCORE does not know.

    Raises
    ------
    DocumentError
        If *written* is not a whole number from 1 to *known*.
    """
    if not isinstance(written, int) or not 1 <= written <= known:
        raise DocumentError(
            f"{path}: schema version {written!r} of {kind!r} is not one that this version of "
            f"ENCORE reads (1 to {known}). Install the version that wrote it, or a newer one."
        )


def refuse_twin_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, for ``object_pairs_hook``; a key that stands twice is a ValueError."""
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"keys stand twice: {sorted({k for k in keys if keys.count(k) > 1})}")
    return value


def _read_json(path: StrPath, expected: str) -> dict[str, Any]:
    try:
        text = Path(path).read_text(encoding="utf-8")
        value: Any = json.loads(text, object_pairs_hook=refuse_twin_keys)
    except (ValueError, RecursionError) as error:
        raise DocumentError(
            f"{path}: not a JSON document ({error}). Expected {expected!r}."
        ) from error
    return value if isinstance(value, dict) else {}
