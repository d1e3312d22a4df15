"""The file of a store: opened, made where it is new, and read where it cannot be written."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path

from encore.errors import DocumentError
from encore.files import destination, path_refusals

VERSION = 3
MEMORY = ":memory:"
_APPLICATION = 0x656E6372  # "encr": what the file is, for `file` and for us
_MAGIC = b"SQLite format 3\0"
_BUSY_SECONDS = 60.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS raters (
    rater INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, identity TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS rules (
    rule INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, text TEXT NOT NULL,
    scale TEXT NOT NULL, rulebook TEXT, id TEXT);
CREATE TABLE IF NOT EXISTS answers (
    conversation BLOB NOT NULL, rater INTEGER NOT NULL, rule INTEGER NOT NULL,
    sample INTEGER NOT NULL, value REAL, spread REAL, reason TEXT, probabilities TEXT,
    applies REAL NOT NULL, reply TEXT NOT NULL, n_requests INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, n_cut INTEGER NOT NULL,
    made REAL NOT NULL,
    PRIMARY KEY (conversation, rater, rule, sample)) WITHOUT ROWID;
"""
COLUMNS = (
    "value, spread, reason, probabilities, applies, reply, n_requests, prompt_tokens, "
    "cached_tokens, completion_tokens, n_cut"
)
_TABLES = {
    "raters": ("rater", "digest", "identity"),
    "rules": ("rule", "digest", "text", "scale", "rulebook", "id"),
    "answers": ("conversation", "rater", "rule", "sample", "made", *COLUMNS.split(", ")),
}


def open_database(path: str, open_files: ExitStack) -> sqlite3.Connection:
    """Open a store's file, or make it; *open_files* closes it.

    A file that cannot be written to, or whose folder cannot, is only read.

    Raises
    ------
    DocumentError
        If it is no store, is damaged, of another version, or in no folder.
    PathError
        If it is no path.
    """
    if path != MEMORY:
        destination(path)  # an empty path would be a file that nobody finds again
        _refuse_other_files(path)
    try:
        return open_files.enter_context(closing(_opened(path, open_files)))
    except sqlite3.OperationalError as error:
        raise DocumentError(
            f"{path}: the store cannot be opened ({error}). Check that its folder exists "
            f"and can be written to, or give another file."
        ) from error
    except sqlite3.Error as error:
        raise DocumentError(
            f"{path}: not a store of ratings ({error}). Give another file, or a "
            f"new name to create one."
        ) from error


def _refuse_other_files(path: str) -> None:
    """Refuse what is too short to be a database: SQLite would take it for a new one."""
    if not os.path.isfile(path):
        return
    with path_refusals(path, "read"), open(path, "rb") as file:
        start = file.read(len(_MAGIC))
    if start and start != _MAGIC:
        raise DocumentError(
            f"{path}: not a store of ratings (file is not a database). Give another file, or a "
            f"new name to create one."
        )


def _opened(path: str, open_files: ExitStack) -> sqlite3.Connection:
    try:
        return _connect(path, path)
    except sqlite3.OperationalError as error:
        if _is_busy(error) or not os.path.isfile(path):
            raise
    beside = Path(f"{path}-wal")
    if not beside.is_file() or not beside.stat().st_size:
        return _connect(f"{Path(path).absolute().as_uri()}?immutable=1", path, uri=True)
    # To see the latest answers SQLite would have to write beside the file: it does beside a copy.
    folder = open_files.enter_context(tempfile.TemporaryDirectory(prefix="encore-"))
    copy = str(Path(folder) / "store")
    shutil.copyfile(path, copy)
    shutil.copyfile(beside, f"{copy}-wal")
    return _connect(f"{Path(copy).as_uri()}?mode=ro", path, uri=True)


def _connect(name: str, path: str, *, uri: bool = False) -> sqlite3.Connection:
    """Open a database; *path* names it in errors."""
    database = sqlite3.connect(
        name, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=uri
    )
    try:
        _open(database, path, writes=not uri)
    except BaseException:
        database.close()
        raise
    return database


def _open(database: sqlite3.Connection, path: str, *, writes: bool) -> None:
    """Check that the file is a store, or make it one."""
    database.execute("BEGIN")  # all three at once: another process may be creating the file
    (application,), (version,), (n_tables,) = (
        database.execute(asked).fetchone()
        for asked in (
            "PRAGMA application_id",
            "PRAGMA user_version",
            "SELECT count(*) FROM sqlite_master",
        )
    )
    database.execute("COMMIT")
    if application != _APPLICATION and n_tables:
        raise DocumentError(f"{path}: a database, but not a store of ratings. Give another file.")
    if application == _APPLICATION and version != VERSION:
        raise DocumentError(
            f"{path}: a store of version {version}; this ENCORE knows version {VERSION}. "
            f"Use the ENCORE that made it, or another file."
        )
    if not writes:
        return _check_tables(database, path)
    # Write-ahead: readers never wait, and a commit is one write without waiting for the disk.
    _switch_to_wal(database)
    database.execute("PRAGMA synchronous = NORMAL")
    if application != _APPLICATION:
        # One transaction, harmless if repeated: two processes may create the file together.
        database.executescript(
            f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA application_id = {_APPLICATION}; "
            f"PRAGMA user_version = {VERSION}; COMMIT;"
        )
    _check_tables(database, path)


def _check_tables(database: sqlite3.Connection, path: str) -> None:
    """Refuse a store that lacks a table or a column, or has a view in a table's place."""
    for table, columns in _TABLES.items():
        found = database.execute(
            "SELECT group_concat(c.name) FROM sqlite_master AS t, pragma_table_info(t.name) AS c "
            "WHERE t.type = 'table' AND t.name = ?",
            (table,),
        ).fetchone()[0]
        if not set(columns) <= set(str(found).split(",")):
            raise DocumentError(
                f"{path}: a damaged store: its table {table!r} is not as ENCORE makes it. Give "
                f"another file."
            )


def _switch_to_wal(database: sqlite3.Connection) -> None:
    """Wait until no other process holds the file: SQLite itself does not wait for this."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _is_busy(error: sqlite3.Error) -> bool:
    """Whether another process holds the file, so that waiting helps."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest says more about the same error
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
