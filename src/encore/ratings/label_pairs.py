"""Pairs of responses whose labels differ."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import ArrayLike, NDArray

from encore.arrays import as_floats
from encore.errors import InputError, RatingsError
from encore.ratings.draw import draw_pairs
from encore.ratings.ids import Ids
from encore.ratings.origin import Origin
from encore.ratings.pairing import MAX_PER_PROMPT, Pairing
from encore.ratings.pairs import PreferencePairs
from encore.ratings.table import RatingsTable

# How many prompts are dealt into a group, and how many groups there are before they grow. If labels
# and rewards were unrelated, pairs within groups of 16, 8, 4 and 2 would estimate an accuracy with
# 1.2, 1.5, 2.2 and 4.5 times the variance of all pairs (as incomplete U-statistics: Blom 1976); but
# an interval needs many groups to resample.
_FEWEST_TOGETHER, _MOST_TOGETHER, _GROUPS = 2, 16, 50
# Words of a column's name by which more of it may well be worse.
_WORSE = frozenset(
    "rank ranks ranking place position cost loss error errors harm harmful toxic toxicity unsafe "
    "violation violations severity risk bad fail failed failure failures incorrect wrong".split()
)


def pairs_by_label(
    ratings: RatingsTable,
    labels: ArrayLike,
    *,
    column: str = "",
    subsets: Ids | None = None,
    gap: float | None = None,
    max_per_prompt: int = MAX_PER_PROMPT,
    across_prompts: bool = False,
    lower_is_better: bool | None = None,
    rng: np.random.Generator | int = 0,
) -> PreferencePairs:
    """Pairs of responses to one prompt whose labels differ; see :func:`encore.pairs`.

    Parameters
    ----------
    ratings : RatingsTable
        Ratings of the responses.
    labels : array_like of float, shape (n_rows,)
        The label of each row; NaN where unlabelled.
    column : str
        The column that the labels come from.
    subsets : Ids, optional
        The subset of each row; no pair joins two subsets.
    gap, max_per_prompt, across_prompts, lower_is_better, rng
        As :func:`encore.pairs`.
    """
    origin = ratings.origin
    lower_is_better = _direction(column, lower_is_better, origin)
    if not isinstance(max_per_prompt, int | np.integer) or max_per_prompt < 1:
        raise InputError(f"max_per_prompt is {max_per_prompt!r}; expected a whole number from 1.")
    rng = np.random.default_rng(rng)
    values = _by_response(ratings, _checked(labels, ratings, column), column)
    together, table = 1, ratings
    if across_prompts:
        together, table = _in_groups(ratings, values, subsets, rng)
    if table.prompts is None:
        raise RatingsError(
            "no prompt ids, so no two responses answer the same prompt. Name prompts in a column "
            "'prompt_id', or join different prompts with --across-prompts (across_prompts=True).",
            source=ratings.source,
        )
    given = values[~np.isnan(values)]
    deviation = _deviation(given)
    reach = _reach(gap, deviation)
    keys = table.prompts.codes
    if subsets is not None:
        keys = keys * len(subsets.names) + subsets.codes
    better = -values if lower_is_better else values
    drawn = draw_pairs(keys, better, reach, max_per_prompt * together, rng)
    pairing = Pairing(
        column=column,
        lower_is_better=lower_is_better,
        gap=reach,
        standard_deviation=deviation,
        lowest=float(given.min()) if given.size else float("nan"),
        highest=float(given.max()) if given.size else float("nan"),
        is_outcome=len(np.unique(given)) == 2,
        across_prompts=across_prompts,
        prompts_together=together,
        max_per_prompt=int(max_per_prompt),
        n_responses=int(ratings.is_first.sum()),
        n_labelled=len(given),
        n_prompts=len(np.unique(table.prompts.codes[drawn.higher])),
        n_possible=drawn.n_possible,
        n_tied=drawn.n_tied,
        n_close=drawn.n_possible - drawn.n_tied - drawn.n_far,
        n_far=drawn.n_far,
        n_pairs=len(drawn.higher),
    )
    if not pairing.n_pairs:
        raise pairing.refusal(ratings.source)
    of_pairs = Ids.of(["all"] * pairing.n_pairs) if subsets is None else subsets.take(drawn.higher)
    return PreferencePairs(table, drawn.higher, drawn.lower, of_pairs, values, pairing)


def _direction(column: str, lower_is_better: bool | None, origin: Origin) -> bool:
    """Whether lower is better: as said, or no, unless the column's name makes that doubtful."""
    if lower_is_better is not None:
        return bool(lower_is_better)
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", column)
    doubtful = [word for word in words if word.lower() in _WORSE]
    if not doubtful:
        return False
    raise InputError(
        f"{origin.source}: by its name, more of {column!r} may be worse ({doubtful[0]!r}). Say "
        f"which: --lower-is-better or --higher-is-better (lower_is_better=True or False)."
    )


def _checked(labels: ArrayLike, ratings: RatingsTable, column: str) -> NDArray[np.float64]:
    try:
        values = as_floats(labels, "labels", "unlabelled")
    except InputError as error:
        raise ratings.origin.error(str(error)) from error
    if values.shape != (ratings.n_rows,):
        raise ratings.origin.error(
            f"labels have shape {values.shape} for {ratings.n_rows} rows; expected one for each."
        )
    if np.isinf(values).any():
        row = int(np.isinf(values).argmax())
        raise ratings.origin.error(
            f"the label {values[row]:g} is not finite. Leave it empty (NaN) where unlabelled.",
            row,
            column or None,
        )
    return values


def _by_response(
    ratings: RatingsTable, labels: NDArray[np.float64], column: str
) -> NDArray[np.float64]:
    """The label of each response at its first rating: repeats share it and make no pair."""
    if ratings.repeats is None or ratings.responses is None:
        return labels
    prompts = 0 if ratings.prompts is None else ratings.prompts.codes
    keys = prompts * len(ratings.responses.names) + ratings.responses.codes
    _, response = np.unique(keys, return_inverse=True)
    given = np.flatnonzero(~np.isnan(labels))
    own = np.full(int(response.max()) + 1, np.nan)
    own[response[given[::-1]]] = labels[given[::-1]]  # of several, the first stays
    others = given[own[response[given]] != labels[given]]
    if others.size:
        row = int(others[0])
        name = ratings.responses.names[ratings.responses.codes[row]]
        raise ratings.origin.error(
            f"response {name!r} has the label {labels[row]:g} here and {own[response[row]]:g} in "
            f"another repeat; a response has one label, such as the mean of several.",
            row,
            column or None,
        )
    return np.where(ratings.is_first, own[response], np.nan)


def _deviation(labels: NDArray[np.float64]) -> float:
    """The labels' standard deviation; 0 for less than two."""
    with np.errstate(over="ignore", invalid="ignore"):
        return float(labels.std(ddof=1)) if labels.size > 1 else 0.0


def _reach(gap: float | None, deviation: float) -> float:
    try:
        reach = deviation if gap is None else float(gap)
    except (TypeError, ValueError) as error:
        raise InputError(f"gap is {gap!r}; expected a number of 0 or more.") from error
    if not (np.isfinite(reach) and reach >= 0):
        raise InputError(f"gap is {reach:g}; expected a finite number of 0 or more.")
    return reach


def _in_groups(
    ratings: RatingsTable,
    labels: NDArray[np.float64],
    subsets: Ids | None,
    rng: np.random.Generator,
) -> tuple[int, RatingsTable]:
    """Ratings with groups of prompts in place of prompts; and how many these are at least.

    A prompt is dealt among those of the subset of its first row; without a label it stays alone.
    """
    prompts = _own_prompts(ratings)
    _, first, code = np.unique(prompts.codes, return_index=True, return_inverse=True)
    has_label = np.bincount(code, ~np.isnan(labels)) > 0
    subset = np.zeros(len(first)) if subsets is None else subsets.codes[first]
    together = int(np.clip(has_label.sum() // _GROUPS, _FEWEST_TOGETHER, _MOST_TOGETHER))
    groups = np.empty(len(first), dtype=np.int64)
    n_groups = 0
    for one in np.unique(subset[has_label]):
        dealt = rng.permutation(np.flatnonzero(has_label & (subset == one)))
        n_own = max(1, len(dealt) // together)
        groups[dealt] = n_groups + np.arange(len(dealt)) * n_own // len(dealt)
        n_groups += n_own
    groups[~has_label] = n_groups + np.arange((~has_label).sum())
    names = [f"group {number + 1}" for number in range(int(groups.max(initial=-1)) + 1)]
    return together, ratings.regrouped(Ids(groups[code], names), _distinct_responses(ratings))


def _own_prompts(ratings: RatingsTable) -> Ids:
    """Prompts; where none are named, each response is one of its own."""
    if ratings.prompts is not None:
        return ratings.prompts
    return Ids.distinct(ratings.n_rows) if ratings.responses is None else ratings.responses


def _distinct_responses(ratings: RatingsTable) -> Ids | None:
    """Responses called after their prompts too: responses to two prompts may have one id."""
    responses, prompts = ratings.responses, ratings.prompts
    if responses is None or prompts is None:
        return responses
    both = prompts.codes * len(responses.names) + responses.codes
    _, at, codes = np.unique(both, return_index=True, return_inverse=True)
    names = zip(prompts.codes[at].tolist(), responses.codes[at].tolist(), strict=True)
    return Ids(codes, [f"{prompts.names[p]}/{responses.names[r]}" for p, r in names])
