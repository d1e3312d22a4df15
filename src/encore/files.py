"""Writing that never leaves half a file, and JSON documents that say what they are."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
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
    descriptor, name = tempfile.mkstemp(
        prefix=f".{target.name}.", suffix=".part", dir=target.parent
    )
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(_mode_of_a_new_file())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    # The rename itself is durable only once the folder's entry is on disk.
    with contextlib.suppress(OSError), _opened_folder(target.parent) as folder:
        os.fsync(folder)


def _mode_of_a_new_file() -> int:
    """What ``open`` would give: mkstemp makes files that only their owner can read."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


@contextlib.contextmanager
def _opened_folder(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def digest(value: object) -> str:
    """SHA-256 (hex) of *value* as canonical JSON: sorted keys, no spaces, no NaN."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: StrPath) -> str:
    """SHA-256 (hex) of a file's bytes, read in blocks."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
    try:
        document: Any = json.loads(Path(path).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DocumentError(f"{path}: not a JSON document ({error}). Expected {kind!r}.") from error
    found = document.get("kind") if isinstance(document, dict) else None
    if found != kind:
        raise DocumentError(f"{path}: expected a document of kind {kind!r}, got {found!r}.")
    written = document.get("schema_version")
    if not isinstance(written, int) or not 1 <= written <= version:
        raise DocumentError(
            f"{path}: schema version {written!r} of {kind!r} is not one that this version of "
            f"ENCORE reads (1 to {version}). Install the version that wrote it, or a newer one."
        )
    body: dict[str, Any] = document
    return body
