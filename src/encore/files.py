"""Writing that never leaves half a file, and JSON documents that say what they are."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from encore.errors import DocumentError, InputError, PathError
from encore.parsing import json_value
from encore.temporary import sweep, temporary_beside

StrPath = str | os.PathLike[str]
STANDARD_STREAM = "-"
"""Standard input where something is read, standard output where it is written."""
_MAX_LINKS = 40  # as many as Linux follows
_MAX_DOCUMENT_BYTES = 256 << 20  # far above any document; a device has no end


@contextlib.contextmanager
def atomic_write(path: StrPath) -> Iterator[Path]:
    """Give a temporary path to write to; *path* gets its contents when the block ends well.

    Readers see the old file or the new one, never a part. If the block fails, for a full disk
    or for Ctrl-C, the old file stays as it was and the temporary one is removed. What a killed
    process left behind is removed by the next write to the same path.

    A symbolic link is followed, and an existing file keeps its mode. A device, a FIFO and a
    descriptor such as ``/dev/stdout`` are written to, at the end and in one go; ``-`` is standard
    output.

    Parameters
    ----------
    path : path-like
        Where to write. Its folder must exist.

    Yields
    ------
    pathlib.Path
        The temporary file, empty.

    Raises
    ------
    PathError
        If nothing can be written there, for it is a folder, empty, or too long.
    FileNotFoundError
        If there is no such folder.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with atomic_write(folder / "a.txt") as temporary:
    ...     _ = temporary.write_text("whole")
    >>> (folder / "a.txt").read_text()
    'whole'
    """
    if is_stream(path):
        with _spooled(path) as temporary:
            yield temporary
        return
    target = destination(path)
    if target.is_dir():
        raise PathError(f"{path} is a folder; give the name of a file to write.")
    sweep(target)
    temporary = temporary_beside(target)  # a rename across file systems is not atomic
    # The caller knows the file that was asked for, not the one beside it.
    with path_refusals(path, "written"):
        temporary.open("xb").close()
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            temporary.chmod(stat.S_IMODE(target.stat().st_mode))
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


def destination(path: StrPath) -> Path:
    """Where *path* leads: symbolic links are followed, to a descriptor but not through it.

    Raises
    ------
    PathError
        If it is no path, or the links go round in a circle.
    """
    target = Path(path)
    with path_refusals(path, "followed"):
        for _ in range(_MAX_LINKS):
            target = target.parent.resolve() / target.name
            if _descriptor(target) is not None or not target.is_symlink():
                return target
            target = target.parent / target.readlink()
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


@contextlib.contextmanager
def path_refusals(path: StrPath, done: str) -> Iterator[None]:
    """What the system says against a path, as an error of ours; that it is missing, as its own."""
    try:
        if not os.fspath(path) or "\0" in os.fspath(path):
            raise ValueError("a path has at least one character, and none of code 0")
        os.fsencode(path)
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(error.errno, error.strerror, str(path)) from error
    except (OSError, ValueError, RuntimeError) as error:  # in links, a circle is a RuntimeError
        if isinstance(error, InputError):
            raise
        why = getattr(error, "strerror", None) or error
        raise PathError(f"{os.fspath(path)!r:.200} cannot be {done}: {why}.") from error


def readable(path: StrPath) -> Path:
    """*path*, if it is a file that can be opened, and read more than once.

    Raises
    ------
    PathError
        If it is a folder, a pipe or a device, may not be read, or is no path.
    FileNotFoundError
        If there is no such file.
    """
    with path_refusals(path, "read"):
        mode = os.stat(path).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise ValueError("it is a pipe or a device; give a file")
        with open(path, "rb"):
            return Path(path)


def read_whole(path: StrPath) -> bytes:
    """All bytes of a document.

    Raises
    ------
    PathError, FileNotFoundError
        As :func:`readable`; but a pipe or a device will do.
    DocumentError
        If it has no end.
    """
    with path_refusals(path, "read"), open(path, "rb") as file:
        data = file.read(_MAX_DOCUMENT_BYTES + 1)
    if len(data) > _MAX_DOCUMENT_BYTES:
        raise DocumentError(f"{path}: more than {_MAX_DOCUMENT_BYTES >> 20} MB: not a document.")
    return data


def is_stream(path: StrPath) -> bool:
    """Whether *path* is ``-``, a device, a FIFO or a descriptor: written to, never replaced."""
    if os.fspath(path) == STANDARD_STREAM:
        return True
    target = destination(path)
    if _descriptor(target) is not None:
        return True
    try:
        mode = target.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def refuse_overwrite(out: StrPath, *read: object) -> None:
    """Refuse to write over what is read: it would be lost.

    Parameters
    ----------
    out : path-like
        The file that is to be written.
    read : object
        What is read; anything but a path (an array, a frame, None) is passed over.

    Raises
    ------
    InputError
        If *out* is one of the files read, under whatever name, or is in a folder that is read.
    """
    for path in read:
        if isinstance(path, str | os.PathLike) and overlap(out, path):
            raise InputError(f"{out} is an input ({path}); write to another file.")


def overlap(one: StrPath, other: StrPath) -> bool:
    """Whether two paths are one file, by whatever names, or one is a folder that holds the other.

    Devices and sockets overlap with nothing, since writing to them loses nothing.

    Examples
    --------
    >>> overlap("a.txt", "./a.txt"), overlap("folder/a.txt", "folder"), overlap("a.txt", "b.txt")
    (True, False, False)
    """
    if STANDARD_STREAM in (os.fspath(one), os.fspath(other)):
        return os.fspath(one) == os.fspath(other)
    places = [destination(path) for path in (one, other)]
    found = [_stat(path) for path in (one, other)]
    if any(f is not None and (stat.S_ISCHR(f.st_mode) or stat.S_ISSOCK(f.st_mode)) for f in found):
        return False
    if places[0] == places[1]:
        return True
    return any(
        of is not None
        and (
            (f is not None and os.path.samestat(of, f))
            or (stat.S_ISDIR(of.st_mode) and place.is_relative_to(folder.resolve()))
        )
        for of, folder, f, place in (
            (found[0], Path(one), found[1], places[1]),
            (found[1], Path(other), found[0], places[0]),
        )
    )


def _stat(path: StrPath) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None


def _descriptor(target: Path) -> int | None:
    """The number of an open file of this process, if *target* names one (``/dev/fd/1``)."""
    folder = target.parent
    ours = folder in (Path("/dev/fd"), Path(f"/proc/{os.getpid()}/fd"))
    return int(target.name) if ours and target.name.isdecimal() else None


@contextlib.contextmanager
def _spooled(path: StrPath) -> Iterator[Path]:
    """A temporary file whose contents go to a stream at the end."""
    import shutil
    import tempfile  # only who writes to a stream pays for these

    with tempfile.TemporaryDirectory(prefix="encore-") as folder:
        temporary = Path(folder) / "spooled"
        temporary.touch()
        yield temporary
        with temporary.open("rb") as file, _open_stream(path) as stream:
            shutil.copyfileobj(file, stream)


@contextlib.contextmanager
def _open_stream(path: StrPath) -> Iterator[Any]:
    sys.stdout.flush()
    if os.fspath(path) == STANDARD_STREAM:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    number = _descriptor(destination(path))
    # A descriptor is shared, not opened anew: that would begin at the start of a file again.
    with os.fdopen(os.dup(number), "wb") if number is not None else Path(path).open("wb") as stream:
        yield stream


def digest(value: object) -> str:
    """SHA-256 (hex) of *value* as canonical JSON: sorted keys, no spaces, no NaN."""
    import hashlib  # it loads OpenSSL: only who makes a digest pays for it

    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: StrPath) -> str:
    """SHA-256 (hex) of a file's bytes, read in blocks."""
    import hashlib

    with readable(path).open("rb") as file:
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


def read_document(
    path: StrPath, kind: str, version: int, *, oldest: int = 1, again: str = "Make it again."
) -> dict[str, Any]:
    """Read a JSON document of this *kind*, of schema *version* or older.

    Documents older than *oldest* are not read; the error says how to make them *again*.

    Raises
    ------
    DocumentError
        If the file is not JSON, is of another kind, or of a version that is not read.
    FileNotFoundError
        If there is no such file.
    """
    document = _read_object(path, repr(kind))
    if document.get("kind") != kind:
        raise DocumentError(
            f"{path}: expected a document of kind {kind!r}, got {document.get('kind')!r}."
        )
    written = document.get("schema_version")
    if type(written) is int and 1 <= written < oldest:
        raise DocumentError(f"{path}: schema version {written} of {kind!r} is too old. {again}")
    check_version(path, kind, written, version, oldest=oldest)
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
    kind = _read_object(path, "'encore.*'").get("kind")
    return kind if isinstance(kind, str) else None


def check_version(
    path: StrPath, kind: str, written: object, known: int, *, oldest: int = 1
) -> None:
    """Refuse a schema version that this ENCORE does not know.

    Raises
    ------
    DocumentError
        If *written* is not a whole number from *oldest* to *known*.
    """
    if type(written) is not int or not oldest <= written <= known:
        raise DocumentError(
            f"{path}: schema version {written!r} of {kind!r} is not one that this version of "
            f"ENCORE reads ({oldest} to {known}). Install the version that wrote it, or a newer "
            f"one."
        )


def read_json(path: StrPath, expected: str, *, finite: bool = True) -> Any:
    """Read a JSON file; see :func:`encore.parsing.json_value`.

    Raises
    ------
    DocumentError
        If the file is not JSON; the message says what was *expected*.
    PathError, FileNotFoundError
        As :func:`read_whole`.
    """
    data = read_whole(path)
    try:
        return json_value(data, finite=finite)
    except ValueError as error:
        raise DocumentError(
            f"{path}: not a JSON document ({error}). Expected {expected}."
        ) from error


def _read_object(path: StrPath, expected: str) -> dict[str, Any]:
    value = read_json(path, expected)
    return value if isinstance(value, dict) else {}
