"""From ratings and weights to one reward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args, overload

import numpy as np
from numpy.typing import NDArray

from encore.arrays import Record
from encore.errors import InputError, UnknownNameError
from encore.ratings import RatingsTable, as_ratings
from encore.rewards.contributions import NO_RULE_APPLIES, UNRATED, Contributions
from encore.rewards.forms import Form, WeightedUnits, as_form
from encore.rewards.forms.form import weighted_sum
from encore.rules import LevelScale
from encore.weights import Weights

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MAX_MISSING = 0.2
APPLIES_AT_LEAST = 0.1
"""How far some rule with weight must apply to a response for it to have a reward."""
# What sums miss by rounding: exactly max_missing, and a mean of exactly 0.1, must still pass.
_ROUNDING = 1e-12

AppliesBy = Literal["response", "prompt"]


@overload
def compose(
    ratings: Any,
    weights: Weights,
    *,
    form: Form | str = "mean",
    max_missing: float = MAX_MISSING,
    applies_by: AppliesBy = "response",
    contributions: Literal[False] = False,
) -> Floats: ...


@overload
def compose(
    ratings: Any,
    weights: Weights,
    *,
    form: Form | str = "mean",
    max_missing: float = MAX_MISSING,
    applies_by: AppliesBy = "response",
    contributions: Literal[True],
) -> Contributions: ...


def compose(
    ratings: Any,
    weights: Weights,
    *,
    form: Form | str = "mean",
    max_missing: float = MAX_MISSING,
    applies_by: AppliesBy = "response",
    contributions: bool = False,
) -> Floats | Contributions:
    r"""One reward from each response's unit ratings: their weighted mean, or another *form*.

    .. math:: r_i = \sum_k s_k a_{ik} u_{ik} \big/ \sum_k s_k a_{ik}

    u is the rating mapped to [0, 1] by the rule's scale, s the rule's share, and a how far the rule
    applies; both sums run over the rules that are rated. The reward is unknown where no rule with
    weight applies at 0.1 or more, and where more than *max_missing* of the weight that applies is
    unrated; a rule that does not apply is not missed.

    Leaving an unrated rule out is not neutral: without a harsh rule the same response gets a higher
    reward. If a rater's failures depend on the response, set *max_missing* to 0 in training.

    A veto (see :class:`encore.rules.Veto`) caps the reward, in any form, where its rule is rated so
    badly and applies at one half or more, whatever the rule's weight. A cap of 0 decides even where
    the reward would be unknown; an unrated rule vetoes nothing.

    Parameters
    ----------
    ratings : array_like, frame, path, RatingsTable
        Ratings of shape (n_responses, n_rules), or with a column per rule. Pairs count as two
        responses per row, chosen first.
    weights : Weights
        Their rules name the columns and hold the scales and the vetoes.
    form : Form or str, default "mean"
        A key of ``encore.rewards.FORMS``, also with options as in ``geometric:epsilon=0.1``; or a
        form.
    max_missing : float, default 0.2
        Largest share of the weight that may be unrated, in [0, 1).
    applies_by : {"response", "prompt"}
        Whether a rule applies to a response as far as its own row says, or as far as it does on
        average over the responses to the prompt, which no response can talk down.
    contributions : bool, default False
        Whether to return what each rule contributes, and why rewards are unknown or capped.

    Returns
    -------
    ndarray of float64, shape (n_responses,), or Contributions
        Rewards in [0, 1]; NaN where unknown, never 0.

    Raises
    ------
    MismatchError
        If the ratings are of different rules.
    InputError
        If the ratings, the form or *max_missing* are unusable.

    Examples
    --------
    >>> from encore import LevelScale, Rulebook, Weights
    >>> rules = Rulebook.from_ids(["a", "b"], LevelScale((1, 2, 3, 4, 5)))
    >>> weights = Weights(rules, [3, 1])
    >>> nan = float("nan")
    >>> compose([[5, 1], [5, nan], [1, nan]], weights, max_missing=0.25).tolist()
    [0.75, 1.0, 0.0]
    >>> compose([[5, nan]], weights).tolist()
    [nan]
    >>> compose([[5, 1]], weights, form="power:exponent=0").tolist()
    [0.0]
    """
    check_max_missing(max_missing)
    table = by(applies_by, as_ratings(ratings, weights.rules))
    found = composed(table, weights, as_form(form), max_missing)
    return found.contributions() if contributions else found.rewards


def check_max_missing(max_missing: float) -> None:
    """Refuse a share outside [0, 1)."""
    if not 0 <= max_missing < 1:
        raise InputError(f"max_missing is {max_missing}; expected 0 or more and less than 1.")


def check_applies_by(applies_by: str) -> None:
    """Refuse what is neither by response nor by prompt."""
    if applies_by not in get_args(AppliesBy):
        raise UnknownNameError("way to say how far rules apply", applies_by, get_args(AppliesBy))


def by(applies_by: AppliesBy, table: RatingsTable) -> RatingsTable:
    """The table itself, or with how far rules apply averaged over each prompt's responses.

    Raises
    ------
    InputError
        If that is to be averaged and the table does not say which prompts its rows answer.
    """
    check_applies_by(applies_by)
    if applies_by == "response" or table.applies is None:
        return table
    if table.prompts is None:
        raise InputError(
            f"{table.source}: how far a rule applies cannot be averaged by prompt, since these "
            f"ratings name no prompts. Give the column 'prompt_id', or use applies_by='response'."
        )
    return table.applies_by_prompt()


@dataclass(frozen=True, eq=False, repr=False)
class Composed(Record):
    """Rewards, and what they were made of.

    Parameters
    ----------
    table : RatingsTable
        The ratings.
    weights : Weights
        Their weights.
    form : Form
        What made them rewards.
    rewards, before_vetoes : ndarray of float64, shape (n_responses,)
        With and without the caps of vetoes; NaN where unknown.
    vetoed : ndarray of bool, shape (n_responses, n_rules)
        Which rules veto which responses.
    applicable, known : ndarray of bool, shape (n_responses,)
        Whether a rule with weight applies, and whether also enough is rated.
    """

    table: RatingsTable
    weights: Weights
    form: Form
    rewards: Floats
    before_vetoes: Floats
    vetoed: Bools
    applicable: Bools
    known: Bools

    @property
    def reasons(self) -> NDArray[np.str_]:
        """Why each reward is unknown; empty where it is known."""
        reasons = np.where(self.applicable, UNRATED, NO_RULE_APPLIES)
        return np.where(np.isnan(self.rewards), reasons, "")

    def contributions(self) -> Contributions:
        """With what each rule contributes."""
        shape = self.table.values.shape
        parts, used = np.full(shape, np.nan), np.full(shape, np.nan)
        with_share = np.flatnonzero(self.weights.shares > 0)
        parts[self.known], used[self.known] = 0.0, 0.0
        if self.known.any():
            cells = _cells(self.table, self.weights, self.known)
            found = self.form.contributions(cells, self.before_vetoes[self.known])
            at = np.flatnonzero(self.known)
            for k, part, weight in zip(with_share, found, cells.weights, strict=True):
                parts[at, k] = part
                used[at, k] = weight / cells.total
        return Contributions(
            rules=self.weights.rules.ids,
            rewards=self.rewards,
            contributions=parts,
            weights=used,
            unit=self.table.unit,
            unrated=self.table.unrated,
            not_applicable=self.table.not_applicable,
            vetoed=self.vetoed,
            before_vetoes=self.before_vetoes,
            reasons=tuple(self.reasons.tolist()),
        )


def composed(table: RatingsTable, weights: Weights, form: Form, max_missing: float) -> Composed:
    """Compose a table whose rules are those of the weights."""
    applicable, known = _known(table, weights.shares, max_missing)
    rewards = np.full(table.n_rows, np.nan)
    if known.any():
        found = form(_cells(table, weights, known))
        rewards[known] = found
    capped, vetoed = _vetoed(table, weights, rewards)
    return Composed(table, weights, form, capped, rewards, vetoed, applicable, known)


def _known(table: RatingsTable, shares: Floats, max_missing: float) -> tuple[Bools, Bools]:
    """Which responses some rule with weight applies to, and which of them have a reward."""
    rated, applies = table.rated, table.applies
    every = np.ones(table.n_rows, dtype=bool)
    if applies is None:
        if rated.all():
            return every, every
        applicable, total = every, np.ones(table.n_rows)
        present = weighted_sum(list(rated.T), shares.tolist())
    else:
        with_weight = applies[:, shares > 0]
        applicable = np.asarray((with_weight >= APPLIES_AT_LEAST - _ROUNDING).any(axis=1))
        whole = (applies == 1).all(axis=1)
        total = np.where(whole, 1.0, weighted_sum(list(applies.T), shares.tolist()))
        present = weighted_sum(list(np.where(rated, applies, 0.0).T), shares.tolist())
    enough = (present > 0) & (total - present <= (max_missing + _ROUNDING) * total)
    return applicable, applicable & enough


def _cells(table: RatingsTable, weights: Weights, known: Bools) -> WeightedUnits:
    """What a form composes: the responses whose rewards are known, the rules with a share."""
    rows: Any = slice(None) if known.all() else np.flatnonzero(known)
    with_share = np.flatnonzero(weights.shares > 0).tolist()
    complete, applies = bool(table.rated.all()), table.applies
    units, by_rule = [], []
    for k in with_share:
        weight: Floats | float = float(weights.shares[k])
        unit = np.ascontiguousarray(table.unit[rows, k])
        if not complete:
            rated = table.rated[rows, k]
            unit, weight = np.where(rated, unit, 1.0), np.where(rated, weight, 0.0)
        units.append(unit)
        by_rule.append(weight if applies is None else weight * applies[rows, k])
    total: Floats | float = 1.0
    if not complete or applies is not None:
        # Of a response from which nothing is left out it is 1, and not a sum rounded to that:
        # so it has one reward, to the last bit, whichever responses it is composed beside.
        whole = table.rated if applies is None else table.rated & (applies == 1)
        total = np.where(whole[rows].all(axis=1), 1.0, sum(by_rule))
    rules, probabilities = weights.rules, table.probabilities
    return WeightedUnits(
        units=units,
        weights=by_rule,
        total=total,
        levels=[_unit_levels(rules.rules[k].scale) for k in with_share],
        probabilities=None
        if probabilities is None
        else [probabilities[rows, k, : rules.n_levels[k]] for k in with_share],
    )


def _unit_levels(scale: Any) -> Floats:
    return scale.unit(scale.levels) if isinstance(scale, LevelScale) else np.empty(0)


def _vetoed(table: RatingsTable, weights: Weights, rewards: Floats) -> tuple[Floats, Bools]:
    """The rewards under their caps, and which rules veto which responses."""
    vetoed = np.zeros(table.values.shape, dtype=bool)
    for rule_id, veto in weights.rules.vetoes.items():
        k = weights.rules.position(rule_id)
        fires = veto.fires(table.values[:, k], weights.rules[rule_id].scale) & table.counted[:, k]
        vetoed[:, k] = fires
        # At a cap of 0 the reward is certain, whatever it is that is unrated; above, it is not.
        capped = np.minimum(rewards, veto.cap) if veto.cap else np.zeros(len(rewards))
        rewards = np.where(fires, capped, rewards)
    return rewards, vetoed
