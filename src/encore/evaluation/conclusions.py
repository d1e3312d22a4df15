"""What the numbers of a comparison support, in plain sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence

from encore.calibration import Calibration, diagnose
from encore.evaluation.candidates import BASELINES
from encore.evaluation.entropy_accuracy import EntropyCorrelations
from encore.evaluation.intervals import FEW_PROMPTS, Interval
from encore.evaluation.row import Row
from encore.formatting import correlation, percent

SIGNIFICANT = 0.05
TIE_RATES_DIFFER = 0.01


def conclude(
    calibration: Calibration,
    rows: Sequence[Row],
    correlations: EntropyCorrelations,
    supported: str,
    sizes: tuple[int, int],
) -> str:
    """What a comparison on so many pairs and prompts supports: all sentences that apply."""
    return " ".join(
        [
            *ratings_tell_little(calibration),
            *against_uniform(rows, *sizes),
            low_entropy_means(correlations),
            support(supported),
        ]
    )


def ratings_tell_little(calibration: Calibration) -> list[str]:
    """That the ratings hardly tell responses apart, if they do not."""
    empty = [found.message for found in diagnose(calibration).findings if found.kind == "empty"]
    return [message[0].upper() + message[1:] for message in empty]


def against_uniform(rows: Sequence[Row], n_pairs: int, n_prompts: int) -> list[str]:
    """Which schemes differ from uniform on these pairs, and what would make the tables mislead."""
    schemes = [row for row in rows[1:] if row.scheme not in BASELINES]
    clear = [row for row in schemes if row.p_holm < SIGNIFICANT]
    if clear:
        rest = "; no other scheme is distinguishable from it" if len(clear) < len(schemes) else ""
        said = f"On these {n_pairs} pairs, {'; '.join(map(_difference, clear))}{rest}"
    else:
        smallest = min((row.p_holm for row in schemes), default=float("nan"))
        said = (
            f"No scheme is distinguishable from uniform on these {n_pairs} pairs (smallest "
            f"Holm-adjusted p = {smallest:.2g})"
        )
    sentences = [f"{said}; ties count one half."]
    baselines = [r for r in rows if r.scheme in BASELINES and r.p_holm < SIGNIFICANT]
    if baselines:
        sentences.append(f"Of the baselines, {'; '.join(map(_difference, baselines))}.")
    ties = [row.tie_rate for row in rows if row.scheme != "single"]
    if max(ties) - min(ties) > TIE_RATES_DIFFER:
        sentences.append(
            f"Strict accuracies are not comparable here: rewards tie on {percent(min(ties))} % to "
            f"{percent(max(ties))} % of pairs, and breaking ties alone raises them."
        )
    if n_prompts < FEW_PROMPTS:
        sentences.append(f"{n_prompts} prompts are too few to tell schemes apart.")
    return sentences


def against_mean(rows: Sequence[Row], n_pairs: int) -> str:
    """Which forms differ from the mean, the first row, on these pairs; nothing if there is none."""
    if not rows:
        return ""
    clear = [_difference(row, "the mean") for row in rows[1:] if row.p_holm < SIGNIFICANT]
    if not clear:
        return f"No form is distinguishable from the mean on these {n_pairs} pairs."
    rest = "; no other form is distinguishable from it" if len(clear) < len(rows) - 1 else ""
    return f"On these {n_pairs} pairs, {'; '.join(clear)}{rest}."


def _difference(row: Row, than: str = "uniform") -> str:
    direction = "better" if row.difference.value > 0 else "worse"
    by = percent(abs(row.difference.value))
    return f"{row.scheme} is {direction} than {than} by {by} points (p = {row.p_holm:.2g})"


def low_entropy_means(correlations: EntropyCorrelations) -> str:
    """Whether low entropy means crisp or silent on labelled pairs, with the correlations.

    Crisp: rules of low entropy are right more often on the pairs that they resolve (the
    interval of the correlation lies below 0). Silent: they resolve fewer, and are not. Where
    they resolve as many and are right less often, weighing by entropy does harm.
    """
    right, speaks = correlations.accuracy["resolved"].pearson, correlations.resolving.pearson
    figures = (
        f"over {correlations.accuracy['resolved'].n_rules} rules, entropy correlates with the "
        f"accuracy on resolved pairs at {_correlation(right)} and with the share resolved at "
        f"{_correlation(speaks)}"
    )
    if right.high < 0:
        return f"Low entropy means crisp here: {figures}."
    if speaks.low > 0:
        return f"Low entropy means silent here: {figures}."
    if right.low > 0:
        return f"Low entropy means wrong more often here: {figures}."
    if right.high >= 0:
        return f"Low entropy means neither crisp nor silent here: {figures}."
    return "What low entropy means cannot be said: fewer than three rules differ in it."


def _correlation(found: Interval) -> str:
    return "no value (it does not vary)" if math.isnan(found.value) else correlation(found)


def support(scheme: str) -> str:
    """Which scheme the labelled pairs support."""
    return (
        f"The evidence supports {scheme}: the simplest scheme within one standard error of the "
        f"best."
    )
