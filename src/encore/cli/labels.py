"""``--label`` and what goes with it: pairs made of labels of single responses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from encore.cli.screen import note
from encore.ratings.convert import UNSAID
from encore.ratings.pairing import MAX_PER_PROMPT, Pairing

_F = TypeVar("_F", bound=Callable[..., Any])


def label_options(*, required: bool = False) -> Callable[[_F], _F]:
    """How pairs are made of labels: what :func:`encore.pairs` takes, by the same names."""

    def add(command: _F) -> _F:
        options = (
            click.option(
                "--label",
                metavar="COLUMN",
                required=required,
                help="Make pairs of rated responses by this column: a person's score, 0/1, a rank.",
            ),
            click.option(
                "--gap",
                type=click.FloatRange(0),
                help="By how much labels must differ; 0: at all.  [default: 1 standard deviation]",
            ),
            click.option(
                "--max-per-prompt",
                type=click.IntRange(1),
                default=MAX_PER_PROMPT,
                show_default=True,
                help="Most pairs of one prompt, drawn at random.",
            ),
            click.option(
                "--across-prompts",
                is_flag=True,
                help="Also join responses to different prompts, within random groups of prompts.",
            ),
            click.option(
                "--lower-is-better/--higher-is-better",
                default=None,
                help="Which label is better.  [default: higher; must be said of ranks and costs]",
            ),
        )
        for option in reversed(options):
            command = option(command)
        return command

    return add


def taken(options: dict[str, Any]) -> dict[str, Any]:
    """The options of :func:`label_options`, taken out of *options*."""
    return {name: options.pop(name) for name in ("label", *UNSAID)}


def said(by_label: dict[str, Any]) -> list[str]:
    """The options of :func:`label_options` that were given, as words of a command."""
    words = []
    for name in ("label", *UNSAID):
        value = by_label[name]
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, bool) and name == "lower_is_better":
            words.append(option if value else "--higher-is-better")
        elif value != UNSAID.get(name):
            words += [option] if value is True else [option, str(value)]
    return words


def note_pairing(pairing: Pairing | None) -> None:
    """Say how pairs were made of labels, if they were."""
    if pairing is not None:
        note(f"Note: {pairing.sentence}")
