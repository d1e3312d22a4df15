"""The mergeable sufficient statistic that every label-free scheme reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encore.arrays import Record
from encore.errors import DocumentError

# The matrix of margin moments grows with the square of n_rules: at 1,024 rules it is 8 MB, at
# 10,000 it would be 800. Above this only its diagonal is kept, and what needs the rest says so.
MAX_RULES_WITH_COVARIANCE = 1024


@dataclass(frozen=True, eq=False, repr=False)
class PromptSample(Record):
    """The prompts with the smallest hashes, and how many runs of rows each has.

    A prompt with more than one run was split: across files that were calibrated separately, or by
    rows out of order. Its margins across runs are lost. The sample holds every prompt until there
    are more than ``SIZE``; then it is a uniform sample of the prompts, however the data
    was divided, so two samples merge into the sample of the union.

    Parameters
    ----------
    hashes : ndarray of uint64, shape (n_sampled,)
        Ascending.
    runs : ndarray of int64, shape (n_sampled,)
        Runs of contiguous rows per sampled prompt.
    n_runs : int
        Runs of all prompts.
    """

    SIZE = 512

    hashes: NDArray[np.uint64]
    runs: NDArray[np.int64]
    n_runs: int

    @classmethod
    def of(cls, hashes: NDArray[np.uint64]) -> PromptSample:
        """The sample of one hash per run."""
        distinct, runs = np.unique(hashes, return_counts=True)
        return cls(distinct[: cls.SIZE], runs[: cls.SIZE].astype(np.int64), len(hashes))

    def __add__(self, other: PromptSample) -> PromptSample:
        hashes, inverse = np.unique(
            np.concatenate([self.hashes, other.hashes]), return_inverse=True
        )
        runs = np.zeros(len(hashes), dtype=np.int64)
        np.add.at(runs, inverse, np.concatenate([self.runs, other.runs]))
        return PromptSample(hashes[: self.SIZE], runs[: self.SIZE], self.n_runs + other.n_runs)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PromptSample:
        """Read the sample of a document; raises ValueError if it is malformed."""
        hashes = np.array([int(value, 16) for value in data["hashes"]], dtype=np.uint64)
        runs = np.empty(0, np.int64)
        if data["runs"]:
            runs = _numbers(data["runs"], np.dtype(np.int64), "runs")
        found = cls(hashes, runs, _count(data["n_runs"], "n_runs"))
        if (
            runs.shape != hashes.shape
            or len(hashes) > cls.SIZE
            or (hashes[1:] <= hashes[:-1]).any()
        ):
            raise ValueError(
                f"prompts must be at most {cls.SIZE} ascending hashes, each with its runs"
            )
        if (runs < 1).any() or int(runs.sum()) > found.n_runs:
            raise ValueError(f"runs must be 1 or more per prompt, {found.n_runs} at most in all")
        return found

    @property
    def is_complete(self) -> bool:
        """Whether the sample holds every prompt, so that its counts are exact."""
        return int(self.runs.sum()) == self.n_runs

    @property
    def n_prompts(self) -> int:
        """Distinct prompts; estimated once there are more than the sample holds."""
        runs = int(self.runs.sum())
        return round(self.n_runs * len(self.runs) / runs) if runs else 0

    @property
    def n_split(self) -> int:
        """Prompts with more than one run; estimated in the same way."""
        if not len(self.runs):
            return 0
        return round(self.n_prompts * float((self.runs > 1).mean()))


@dataclass(frozen=True, eq=False, repr=False)
class Statistics(Record):
    """Sums over rated responses and over prompts; two of them add.

    Addition is commutative and associative: exactly for the counts, to rounding (about 1e-15
    relative) for the sums of floats.

    Parameters
    ----------
    n_responses : int
        Responses, repeats not counted.
    counts : ndarray of int64, shape (n_rules, max n_levels)
        Ratings per level, worst first; columns beyond a rule's levels are zero.
    n_outside : ndarray of int64, shape (n_rules,)
        Ratings beyond the ends of the scale, clipped to it.
    spread_sum : ndarray of float64, shape (n_rules,)
        Summed within-rating spread, nats.
    spread_count : ndarray of int64, shape (n_rules,)
        Ratings whose spread is known.
    rated_pairs : ndarray of int64, shape (n_rules,)
        Pairs of responses to one prompt that a rule rates on both sides.
    resolved_pairs : ndarray of int64, shape (n_rules,)
        How many of them it puts on different levels.
    margin_sum : ndarray of float64, shape (n_rules, n_rules)
        Sum over prompts of the mean, over the prompt's pairs, of the product of two rules' unit
        margins. Of shape (n_rules,), the diagonal only, above 1,024 rules.
    margin_prompts : ndarray of int64, shape of *margin_sum*
        Prompts that the sum runs over.
    prompts : PromptSample
        Which prompts occur, and in how many runs.
    """

    n_responses: int
    counts: NDArray[np.int64]
    n_outside: NDArray[np.int64]
    spread_sum: NDArray[np.float64]
    spread_count: NDArray[np.int64]
    rated_pairs: NDArray[np.int64]
    resolved_pairs: NDArray[np.int64]
    margin_sum: NDArray[np.float64]
    margin_prompts: NDArray[np.int64]
    prompts: PromptSample

    def __add__(self, other: Statistics) -> Statistics:
        return Statistics(
            **{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data. Of symmetric matrices, the rows up to the diagonal."""
        data: dict[str, Any] = {"n_responses": self.n_responses}
        for name in _ARRAYS:
            data[name] = _rows(getattr(self, name), triangle=name in _SYMMETRIC)
        data["prompts"] = {
            "n_runs": self.prompts.n_runs,
            "hashes": [f"{value:016x}" for value in self.prompts.hashes.tolist()],
            "runs": self.prompts.runs.tolist(),
        }
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], n_levels: NDArray[np.int64]) -> Statistics:
        """Read what :meth:`to_dict` gave, for rules of *n_levels*, and check all of it.

        Raises
        ------
        DocumentError
            If a part is missing, has the wrong shape or type, or contradicts the others.
        """
        try:
            arrays = {name: _array(data, name, n_levels) for name in _ARRAYS}
            statistics = cls(
                n_responses=_count(data["n_responses"], "n_responses"),
                **arrays,
                prompts=PromptSample.from_dict(data["prompts"]),
            )
        except KeyError as error:
            raise DocumentError(f"the statistics are broken: there is no {error}.") from error
        except (TypeError, ValueError, OverflowError) as error:
            raise DocumentError(f"the statistics are broken: {error}.") from error
        for wrong in _contradictions(statistics, n_levels):
            raise DocumentError(f"the statistics are broken: {wrong}.")
        return statistics


def _contradictions(found: Statistics, n_levels: NDArray[np.int64]) -> Iterator[str]:
    """Numbers that no ratings could give together."""
    yield from _contradictory_counts(found, n_levels)
    yield from _contradictory_margins(found)


def _contradictory_counts(found: Statistics, n_levels: NDArray[np.int64]) -> Iterator[str]:
    counts = found.counts.astype(np.float64)  # what is no count may be too large to add or multiply
    n_ratings = counts.sum(axis=1)
    levels = np.arange(found.counts.shape[1])
    if (found.counts[levels >= n_levels[:, None]] > 0).any():
        yield "counts has ratings on levels that a rule does not have"
    if (n_ratings > found.n_responses).any():
        yield f"counts has more ratings of a rule than the {found.n_responses} responses"
    if (found.n_outside > n_ratings).any():
        yield "n_outside is larger than the number of ratings"
    if (found.spread_count > found.n_responses).any():
        yield f"spread_count is larger than the {found.n_responses} responses"
    if (found.spread_sum < 0).any() or (found.spread_sum[found.spread_count == 0] > 0).any():
        yield "spread_sum is negative, or the sum of no spreads"
    if (found.resolved_pairs > found.rated_pairs).any():
        yield "resolved_pairs is larger than rated_pairs"
    # At most every two of a rule's ratings are a pair; at most those on two levels are resolved.
    rated, same = n_ratings * (n_ratings - 1) / 2, (counts * (counts - 1) / 2).sum(axis=1)
    most = 1 + 1e-12  # for the rounding of products above 2^53
    if (found.rated_pairs > rated * most).any():
        yield "rated_pairs is larger than the pairs of its ratings"
    if (found.resolved_pairs > rated * most - same).any():
        yield "resolved_pairs is larger than the pairs of ratings on different levels"
    if found.prompts.n_runs > found.n_responses:
        yield f"more runs of prompts than the {found.n_responses} responses"


def _contradictory_margins(found: Statistics) -> Iterator[str]:
    whole = found.margin_sum
    sums, prompts = whole, found.margin_prompts
    if whole.ndim == 2:
        sums, prompts = np.diagonal(whole), np.diagonal(found.margin_prompts)
    # Margins lie between -1 and 1, and so does the mean of their products.
    if (sums < 0).any() or (np.abs(found.margin_sum) > found.margin_prompts * (1 + 1e-9)).any():
        yield "margin_sum is not between 0 and margin_prompts"
    if (prompts > found.prompts.n_runs).any():
        yield f"margin_prompts is larger than the {found.prompts.n_runs} runs of prompts"
    if (prompts > found.rated_pairs).any() or (
        whole.ndim == 2 and (found.margin_prompts > np.minimum.outer(prompts, prompts)).any()
    ):
        yield "margin_prompts is larger than the pairs, or than the prompts of one of two rules"
    # With every cell rated, margin_sum is a sum of squares; with gaps it may be none.
    complete = (found.counts.sum(axis=1, dtype=np.float64) == found.n_responses).all()
    if whole.ndim == 2 and complete and np.linalg.eigvalsh(whole)[0] < -1e-9 * sums.sum():
        yield "margin_sum is not the moments of any margins"


_SYMMETRIC = ("margin_sum", "margin_prompts")
_ARRAYS = {
    "counts": "i8",
    "n_outside": "i8",
    "spread_sum": "f8",
    "spread_count": "i8",
    "rated_pairs": "i8",
    "resolved_pairs": "i8",
    "margin_sum": "f8",
    "margin_prompts": "i8",
}


def _rows(array: NDArray[Any], *, triangle: bool) -> list[Any]:
    if not triangle or array.ndim == 1:
        rows: list[Any] = array.tolist()
        return rows
    return [row[: position + 1] for position, row in enumerate(array.tolist())]


def _array(data: Mapping[str, Any], name: str, n_levels: NDArray[np.int64]) -> NDArray[Any]:
    """One of the arrays, of the shape that it has for these rules."""
    n_rules, rows = len(n_levels), data[name]
    is_matrix = name in _SYMMETRIC and n_rules <= MAX_RULES_WITH_COVARIANCE
    if is_matrix:
        rows = _whole_matrix(rows, name)
    array = _numbers(rows, np.dtype(_ARRAYS[name]), name)
    shape: tuple[int, ...] = (n_rules, n_rules) if is_matrix else (n_rules,)
    if name == "counts":
        shape = (n_rules, int(n_levels.max()))
    if array.shape != shape:
        raise ValueError(f"{name} has the shape {array.shape}; expected {shape}")
    if name != "margin_sum" and (array < 0).any():
        raise ValueError(f"{name} holds a negative number")
    return array


def _whole_matrix(rows: Any, name: str) -> list[list[Any]]:
    """A symmetric matrix from its rows up to the diagonal."""
    if not isinstance(rows, list) or any(
        not isinstance(row, list) or len(row) != place + 1 for place, row in enumerate(rows)
    ):
        raise ValueError(f"{name} is not a triangle of numbers, one row per rule")
    return [[rows[max(i, j)][min(i, j)] for j in range(len(rows))] for i in range(len(rows))]


def _numbers(value: Any, kind: np.dtype[Any], name: str) -> NDArray[Any]:
    array = np.array(value)
    if array.dtype.kind not in ("iu" if kind.kind in "iu" else "iuf"):
        raise ValueError(f"{name} holds {array.dtype}; expected numbers of type {kind}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds a number that is not finite")
    return array.astype(kind)


def _count(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} is {value!r}; expected a whole number of 0 or more")
    return value
