"""The paths of a verb: each says whether it is read or written, and one guard checks them all."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from encore.errors import InputError
from encore.files import STANDARD_STREAM, is_stream, overlap
from encore.ratings.write import table_format

if TYPE_CHECKING:
    ParameterType = click.ParamType[Any]
else:
    ParameterType = click.ParamType  # click before 8.5 has no parameters for it

STORE = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a store."""


class PathType(ParameterType):
    """A parameter that names files: those that a verb reads, and those that it writes."""

    name = "file"

    def reads(self, value: Any) -> list[Path]:
        """The files or folders that are read."""
        return []

    def writes(self, value: Any) -> list[Path]:
        """The files or folders that are written."""
        return []

    def named(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse what is no path: an empty one would be the folder that one is in."""
        if not os.fspath(value) or "\0" in os.fspath(value):
            self.fail(f"{value!r} is no path; give the name of a {self.name}.", param, ctx)
        return value

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        """Names of files."""
        return [click.shell_completion.CompletionItem(incomplete, type="file")]


class Reads(PathType):
    """A file that must exist; if *streams*, ``-`` for standard input and pipes are taken too."""

    def __init__(self, *, streams: bool = False) -> None:
        self.streams = streams

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """See that it exists."""
        self.named(value, param, ctx)
        if self.streams and os.fspath(value) == STANDARD_STREAM:
            return Path(value)
        found: Path = click.Path(exists=True, dir_okay=False, path_type=Path)(value, param, ctx)
        return found

    def reads(self, value: Path) -> list[Path]:
        """The file."""
        return [_standard(value, "/dev/stdin")]


class ReadsNamed(PathType):
    """A file, or the name of something that is none: a catalogue, a data set, a model, a scheme.

    Parameters
    ----------
    folders : bool
        Whether a folder of that name is read too.
    streams : bool
        Whether ``-`` for standard input and pipes are taken.
    several : bool
        Whether there may be several, with commas between them.
    """

    name = "text"

    def __init__(
        self, *, folders: bool = False, streams: bool = False, several: bool = False
    ) -> None:
        self.folders, self.streams, self.several = folders, streams, several

    def reads(self, value: str) -> list[Path]:
        """The files, and folders if they count, of that name."""
        names = value.split(",") if self.several else [value]
        if self.streams and value == STANDARD_STREAM:
            return [Path("/dev/stdin")]
        return [
            Path(name)
            for name in names
            if name and os.path.exists(name) and (self.folders or not os.path.isdir(name))
        ]


class ReadsMatching(PathType):
    """A file or a folder that exists, or a pattern that files match."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See that there is something."""
        self.named(value, param, ctx)
        if not os.path.exists(value) and not glob.has_magic(os.fspath(value)):
            self.fail(f"there is no file or folder {value!r}.", param, ctx)
        return str(value)

    def reads(self, value: str) -> list[Path]:
        """The files, or the folder."""
        if os.path.exists(value):
            return [Path(value)]
        return [Path(path) for path in glob.glob(value, recursive=True)]


class ReadsRater(PathType):
    """A rater, which may be of a file: ``recorded:FILE``, ``local:FILE.gguf``, ``heads:MODEL``."""

    name = "text"

    def reads(self, value: str) -> list[Path]:
        """The file or the models' folders."""
        kind, _, names = value.partition(":")
        if kind not in ("recorded", "local", "heads"):
            return []
        return ReadsNamed(folders=kind == "heads", several=kind == "heads").reads(names)


class ReadsReward(PathType):
    """``NAME=FILE``: a reward of pairs by the name that its row gets."""

    name = "name=file"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Path]:
        """Split the two."""
        if isinstance(value, tuple):
            return value
        name, sign, path = str(value).partition("=")
        if not (name and sign and path):
            self.fail(f"{value!r}: expected NAME=FILE.", param, ctx)
        return name, Path(self.named(path, param, ctx))

    def reads(self, value: tuple[str, Path]) -> list[Path]:
        """The file."""
        return [value[1]]


class Writes(PathType):
    """A file to write, in a folder that exists; if *table*, its ending says the format."""

    def __init__(self, *, table: bool = False) -> None:
        self.table = table

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """See that it is no folder."""
        self.named(value, param, ctx)
        found: Path = click.Path(dir_okay=False, path_type=Path)(value, param, ctx)
        return found

    def writes(self, value: Path) -> list[Path]:
        """The file."""
        return [_standard(value, "/dev/stdout")]

    def check(self, value: Path, said: str | None) -> None:
        """Refuse before the work what could not be written after it.

        Raises
        ------
        InputError
            If there is no such folder, or the ending of a table is unknown.
        """
        if not is_stream(value) and not value.parent.is_dir():
            raise InputError(f"{value}: there is no folder {value.parent}; make it first.")
        if self.table:
            table_format(value, said if is_stream(value) else None)


class Updates(Writes):
    """A file that is read and then written to, with what is kept beside it: *beside* it."""

    def __init__(self, *beside: str, exists: bool = False) -> None:
        super().__init__()
        self.beside, self.exists = beside, exists

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """See that it is no folder, and that it exists if it must."""
        self.named(value, param, ctx)
        kind = click.Path(exists=self.exists, dir_okay=False, path_type=Path)
        found: Path = kind(value, param, ctx)
        return found

    def reads(self, value: Path) -> list[Path]:
        """The file, and what is kept beside it."""
        return [value, *(value.with_name(value.name + ending) for ending in self.beside)]

    def writes(self, value: Path) -> list[Path]:
        """The same."""
        return self.reads(value)


class WritesFolder(PathType):
    """A folder to write *names* into; without names, what is there after is the verb's own."""

    name = "folder"

    def __init__(self, names: Sequence[str] = ()) -> None:
        self.names = names

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """See that it is no file, if it is a folder that there is more than one file in."""
        self.named(value, param, ctx)
        found: Path = click.Path(file_okay=not self.names, path_type=Path)(value, param, ctx)
        return found

    def writes(self, value: Path) -> list[Path]:
        """The files in it."""
        return [value / name for name in self.names] or [value]


def check_paths(ctx: click.Context, said: str | None) -> None:
    """Refuse to begin a verb that would write over what it reads, or write two things to one file.

    Files are the same by what the system says, not by name; nothing is written into a folder that
    is read.

    Raises
    ------
    InputError
        If it would; or if there is no folder to write into, or the ending of a table is unknown.
    """
    used = list(_used(ctx))
    if clashes := list(_clashes(used)):
        is_new, param, path, other = min(clashes, key=itemgetter(0))  # what is read comes first
        if is_new:
            raise InputError(
                f"{told(param)} and {told(other)} would both write {path}; give each a file of its "
                f"own."
            )
        way = "into" if path.is_dir() else "over"
        raise InputError(
            f"{told(param)} would write {way} {path}, which {told(other)} reads; write to another "
            f"file."
        )
    for _, kind, value in used:
        if isinstance(kind, Writes):
            kind.check(value, said)


_Use = tuple[click.Parameter, PathType, Any]


def _clashes(used: list[_Use]) -> Iterator[tuple[bool, click.Parameter, Path, click.Parameter]]:
    """Whether a file is only written, who writes it, the file, and who else reads or writes it."""
    for param, kind, value in used:
        for out in kind.writes(value):
            for other, other_kind, other_value in used:
                if other is param:
                    continue
                if found := _overlapping(out, other_kind.reads(other_value)):
                    yield False, param, found, other
                if found := _overlapping(out, other_kind.writes(other_value)):
                    yield True, param, found, other


def _overlapping(out: Path, paths: list[Path]) -> Path | None:
    return next((path for path in paths if overlap(out, path)), None)


def _used(ctx: click.Context) -> Iterator[_Use]:
    """Every path that the parameters name, and the defaults of those that are not given."""
    for param in ctx.command.params:
        value = ctx.params.get(param.name or "")
        if isinstance(param.type, PathType) and value is not None:
            several = param.multiple or param.nargs != 1
            for one in value if several else [value]:
                yield param, param.type, one


def told(param: click.Parameter) -> str:
    """A parameter as the user knows it: ``--out``, or ``RATINGS``."""
    return param.opts[-1] if isinstance(param, click.Option) else param.human_readable_name.upper()


def _standard(path: Path, device: str) -> Path:
    """The file or pipe that the shell gave for ``-``."""
    return Path(device) if os.fspath(path) == STANDARD_STREAM else path
