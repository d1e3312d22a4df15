"""The mergeable sufficient statistic that every label-free scheme reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encore.errors import DocumentError

# The matrix of margin moments grows with the square of n_rules: at 1,024 rules it is 8 MB, at
# 10,000 it would be 800. Above this only its diagonal is kept, and what needs the rest says so.
MAX_RULES_WITH_COVARIANCE = 1024


@dataclass(frozen=True)
class PromptSample:
    """The prompts with the smallest hashes, and in how many runs of rows each was met.

    A prompt met in more than one run was split: between files that were calibrated apart, or by
    rows out of order. Its margins across runs are lost. The sample holds every prompt until there
    are more than ``SIZE``; then it is a uniform sample of the prompts, whichever way the data
    was cut up, so two samples merge into the sample of the union.

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
        """Prompts met in more than one run; estimated likewise."""
        if not len(self.runs):
            return 0
        return round(self.n_prompts * float((self.runs > 1).mean()))


@dataclass(frozen=True)
class Statistics:
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
        Those of them that it puts on different levels.
    margin_sum : ndarray of float64, shape (n_rules, n_rules)
        Sum over prompts of the mean, over the prompt's pairs, of the product of two rules' unit
        margins. Of shape (n_rules,), the diagonal only, above 1,024 rules.
    margin_prompts : ndarray of int64, shape of *margin_sum*
        Prompts that the sum runs over.
    prompts : PromptSample
        Which prompts were met, and in how many runs.
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
    def from_dict(cls, data: Mapping[str, Any], n_rules: int) -> Statistics:
        """Read what :meth:`to_dict` gave.

        Raises
        ------
        DocumentError
            If a part is missing or has the wrong shape or type.
        """
        try:
            arrays = {
                name: _array(data[name], np.dtype(kind), symmetric=name in _SYMMETRIC)
                for name, kind in _ARRAYS.items()
            }
            sample = data["prompts"]
            prompts = PromptSample(
                np.array([int(value, 16) for value in sample["hashes"]], dtype=np.uint64),
                np.array(sample["runs"], dtype=np.int64),
                int(sample["n_runs"]),
            )
            statistics = cls(n_responses=int(data["n_responses"]), **arrays, prompts=prompts)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise DocumentError(f"the statistics are broken: {error!r}.") from error
        wrong = {name: array.shape for name, array in arrays.items() if array.shape[0] != n_rules}
        negative = [
            name for name, array in arrays.items() if name not in _SYMMETRIC and (array < 0).any()
        ]
        if wrong or negative:
            raise DocumentError(
                f"the statistics are broken: expected {n_rules} rules, got shapes {wrong}; "
                f"negative counts in {negative}."
            )
        return statistics


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


def _array(rows: Any, kind: np.dtype[Any], *, symmetric: bool) -> NDArray[Any]:
    if not symmetric or not isinstance(rows[0], list):
        return np.array(rows, dtype=kind)
    matrix = np.zeros((len(rows), len(rows)), dtype=kind)
    for position, row in enumerate(rows):
        if len(row) != position + 1:
            raise ValueError(f"row {position} of a triangle has {len(row)} entries")
        matrix[position, : position + 1] = row
    return matrix + np.tril(matrix, -1).T
