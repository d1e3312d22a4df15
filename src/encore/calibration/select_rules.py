"""Choosing a few rules out of many from their ratings, without labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encore.arrays import Record
from encore.calibration.calibration import ZERO_VARIANCE, Calibration
from encore.errors import InputError
from encore.formatting import UNDEFINED, html_table, listed, number, percent
from encore.rules import Rulebook


@dataclass(frozen=True, eq=False, repr=False)
class Pick(Record):
    """One chosen rule.

    Parameters
    ----------
    rule : str
        Its id.
    explained : float
        Share, in [0, 1], of what all rules tell that this pick and the earlier ones explain.
    resolved_share : float
        Share of within-prompt pairs that the rule resolves.
    nearest : str or None
        The earlier pick that its margins correlate most with; None for the first.
    correlation : float
        That correlation; NaN for the first.
    """

    rule: str
    explained: float
    resolved_share: float
    nearest: str | None
    correlation: float


@dataclass(frozen=True, eq=False, repr=False)
class Selection(Record):
    """The chosen rules.

    Parameters
    ----------
    rules : Rulebook
        In the order of the catalogue.
    picks : tuple of Pick
        In the order of choice. Fewer than asked for if no other rule adds anything.
    """

    rules: Rulebook
    picks: tuple[Pick, ...]

    def __repr__(self) -> str:
        return f"Selection of {len(self.rules)} rules: {listed([p.rule for p in self.picks])}"

    def _repr_html_(self) -> str:
        """In a notebook: the picks in the order of choice."""
        rows = [
            (
                pick.rule,
                percent(pick.explained),
                percent(pick.resolved_share),
                pick.nearest or UNDEFINED,
                number(pick.correlation, ".2f"),
            )
            for pick in self.picks
        ]
        columns = ("rule", "explained %", "resolved %", "most like", "correlation")
        return html_table("picks", columns, rows)


def select_rules(calibration: Calibration, k: int) -> Selection:
    r"""Choose the *k* rules that explain most of what all of them tell, each adding something.

    With :math:`\Sigma` the covariance of the rules' unit margins within prompts, every rule
    discounted by its information :math:`1 - \text{spread} / H` where the rater gave a spread,
    each step takes the rule :math:`j` that explains most of what is left,

    .. math:: \arg\max_j \sum_i R_{ij}^2 / R_{jj}, \qquad
        R \leftarrow R - R_{\cdot j} R_{j \cdot} / R_{jj}, \qquad R_0 = \Sigma,

    so a rule that never resolves a pair explains nothing, and one that repeats a chosen
    rule adds nothing. Ties go to the earlier rule. It sees what the rater said, not what is
    true: a rule that scatters at random explains itself, so look at the spread and at
    :func:`encore.diagnose` first.

    Parameters
    ----------
    calibration : Calibration
        From ratings under the whole catalogue, with at least two responses to a prompt.
    k : int
        How many rules.

    Returns
    -------
    Selection
        The rules, and why each was chosen.

    Raises
    ------
    InputError
        If *k* is not between 1 and the number of rules, no prompt has two rated responses, or
        there are more rules than a covariance is kept for.

    References
    ----------
    .. [1] Farahat, Ghodsi and Kamel (2011), An efficient greedy method for unsupervised feature
       selection, ICDM.

    Examples
    --------
    >>> from encore import LevelScale, calibrate
    >>> rules = Rulebook.from_ids(["kind", "kind_again", "brief"], LevelScale((0, 1)))
    >>> ratings = [[1, 1, 1], [0, 0, 1], [1, 1, 0], [1, 1, 1]]
    >>> chosen = select_rules(calibrate(ratings, rules, prompts=["p", "p", "q", "q"]), 2)
    >>> [pick.rule for pick in chosen.picks]
    ['kind', 'brief']
    """
    n_rules = len(calibration.rules)
    if not 1 <= k <= n_rules:
        raise InputError(f"cannot choose {k} of {n_rules} rules; choose 1 to {n_rules}.")
    covariance = calibration.margin_covariance
    if np.isnan(np.diagonal(covariance)).all():
        raise InputError(
            "no prompt has two rated responses, so nothing shows which rules tell responses "
            "apart. Give ratings with a prompt_id and two or more responses to a prompt."
        )
    known = np.nan_to_num(calibration.information, nan=1.0)
    left = np.nan_to_num(covariance) * np.sqrt(np.outer(known, known))
    # Covariances over different prompts, and rounding, leave a little, of either sign.
    total = float(np.trace(left))
    nothing = max(ZERO_VARIANCE, 1e-12 * total)
    chosen: list[int] = []
    picks: list[Pick] = []
    while len(chosen) < k:
        best = _most_explaining(left, nothing)
        if best is None:
            break
        left = left - np.outer(left[:, best], left[best]) / left[best, best]
        explained = 1 - float(np.maximum(np.diagonal(left), 0).sum()) / total
        picks.append(_pick(calibration, best, chosen, explained))
        chosen.append(best)
    if not chosen:
        raise InputError("no rule resolves any two responses to a prompt; rate other responses.")
    rules = Rulebook(tuple(calibration.rules.rules[position] for position in sorted(chosen)))
    return Selection(rules, tuple(picks))


def _most_explaining(left: NDArray[np.float64], nothing: float) -> int | None:
    own = np.diagonal(left)
    telling = own > nothing
    if not telling.any():
        return None
    gain = np.where(telling, (left**2).sum(axis=1) / np.where(telling, own, 1.0), 0.0)
    # The last bits of a sum must not choose between twins.
    return int(np.flatnonzero(gain >= gain.max() * (1 - 1e-9))[0])


def _pick(calibration: Calibration, position: int, earlier: list[int], explained: float) -> Pick:
    ids, nearest, correlation = calibration.rules.ids, None, float("nan")
    if earlier:
        along = calibration.margin_correlation[position, earlier]
        most = int(np.abs(along).argmax())
        nearest, correlation = ids[earlier[most]], float(along[most])
    resolved = float(calibration.resolved_share[position])
    return Pick(ids[position], explained, resolved, nearest, correlation)
