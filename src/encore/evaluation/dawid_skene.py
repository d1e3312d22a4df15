"""Dawid–Skene: rules as workers of a crowd, each pair a task, with no labels."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from encore.errors import InputError
from encore.extras import require
from encore.ratings import PreferencePairs

_N_STEPS = 100


def fit_dawid_skene(
    pairs: PreferencePairs, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The probability that either response of a pair is the better one, by crowd-kit's EM.

    A rule that rates the two differently votes for one of them; the two are shuffled first, so
    nothing knows which was chosen. It fits the very pairs that it judges and rewards no response
    alone: a yardstick, not a reward. (With levels as classes of responses it is of no use here:
    most ratings are the best level, and the classes that it finds are in no order.)

    Parameters
    ----------
    pairs : PreferencePairs
        Two rated responses each.
    rng : numpy.random.Generator
        Shuffles the sides.

    Returns
    -------
    chosen, rejected : ndarray of float, shape (n_pairs,)
        Probabilities that sum to 1; one half where no rule resolves the pair.

    Raises
    ------
    MissingExtraError
        If crowd-kit is not installed.
    InputError
        If no rule resolves any pair.

    References
    ----------
    .. [1] Dawid and Skene (1979), Maximum likelihood estimation of observer error-rates using the
       EM algorithm, Applied Statistics 28(1).
    """
    crowd = require("crowdkit.aggregation", extra="baselines", feature="Dawid-Skene")
    import pandas as pd

    sides = np.where(rng.random(pairs.n_pairs) < 0.5, -1.0, 1.0)
    votes = np.sign(np.nan_to_num(pairs.margins)) * sides[:, None]
    task, worker = np.nonzero(votes)
    if not task.size:
        raise InputError("no rule resolves any pair, so there are no votes to aggregate.")
    data = pd.DataFrame({"task": task, "worker": worker, "label": votes[task, worker]})
    with warnings.catch_warnings():
        # crowd-kit 1.4 calls functions that later versions of pandas will drop.
        warnings.simplefilter("ignore")
        found = crowd.DawidSkene(n_iter=_N_STEPS).fit_predict_proba(data)
    first = np.full(pairs.n_pairs, 0.5)
    first[found.index.to_numpy()] = found.get(1.0, 0.0)
    chosen = np.where(sides > 0, first, 1 - first)
    return chosen, 1 - chosen
