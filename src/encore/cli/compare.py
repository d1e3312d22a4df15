"""``encore compare``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click
from rich.markup import escape

from encore.cli.benchmark import Asked, benchmark_options, benchmark_pairs
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
from encore.cli.tables import (
    accuracy_by_rule_table,
    comparison_table,
    entropy_accuracy_table,
    plain_table,
)
from encore.errors import InputError
from encore.evaluation import CONVENTIONS, Comparison
from encore.evaluation import compare as compare_schemes
from encore.evaluation.subset_table import FORMS
from encore.ratings import PreferencePairs, as_pairs
from encore.rewards import load_rewards
from encore.rules import Rulebook


@click.command()
@click.argument("pairs", type=existing(), required=False)
@rules_option(required=False)
@click.option("--calibration-set", type=existing(), help="Ratings to calibrate on instead.")
@click.option("--folds", type=click.IntRange(2), default=5, help="Of the learned schemes.")
@click.option(
    "--also",
    multiple=True,
    metavar="NAME=FILE",
    help="Another reward of the same pairs: id, chosen.reward, rejected.reward.",
)
@click.option("--dawid-skene", is_flag=True, help="Also the rules as a crowd (extra baselines).")
@benchmark_options
@click.option(
    "--ties",
    type=click.Choice(list(CONVENTIONS)),
    help="What a tie counts as in tables by subset.  [default: half; a benchmark's own]",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", *FORMS]),
    default="text",
    show_default=True,
    help="Of the output; csv, latex and markdown hold the table by subset alone.",
)
@seed_option()
@json_option()
def compare(
    pairs: Path | None,
    rules_source: str | None,
    calibration_set: Path | None,
    folds: int,
    also: tuple[str, ...],
    dawid_skene: bool,
    asked: Asked,
    ties: str | None,
    form: str,
    seed: int,
    as_json: bool,
) -> None:
    """Compare every scheme and baseline on the same labelled PAIRS.

    With --benchmark, PAIRS are rated pairs of a benchmark; or, with --rater, its texts, by default
    those of the Hugging Face hub at a pinned commit, which are rated first.

    \b
    Example:
      encore compare pairs.parquet --rules rules.toml
      encore compare rated.parquet --rules safety-12 --benchmark rewardbench-safety --format latex
      encore compare --benchmark rewardbench-safety --rules safety-12 --rater local -o rated.parquet
      encore compare pairs.parquet --rules rules.toml --also judge=rewards.parquet
    """
    if asked.texts_only(pairs):
        return
    labelled = _labelled(pairs, rules_source, asked)
    others = {name: load_rewards(path, labelled) for name, path in map(_named, also)}
    with working("comparing"):
        comparison = compare_schemes(
            labelled,
            labelled.rules,
            calibration_set=calibration_set,
            n_folds=folds,
            dawid_skene=dawid_skene,
            rewards=others,
            rng=seed,
        )
    ties = ties or ("strict" if asked.benchmark == "rewardbench-safety" else "half")
    table = comparison.by_subset(ties)
    if as_json or form == "json":
        return print_json({**comparison.to_dict(), "table": asdict(table)})
    if form != "text":
        _note_left_out(comparison)
        return click.echo(table.to(form), nl=False)
    if asked.benchmark:
        console().print(plain_table(table))
        click.echo(f"{table.caption}\n")
    print_comparison(comparison)


def _labelled(pairs: Path | None, rules_source: str | None, asked: Asked) -> PreferencePairs:
    if asked.benchmark:
        return benchmark_pairs(pairs, rules_source, asked)
    if pairs is None:
        raise click.UsageError("Missing argument 'PAIRS'; or name a --benchmark and a --rater.")
    if rules_source is None:
        raise click.UsageError("Missing option '--rules'.")
    return as_pairs(pairs, Rulebook.load(rules_source))


def _named(text: str) -> tuple[str, Path]:
    name, sign, path = text.partition("=")
    if not (name and sign and path):
        raise InputError(f"--also {text}: expected NAME=FILE.")
    return name, Path(path)


def print_comparison(comparison: Comparison) -> None:
    """The tables, and under them the sentences that say what they support."""
    screen = console()
    screen.print(comparison_table(comparison))
    _note_left_out(comparison)
    screen.print(accuracy_by_rule_table(comparison))
    screen.print(entropy_accuracy_table(comparison))
    screen.print(f"[bold]{escape(comparison.sentence)}[/bold]", soft_wrap=True)


def _note_left_out(comparison: Comparison) -> None:
    """Pairs and schemes that are not in the tables, or not as one would think."""
    for row in comparison.rows:
        if row.n_unknown:
            left_out = counted(row.n_unknown, "pair")
            note(f"Note: {row.scheme}: {left_out} left out, for a reward is unknown.")
    note_uneven(comparison.n_uneven)
    for reason in dict.fromkeys(comparison.skipped.values()):
        names = [name for name, why in comparison.skipped.items() if why == reason]
        note(f"Note: {' and '.join(names)} left out: {reason}")
