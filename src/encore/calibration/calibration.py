"""A calibration: what a set of ratings says about each rule, in kilobytes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, astuple, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encore.arrays import Record, cached_array
from encore.calibration.entropy import Estimator, rating_entropy
from encore.calibration.factor import common_factor
from encore.calibration.fixed_point import to_float
from encore.calibration.statistics import Statistics
from encore.errors import DocumentError, InputError
from encore.files import StrPath, digest, read_document, write_document
from encore.formatting import html_table, number, percent, sparkline
from encore.rules import Rulebook

KIND = "encore.calibration"
VERSION = 3
# A variance of unit margins below this is that of a rule which resolves no pair.
ZERO_VARIANCE = 1e-15


@dataclass(frozen=True)
class Source:
    """One thing that a calibration was made from.

    Parameters
    ----------
    name : str
        The file's name without its folder, or a name for ratings from memory.
    sha256 : str
        Digest of the file; empty for ratings from memory.
    n_responses : int
        Responses in it.
    """

    name: str
    sha256: str
    n_responses: int


@dataclass(frozen=True, eq=False, repr=False)
class Calibration(Record):
    """The statistics of a calibration set, with the rules that it was rated under.

    ("Calibration set" has nothing to do with calibrated probabilities: it is the sample of
    responses whose ratings estimate each rule's entropy.) Two calibrations of the same rules add,
    as if their ratings had been calibrated together, except for margins within prompts that were
    split between them; :attr:`n_split_prompts` counts those.

    Parameters
    ----------
    rules : Rulebook
        The rules.
    statistics : Statistics
        The sums.
    sources : tuple of Source
        What it was made from.

    Examples
    --------
    >>> from encore import LevelScale, calibrate
    >>> rules = Rulebook.from_ids(["privacy", "honesty"], LevelScale((0, 1)))
    >>> calibration = calibrate([[1, 1], [1, 0]], rules, prompts=["a", "a"])
    >>> calibration.normalised_entropy().tolist()
    [0.0, 1.0]
    >>> calibration.resolved_share.tolist()
    [0.0, 1.0]
    """

    rules: Rulebook
    statistics: Statistics
    sources: tuple[Source, ...] = ()

    def __add__(self, other: Calibration) -> Calibration:
        """The calibration of both sets of ratings.

        Raises
        ------
        MismatchError
            If the two are of different rules, or of rules with different vetoes.
        """
        self.rules.same_as(other.rules, self._name, other._name)
        self.rules.same_vetoes(other.rules, self._name, other._name)
        sources = tuple(sorted(self.sources + other.sources, key=astuple))
        return Calibration(self.rules, self.statistics + other.statistics, sources)

    def __radd__(self, start: int) -> Calibration:
        """So that ``sum(calibrations)`` works, which starts from 0."""
        return self if start == 0 else NotImplemented

    @property
    def _name(self) -> str:
        return f"calibration of {', '.join(source.name for source in self.sources) or 'ratings'}"

    @property
    def counted_twice(self) -> tuple[str, ...]:
        """Names of files that are in this calibration more than once, by their digest."""
        times = Counter(source.sha256 for source in self.sources if source.sha256)
        return tuple(sorted({s.name for s in self.sources if times[s.sha256] > 1}))

    @property
    def n_responses(self) -> int:
        """Responses, repeats not counted."""
        return self.statistics.n_responses

    @property
    def n_prompts(self) -> int:
        """Distinct prompts; 0 if none were named. An estimate above 512."""
        return self.statistics.prompts.n_prompts

    @property
    def n_split_prompts(self) -> int:
        """Prompts whose rows were not contiguous: margins across the split are lost."""
        return self.statistics.prompts.n_split

    @cached_array
    def n_ratings(self) -> NDArray[np.int64]:
        """Ratings per rule where it applies, shape (n_rules,)."""
        return np.asarray(self.statistics.counts.sum(axis=1))

    @cached_array
    def applies_share(self) -> NDArray[np.float64]:
        """Share of responses that each rule applies to at least half, in [0, 1].

        All other numbers are of these responses alone.
        """
        return self.statistics.applies_count / self.n_responses

    @property
    def always_apply(self) -> bool:
        """Whether every rule applies to every response."""
        return bool((self.statistics.applies_count == self.n_responses).all())

    @cached_array
    def coverage(self) -> NDArray[np.float64]:
        """Share of the responses that a rule applies to which it rates; NaN if it never applies."""
        return _ratio(self.n_ratings, self.statistics.applies_count)

    def entropy(self, estimator: Estimator = "plugin") -> NDArray[np.float64]:
        """Rating entropy per rule in nats, at most ``ln(n_levels)``; NaN if never rated.

        See :func:`encore.rating_entropy`.
        """
        entropy = rating_entropy(self.statistics.counts, estimator=estimator)
        return np.minimum(entropy, np.log(self.rules.n_levels))

    def normalised_entropy(self, estimator: Estimator = "plugin") -> NDArray[np.float64]:
        """Rating entropy divided by ``ln(n_levels)``, in [0, 1]; NaN if never rated."""
        return np.asarray(self.entropy(estimator) / np.log(self.rules.n_levels))

    @cached_array
    def resolved_share(self) -> NDArray[np.float64]:
        """Share of within-prompt pairs put on different levels; NaN for a rule that rates none."""
        return _ratio(self.statistics.resolved_pairs, self.statistics.rated_pairs)

    @cached_array
    def outside_share(self) -> NDArray[np.float64]:
        """Share of ratings beyond the ends of their scale; NaN if never rated."""
        return _ratio(self.statistics.n_outside, self.n_ratings)

    @cached_array
    def spread(self) -> NDArray[np.float64]:
        """Mean within-rating entropy in nats; NaN without a spread and without repeats."""
        return _ratio(to_float(self.statistics.spread_sum), self.statistics.spread_count)

    @cached_array
    def information(self) -> NDArray[np.float64]:
        """``1 - spread / entropy``: the share of the entropy that tells responses apart.

        Where the rater's level probabilities are known, the entropy is that of their mean: the
        difference of the two is then the mutual information of response and level. In [0, 1]; 0
        for a constant rule, which tells nothing apart; NaN without a spread.
        """
        entropy = rating_entropy(to_float(self.statistics.soft_counts))
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.clip(1 - self.spread / entropy, 0.0, 1.0)
        return np.where((entropy == 0) & ~np.isnan(self.spread), 0.0, share)

    @cached_array
    def margin_variance(self) -> NDArray[np.float64]:
        """Variance of each rule's unit margin between two responses to one prompt.

        Each prompt counts once. In [0, 1]; NaN if no prompt has two rated responses.
        """
        sums = self.statistics.margin_moment
        own = np.diagonal(sums) if self.statistics.has_covariance else sums
        return _ratio(own, self.n_compared)

    @cached_array
    def n_compared(self) -> NDArray[np.int64]:
        """Prompts with two responses or more that a rule rates, shape (n_rules,)."""
        prompts = self.statistics.prompts_with_margin
        return np.diagonal(prompts) if self.statistics.has_covariance else prompts

    @cached_array
    def margin_covariance(self) -> NDArray[np.float64]:
        """Covariance of two rules' unit margins, shape (n_rules, n_rules); NaN where unknown.

        Raises
        ------
        InputError
            If there are more rules than a covariance is kept for.
        """
        if not self.statistics.has_covariance:
            raise InputError(
                f"{len(self.rules)} rules are too many for a covariance of their margins. "
                f"Use a scheme that does not need it, or fewer rules."
            )
        return _ratio(self.statistics.margin_moment, self.statistics.prompts_with_margin)

    @cached_array
    def margin_correlation(self) -> NDArray[np.float64]:
        """Correlation of two rules' margins, 0 where they share too few prompts to say.

        Raises
        ------
        InputError
            If there are more rules than a covariance is kept for.
        """
        deviation = np.sqrt(self.margin_variance)
        covariance, own = self.margin_covariance, self.n_compared
        prompts = self.statistics.prompts_with_margin
        # The variances are over each rule's own prompts: they must be nearly those in common.
        comparable = prompts >= 0.9 * np.maximum(own[:, None], own)
        with np.errstate(invalid="ignore", divide="ignore"):
            correlation = covariance / np.outer(deviation, deviation)
        known = np.nan_to_num(np.where(comparable, correlation, 0.0))
        return np.asarray(np.clip(known, -1.0, 1.0))

    @cached_array
    def common_factor(self) -> NDArray[np.float64]:
        """Loadings of the factor that the rules' margins share; see ``factor.common_factor``.

        Raises
        ------
        InputError
            If there are more rules than a covariance is kept for.
        """
        return common_factor(self.margin_covariance)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of rules and statistics."""
        return digest([self.rules.digest, self.statistics.to_dict()])

    def __repr__(self) -> str:
        rated = ", ".join(f"{name} {h:.2f}" for name, h in self._entropies()[:8])
        more = ", …" if len(self.rules) > 8 else ""
        return (
            f"Calibration on {self.n_responses:,} responses to {self.n_prompts:,} prompts under "
            f"{len(self.rules)} rules; normalised entropy: {rated}{more}"
        )

    def _entropies(self) -> list[tuple[str, float]]:
        return list(zip(self.rules.ids, self.normalised_entropy().tolist(), strict=True))

    def _repr_html_(self) -> str:
        """In a notebook: every rule with its histogram and entropy."""
        nats, normalised = self.entropy(), self.normalised_entropy()
        applies = [] if self.always_apply else ["applies %"]
        rows = [
            (
                rule.id,
                sparkline(self.statistics.counts[k, : rule.scale.n_levels].tolist()),
                number(float(nats[k])),
                number(float(normalised[k])),
                *(percent(float(self.applies_share[k])) for _ in applies),
                percent(float(self.coverage[k])),
                percent(float(self.resolved_share[k])),
            )
            for k, rule in enumerate(self.rules)
        ]
        return html_table(
            f"{self._name}: {self.n_responses:,} responses, {len(self.rules)} rules",
            ("rule", "ratings", "entropy, nats", "normalised", *applies, "rated %", "resolved %"),
            rows,
        )

    def save(self, path: StrPath) -> None:
        """Write ``calibration.json``, atomically."""
        body = {
            "rules": self.rules.to_dicts(),
            "rules_digest": self.rules.digest,
            "sources": [asdict(source) for source in self.sources],
            "statistics": self.statistics.to_dict(),
        }
        write_document(path, KIND, VERSION, {**body, "digest": _digest(body)})

    @classmethod
    def load(cls, path: StrPath) -> Calibration:
        """Read ``calibration.json``.

        Raises
        ------
        DocumentError
            If the file is not a calibration, or is broken.
        """
        document = read_document(path, KIND, VERSION, oldest=VERSION, again="Calibrate again.")
        try:
            rules = Rulebook.from_dicts(document["rules"])
            statistics = Statistics.from_dict(document["statistics"], rules.n_levels)
            sources = tuple(_source(source) for source in document["sources"])
        except (KeyError, TypeError, AttributeError, InputError) as error:
            raise DocumentError(
                f"{path}: a broken calibration ({error}). Calibrate again."
            ) from error
        if document.get("rules_digest") != rules.digest:
            raise DocumentError(f"{path}: the rules were changed by hand. Calibrate again.")
        body = {k: v for k, v in document.items() if k not in ("kind", "schema_version", "digest")}
        if document.get("digest") != _digest(body):
            raise DocumentError(
                f"{path}: damaged, or changed by hand: its contents do not have the digest that "
                f"it states. Calibrate again."
            )
        return cls(rules, statistics, sources)


def _digest(body: Mapping[str, Any]) -> str:
    """SHA-256 of a file's contents, except for vetoes: they matter to rewards, not to ratings."""
    rules = [{key: rule[key] for key in rule if key != "veto"} for rule in body["rules"]]
    return digest({**body, "rules": rules})


def _source(data: Mapping[str, Any]) -> Source:
    source = Source(**data)
    texts = isinstance(source.name, str) and isinstance(source.sha256, str)
    if not texts or isinstance(source.n_responses, bool) or not isinstance(source.n_responses, int):
        raise TypeError(f"a source is a name, a digest and a number of responses; got {source}")
    return source


def merge(*calibrations: Calibration | StrPath | Iterable[Calibration | StrPath]) -> Calibration:
    """Merge calibrations of the same rules into one, as if calibrated together.

    Margins within a prompt that is split between them are lost; ``n_split_prompts`` counts those.

    Parameters
    ----------
    *calibrations : Calibration, path, or list of them
        At least one.

    Raises
    ------
    MismatchError
        If two are of different rules.
    InputError
        If there is none.

    Examples
    --------
    >>> from encore import calibrate
    >>> monday, tuesday = (calibrate(r, ["a"], scale=[0, 1]) for r in ([[1], [0]], [[1]]))
    >>> merge(monday, tuesday).n_responses
    3
    """
    parts: list[Calibration] = []
    for given in calibrations:
        if isinstance(given, Calibration):
            parts.append(given)
        elif isinstance(given, str | os.PathLike):
            parts.append(Calibration.load(given))
        else:
            parts.append(merge(*given))
    if not parts:
        raise InputError("there is no calibration to merge; give at least one.")
    return sum(parts[1:], parts[0])


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(whole > 0, part / whole, np.nan)
