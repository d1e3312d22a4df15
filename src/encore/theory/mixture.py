"""Rules that see the quality of a response through Gaussian noise, on a bounded scale."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from encore.arrays import Record, as_floats, cached_array
from encore.calibration import rating_entropy
from encore.errors import InputError
from encore.ratings import PreferencePairs
from encore.rules import LevelScale, Rulebook
from encore.rules.scale import Scale
from encore.theory.normal import clipped_moments, clipped_wins, cumulative


@dataclass(frozen=True, eq=False, repr=False)
class Mixture(Record):
    r"""A Gaussian for chosen and one for rejected responses, under every rule.

    .. math:: c_k \sim N(\mu^c_k, \sigma_k^2), \qquad r_k \sim N(\mu^r_k, \sigma_k^2)

    A response's latent value becomes a rating as the scale makes it: clipped to the ends of a
    range, or moved to the nearest level. The two responses of a pair err independently. Figures
    for one rule are exact: nothing is sampled. It comes from the normal distribution function
    and, for the inside of a range, quadrature to the last digits.

    Parameters
    ----------
    chosen, rejected : array_like of float, shape (n_rules,)
        Means of the latent value, in the units of the scale.
    noise : array_like of float, shape (n_rules,)
        Standard deviations, above 0.
    scale : LevelScale or RangeScale
        The scale of every rule.
    correlation : float, default 0
        That of the noise of any two rules on one response, from 0 to below 1.

    Raises
    ------
    InputError
        If shapes disagree, a number is not finite, a noise is not positive, or the correlation is
        out of range.

    Examples
    --------
    >>> crisp = Mixture([1.0], [0.0], [0.01], LevelScale((0, 1)))
    >>> crisp.accuracy.tolist(), crisp.normalised_entropy.tolist()
    ([1.0], [1.0])
    >>> crisp.simulate(3, rng=0).margins.ravel().tolist()
    [1.0, 1.0, 1.0]
    """

    chosen: NDArray[np.float64]
    rejected: NDArray[np.float64]
    noise: NDArray[np.float64]
    scale: Scale
    correlation: float = 0.0

    def __post_init__(self) -> None:
        for name in ("chosen", "rejected", "noise"):
            object.__setattr__(self, name, as_floats(getattr(self, name), name))
        shapes = self.chosen.shape, self.rejected.shape, self.noise.shape
        if self.chosen.ndim != 1 or not self.chosen.size or len(set(shapes)) > 1:
            raise InputError(
                f"chosen, rejected and noise have the shapes {', '.join(map(str, shapes))}; "
                f"expected (n_rules,) of each: one number per rule."
            )
        if not all(np.isfinite(v).all() for v in (self.chosen, self.rejected, self.noise)):
            raise InputError("the means and the noise of a mixture must be finite numbers.")
        if not (self.noise / abs(self.scale.best - self.scale.worst) > 0).all():
            raise InputError(
                f"noise is {self.noise.tolist()}; expected standard deviations above 0. "
                f"For a rule without noise give a very small one."
            )
        if not 0 <= self.correlation < 1:
            raise InputError(f"correlation is {self.correlation}; expected 0 to below 1.")
        super().__post_init__()

    @cached_property
    def rules(self) -> Rulebook:
        """The rules, ``rule 1`` and so on, on their scale."""
        return Rulebook.from_ids((f"rule {k + 1}" for k in range(len(self.noise))), self.scale)

    def simulate(self, n_pairs: int, rng: np.random.Generator | int) -> PreferencePairs:
        """Draw labelled pairs, each to a prompt of its own.

        Raises
        ------
        InputError
            If *n_pairs* is below 1.
        """
        if n_pairs < 1:
            raise InputError(f"n_pairs is {n_pairs}; expected 1 or more.")
        rng = np.random.default_rng(rng)
        drawn = rng.standard_normal((2, n_pairs, len(self.noise)))
        if self.correlation:
            shared = rng.standard_normal((2, n_pairs, 1))
            own = math.sqrt(1 - self.correlation)
            drawn = own * drawn + math.sqrt(self.correlation) * shared
        latent = np.stack([self.chosen, self.rejected])[:, None, :] + self.noise * drawn
        if isinstance(self.scale, LevelScale):
            ratings = np.asarray(self.scale.levels)[self.scale.level_of(latent)]
        else:
            low, high = sorted((self.scale.worst, self.scale.best))
            ratings = latent.clip(low, high)
        return PreferencePairs.from_arrays(ratings[0], ratings[1], self.rules)

    @cached_array
    def latent_mean(self) -> NDArray[np.float64]:
        """Mean of the latent margins, towards the best end: shape (n_rules,), in its units."""
        towards = math.copysign(1.0, self.scale.best - self.scale.worst)
        return towards * (self.chosen - self.rejected)

    @cached_array
    def latent_covariance(self) -> NDArray[np.float64]:
        """Covariance of the latent margins, shape (n_rules, n_rules)."""
        covariance = 2 * self.correlation * np.outer(self.noise, self.noise)
        np.fill_diagonal(covariance, 2 * self.noise**2)
        return covariance

    @cached_array
    def level_probabilities(self) -> NDArray[np.float64]:
        """For a chosen and a rejected response: shape (2, n_rules, n_levels), worst first."""
        if isinstance(self.scale, LevelScale):
            unit = self.scale.unit(self.scale.levels)
            borders = (unit[1:] + unit[:-1]) / 2
        else:
            borders = np.arange(1, self.scale.n_levels) / self.scale.n_levels
        with np.errstate(over="ignore"):  # infinitely many deviations away
            below = cumulative((borders - self._means[..., None]) / self._deviation[:, None])
        whole = np.ones((*self._means.shape, 1))
        return np.maximum(np.diff(below, axis=-1, prepend=0 * whole, append=whole), 0.0)

    @cached_array
    def entropy(self) -> NDArray[np.float64]:
        """Rating entropy in nats, chosen and rejected responses together; shape (n_rules,)."""
        entropy = rating_entropy(self.level_probabilities.mean(axis=0))
        return np.minimum(entropy, math.log(self.scale.n_levels))

    @cached_array
    def normalised_entropy(self) -> NDArray[np.float64]:
        """The same divided by ``ln(n_levels)``, in [0, 1]."""
        return self.entropy / math.log(self.scale.n_levels)

    @cached_array
    def ends_share(self) -> NDArray[np.float64]:
        """Saturation: share of all ratings on the worst and the best level; shape (n_rules,)."""
        return np.asarray(self.level_probabilities.mean(axis=0)[:, [0, -1]].sum(axis=1))

    @cached_array
    def margin_mean(self) -> NDArray[np.float64]:
        """Mean of the unit margin, chosen less rejected; shape (n_rules,), in [-1, 1]."""
        chosen, rejected = self._moments[0]
        return np.asarray(chosen - rejected)

    @cached_array
    def margin_variance(self) -> NDArray[np.float64]:
        """Variance of the unit margin, chosen less rejected; shape (n_rules,), in [0, 1]."""
        return np.asarray(self._moments[1].sum(axis=0))

    @cached_array
    def unlabelled_variance(self) -> NDArray[np.float64]:
        """Variance of the unit margin of two responses in random order.

        ``margin_variance + margin_mean ** 2``: the mean is 0. It is what
        :attr:`encore.Calibration.margin_variance` estimates, since a calibration has no labels.
        """
        return self.margin_variance + self.margin_mean**2

    @cached_array
    def accuracy(self) -> NDArray[np.float64]:
        """Each rule alone: how often it prefers the chosen response, a tie counting one half."""
        if isinstance(self.scale, LevelScale):
            chosen, rejected = self.level_probabilities
            below = np.cumsum(rejected, axis=1) - rejected / 2
            return np.asarray(np.minimum((chosen * below).sum(axis=1), 1.0))  # rounding
        chosen, rejected = self._means
        return clipped_wins(chosen, rejected, self._deviation)

    @cached_array
    def _means(self) -> NDArray[np.float64]:
        """Latent means with the worst end at 0 and the best at 1, not clipped; chosen first."""
        means = np.stack([self.chosen, self.rejected])
        return np.asarray((means - self.scale.worst) / (self.scale.best - self.scale.worst))

    @cached_array
    def _deviation(self) -> NDArray[np.float64]:
        return np.asarray(self.noise / abs(self.scale.best - self.scale.worst))

    @cached_array
    def _moments(self) -> NDArray[np.float64]:
        """Mean and variance of the unit rating: shape (2, 2, n_rules), chosen before rejected."""
        if not isinstance(self.scale, LevelScale):
            return np.asarray(clipped_moments(self._means, self._deviation))
        unit, p = self.scale.unit(self.scale.levels), self.level_probabilities
        mean = p @ unit
        return np.stack([mean, (p * (unit - mean[..., None]) ** 2).sum(axis=-1)])
