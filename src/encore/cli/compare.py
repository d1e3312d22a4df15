"""``encore compare``."""

from __future__ import annotations

from pathlib import Path

import click
from rich.markup import escape

from encore.cli.options import (
    console,
    counted,
    existing,
    json_option,
    note,
    note_uneven,
    print_json,
    rules_option,
    seed_option,
    working,
)
from encore.cli.tables import accuracy_by_rule_table, comparison_table, law_table
from encore.evaluate import Comparison
from encore.evaluate import compare as compare_schemes
from encore.rules import Rulebook


@click.command()
@click.argument("pairs", type=existing())
@rules_option()
@click.option("--calibration-set", type=existing(), help="Ratings to calibrate on instead.")
@click.option("--folds", type=click.IntRange(2), default=5, help="Of the learned schemes.")
@seed_option()
@json_option()
def compare(
    pairs: Path,
    rules_source: str,
    calibration_set: Path | None,
    folds: int,
    seed: int,
    as_json: bool,
) -> None:
    """Compare every scheme and baseline on the same labelled PAIRS.

    \b
    Example:
      encore compare pairs.parquet --rules rules.toml
    """
    with working("comparing"):
        comparison = compare_schemes(
            pairs,
            Rulebook.load(rules_source),
            calibration_set=calibration_set,
            n_folds=folds,
            rng=seed,
        )
    if as_json:
        return print_json(comparison.to_dict())
    print_comparison(comparison)


def print_comparison(comparison: Comparison) -> None:
    """The tables, and under them the sentence that says what they support."""
    screen = console()
    screen.print(comparison_table(comparison))
    for row in comparison.rows:
        if row.n_unknown:
            left_out = counted(row.n_unknown, "pair")
            note(f"Note: {row.scheme}: {left_out} left out, for a reward is unknown.")
    note_uneven(comparison.n_uneven)
    for scheme, reason in comparison.skipped.items():
        note(f"Note: {scheme} is left out: {reason}")
    screen.print(accuracy_by_rule_table(comparison))
    screen.print(law_table(comparison))
    screen.print(f"[bold]{escape(comparison.sentence)}[/bold]", soft_wrap=True)
