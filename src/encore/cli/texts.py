"""The options that say how texts are laid out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from encore.cli.screen import note
from encore.raters.layouts import LAYOUTS

_F = TypeVar("_F", bound=Callable[..., Any])


def texts_options(verb: _F) -> _F:
    """``--layout`` and ``--json-messages``, as for ``Texts``."""
    verb = click.option(
        "--json-messages",
        is_flag=True,
        help="Cells of text hold lists of messages as JSON, as in a CSV.",
    )(verb)
    return click.option(
        "--layout",
        type=click.Choice(LAYOUTS),
        help="How the texts are laid out.  [default: as the columns' names say]",
    )(verb)


def noted(message: str) -> None:
    """Say what was noticed in the texts."""
    note(f"Note: {message}")
