"""What a report says, before it is laid out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from encore.arrays import Record
from encore.calibration import Calibration, Premise, diagnose, entropy_interval, premise
from encore.errors import InputError
from encore.evaluation import Comparison, Interval, compare
from encore.evaluation.cross_validate import MEAN, rewards_of
from encore.formatting import listed
from encore.ratings import PreferencePairs
from encore.reporting.contrast import Contrast, contrasts, count_contrasts
from encore.reporting.embed import Embedded, embed, simulated, with_largest_subsets
from encore.reporting.gather import Subject
from encore.rewards import Form, compose, form_text
from encore.weights import LEARNED, Auto, Linear, Uniform, Weights


@dataclass(frozen=True)
class RuleRow:
    """One rule's row of the table.

    Parameters
    ----------
    rule, text : str
        Its id and what it asks.
    counts : tuple of int
        Ratings per level, worst first.
    entropy : Interval
        Normalised.
    weight, share : float
        In the reward that the report is about.
    accuracy : mapping of str to Interval
        Accuracy of the rule alone, by tie convention; empty without labelled pairs.
    resolved_share, applies_share, coverage : float
        See :class:`encore.Calibration`.
    flags : tuple of (str, str)
        Kinds of finding and what they say.
    """

    rule: str
    text: str
    counts: tuple[int, ...]
    entropy: Interval
    weight: float
    share: float
    accuracy: Mapping[str, Interval]
    resolved_share: float
    applies_share: float
    coverage: float
    flags: tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False, repr=False)
class Content(Record):
    """What a report says.

    Parameters
    ----------
    subject : Subject
        What was rated.
    reward : str
        Name of the reward that the report is about: its scheme, or that it was given.
    weights, uniform : Weights
        Weights of that reward, and equal ones.
    form : Form
        How unit ratings become rewards under either.
    rules : tuple of RuleRow
        In the rules' order.
    comparison : Comparison or None
        All schemes compared, if there are labelled pairs.
    recommended : str
        The scheme that the evidence supports.
    evidence : str
        Why, in plain sentences.
    premise : Premise
        What low entropy means, judging by the ratings alone.
    notes : tuple of str
        What a reader must know: samples, rules that get nothing, comparisons that are missing.
    embedded, example : Embedded
        What the page recomputes on: these ratings and a simulated mixture.
    contrasts : tuple of Contrast
        Pairs that the two rewards rank differently.
    n_contrasts : tuple of int
        See :func:`encore.reporting.contrast.count_contrasts`; of all pairs compared.
    """

    subject: Subject
    reward: str
    weights: Weights
    uniform: Weights
    form: Form
    rules: tuple[RuleRow, ...]
    comparison: Comparison | None
    recommended: str
    evidence: str
    premise: Premise
    notes: tuple[str, ...]
    embedded: Embedded
    example: Embedded
    contrasts: tuple[Contrast, ...]
    n_contrasts: tuple[int, int, int]

    @property
    def calibration(self) -> Calibration:
        """The source of everything label-free."""
        return self.subject.calibration

    @property
    def subsets(self) -> list[str]:
        """The subsets shown one by one: the largest, if there are many."""
        names = list(self.comparison.rows[0].subsets) if self.comparison else []
        return names if len(names) > 1 else []


def make_content(
    subject: Subject, weights: Weights | None, rng: np.random.Generator, form: Form = MEAN
) -> Content:
    """Compare, diagnose and choose what to show."""
    calibration, pairs = subject.calibration, subject.pairs
    own, missing = _own_weights(calibration, weights)
    given = {} if weights is None else {f"given ({own.scheme})": own}
    comparison, notes = (None, []) if pairs is None else _compared(subject, pairs, given, rng, form)
    uniform = Uniform()(calibration)
    chosen = _auto(calibration)
    rated = subject.responses if pairs is None else pairs
    found = premise(calibration)
    return Content(
        subject=subject,
        reward=next(iter(given), own.scheme),
        weights=own,
        uniform=uniform,
        form=form,
        rules=tuple(_rule_rows(calibration, own, comparison, rng)),
        comparison=comparison,
        recommended=comparison.supported if comparison else chosen[0],
        evidence=comparison.sentence if comparison else f"{found.sentence} {chosen[1]}",
        premise=found,
        notes=(
            *notes,
            *missing,
            *_composing(subject, own, form),
            *(f"{note[0].upper()}{note[1:]}." for note in own.notes),
        ),
        embedded=embed(subject.name, calibration, rated, given, rng),
        example=simulated(),
        contrasts=() if pairs is None else contrasts(pairs, subject.pair_ids, own, uniform, form),
        n_contrasts=(0, 0, 0) if pairs is None else count_contrasts(pairs, own, uniform, form),
    )


def _compared(
    subject: Subject,
    pairs: PreferencePairs,
    given: dict[str, Weights],
    rng: np.random.Generator,
    form: Form,
) -> tuple[Comparison | None, list[str]]:
    """The comparison, if one is possible, and what its reader must know."""
    notes, own = [], subject.own_calibration
    if pairs.pairing is not None:
        notes.append(f"Pairs were made of labels: {pairs.pairing.sentence}")
    if subject.is_sampled:
        notes.append(
            f"Compared on an even sample of {pairs.n_pairs:,} of {subject.n_pairs:,} pairs; "
            f"entropies and weights come from all {'of them' if own else 'of the calibration set'}."
        )
    # A sample's own calibration would not be the one that the weights come from.
    calibration_set = None if own and not subject.is_sampled else subject.calibration
    # Learned weights may have seen these pairs: beside cross-validated ones they look too good.
    rewards = {
        name: np.column_stack(rewards_of(pairs, weights, form))
        if pairs.labels is None
        else compose(pairs.ratings, weights, form=form)
        for name, weights in given.items()
        if weights.scheme not in LEARNED
    }
    try:
        found = compare(
            with_largest_subsets(pairs),
            pairs.rules,
            calibration_set=calibration_set,
            rewards=rewards,
            form=form,
            rng=rng,
        )
    except InputError as error:
        return None, [*notes, f"Schemes are not compared: {error}"]
    unknown = [f"{row.scheme} {row.n_unknown:,}" for row in found.rows if row.n_unknown]
    if unknown:
        notes.append(f"Pairs left out because a reward is unknown: {', '.join(unknown)}.")
    if found.n_uneven:
        notes.append(
            f"The two sides of {found.n_uneven:,} pairs are rated under different rules, or "
            f"these apply unequally; that shifts a reward."
        )
    return found, notes


def _composing(subject: Subject, weights: Weights, form: Form) -> list[str]:
    """What a reader must know about how rewards are composed here."""
    notes = []
    vetoes = {**subject.calibration.rules.vetoes, **weights.rules.vetoes}
    differs = [f"of the form {form_text(form)}"] if form != MEAN else []
    differs += [f"capped by the vetoes of {listed(list(vetoes))}"] if vetoes else []
    if differs:
        notes.append(
            f"Rewards are {' and '.join(differs)}, except where they are recomputed as sliders "
            f"move: there they are weighted means without vetoes."
        )
    responses = subject.responses
    sampled = responses is not None and responses.n_rows < subject.n_responses
    if subject.applies_by == "prompt" and (sampled or subject.is_sampled):
        notes.append("How far rules apply is averaged over a prompt's responses in the sample.")
    return notes


def _own_weights(
    calibration: Calibration, weights: Weights | None
) -> tuple[Weights, tuple[str, ...]]:
    """The weights given, else the paper's, or uniform if those cannot be computed."""
    if weights is not None:
        calibration.rules.same_as(weights.rules, "the calibration", "the weights")
        if weights.scheme in LEARNED:
            return weights, (
                "The weights were learned from labelled pairs. If from these, they look better on "
                "this page than they are. So they have no row among all schemes, where learned "
                "schemes are tested on prompts that they did not see.",
            )
        if weights.calibration_digest in ("", calibration.digest):
            return weights, ()
        return weights, ("The weights were made from a different calibration than the one shown.",)
    try:
        return Linear()(calibration), ()
    except InputError as error:
        return Uniform()(calibration), (f"The reward shown is the mean: {error}",)


def _auto(calibration: Calibration) -> tuple[str, str]:
    """What ``auto`` chooses without labels, and why."""
    (why, *_) = Auto()(calibration).notes
    return why.removeprefix("auto chose ").split(":")[0], f"{why[0].upper()}{why[1:]}."


def _rule_rows(
    calibration: Calibration,
    weights: Weights,
    comparison: Comparison | None,
    rng: np.random.Generator,
) -> list[RuleRow]:
    diagnosis = diagnose(calibration)
    said = {(f.rule, f.kind): f.message for f in diagnosis.findings}
    accuracies: dict[str, Mapping[str, Interval]] = (
        {rule.rule: rule.accuracy for rule in comparison.rules} if comparison else {}
    )
    normalised = calibration.normalised_entropy()
    rows = []
    for k, rule in enumerate(calibration.rules):
        n_levels = rule.scale.n_levels
        counts = calibration.statistics.counts[k, :n_levels]
        low, high = entropy_interval(counts, rng) / np.log(n_levels)
        rows.append(
            RuleRow(
                rule=rule.id,
                text=rule.text,
                counts=tuple(counts.tolist()),
                entropy=Interval(float(normalised[k]), float(low), float(high)),
                weight=float(weights.values[k]),
                share=float(weights.shares[k]),
                accuracy=accuracies.get(rule.id, {}),
                resolved_share=float(calibration.resolved_share[k]),
                applies_share=float(calibration.applies_share[k]),
                coverage=float(calibration.coverage[k]),
                flags=tuple((kind, said[rule.id, kind]) for kind in diagnosis.flags(rule.id)),
            )
        )
    return rows
