"""``encore compare``, and how it shows what it found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import click

from encore.cli.labels import label_options, note_pairing, taken
from encore.cli.options import (
    composing_options,
    counted,
    json_option,
    note_uneven,
    rules_option,
    seed_option,
)
from encore.cli.paths import Reads, ReadsReward
from encore.cli.screen import note, print_json, say, show, working
from encore.cli.tables import (
    accuracy_by_rule_table,
    agreement_table,
    comparison_table,
    entropy_accuracy_table,
    forms_table,
    plain_table,
)
from encore.cli.verb import verb
from encore.evaluation import CONVENTIONS, Comparison
from encore.evaluation import compare as compare_schemes
from encore.evaluation.subset_table import TABLE_FORMATS
from encore.ratings import PreferencePairs, as_pairs
from encore.rewards import FORMS, load_rewards
from encore.rules import Rulebook

_F = TypeVar("_F", bound=Callable[..., Any])


def comparing_options(command: _F) -> _F:
    """How pairs are compared (:func:`compared`) and how that is shown (:func:`print_compared`)."""
    options = (
        composing_options,
        click.option(
            "--forms",
            is_flag=True,
            help="Also compare the forms with each other, under uniform weights.",
        ),
        click.option(
            "--calibration-set",
            type=Reads(streams=True),
            help="Ratings to calibrate on instead.",
        ),
        click.option(
            "--n-folds",
            type=click.IntRange(2),
            default=5,
            show_default=True,
            help="Splits that cross-validate the learned schemes.",
        ),
        click.option(
            "--rewards",
            type=ReadsReward(),
            multiple=True,
            help="Another reward for the same pairs: id, chosen.reward, rejected.reward.",
        ),
        click.option(
            "--dawid-skene",
            is_flag=True,
            help="Also fit Dawid and Skene's model (extra baselines).",
        ),
        click.option(
            "--ties",
            type=click.Choice(list(CONVENTIONS)),
            help="How ties count in tables by subset.  [default: half; a benchmark's own]",
        ),
        click.option(
            "--format",
            "layout",
            type=click.Choice(["text", "json", *TABLE_FORMATS]),
            default="text",
            show_default=True,
            help="Format of the output; csv, latex and markdown hold only the table by subset.",
        ),
        seed_option(),
        json_option(),
    )
    for option in reversed(options):
        command = option(command)
    return command


@verb()
@click.argument("pairs", type=Reads(streams=True))
@rules_option()
@label_options()
@comparing_options
def compare(pairs: Path, rules_source: str, ties: str | None, layout: str, **how: Any) -> None:
    """Compare every scheme and baseline on the same labelled PAIRS.

    With --label, PAIRS are rated responses with a label each.

    \b
    Example:
      encore compare pairs.parquet --rules rules.toml
      encore compare ratings.parquet --rules rules.toml --label human_score
      encore compare pairs.parquet --rules rules.toml --rewards judge=rewards.parquet
      encore compare pairs.parquet --rules rules.toml --forms
      encore compare pairs.parquet --rules rules.toml --format latex
    """
    as_json = how.pop("as_json")
    rules, by_label = Rulebook.load(rules_source), taken(how)
    labelled = as_pairs(pairs, rules, **by_label, rng=how["seed"])
    note_pairing(labelled.pairing)
    comparison = compared(labelled, **how)
    print_compared(comparison, "json" if as_json else layout, ties=ties or "half")


def compared(
    pairs: PreferencePairs,
    *,
    rewards: tuple[tuple[str, Path], ...],
    seed: int,
    forms: bool,
    **how: Any,
) -> Comparison:
    """Compare, with the rewards of files."""
    others = {name: load_rewards(path, pairs) for name, path in rewards}
    given = {name: value for name, value in how.items() if value is not None}
    with working("comparing"):
        return compare_schemes(
            pairs, pairs.rules, rewards=others, rng=seed, forms=[*FORMS] if forms else [], **given
        )


def print_compared(
    comparison: Comparison, layout: str, *, ties: str, by_subset: bool = False
) -> None:
    """Print it in a format; if *by_subset*, the table by subset is above the text."""
    table = comparison.by_subset(ties)
    if layout == "json":
        return print_json({**comparison.to_dict(), "table": asdict(table)})
    if layout != "text":
        _note_left_out(comparison)
        return say(*table.to(layout).removesuffix("\n").split("\n"))
    if by_subset:
        show(plain_table(table))
        say(table.caption, "")
    print_comparison(comparison)


def print_comparison(comparison: Comparison) -> None:
    """The tables, and under them the sentences that say what they support."""
    show(comparison_table(comparison))
    if comparison.pairing is not None:
        show(agreement_table(comparison))
    if comparison.forms:
        show(forms_table(comparison))
        show(comparison.forms_sentence, style="bold")
    _note_left_out(comparison)
    show(accuracy_by_rule_table(comparison))
    show(entropy_accuracy_table(comparison))
    show(comparison.sentence, style="bold")


def _note_left_out(comparison: Comparison) -> None:
    """Pairs and schemes that are not in the tables, or not as one would think."""
    for row in (*comparison.rows, *comparison.forms[1:]):
        if row.n_unknown:
            left_out = counted(row.n_unknown, "pair")
            note(f"Note: {row.scheme}: {left_out} left out because a reward is unknown.")
    note_uneven(comparison.n_uneven)
    for reason in dict.fromkeys(comparison.skipped.values()):
        names = [name for name, why in comparison.skipped.items() if why == reason]
        note(f"Note: {' and '.join(names)} left out: {reason}")
