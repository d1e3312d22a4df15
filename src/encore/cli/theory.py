"""``encore theory``."""

from __future__ import annotations

import math

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from encore.cli.options import console, json_option, print_json, working
from encore.cli.tables import percent
from encore.theory import STAND_INS, Setting, Study, saturation_grid, study_stand_ins

_NAMES = {
    "one_minus_entropy": "1 - H",
    "inverse_entropy_power": "e^-2H",
    "inverse_variance": "1/Var",
    "inverse_unlabelled_variance": "1/Var'",
}
_HEADS = [_NAMES[name] for name in STAND_INS]


@click.command()
@click.option("--detail", is_flag=True, help="Also print every rule of every setting.")
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="For the simulated pairs."
)
@json_option()
def theory(detail: bool, seed: int, as_json: bool) -> None:
    """Check where entropy stands in for the weights that labels would give.

    Simulates seven rules that see the same quality through growing noise, on ever narrower
    scales of ten bins, and compares weights fitted to labelled pairs (Bradley-Terry) with what
    needs none: 1 - H (scheme linear; H normalised), e^-2H (softmax at a temperature of 1/2; H in
    nats), 1/Var (variance of the margin, chosen less rejected) and 1/Var' (the same without
    labels, scheme inverse_variance).

    \b
    Examples:
      encore theory
      encore theory --detail --seed 1
    """
    with working("simulating"):
        study = study_stand_ins(saturation_grid(), rng=seed)
    if as_json:
        return print_json(study.to_dict())
    screen = console()
    if detail:
        for setting in study.settings:
            screen.print(_rules_table(setting))
    screen.print(_correlations_table(study))
    screen.print(_accuracy_table(study))
    screen.print(f"[bold]{study.sentence}[/bold]", soft_wrap=True)


def _table(title: str, *columns: str) -> Table:
    """A table whose first column names the row; numbers are on the right."""
    table = Table(box=SIMPLE_HEAD, padding=0, pad_edge=False)
    # A title may be wider than its table, and must not be broken for that.
    table.title = Text(title, style="italic", no_wrap=True, overflow="ignore", justify="left")
    for position, name in enumerate(columns):
        table.add_column(name, justify="right" if position else "left", no_wrap=True)
    return table


def _scale(setting: Setting) -> str:
    return f"{setting.mixture.scale.worst:g} to {setting.mixture.scale.best:g}"


def _correlations_table(study: Study) -> Table:
    """Per setting: how closely each stand-in follows the fitted weights over the rules."""
    heads = [cell for name in _HEADS for cell in (name, "rank")]
    table = _table(
        "correlation with the Bradley-Terry weights: Pearson, and Spearman (rank)",
        *("scale", "ends %", *heads),
    )
    for setting in study.settings:
        cells = [
            "-" if math.isnan(value) else f"{value:+.2f}"
            for name in STAND_INS
            for value in (setting.pearson[name], setting.spearman[name])
        ]
        table.add_row(_scale(setting), percent(setting.ends), *cells)
    return table


def _accuracy_table(study: Study) -> Table:
    """Per setting: how often a reward with these weights is right."""
    table = _table(
        "accuracy % of the reward, a tie counting one half",
        *("scale", "ends %", "uniform", *_HEADS, "fitted"),
    )
    for setting in study.settings:
        cells = [percent(value) for value in setting.accuracy.values()]
        table.add_row(_scale(setting), percent(setting.ends), *cells)
    return table


def _rules_table(setting: Setting) -> Table:
    """Per rule of a setting: what is exact, and the fitted weight."""
    mixture = setting.mixture
    table = _table(
        f"scale {_scale(setting)}; the fitted weight beside what is exact",
        *("rule", "noise", "H nats", "H norm", "ends %", "mean", "Var", "right %", "weight"),
        "1 - H",
    )
    for k, rule_id in enumerate(mixture.rules.ids):
        table.add_row(
            rule_id,
            f"{mixture.noise[k]:.2f}",
            f"{mixture.entropy[k]:.3f}",
            f"{mixture.normalised_entropy[k]:.3f}",
            percent(float(mixture.ends_share[k])),
            f"{mixture.margin_mean[k]:.3f}",
            f"{mixture.margin_variance[k]:.3f}",
            percent(float(mixture.accuracy[k])),
            f"{setting.weights[k]:.2f}",
            f"{1 - mixture.normalised_entropy[k]:.3f}",
        )
    return table
