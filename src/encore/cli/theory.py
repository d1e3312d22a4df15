"""``encore theory``."""

from __future__ import annotations

import math

import click
from rich.table import Table

from encore.cli.options import json_option
from encore.cli.screen import new_table, print_json, say, show, working
from encore.cli.verb import verb
from encore.formatting import percent
from encore.theory import STAND_INS, Setting, Study, saturation_grid, study_stand_ins

_NAMES = {
    "one_minus_entropy": "1 - H",
    "inverse_entropy_power": "e^-2H",
    "inverse_variance": "1/Var",
    "inverse_unlabelled_variance": "1/Var'",
}
_HEADS = [_NAMES[name] for name in STAND_INS]
_LEGEND = """\
1 - H: scheme linear. e^-2H: softmax at a temperature of 1/2.
1/Var: of the margin, chosen less rejected.
1/Var': the same without labels, scheme inverse_variance.
"""


@verb()
@click.option("--detail", is_flag=True, help="Also print every rule of every setting.")
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Seed of the simulated pairs.",
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
    if detail:
        for setting in study.settings:
            show(_rules_table(setting))
    show(_correlations_table(study))
    show(_accuracy_table(study))
    say(*_LEGEND.split("\n"))
    show(study.sentence, style="bold")


def _scale(setting: Setting) -> str:
    return f"{setting.mixture.scale.worst:g} to {setting.mixture.scale.best:g}"


def _correlations_table(study: Study) -> Table:
    """Per setting: how closely each stand-in follows the fitted weights over the rules."""
    heads = [cell for name in _HEADS for cell in (name, "rank")]
    table = new_table(
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
    table = new_table(
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
    table = new_table(
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
