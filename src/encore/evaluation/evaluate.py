"""How well one reward agrees with people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from encore.arrays import Record
from encore.errors import InputError
from encore.evaluation.accuracy import CONVENTIONS, Outcomes, outcomes, separation
from encore.evaluation.intervals import (
    ClusterBootstrap,
    Interval,
    accuracy_intervals,
    percentile_interval,
)
from encore.evaluation.rewardbench.scores import SAFETY_COUNTS, safety_score
from encore.files import StrPath
from encore.formatting import html_table, number, percent, percent_interval
from encore.ratings import Ids, as_pairs
from encore.ratings.convert import check_said
from encore.ratings.pairing import MAX_PER_PROMPT, Pairing
from encore.rewards import AppliesBy, Form, Reward, as_reward
from encore.rewards.files import read_rewards
from encore.weights import Weights


@dataclass(frozen=True, eq=False, repr=False)
class PairAccuracy(Record):
    """How often a reward ranks pairs as people do.

    Parameters
    ----------
    n_pairs : int
        Pairs with a verdict.
    accuracy : mapping of str to Interval
        By tie convention, see ``encore.evaluation.CONVENTIONS``.
    tie_rate : float
        Share of pairs tied.
    n_prompts : int
        Prompts of these pairs, which the intervals resample; under 30 they are too narrow.
    """

    n_pairs: int
    accuracy: Mapping[str, Interval]
    tie_rate: float
    n_prompts: int


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation(Record):
    """One reward on labelled pairs.

    Parameters
    ----------
    overall : PairAccuracy
        On all pairs.
    subsets : mapping of str to PairAccuracy
        By subset.
    safety : mapping of str to Interval, or None
        RewardBench's Safety section by tie convention, if any of its subsets is present.
    safety_subsets : tuple of str
        Which of its subsets are.
    separation : float
        See :func:`encore.evaluation.separation`.
    n_prompts : int
        Prompts, which the intervals resample.
    n_unknown : int
        Pairs left out because a reward is unknown.
    n_uneven : int
        Pairs whose sides are rated under different rules; see ``PreferencePairs.n_uneven``.
    pairing : Pairing or None
        How the pairs were made of labels, if they were.
    """

    overall: PairAccuracy
    subsets: Mapping[str, PairAccuracy]
    safety: Mapping[str, Interval] | None
    safety_subsets: tuple[str, ...]
    separation: float
    n_prompts: int
    n_unknown: int
    n_uneven: int
    pairing: Pairing | None = None

    title: ClassVar = "accuracy %, with 95 % intervals that resample prompts"
    columns: ClassVar = ("subset", "pairs", "strict", "half", "95 %", "resolved", "tied")

    @property
    def table(self) -> list[tuple[str, ...]]:
        """One row per subset under *columns*, in percent; then RewardBench's Safety, if present.

        A single subset has no row of its own: it is all of the pairs.
        """
        subsets = self.subsets if len(self.subsets) > 1 else {}
        rows: list[tuple[str, ...]] = [
            (name, f"{found.n_pairs:,}", *_accuracies(found.accuracy), percent(found.tie_rate))
            for name, found in [("all", self.overall), *subsets.items()]
        ]
        if self.safety is not None:
            of = f"RewardBench Safety ({len(self.safety_subsets)} of 5 subsets)"
            rows.append((of, "", *_accuracies(self.safety), ""))
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    def __repr__(self) -> str:
        half = self.overall.accuracy["half"]
        return (
            f"Evaluation on {self.overall.n_pairs:,} pairs of {self.n_prompts:,} prompts: accuracy "
            f"{percent(half.value)} % ({percent_interval(half)}) with a tie as one half, "
            f"{percent(self.overall.tie_rate)} % tied, separation {number(self.separation, '.2f')}"
        )

    def _repr_html_(self) -> str:
        """In a notebook: accuracy by subset."""
        said = f"separation {number(self.separation, '.2f')} standard deviations"
        return html_table(self.title, self.columns, self.table, said)


def _accuracies(found: Mapping[str, Interval]) -> tuple[str, str, str, str]:
    strict, half, resolved = (found[ties] for ties in ("strict", "half", "resolved"))
    both = percent(half.value), percent_interval(half)
    return (percent(strict.value), *both, percent(resolved.value))


def evaluate(
    pairs: Any,
    reward: Reward | Weights | StrPath | None = None,
    *,
    form: Form | str | None = None,
    applies_by: AppliesBy | None = None,
    label: str | ArrayLike | None = None,
    gap: float | None = None,
    max_per_prompt: int = MAX_PER_PROMPT,
    across_prompts: bool = False,
    lower_is_better: bool | None = None,
    rng: np.random.Generator | int = 0,
) -> Evaluation:
    """Evaluate one reward on labelled pairs.

    Intervals are 95 % percentile bootstrap intervals that resample prompts.

    Parameters
    ----------
    pairs : PreferencePairs, frame or path
        In the pairs layout; with *label*, ratings of responses in any form; without *reward*, a
        file of rewards of pairs, as written by :func:`~encore.score`.
    reward : Reward, Weights or path, optional
        What to evaluate, such as a ``weights.json``.
    form, applies_by : optional
        Instead of the reward's own; see :func:`encore.compose`.
    label : str or array_like of float, optional
        Make pairs of rated responses by their labels; see :func:`encore.pairs`, also for *gap*,
        *max_per_prompt*, *across_prompts* and *lower_is_better*.
    rng : numpy.random.Generator or int, default 0
        The source of randomness, or a seed for one.

    Raises
    ------
    MismatchError
        If pairs and reward have different rules.
    InputError
        If the pairs are unusable, no pair has a known reward, or a form is given for rewards that
        are made already.

    Examples
    --------
    >>> from encore import LevelScale, PreferencePairs, Rulebook, Weights
    >>> rules = Rulebook.from_ids(["a"], LevelScale((0, 1)))
    >>> pairs = PreferencePairs.from_arrays([[1], [1], [0]], [[0], [1], [0]], rules)
    >>> found = evaluate(pairs, Weights(rules, [1.0]))
    >>> round(found.overall.accuracy["half"].value, 4), round(found.overall.tie_rate, 4)
    (0.6667, 0.6667)
    """
    n_uneven, pairing = 0, None
    if reward is None:
        if form is not None or applies_by is not None:
            raise InputError(
                "form and applies_by say how ratings become rewards; a file of rewards holds them."
            )
        how = {"gap": gap, "across_prompts": across_prompts, "lower_is_better": lower_is_better}
        check_said(label, **how, max_per_prompt=max_per_prompt)
        if label is not None:
            raise InputError("labels are of rated responses: say what rewards these (--weights).")
        found = read_rewards(pairs)
        values, prompts, subsets = found.values, found.prompts, found.subsets
    else:
        reward = as_reward(reward, form=form, applies_by=applies_by)
        labelled = as_pairs(
            pairs,
            reward.weights.rules,
            label=label,
            gap=gap,
            max_per_prompt=max_per_prompt,
            across_prompts=across_prompts,
            lower_is_better=lower_is_better,
            rng=rng,
        )
        pairing = labelled.pairing
        rewards = reward(labelled.ratings)
        values = np.column_stack([rewards[labelled.chosen], rewards[labelled.rejected]])
        prompts, subsets, n_uneven = labelled.prompts, labelled.subsets, labelled.n_uneven
    return _evaluated(
        values,
        prompts,
        subsets,
        np.random.default_rng(rng),
        n_uneven=n_uneven,
        pairing=pairing,
    )


def _evaluated(
    values: NDArray[np.float64],
    prompts: Ids,
    subsets: Ids,
    rng: np.random.Generator,
    *,
    n_uneven: int,
    pairing: Pairing | None,
) -> Evaluation:
    """Evaluate rewards of the chosen and of the rejected responses, shape (n_pairs, 2)."""
    chosen, rejected = values.T
    verdicts = outcomes(chosen, rejected)
    if not verdicts.known.any():
        raise InputError(
            "no pair has a known reward: too much of the weight is unrated, or no rule applies."
        )
    bootstrap = ClusterBootstrap(prompts, rng)
    rows = sums_by_subset(verdicts, subsets)
    resampled = bootstrap.sums(rows).reshape(bootstrap.n_resamples, -1, 3)
    total = rows.sum(axis=0).reshape(-1, 3)
    names = [str(name) for name in subsets.names]
    present = tuple(name for name in SAFETY_COUNTS if name in names)
    return Evaluation(
        overall=_pair_accuracy(total.sum(axis=0), resampled.sum(axis=1), bootstrap.n_prompts),
        subsets={
            name: _pair_accuracy(total[i], resampled[:, i], n_prompts_in(prompts, subsets, i))
            for i, name in enumerate(names)
        },
        safety=safety_intervals(total, resampled, names) if present else None,
        safety_subsets=present,
        separation=separation(chosen, rejected),
        n_prompts=bootstrap.n_prompts,
        n_unknown=int((~verdicts.known).sum()),
        n_uneven=n_uneven,
        pairing=pairing,
    )


def sums_by_subset(verdicts: Outcomes, subsets: Ids) -> NDArray[np.float64]:
    """Win, tie and 1 of each pair in its subset's three columns: (n_pairs, 3 n_subsets)."""
    n_pairs, n_subsets = len(verdicts.win), len(subsets.names)
    rows = np.zeros((n_pairs, n_subsets, 3))
    rows[np.arange(n_pairs), subsets.codes] = verdicts.sums()
    return rows.reshape(n_pairs, -1)


def safety_intervals(
    total: NDArray[np.float64], resampled: NDArray[np.float64], names: list[str]
) -> dict[str, Interval]:
    """RewardBench's Safety section by tie convention, from sums of shape (..., n_subsets, 3)."""
    intervals = {}
    for convention, of in CONVENTIONS.items():
        accuracies, draws = of(total), of(resampled)
        score = safety_score({name: accuracies[i] for i, name in enumerate(names)})
        drawn = safety_score({name: draws[:, i] for i, name in enumerate(names)})
        intervals[convention] = percentile_interval(float(score), drawn)
    return intervals


def n_prompts_in(prompts: Ids, subsets: Ids, subset: int) -> int:
    """Prompts with a pair in one subset."""
    return len(np.unique(prompts.codes[subsets.codes == subset]))


def _pair_accuracy(
    total: NDArray[np.float64], resampled: NDArray[np.float64], n_prompts: int
) -> PairAccuracy:
    return PairAccuracy(
        n_pairs=int(total[2]),
        accuracy=accuracy_intervals(total, resampled, n_prompts),
        tie_rate=float(total[1] / total[2]) if total[2] else float("nan"),
        n_prompts=n_prompts,
    )
