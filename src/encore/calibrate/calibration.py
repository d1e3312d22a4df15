"""A calibration: what a set of ratings says about each rule, in a few kilobytes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encore.calibrate.accumulate import accumulate
from encore.calibrate.entropy import Estimator, rating_entropy
from encore.calibrate.statistics import Statistics
from encore.errors import DocumentError, InputError
from encore.files import StrPath, digest, file_digest, read_document, write_document
from encore.ratings import RatingsTable, as_ratings
from encore.rules import Rulebook

KIND = "encore.calibration"
VERSION = 1
_BLOCK_ROWS = 65_536


@dataclass(frozen=True, order=True)
class Source:
    """One thing that a calibration was made from.

    Parameters
    ----------
    name : str
        The file's name without its folder, or what stands for ratings from memory.
    sha256 : str
        Digest of the file; empty for ratings from memory.
    n_responses : int
        Responses in it.
    """

    name: str
    sha256: str
    n_responses: int


@dataclass(frozen=True)
class Calibration:
    """The statistics of a calibration set, with the rules that it was rated under.

    ("Calibration set" has nothing to do with calibrated probabilities: it is the sample of
    responses whose ratings estimate each rule's entropy.) Two calibrations of the same rules add,
    as if their ratings had been calibrated together, but for margins within prompts that were
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
    >>> from encore.rules import LevelScale
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
            If the two are of different rules.
        """
        self.rules.same_as(other.rules, self._name, other._name)
        sources = tuple(sorted(self.sources + other.sources))
        return Calibration(self.rules, self.statistics + other.statistics, sources)

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
        """Prompts whose rows did not stand together: margins across the split are lost."""
        return self.statistics.prompts.n_split

    @cached_property
    def n_ratings(self) -> NDArray[np.int64]:
        """Ratings per rule, shape (n_rules,)."""
        return np.asarray(self.statistics.counts.sum(axis=1))

    @cached_property
    def coverage(self) -> NDArray[np.float64]:
        """Share of responses that each rule rates, in [0, 1]."""
        return self.n_ratings / self.n_responses

    def entropy(self, estimator: Estimator = "plugin") -> NDArray[np.float64]:
        """Rating entropy per rule in nats, at most ``ln(n_levels)``; NaN if never rated.

        See :func:`encore.rating_entropy`.
        """
        entropy = rating_entropy(self.statistics.counts, estimator=estimator)
        return np.minimum(entropy, np.log(self.rules.n_levels))

    def normalised_entropy(self, estimator: Estimator = "plugin") -> NDArray[np.float64]:
        """Rating entropy divided by ``ln(n_levels)``, in [0, 1]; NaN if never rated."""
        return np.asarray(self.entropy(estimator) / np.log(self.rules.n_levels))

    @cached_property
    def resolved_share(self) -> NDArray[np.float64]:
        """Share of within-prompt pairs put on different levels; NaN for a rule that rates none."""
        return _ratio(self.statistics.resolved_pairs, self.statistics.rated_pairs)

    @cached_property
    def outside_share(self) -> NDArray[np.float64]:
        """Share of ratings beyond the ends of their scale; NaN if never rated."""
        return _ratio(self.statistics.n_outside, self.n_ratings)

    @cached_property
    def spread(self) -> NDArray[np.float64]:
        """Mean within-rating entropy in nats; NaN without a spread and without repeats."""
        return _ratio(self.statistics.spread_sum, self.statistics.spread_count)

    @cached_property
    def information(self) -> NDArray[np.float64]:
        """``1 - spread / entropy``: the share of the entropy that tells responses apart.

        In [0, 1]; 0 for a constant rule, which tells nothing apart; NaN without a spread.
        """
        entropy = self.entropy()
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.clip(1 - self.spread / entropy, 0.0, 1.0)
        return np.where((entropy == 0) & ~np.isnan(self.spread), 0.0, share)

    @cached_property
    def margin_variance(self) -> NDArray[np.float64]:
        """Variance of each rule's unit margin between two responses to one prompt.

        Each prompt counts once. In [0, 1]; NaN if no prompt has two rated responses.
        """
        sums, prompts = self.statistics.margin_sum, self.statistics.margin_prompts
        if sums.ndim == 2:
            sums, prompts = np.diagonal(sums), np.diagonal(prompts)
        return _ratio(sums, prompts)

    @cached_property
    def margin_covariance(self) -> NDArray[np.float64]:
        """Covariance of two rules' unit margins, shape (n_rules, n_rules); NaN where unknown.

        Raises
        ------
        InputError
            If there are more rules than a covariance is kept for.
        """
        if self.statistics.margin_sum.ndim == 1:
            raise InputError(
                f"{len(self.rules)} rules are too many for a covariance of their margins. "
                f"Use a scheme that does not need it, or fewer rules."
            )
        return _ratio(self.statistics.margin_sum, self.statistics.margin_prompts)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of rules and statistics."""
        return digest([self.rules.digest, self.statistics.to_dict()])

    def save(self, path: StrPath) -> None:
        """Write ``calibration.json``, atomically."""
        body = {
            "rules": self.rules.to_dicts(),
            "rules_digest": self.rules.digest,
            "sources": [asdict(source) for source in self.sources],
            "statistics": self.statistics.to_dict(),
        }
        write_document(path, KIND, VERSION, body)

    @classmethod
    def load(cls, path: StrPath) -> Calibration:
        """Read ``calibration.json``.

        Raises
        ------
        DocumentError
            If the file is not a calibration, or is broken.
        """
        document = read_document(path, KIND, VERSION)
        try:
            rules = Rulebook.from_dicts(document["rules"])
            statistics = Statistics.from_dict(document["statistics"], len(rules))
            sources = tuple(Source(**source) for source in document["sources"])
        except (KeyError, TypeError, AttributeError, InputError) as error:
            raise DocumentError(
                f"{path}: a broken calibration ({error}). Make it again."
            ) from error
        if document.get("rules_digest") != rules.digest:
            raise DocumentError(f"{path}: the rules were changed by hand. Calibrate again.")
        return cls(rules, statistics, sources)


def calibrate(
    ratings: Any, rules: Rulebook, *, prompts: Sequence[Any] | None = None
) -> Calibration:
    """Estimate what every label-free scheme needs from rated responses.

    Parameters
    ----------
    ratings : array_like, frame, path, RatingsTable or PreferencePairs
        Ratings on the rules' own scales; NaN where unrated. A file is streamed in bounded
        memory, and brought together by prompt only if its rows are out of order.
    rules : Rulebook
        The rules, whose ids name the columns.
    prompts : sequence, optional
        For an array: the prompt of each row, from which come within-prompt margins.

    Returns
    -------
    Calibration

    Raises
    ------
    MismatchError
        If the ratings were made with other rules.
    InputError
        If the ratings are unusable, or there are none.

    Examples
    --------
    >>> from encore.rules import LevelScale
    >>> rules = Rulebook.from_ids(["privacy"], LevelScale((1, 2, 3, 4, 5)))
    >>> calibrate([[5], [5], [1], [float("nan")]], rules).coverage.tolist()
    [0.75]
    """
    if isinstance(ratings, str | os.PathLike):
        return _calibrate_file(Path(ratings), rules)
    table = _together(as_ratings(ratings, rules, prompts=prompts))
    return _with_source(calibrate_batches(_blocks(table), rules), table.source, "")


def calibrate_batches(batches: Iterable[RatingsTable], rules: Rulebook) -> Calibration:
    """Calibrate a stream of tables, each holding whole prompts; memory holds one of them.

    Raises
    ------
    InputError
        If no batch has a row.
    MismatchError
        If a batch is of other rules.
    """
    total: Statistics | None = None
    for table in batches:
        rules.same_as(table.rules, "these rules", table.source)
        if table.n_rows:
            part = accumulate(table)
            total = part if total is None else total + part
    if total is None or not total.n_responses:
        raise InputError("there are no ratings to calibrate on; expected at least one response.")
    return Calibration(rules, total)


def _calibrate_file(path: Path, rules: Rulebook) -> Calibration:
    from encore.ratings.files import read_batches

    runs = _Runs()
    calibration = calibrate_batches(runs.passing(read_batches(path, rules)), rules)
    if runs.one_came_back() or calibration.n_split_prompts:
        table = _together(as_ratings(path, rules))
        calibration = calibrate_batches(_blocks(table), rules)
    return _with_source(calibration, path.name, file_digest(path))


def _with_source(calibration: Calibration, name: str, sha256: str) -> Calibration:
    return replace(calibration, sources=(Source(name, sha256, calibration.n_responses),))


class _Runs:
    """Watches a stream for a prompt (or response) that comes back after its run of rows ended.

    Exact for the first ``MAX`` runs, which take 32 MB; the calibration's own sample sees to it
    beyond, where one prompt more or less is nothing.
    """

    MAX = 1 << 22

    def __init__(self) -> None:
        self._parts: list[NDArray[np.int64]] = []
        self._n_runs = 0

    def passing(self, tables: Iterable[RatingsTable]) -> Iterator[RatingsTable]:
        for table in tables:
            groups = table.groups
            if groups is not None and self._n_runs < self.MAX:
                codes = groups.codes[np.append(True, groups.codes[1:] != groups.codes[:-1])]
                hashes = np.fromiter(map(hash, groups.names), np.int64, len(groups.names))
                self._parts.append(hashes[codes])
                self._n_runs += len(codes)
            yield table

    def one_came_back(self) -> bool:
        return len(np.unique(np.concatenate([np.empty(0, np.int64), *self._parts]))) < self._n_runs


def _together(table: RatingsTable) -> RatingsTable:
    """The table with the rows of each prompt (or response) side by side, otherwise in order."""
    groups = table.groups
    if groups is None:
        return table
    codes = groups.codes
    n_runs = 1 + int((codes[1:] != codes[:-1]).sum())
    if n_runs <= len(np.unique(codes)):
        return table
    return table.take(np.argsort(codes, kind="stable"))


def _blocks(table: RatingsTable) -> Iterable[RatingsTable]:
    """The table in blocks that split no prompt or response: temporaries stay small."""
    if table.n_rows <= _BLOCK_ROWS:
        yield table
        return
    ends = np.arange(1, table.n_rows + 1)
    if table.groups is not None:
        codes = table.groups.codes
        ends = ends[np.append(codes[1:] != codes[:-1], True)]
    start = 0
    while start < table.n_rows:
        end = int(ends[min(int(np.searchsorted(ends, start + _BLOCK_ROWS)), len(ends) - 1)])
        yield table.take(slice(start, end))
        start = end


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(whole > 0, part / whole, np.nan)
