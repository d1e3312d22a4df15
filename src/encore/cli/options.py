"""Arguments, options and output that verbs share."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console

from encore.errors import InputError
from encore.files import without_nan

F = TypeVar("F", bound=Callable[..., Any])
# Room for every column where the output is no terminal and so has no width of its own.
_PIPED_WIDTH = 120


def existing() -> click.Path:
    """A file that must exist."""
    return click.Path(exists=True, dir_okay=False, path_type=Path)


def output(help_text: str) -> Callable[[F], F]:
    """``-o``: the file to write."""
    path = click.Path(dir_okay=False, path_type=Path)
    return click.option("-o", "--out", type=path, required=True, help=help_text)


def refuse_overwrite(out: Path, *inputs: Path) -> None:
    """Refuse to write over what is read: the data would be lost.

    Raises
    ------
    InputError
        If *out* is one of the *inputs*.
    """
    if out.exists() and any(out.samefile(path) for path in inputs):
        raise InputError(f"{out} is the input; write to another file.")


def refuse_no_folder(out: Path) -> None:
    """Refuse a file in no folder before the work, not after it.

    Raises
    ------
    InputError
        If there is no such folder.
    """
    if not out.parent.is_dir():
        raise InputError(f"{out}: there is no folder {out.parent}; make it first.")


def rules_option(*, required: bool = True) -> Callable[[F], F]:
    """``--rules``: a file, or the name of a catalogue."""
    help_text = "rules.toml, or the name of a catalogue (see `encore rules list`)."
    return click.option("--rules", "rules_source", required=required, help=help_text)


def seed_option(help_text: str = "For the intervals.") -> Callable[[F], F]:
    """``--seed``."""
    return click.option("--seed", type=click.IntRange(0), default=0, help=help_text)


def json_option() -> Callable[[F], F]:
    """``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def on_device(verb: F) -> F:
    """Where and how a model with heads runs: ``--device``, ``--dtype``, ``--batch-tokens``."""
    options = (
        click.option("--device", help="For heads, as PyTorch names it.  [default: a GPU, if any]"),
        click.option(
            "--dtype",
            type=click.Choice(["float32", "bfloat16"]),
            help="For heads.  [default: bfloat16 on a GPU, float32 on a CPU]",
        ),
        click.option(
            "--batch-tokens",
            type=click.IntRange(1),
            help="For heads: tokens in a batch.  [default: 32768 on a GPU, 2048 on a CPU]",
        ),
    )
    for option in reversed(options):
        verb = option(verb)
    return verb


def console() -> Console:
    """Where results go: standard output."""
    return Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH, highlight=False)


def counted(number: int, noun: str) -> str:
    """A number with its noun.

    Examples
    --------
    >>> counted(1, "pair"), counted(2, "pair")
    ('1 pair', '2 pairs')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def note(message: str) -> None:
    """Say something beside the result, on standard error."""
    click.echo(message, err=True)


def note_uneven(n_uneven: int) -> None:
    """Say that pairs do not compare like with like, if some do not."""
    if n_uneven:
        note(
            f"Note: the two sides of {counted(n_uneven, 'pair')} are rated under different rules; "
            f"leaving a rule out shifts a reward."
        )


@contextmanager
def working(what: str) -> Iterator[None]:
    """A spinner on standard error, where that is a terminal."""
    with Console(stderr=True).status(what):
        yield


def print_json(value: Any) -> None:
    """Print plain data as JSON; what is undefined (NaN) becomes null."""
    click.echo(json.dumps(without_nan(value), indent=1, ensure_ascii=False, allow_nan=False))
