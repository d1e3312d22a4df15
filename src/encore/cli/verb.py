"""A verb: its paths are checked and what comes through a pipe is spooled before its work."""

from __future__ import annotations

import codecs
import contextlib
import functools
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import click

from encore.cli.paths import Reads, ReadsNamed, Writes, check_paths, told
from encore.errors import InputError
from encore.files import STANDARD_STREAM, is_stream
from encore.ratings.write import FORMATS

_F = TypeVar("_F", bound=Callable[..., Any])
_FORMAT, _SPOOLED, _DATA_ON_STDOUT = ("encore.format", "encore.spooled", "encore.data_on_stdout")
_HEAD_BYTES = 1 << 16


class Verb(click.Command):
    """A command that never writes over what it reads, and reads tables from pipes."""

    def invoke(self, ctx: click.Context) -> Any:
        """Check the paths, spool what is piped, and run."""
        check_paths(ctx, said_format(ctx))
        outs = [
            ctx.params[str(param.name)] for param in self.params if isinstance(param.type, Writes)
        ]
        streams = [out for out in outs if out is not None and is_stream(out)]
        ctx.meta[_DATA_ON_STDOUT] = any(map(_is_stdout, streams))
        # --format is of what is written where that is a stream; what is read is then recognised.
        spool = _Spool(ctx, None if streams else said_format(ctx))
        for param in self.params:
            value = ctx.params.get(str(param.name))
            if isinstance(param.type, Reads | ReadsNamed) and param.type.streams:
                ctx.params[str(param.name)] = (
                    tuple(spool(path, param) for path in value)
                    if isinstance(value, tuple)
                    else spool(value, param)
                )
        return super().invoke(ctx)


verb = functools.partial(click.command, cls=Verb)
"""Makes a function a verb."""


def format_option(command: _F) -> _F:
    """``--format`` of what is read from a pipe or written to one; see :func:`said_format`."""

    def keep(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
        ctx.meta[_FORMAT] = value

    return click.option(
        "--format",
        type=click.Choice(FORMATS),
        expose_value=False,
        callback=keep,
        help="Of a table that is piped; a file's ending says its own.  "
        "[default: what is read is recognised, jsonl is written]",
    )(command)


def said_format(ctx: click.Context | None = None) -> str | None:
    """What ``--format`` says, if anything."""
    return (ctx or click.get_current_context()).meta.get(_FORMAT)


def stream_format(out: Path) -> str | None:
    """What ``--format`` says of a table to write, if that goes to a stream."""
    return said_format() if is_stream(out) else None


def data_on_stdout() -> bool:
    """Whether a verb's data go to standard output, so that nothing else may."""
    ctx = click.get_current_context(silent=True)
    return ctx is not None and bool(ctx.meta.get(_DATA_ON_STDOUT))


def as_named(text: str, ctx: click.Context) -> str:
    """An error in the user's names: a spooled file by what was read into it."""
    for spooled, name in ctx.meta.get(_SPOOLED, {}).items():
        text = text.replace(spooled, name)
    return text


def _is_stdout(path: Path) -> bool:
    if _is_standard(path):
        return True
    try:
        return path.samefile("/dev/stdout")
    except OSError:
        return False


class _Spool:
    """Copies what comes through pipes to files, for readers seek, and some read twice."""

    def __init__(self, ctx: click.Context, said: str | None) -> None:
        self.ctx, self.said = ctx, said
        self.names: dict[str, str] = ctx.meta.setdefault(_SPOOLED, {})

    def __call__(self, path: Any, param: click.Parameter) -> Any:
        """*path*, or the file with what comes through it, named after its format.

        Raises
        ------
        InputError
            If a pipe is named twice.
        """
        if path is None or not (is_stream(path) and (_is_standard(path) or os.path.exists(path))):
            return path
        name = "standard input" if _is_standard(path) else os.fspath(path)
        if name in self.names.values():
            raise InputError(f"{told(param)}: {name} can be read once only; give another file.")
        folder = self.ctx.with_resource(tempfile.TemporaryDirectory(prefix="encore-"))
        with contextlib.ExitStack() as stack:
            stream: BinaryIO = sys.stdin.buffer
            if not _is_standard(path):
                stream = stack.enter_context(Path(path).open("rb"))
                if _is_endless(stream):
                    raise InputError(f"{told(param)}: {name} is a device; give a file or a pipe.")
            head = stream.read(_HEAD_BYTES)
            stem = "stdin" if _is_standard(path) else Path(path).stem
            spooled = Path(folder) / f"{stem}.{self.said or _seen(head)}"
            with spooled.open("wb") as file:
                file.write(head)
                shutil.copyfileobj(stream, file)
        self.names[str(spooled)] = name
        return type(path)(spooled)


def _is_standard(path: Path | str) -> bool:
    return os.fspath(path) == STANDARD_STREAM


def _is_endless(stream: BinaryIO) -> bool:
    """Whether it is a device such as ``/dev/zero``: neither a terminal nor empty."""
    found = os.fstat(stream.fileno())
    empty = os.path.samestat(found, os.stat(os.devnull))
    return stat.S_ISCHR(found.st_mode) and not empty and not stream.isatty()


def _seen(head: bytes) -> str:
    """The format of a table by its first bytes."""
    if head.startswith(b"PAR1"):
        return "parquet"
    return "jsonl" if head.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"{") else "csv"
