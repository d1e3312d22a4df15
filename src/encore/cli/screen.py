"""All that is printed: results, notes beside them, progress. Text from outside stays text."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from encore.cli.verb import data_on_stdout
from encore.files import without_nan
from encore.formatting import visible, visible_json

# Room for every column where the output is no terminal and so has no width of its own.
_PIPED_WIDTH = 120


class Screen(Console):
    """A console that takes no text for markup, and shows control characters, never sends them.

    Every text that Rich prints, cells of tables and titles among them, passes through
    ``render_str``; only a ``Text`` does not, which is made of :func:`visible` text here.
    """

    def render_str(self, text: str, **how: Any) -> Text:
        """Text as it is."""
        return super().render_str(visible(text), **{**how, "markup": False, "emoji": False})


def screen(*, err: bool = False) -> Screen:
    """Standard output, or standard error where the data go to standard output."""
    err = err or data_on_stdout()
    stream = sys.stderr if err else sys.stdout
    return Screen(
        stderr=err, width=None if stream.isatty() else _PIPED_WIDTH, highlight=False, markup=False
    )


def show(what: RenderableType, style: str | None = None) -> None:
    """Print a table with a blank line after it, or a sentence of any length, as a result."""
    console, is_text = screen(), isinstance(what, str)
    console.print(what, style=style, soft_wrap=is_text)
    if not is_text:
        console.print()


def say(*lines: object) -> None:
    """Print lines as a result; no text in them makes a line of its own."""
    _echo(lines, err=data_on_stdout())


def note(*lines: object) -> None:
    """Say something beside the result, on standard error."""
    _echo(lines, err=True)


def _echo(lines: Iterable[object], *, err: bool) -> None:
    click.echo("\n".join(visible(str(line), lines=False) for line in lines), err=err)


def print_json(value: Any) -> None:
    """Print plain data as JSON; what is undefined (NaN) becomes null."""
    text = json.dumps(without_nan(value), indent=1, ensure_ascii=False, allow_nan=False)
    click.echo(visible_json(text), err=data_on_stdout())


@contextmanager
def working(what: str) -> Iterator[None]:
    """A spinner on standard error, where that is a terminal."""
    with screen(err=True).status(Text(visible(what, lines=False))):
        yield


@contextmanager
def progress(what: str) -> Iterator[tuple[Callable[..., None], Callable[[str], None]]]:
    """A bar on standard error: how to tell it what is done, and how to say something above it.

    Where standard error is not a terminal, there is no bar.
    """
    console = screen(err=True)
    if not console.is_terminal:
        yield lambda n_done, told="", *, total: None, note
        return
    columns = (
        *(TextColumn(visible(what, lines=False), markup=False), BarColumn(), MofNCompleteColumn()),
        *(TextColumn("{task.fields[told]}", markup=False), TimeRemainingColumn()),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=None, told="")

        def update(n_done: int, told: str = "", *, total: int) -> None:
            bar.update(task, completed=n_done, total=total, told=visible(told, lines=False))

        yield update, lambda text: console.print(visible(text, lines=False))


class Grid(Table):
    """A table in which no cell's text makes a row of its own."""

    def add_row(self, *cells: Any, **how: Any) -> None:
        """Add a row of texts."""
        super().add_row(*(visible(str(cell), lines=False) for cell in cells), **how)


def new_table(title: str, *columns: str) -> Table:
    """A table whose first column names what the row is about; numbers are on the right.

    All fit a terminal of 80 columns; on a narrower one names fold, numbers never do.
    """
    table = Grid(box=SIMPLE_HEAD, padding=0, pad_edge=False, show_edge=False)
    # A title may be wider than its table, and must not be broken for that.
    table.title = Text(
        visible(title, lines=False),
        style="italic",
        no_wrap=True,
        overflow="ignore",
        justify="left",
    )
    for position, name in enumerate(columns):
        left = position == 0 or name in ("ratings", "flags")
        folds = position == 0 or name == "flags"
        table.add_column(
            name, justify="left" if left else "right", overflow="fold", no_wrap=not folds
        )
    return table
