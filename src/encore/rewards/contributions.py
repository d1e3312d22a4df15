"""What each rule contributes to each reward, and why a reward is unknown or capped."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encore.arrays import Record
from encore.formatting import html_table, listed, number

UNRATED = "too much is unrated"
NO_RULE_APPLIES = "no rule applies"
_SHOWN = 10


@dataclass(frozen=True, eq=False, repr=False)
class Contributions(Record):
    """Rewards with what each rule contributes to them.

    A rule contributes its weight times its unit rating to the weighted mean. In the other forms it
    contributes its weight less its part of the shortfall: ``1 - reward`` is divided among the
    rules in proportion to weight times how far the rating falls short of the best, on the scale on
    which the form takes its mean (for ``geometric``, that of logarithms). So contributions sum to
    the reward in every form; in forms other than the mean that of a bad rating may be below 0.

    Parameters
    ----------
    rules : tuple of str
        The ids of the rules: the columns of all that follows.
    rewards : ndarray of float64, shape (n_responses,)
        NaN where unknown.
    contributions : ndarray of float64, shape (n_responses, n_rules)
        They sum to the reward before vetoes; 0 where a rule has no part in it, NaN where it is
        unknown.
    weights : ndarray of float64, shape (n_responses, n_rules)
        The share that each rule had in each reward: share times how far it applies, over the rules
        that are rated; NaN where the reward is unknown.
    unit : ndarray of float64, shape (n_responses, n_rules)
        Unit ratings; NaN where there is none.
    unrated, not_applicable : ndarray of bool, shape (n_responses, n_rules)
        Why there is none.
    vetoed : ndarray of bool, shape (n_responses, n_rules)
        Which rules veto which responses.
    before_vetoes : ndarray of float64, shape (n_responses,)
        What the rewards would be without vetoes.
    reasons : tuple of str
        For each response why its reward is unknown; empty where it is known.

    Examples
    --------
    >>> import encore
    >>> weights = encore.Weights(encore.Rulebook.from_ids(["a", "b"], [1, 2, 3]), [3, 1])
    >>> found = encore.compose([[3, 1], [float("nan"), 1]], weights, contributions=True)
    >>> found.contributions.tolist(), found.reasons
    ([[0.75, 0.0], [nan, nan]], ('', 'too much is unrated'))
    """

    rules: tuple[str, ...]
    rewards: NDArray[np.float64]
    contributions: NDArray[np.float64]
    weights: NDArray[np.float64]
    unit: NDArray[np.float64]
    unrated: NDArray[np.bool_]
    not_applicable: NDArray[np.bool_]
    vetoed: NDArray[np.bool_]
    before_vetoes: NDArray[np.float64]
    reasons: tuple[str, ...]

    @property
    def vetoed_by(self) -> tuple[tuple[str, ...], ...]:
        """For each response the rules that veto it."""
        found: list[tuple[str, ...]] = [()] * len(self.rewards)
        for row in np.flatnonzero(self.vetoed.any(axis=1)).tolist():
            found[row] = tuple(self.rules[k] for k in np.flatnonzero(self.vetoed[row]))
        return tuple(found)

    @property
    def n_unknown(self) -> dict[str, int]:
        """How many rewards are unknown, by reason."""
        return dict(Counter(reason for reason in self.reasons if reason))

    def __len__(self) -> int:
        return len(self.rewards)

    def __repr__(self) -> str:
        known = self.contributions[~np.isnan(self.contributions).any(axis=1)]
        means = known.mean(axis=0) if len(known) else np.full(len(self.rules), np.nan)
        shown = [f"{name} {number(value)}" for name, value in zip(self.rules, means, strict=True)]
        told = [f"{n:,} unknown ({reason})" for reason, n in self.n_unknown.items()]
        by_rule = zip(self.rules, self.vetoed.sum(axis=0).tolist(), strict=True)
        told += [f"{n:,} vetoed by {name}" for name, n in by_rule if n]
        return "; ".join(
            [f"Contributions to {len(self):,} rewards, on average {listed(shown)}", *told]
        )

    def _repr_html_(self) -> str:
        """In a notebook: the first responses, rule by rule."""
        rows = []
        for row, vetoed_by in enumerate(self.vetoed_by[:_SHOWN]):
            cells = [
                "not applicable"
                if self.not_applicable[row, k]
                else ("unrated" if self.unrated[row, k] else number(value))
                for k, value in enumerate(self.contributions[row].tolist())
            ]
            said = f"vetoed by {', '.join(vetoed_by)}" if vetoed_by else self.reasons[row]
            rows.append((str(row), number(float(self.rewards[row])), *cells, said))
        title = f"contributions to {len(self):,} rewards"
        title += f", the first {_SHOWN}" if len(self) > _SHOWN else ""
        return html_table(title, ("response", "reward", *self.rules, ""), rows, text=("",))
