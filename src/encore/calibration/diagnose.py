"""What is wrong with a rule's ratings, before anyone trusts a weight."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encore.arrays import Record
from encore.calibration.calibration import ZERO_VARIANCE, Calibration
from encore.calibration.factor import is_determined
from encore.files import StrPath
from encore.formatting import html_table, listed

# Each threshold is where a user would act, not just a matter of taste.
SILENT_BELOW = 0.10  # share of within-prompt pairs that the rule resolves
RARE_BELOW = 0.05  # share of responses that the rule applies to
SATURATED_ABOVE = 0.90  # share of ratings on the two end levels …
SATURATED_EACH = 0.10  # … of which each must hold this much
OUTSIDE_ABOVE = 0.01  # share of ratings beyond the scale
COVERAGE_BELOW = (
    0.80  # share rated where the rule applies; compose allows 0.2 of the weight to be absent
)
REDUNDANT_ABOVE = 0.95  # |correlation| of two rules' margins
RATINGS_PER_LEVEL = 30  # below this the entropy's own error matters; see entropy_interval
INVERTED_BELOW = -0.10  # correlation of a rule's margin with the common factor
EMPTY_BELOW = 0.10  # mean information over the rules

KINDS: dict[str, str] = {
    "constant": "gives every response that it rates the same rating: it cannot rank anything",
    "coarse": "puts all ratings in one bin, though they differ: narrow its range or raise its bins",
    "silent": f"resolves fewer than {SILENT_BELOW:.0%} of within-prompt pairs, by level or bin",
    "rare": f"applies to fewer than {RARE_BELOW:.0%} of the responses: little is known of it",
    "saturated": f"puts over {SATURATED_ABOVE:.0%} of its ratings on the two ends of the scale",
    "outside": f"has over {OUTSIDE_ABOVE:.0%} of its ratings beyond its scale, clipped to it",
    "coverage": f"rates fewer than {COVERAGE_BELOW:.0%} of the responses that it applies to",
    "redundant": f"has margins that correlate above {REDUNDANT_ABOVE} with another rule's",
    "inverted": "runs against what the other rules agree on",
    "small": f"has fewer than {RATINGS_PER_LEVEL} ratings per level: mind the entropy interval",
    "empty": "these ratings hardly tell responses apart",
}


@dataclass(frozen=True, eq=False, repr=False)
class Finding(Record):
    """One thing that is wrong.

    Parameters
    ----------
    kind : str
        A key of ``KINDS``.
    rule : str or None
        The rule; None for a finding on all of the ratings.
    value : float
        The number that crossed the threshold.
    message : str
        A sentence for people.
    """

    kind: str
    rule: str | None
    value: float
    message: str


@dataclass(frozen=True, eq=False, repr=False)
class Diagnosis(Record):
    """All findings of one calibration.

    Parameters
    ----------
    findings : tuple of Finding
        Those on all ratings first, then by kind, then in rule order.
    """

    findings: tuple[Finding, ...]

    def flags(self, rule_id: str) -> tuple[str, ...]:
        """The kinds of finding on one rule."""
        return tuple(found.kind for found in self.findings if found.rule == rule_id)

    def __len__(self) -> int:
        return len(self.findings)

    def __repr__(self) -> str:
        found = listed([f"{f.kind} ({f.rule or 'all rules'})" for f in self.findings])
        return f"Diagnosis, {len(self)} findings: {found}" if self.findings else "Diagnosis: clean"

    def _repr_html_(self) -> str:
        """In a notebook: every finding with its sentence."""
        rows = [(f.kind, f.rule or "all rules", f.message) for f in self.findings]
        columns = ("finding", "rule", "what it says")
        return html_table(f"{len(self)} findings", columns, rows, text=columns)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"findings": [asdict(found) for found in self.findings]}


def diagnose(calibration: Calibration | StrPath) -> Diagnosis:
    """Look for rules whose weight would mislead.

    Parameters
    ----------
    calibration : Calibration or path
        One of any rater; no labels are needed.

    Returns
    -------
    Diagnosis
        Kinds of finding: see ``KINDS`` of :mod:`encore.calibration`. What the ratings cannot show
        (silence without prompts, emptiness without a spread) is not reported.

    Examples
    --------
    >>> from encore import LevelScale, Rulebook, calibrate
    >>> rules = Rulebook.from_ids(["polite", "stuck"], LevelScale((0, 1)))
    >>> found = diagnose(calibrate([[i % 2, 1] for i in range(100)], rules))
    >>> found.flags("polite"), found.flags("stuck")
    ((), ('constant',))
    """
    if not isinstance(calibration, Calibration):
        calibration = Calibration.load(calibration)
    ids, twins = calibration.rules.ids, [""] * len(calibration.rules)
    entropy = calibration.entropy()
    one_level = entropy == 0
    # Ratings of a range may differ within one bin; on levels the two are the same.
    moves = calibration.margin_variance > ZERO_VARIANCE
    constant, coarse = one_level & ~moves, one_level & moves
    # A rule is silent if it applies and yet says the same; one that hardly ever applies is not.
    rare = calibration.applies_share < RARE_BELOW
    silent = ~one_level & ~rare & (calibration.resolved_share < SILENT_BELOW)
    per_level = calibration.n_ratings / calibration.rules.n_levels
    ends = _share_on_ends(calibration)
    checks = [
        ("constant", constant, entropy),
        ("coarse", coarse, entropy),
        ("silent", silent, calibration.resolved_share),
        ("rare", rare, calibration.applies_share),
        ("saturated", ends > SATURATED_ABOVE, ends),
        ("outside", calibration.outside_share > OUTSIDE_ABOVE, calibration.outside_share),
        ("coverage", calibration.coverage < COVERAGE_BELOW, calibration.coverage),
        ("small", per_level < RATINGS_PER_LEVEL, per_level),
    ]
    if calibration.statistics.has_covariance:
        earlier = np.abs(np.tril(calibration.margin_correlation, -1))
        redundant = earlier.max(axis=1, initial=0.0)
        twins = [f"; the other is {ids[other]!r}" for other in earlier.argmax(axis=1)]
        along = _along_factor(calibration)
        # A correlation of zero strays by about 1 / sqrt(n); one that strays further is real.
        n_prompts = np.maximum(calibration.n_compared, 1)
        against = along < np.minimum(INVERTED_BELOW, -3 / np.sqrt(n_prompts))
        checks += [
            ("redundant", redundant > REDUNDANT_ABOVE, redundant),
            ("inverted", against, along),
        ]
    findings = _empty(calibration, bool((constant | silent).all()))
    for kind, marks, values in checks:
        for position in np.flatnonzero(marks).tolist():
            rule_id = ids[position]
            value = float(values[position])
            twin = twins[position] if kind == "redundant" else ""
            message = f"rule {rule_id!r} {KINDS[kind]} ({value:.3g}{twin})."
            findings.append(Finding(kind, rule_id, value, message))
    return Diagnosis(tuple(findings))


def _empty(calibration: Calibration, none_speaks: bool) -> list[Finding]:
    """Whether all ratings together hardly tell responses apart."""
    known = calibration.information[~np.isnan(calibration.information)]
    information = float(known.mean()) if known.size else float("nan")
    if not none_speaks and not information < EMPTY_BELOW:
        return []
    why = (
        "every rule is constant or silent"
        if none_speaks
        else f"on average {information:.0%} of a rule's entropy is about the response, the rest "
        f"is the rater's own indecision"
    )
    return [Finding("empty", None, information, f"{KINDS['empty']}: {why}.")]


def _share_on_ends(calibration: Calibration) -> NDArray[np.float64]:
    """Share of ratings on the two end levels where both are used; 0 where that is meaningless."""
    shares = np.zeros(len(calibration.rules))
    for position, rule in enumerate(calibration.rules):
        counts = calibration.statistics.counts[position]
        n_levels, n_ratings = rule.scale.n_levels, counts.sum()
        if n_levels < 3 or not n_ratings:
            continue
        worst, best = counts[0] / n_ratings, counts[n_levels - 1] / n_ratings
        if min(worst, best) >= SATURATED_EACH:
            shares[position] = worst + best
    return shares


def _along_factor(calibration: Calibration) -> NDArray[np.float64]:
    """Correlation of each rule's margin with the factor that the rules share; 0 if none."""
    loadings = calibration.common_factor
    deviation = np.sqrt(calibration.margin_variance)
    varying = int((deviation > 0).sum())
    determined = is_determined(calibration.margin_covariance, loadings)
    # Which side is the wrong way round is known only where one clearly outweighs the other.
    one_side = abs(loadings.sum()) > np.abs(loadings).sum() / 3
    if varying < 3 or not determined or not one_side:
        return np.zeros(len(loadings))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.nan_to_num(loadings / deviation))
