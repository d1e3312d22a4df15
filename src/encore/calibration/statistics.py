"""The mergeable sufficient statistic that every label-free scheme reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encore.arrays import Record, cached_array
from encore.calibration.fields import whole_number, whole_numbers
from encore.calibration.fixed_point import LARGEST_FIXED, ONE, to_float
from encore.calibration.prompts import PromptSample
from encore.errors import DocumentError

# The matrix of margin moments grows with the square of n_rules: at 1,024 rules it is 8 MB, at
# 10,000 it would be 800. Above this only its diagonal is kept, and what needs the rest says so.
MAX_RULES_WITH_COVARIANCE = 1024
# Parts of the prompts whose moments are kept apart, to see how far they differ. Sixteen matrices of
# up to 32 rules are as large as one of 128.
N_BUCKETS = 16
MAX_RULES_WITH_BUCKETS = 32


def n_buckets(n_rules: int) -> int:
    """Into how many parts the prompts are divided: by their hash, modulo this."""
    return N_BUCKETS if n_rules <= MAX_RULES_WITH_BUCKETS else 1


@dataclass(frozen=True, eq=False, repr=False)
class Statistics(Record):
    """Sums over rated responses and over prompts; two of them add.

    A rating counts where its rule applies at least half. Addition is exact, commutative and
    associative: what are not counts are whole multiples of 2^-40, Python's integers in an array of
    objects, to which each rating's or prompt's part was rounded once.

    Parameters
    ----------
    n_responses : int
        Responses, repeats not counted.
    applies_count : ndarray of int64, shape (n_rules,)
        Responses that a rule applies to, rated or not.
    counts : ndarray of int64, shape (n_rules, max n_levels)
        Ratings per level, worst first; columns beyond a rule's levels are zero.
    soft_counts : ndarray of object, shape (n_rules, max n_levels)
        The same where a rating is spread over the levels by the rater's own probabilities, if they
        are known; in multiples of 2^-40.
    n_outside : ndarray of int64, shape (n_rules,)
        Ratings beyond the ends of the scale, clipped to it.
    spread_sum : ndarray of object, shape (n_rules,)
        Summed within-rating spread, in multiples of 2^-40 nats.
    spread_count : ndarray of int64, shape (n_rules,)
        Ratings whose spread is known.
    rated_pairs : ndarray of int64, shape (n_rules,)
        Pairs of responses to one prompt that a rule rates on both sides.
    resolved_pairs : ndarray of int64, shape (n_rules,)
        How many of them it puts on different levels.
    margin_sum : ndarray of object, shape (n_buckets, n_rules, n_rules)
        Sum over the prompts of a bucket of the mean, over the prompt's pairs, of the product of two
        rules' unit margins; in multiples of 2^-40. Of shape (1, n_rules), the diagonal only, above
        1,024 rules.
    margin_prompts : ndarray of int64, shape of *margin_sum*
        Prompts that the sum runs over.
    prompts : PromptSample
        Which prompts occur, and in how many runs.
    """

    n_responses: int
    applies_count: NDArray[np.int64]
    counts: NDArray[np.int64]
    soft_counts: NDArray[np.object_]
    n_outside: NDArray[np.int64]
    spread_sum: NDArray[np.object_]
    spread_count: NDArray[np.int64]
    rated_pairs: NDArray[np.int64]
    resolved_pairs: NDArray[np.int64]
    margin_sum: NDArray[np.object_]
    margin_prompts: NDArray[np.int64]
    prompts: PromptSample

    def __add__(self, other: Statistics) -> Statistics:
        return Statistics(
            **{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        )

    @property
    def has_covariance(self) -> bool:
        """Whether the products of two rules' margins are kept, and not the squares alone."""
        return self.margin_sum.ndim == 3

    @cached_array
    def margin_moment(self) -> NDArray[np.float64]:
        """``margin_sum`` over all buckets, as floats."""
        return to_float(self.margin_sum.sum(axis=0))

    @cached_array
    def prompts_with_margin(self) -> NDArray[np.int64]:
        """``margin_prompts`` over all buckets."""
        return np.asarray(self.margin_prompts.sum(axis=0))

    def to_dict(self) -> dict[str, Any]:
        """Plain data. Of symmetric matrices, the rows up to the diagonal."""
        data: dict[str, Any] = {"n_responses": self.n_responses}
        for name in _ARRAYS:
            array = getattr(self, name)
            data[name] = _triangles(array) if array.ndim == 3 else array.tolist()
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
                n_responses=whole_number(data["n_responses"], "n_responses"),
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
    yield from _contradictory_pairs(found)
    yield from _contradictory_margins(found)


def _contradictory_counts(found: Statistics, n_levels: NDArray[np.int64]) -> Iterator[str]:
    n_ratings = found.counts.astype(np.float64).sum(axis=1)  # what is no count may be too large
    levels = np.arange(found.counts.shape[1])
    if (found.applies_count > found.n_responses).any():
        yield f"applies_count is larger than the {found.n_responses} responses"
    if (found.counts[levels >= n_levels[:, None]] > 0).any():
        yield "counts has ratings on levels that a rule does not have"
    if (n_ratings > found.applies_count).any():
        yield "counts has more ratings of a rule than responses that it applies to"
    if (found.soft_counts.sum(axis=1) != found.counts.astype(object).sum(axis=1) * ONE).any():
        yield "soft_counts does not sum to the number of ratings"
    if (found.soft_counts[levels >= n_levels[:, None]] > 0).any():
        yield "soft_counts has ratings on levels that a rule does not have"
    if (found.n_outside > n_ratings).any():
        yield "n_outside is larger than the number of ratings"
    if (found.spread_count > found.n_responses).any():
        yield f"spread_count is larger than the {found.n_responses} responses"
    if (found.spread_sum > found.spread_count.astype(object) * int(LARGEST_FIXED * ONE)).any():
        yield "spread_sum is larger than spread_count spreads can be"


def _contradictory_pairs(found: Statistics) -> Iterator[str]:
    counts = found.counts.astype(np.float64)
    n_ratings = counts.sum(axis=1)
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
    sums, prompts = found.margin_sum, found.margin_prompts.astype(object)
    own_sums, own_prompts = sums, prompts
    if found.has_covariance:
        own_sums, own_prompts = (np.diagonal(each, 0, 1, 2) for each in (sums, prompts))
    # Margins lie between -1 and 1, and so does the mean of their products.
    if (own_sums < 0).any() or (abs(sums) > prompts * ONE).any():
        yield "margin_sum is not between 0 and margin_prompts"
        return  # what is larger may be more than a float holds
    if (own_prompts.sum(axis=0) > found.prompts.n_runs).any():
        yield f"margin_prompts is larger than the {found.prompts.n_runs} runs of prompts"
    shared = (
        0
        if not found.has_covariance
        else prompts - np.minimum(own_prompts[..., None], own_prompts[:, None])
    )
    if (own_prompts.sum(axis=0) > found.rated_pairs).any() or np.any(shared > 0):
        yield "margin_prompts is larger than the pairs, or than the prompts of one of two rules"
    # With every cell rated, margin_sum is a sum of squares; with gaps it may be none.
    complete = (found.counts.sum(axis=1, dtype=np.float64) == found.n_responses).all()
    if found.has_covariance and complete:
        rounding = len(own_sums.T) * own_prompts.max() / ONE  # at most half of that for each entry
        values = np.linalg.eigvalsh(to_float(sums))
        if (values[:, 0] < -1e-9 * to_float(own_sums).sum(axis=1) - rounding).any():
            yield "margin_sum is not the moments of any margins"


_FIXED = ("soft_counts", "spread_sum", "margin_sum")
_ARRAYS = tuple(f.name for f in fields(Statistics) if f.name not in ("n_responses", "prompts"))


def _triangles(array: NDArray[Any]) -> list[list[list[int]]]:
    """Symmetric matrices as their rows up to the diagonal."""
    return [[row[: at + 1] for at, row in enumerate(matrix)] for matrix in array.tolist()]


def _array(data: Mapping[str, Any], name: str, n_levels: NDArray[np.int64]) -> NDArray[Any]:
    """One of the arrays, of the shape that it has for these rules."""
    n_rules, rows = len(n_levels), data[name]
    shape: tuple[int, ...] = (n_rules,)
    if name in ("counts", "soft_counts"):
        shape = (n_rules, int(n_levels.max()))
    elif name in ("margin_sum", "margin_prompts"):
        shape = (n_buckets(n_rules), n_rules)
        if n_rules <= MAX_RULES_WITH_COVARIANCE:
            shape, rows = (*shape, n_rules), _matrices(rows, name)
    array = whole_numbers(rows, name)
    if array.shape != shape:
        raise ValueError(f"{name} has the shape {array.shape}; expected {shape}")
    if name != "margin_sum" and (array < 0).any():
        raise ValueError(f"{name} holds a negative number")
    return array if name in _FIXED else array.astype(np.int64)


def _matrices(triangles: Any, name: str) -> list[list[list[Any]]]:
    """Symmetric matrices from their rows up to the diagonal."""
    if not isinstance(triangles, list) or not all(map(_is_triangle, triangles)):
        raise ValueError(f"{name} does not hold triangles of numbers, one row per rule")
    return [
        [[rows[max(i, j)][min(i, j)] for j in range(len(rows))] for i in range(len(rows))]
        for rows in triangles
    ]


def _is_triangle(rows: Any) -> bool:
    return isinstance(rows, list) and all(
        isinstance(row, list) and len(row) == place + 1 for place, row in enumerate(rows)
    )
