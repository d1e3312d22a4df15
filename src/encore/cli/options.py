"""Arguments and options that verbs share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, get_args

import click

from encore.cli.paths import STORE, ReadsNamed, Updates, Writes
from encore.cli.screen import note
from encore.rewards import FORMS, AppliesBy

_F = TypeVar("_F", bound=Callable[..., Any])


def output(help_text: str, *, required: bool = True, table: bool = False) -> Callable[[_F], _F]:
    """``-o``: the file to write."""
    kind = Writes(table=table)
    return click.option("-o", "--out", type=kind, required=required, help=help_text)


def rules_option(*, required: bool = True) -> Callable[[_F], _F]:
    """``--rules``: a file, or the name of a catalogue."""
    help_text = "rules.toml, or the name of a catalogue (see `encore rules list`)."
    return click.option(
        "--rules", "rules_source", type=ReadsNamed(), required=required, help=help_text
    )


def store_option(help_text: str) -> Callable[[_F], _F]:
    """``--store``: where a rater's answers are kept."""
    return click.option(
        "--store",
        "store_path",
        type=Updates(*STORE),
        default="encore-store.sqlite",
        show_default=True,
        help=help_text,
    )


def seed_option(help_text: str = "For the intervals.") -> Callable[[_F], _F]:
    """``--seed``."""
    return click.option("--seed", type=click.IntRange(0), default=0, help=help_text)


def json_option() -> Callable[[_F], _F]:
    """``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


def composing_options(verb: _F) -> _F:
    """How unit ratings become one number: ``--form``, ``--applies-by``."""
    options = (
        click.option(
            "--form",
            metavar="NAME[:OPTION=NUMBER]",
            help=f"How unit ratings become one number: {', '.join(FORMS)}; with an option as in "
            f"geometric:epsilon=0.1.  [default: mean, or the reward.json's]",
        ),
        click.option(
            "--applies-by",
            type=click.Choice(get_args(AppliesBy)),
            help="Whether how far a rule applies is a response's own, or the average over its "
            "prompt's responses.  [default: response, or the reward.json's]",
        ),
    )
    for option in reversed(options):
        verb = option(verb)
    return verb


def on_device(verb: _F) -> _F:
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


def head_option(verb: _F) -> _F:
    """``--head``: which layer of a model with heads holds them."""
    return click.option(
        "--head", metavar="NAME", help="For heads: their layer, where several could be it."
    )(verb)


def counted(number: int, noun: str) -> str:
    """A number with its noun.

    Examples
    --------
    >>> counted(1, "pair"), counted(2, "pair")
    ('1 pair', '2 pairs')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def note_uneven(n_uneven: int) -> None:
    """Say that pairs do not compare like with like, if some do not."""
    if n_uneven:
        note(
            f"Note: the two sides of {counted(n_uneven, 'pair')} are rated under different rules, "
            f"or these apply unequally; that shifts a reward. PreferencePairs.uneven says which."
        )
