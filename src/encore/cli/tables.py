"""Rich tables of what the library found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table

from encore.calibration import Calibration, Diagnosis, Pick
from encore.cli.options import counted
from encore.cli.screen import Grid, new_table
from encore.evaluation import Comparison, Evaluation, SubsetTable
from encore.formatting import UNDEFINED, interval, number, percent, sparkline, visible
from encore.raters import ChosenRules, Coverage
from encore.rules import Rulebook
from encore.weights import Weights

if TYPE_CHECKING:
    from encore.ratings.importing.combine import Combined


def rules_table(title: str, rules: Rulebook) -> Table:
    """Rules with their scales and texts."""
    table = Grid(title=visible(title, lines=False), title_justify="left", box=SIMPLE_HEAD)
    for name in ("rule", "scale (worst to best)", "text"):
        table.add_column(name)
    for rule in rules:
        table.add_row(rule.id, str(rule.scale), rule.text)
    return table


def coverage_table(coverage: Sequence[Coverage]) -> Table:
    """Per rule: how much of it is rated, how sure the rater was, and why the rest is unrated."""
    nowhere = any(rule.n_not_applicable for rule in coverage)
    more = ["not applicable"] if nowhere else []
    table = new_table("coverage", "rule", "responses", *more, "rated %", "spread nats", "unrated")
    table.columns[-1].justify = "left"
    for rule in coverage:
        reasons = ", ".join(f"{number} {reason}" for reason, number in rule.reasons.items())
        counts = [str(rule.n_responses), *([str(rule.n_not_applicable)] if nowhere else [])]
        numbers = (percent(rule.rated_share), number(rule.mean_spread))
        table.add_row(rule.rule, *counts, *numbers, reasons)
    return table


def raters_table(combined: Combined) -> Table:
    """Per rule: how far the raters agree, over the responses that two or more of them rated."""
    names = ", ".join(combined.raters)
    alone = f", {combined.n_alone:,} of them rated by one only" if combined.n_alone else ""
    table = new_table(
        f"agreement of {names} on {counted(combined.n_responses, 'response')}{alone}",
        *("rule", "rated by two", "same %", "Krippendorff's alpha"),
    )
    for rule in combined.agreement:
        numbers = percent(rule.exact), number(rule.alpha)
        table.add_row(rule.rule, f"{rule.n_shared:,}", *numbers)
    return table


def picks_table(picks: Sequence[Pick]) -> Table:
    """Chosen rules in the order of choice: what they add, and what they are nearest to."""
    table = new_table("picks", "rule", "explained %", "resolved %", "most like", "correlation")
    for pick in picks:
        near = (
            (UNDEFINED, UNDEFINED)
            if pick.nearest is None
            else (pick.nearest, f"{pick.correlation:.2f}")
        )
        shares = (percent(pick.explained), percent(pick.resolved_share))
        table.add_row(pick.rule, *shares, near[0], near[1])
    return table


def votes_table(election: ChosenRules) -> Table:
    """How often each rule was named; the chosen ones are marked."""
    table = new_table("votes", "rule", "votes", "chosen")
    for vote in election.votes:
        chosen = "yes" if vote.rule in election.rules.ids else ""
        table.add_row(vote.rule, str(vote.n_votes), chosen)
    return table


def calibration_table(
    calibration: Calibration, diagnosis: Diagnosis, weights: Weights | None = None
) -> Table:
    """Per rule: histogram, entropy, weight if there is one, coverage, resolved share, flags.

    How often a rule applies is shown where one does not always.
    """
    weighed = ["weight", "share"] if weights else []
    title = (
        f"{counted(calibration.n_responses, 'response')} to "
        f"{counted(calibration.n_prompts, 'prompt')} under "
        f"{counted(len(calibration.rules), 'rule')}"
    )
    shares = {"rated": calibration.coverage, "resolved": calibration.resolved_share}
    if not calibration.always_apply:
        shares = {"applies": calibration.applies_share, **shares}
    table = new_table(
        f"{title}, weighed by {weights.scheme}" if weights else title,
        *("rule", "ratings", "H nats", "H norm", *weighed, *shares, "flags"),
    )
    entropy, normalised = calibration.entropy(), calibration.normalised_entropy()
    for i, rule in enumerate(calibration.rules):
        counts = calibration.statistics.counts[i, : rule.scale.n_levels].tolist()
        numbers = [number(float(h[i])) for h in (entropy, normalised)]
        if weights:
            numbers += [f"{weights.values[i]:#.4g}", percent(float(weights.shares[i]))]
        numbers += [percent(float(share[i])) for share in shares.values()]
        flags = " ".join(diagnosis.flags(rule.id))
        table.add_row(rule.id, sparkline(counts), *numbers, flags)
    return table


def weights_table(weights: Weights) -> Table:
    """Per rule: raw weight and share."""
    table = new_table(f"weights: {weights.scheme}", "rule", "weight", "share %")
    rows = zip(weights.rules.ids, weights.values, weights.shares, strict=True)
    for rule_id, value, share in rows:
        table.add_row(rule_id, f"{value:#.4g}", percent(share))
    return table


def evaluation_table(evaluation: Evaluation) -> Table:
    """Accuracy of one reward, per subset."""
    table = new_table(evaluation.title, *evaluation.columns)
    for subset, *cells in evaluation.table:
        table.add_row(subset, *cells)
    return table


def plain_table(table: SubsetTable) -> Table:
    """A comparison by subset; its caption is printed apart. What is published says so by name."""
    shown = Grid(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for position, name in enumerate(table.columns[:-1]):
        # Names of subsets are wider than their numbers: broken after hyphens, they need not be.
        shown.add_column(
            visible(name, lines=False).replace("-", "-\n").replace(", ", ",\n"),
            justify="right" if position else "left",
            no_wrap=position > 0,
            min_width=None if position else 32,
        )
    for method, *cells, source in table.rows:
        name = method if source == "here" else f"{source}: {method}"
        shown.add_row(name, *cells)
    return shown


def comparison_table(comparison: Comparison) -> Table:
    """Accuracy of every scheme, and its difference to uniform."""
    table = new_table(comparison.title, *comparison.columns)
    for scheme, *cells in comparison.table:
        table.add_row(scheme, *cells)
    return table


def forms_table(comparison: Comparison) -> Table:
    """Accuracy of every form under uniform weights, and its difference to the mean."""
    table = new_table(comparison.forms_title, *comparison.forms_columns)
    for form, *cells in comparison.forms_table:
        table.add_row(form, *cells)
    return table


def agreement_table(comparison: Comparison) -> Table:
    """How every scheme orders labelled responses."""
    table = new_table(comparison.agreement_title, *comparison.agreement_columns)
    for scheme, *cells in comparison.agreement_table:
        table.add_row(scheme, *cells)
    return table


def entropy_accuracy_table(comparison: Comparison) -> Table:
    """Correlation of entropy with accuracy under every tie convention."""
    table = new_table(
        "correlation of rating entropy with accuracy over the rules",
        *("a tie counts as", "Pearson", "95 %", "Spearman", "95 %", "rules"),
    )
    names = {"strict": "wrong (strict)", "half": "one half", "resolved": "nothing (resolved)"}
    for convention, correlation in comparison.entropy_correlations.accuracy.items():
        cells = []
        for found in (correlation.pearson, correlation.spearman):
            cells += [number(found.value, "+.2f"), interval(found.low, found.high, "+.2f")]
        table.add_row(names.get(convention, convention), *cells, str(correlation.n_rules))
    return table


def accuracy_by_rule_table(comparison: Comparison) -> Table:
    """Each rule alone."""
    table = new_table(
        "accuracy % of each rule alone",
        *("rule", "H norm", "strict", "half", "resolved", "ties right", "tied"),
    )
    for rule in comparison.rules:
        conventions = ("strict", "half", "resolved", "right")
        cells = [percent(rule.accuracy[name].value) for name in conventions]
        table.add_row(rule.rule, f"{rule.entropy:.3f}", *cells, percent(rule.tie_rate))
    return table
