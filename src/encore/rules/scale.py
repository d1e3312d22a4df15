"""Scales: what values a rule's ratings may take, and how they map to [0, 1]."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from encore.arrays import as_floats, cached_array
from encore.errors import InputError

# A value this close to a level, as a share of the scale's span, is that level: ratings often
# arrive as float32, where 0.1 is not 0.1.
LEVEL_TOLERANCE = 1e-6
MAX_LEVELS = 32_767  # levels are counted as 16-bit integers


@dataclass(frozen=True)
class LevelScale:
    """Ordered levels, worst to best.

    Parameters
    ----------
    levels : tuple of float
        At least two finite numbers, strictly rising or strictly falling. The first is the worst
        rating and the last the best, so a cost (5 is worst) is ``(5, 4, 3, 2, 1)``.

    Raises
    ------
    InputError
        If the levels are too few, not finite, too far apart, or not in order.

    Examples
    --------
    >>> scale = LevelScale((1, 2, 3, 4, 5))
    >>> scale.unit([1, 4, 5])
    array([0.  , 0.75, 1.  ])
    >>> scale.level_of([1, 4.2, float("nan")])
    array([ 0,  3, -1], dtype=int16)
    """

    levels: tuple[float, ...]

    def __post_init__(self) -> None:
        levels = tuple(map(_number, self.levels))
        object.__setattr__(self, "levels", levels)
        rises = all(one < other for one, other in pairwise(levels))
        ordered = rises or all(one > other for one, other in pairwise(levels))
        if not 2 <= len(levels) <= MAX_LEVELS or not np.isfinite(levels).all() or not ordered:
            raise InputError(
                f"a scale's levels must be two or more finite numbers in order, worst to best; "
                f"got {list(self.levels)}."
            )
        _check_span(self.worst, self.best)

    @property
    def n_levels(self) -> int:
        """How many levels there are."""
        return len(self.levels)

    @property
    def worst(self) -> float:
        """The worst rating; it maps to 0."""
        return self.levels[0]

    @property
    def best(self) -> float:
        """The best rating; it maps to 1."""
        return self.levels[-1]

    @cached_array
    def _midpoints(self) -> NDArray[np.float64]:
        unit = self.unit(self.levels)
        return np.asarray((unit[1:] + unit[:-1]) / 2)

    def unit(self, values: ArrayLike) -> NDArray[np.float64]:
        """Map values to [0, 1], worst to 0 and best to 1, clipping; NaN stays NaN."""
        return _unit(values, self.worst, self.best)

    def level_of(self, values: ArrayLike) -> NDArray[np.int16]:
        """Index of the nearest level, 0 for the worst; -1 where the value is NaN."""
        unit = self.unit(values)
        index = np.searchsorted(self._midpoints, unit, side="right").astype(np.int16)
        index[np.isnan(unit)] = -1
        return index

    def off_level(self, values: ArrayLike) -> NDArray[np.bool_]:
        """Where a value is not one of the levels (within float32 rounding); NaN is not."""
        values = as_floats(values, "ratings")
        nearest = np.asarray(self.levels)[self.level_of(values)]
        with np.errstate(over="ignore"):  # as far off as infinity
            off = np.abs(values - nearest)
        return np.asarray(off > LEVEL_TOLERANCE * abs(self.best - self.worst))

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in ``rules.toml``."""
        return {"levels": list(self.levels)}

    def __str__(self) -> str:
        return ", ".join(f"{level:g}" for level in self.levels)


@dataclass(frozen=True)
class RangeScale:
    """A continuous range, worst to best, with bins for counting.

    Parameters
    ----------
    worst, best : float
        The ends of the range, finite and different. A cost head has worst > best.
    bins : int, default 10
        How many equal bins its ratings are counted in; at least 2. Rating entropy is the entropy
        over these bins, so compare entropies of rules with the same number of bins.

    Raises
    ------
    InputError
        If an end is not finite, the ends are equal or too far apart, or there are fewer than two
        bins.

    Examples
    --------
    >>> cost = RangeScale(worst=4.0, best=0.0, bins=4)
    >>> cost.unit([4, 1, 0, -3])
    array([0.  , 0.75, 1.  , 1.  ])
    >>> cost.level_of([4, 1, 0])
    array([0, 3, 3], dtype=int16)
    """

    worst: float
    best: float
    bins: int = 10

    def __post_init__(self) -> None:
        ends = (_number(self.worst), _number(self.best))
        if not all(math.isfinite(end) for end in ends) or ends[0] == ends[1]:
            raise InputError(f"a scale needs two different finite ends; got {ends}.")
        _check_span(*ends)
        bins = float("nan") if isinstance(self.bins, bool) else _number(self.bins)
        if not bins.is_integer() or not 2 <= bins <= MAX_LEVELS:
            raise InputError(f"a scale needs a whole number of bins, 2 or more; got {self.bins!r}.")
        object.__setattr__(self, "worst", ends[0])
        object.__setattr__(self, "best", ends[1])
        object.__setattr__(self, "bins", int(bins))

    @property
    def n_levels(self) -> int:
        """How many bins there are."""
        return self.bins

    def unit(self, values: ArrayLike) -> NDArray[np.float64]:
        """Map values to [0, 1], worst to 0 and best to 1, clipping; NaN stays NaN."""
        return _unit(values, self.worst, self.best)

    def level_of(self, values: ArrayLike) -> NDArray[np.int16]:
        """Index of the value's bin, 0 at the worst end; -1 where the value is NaN."""
        unit = self.unit(values)
        unknown = np.isnan(unit)
        # A value on the border of two bins belongs to the better one, in float32 too.
        index = (np.where(unknown, 0, unit) * self.bins + LEVEL_TOLERANCE).astype(np.int16)
        np.minimum(index, self.bins - 1, out=index)
        index[unknown] = -1
        return index

    def off_level(self, values: ArrayLike) -> NDArray[np.bool_]:
        """Nowhere: every number in the range is a rating."""
        return np.zeros(np.shape(values), dtype=bool)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in ``rules.toml``."""
        return {"worst": self.worst, "best": self.best, "bins": self.bins}

    def __str__(self) -> str:
        return f"{self.worst:g} to {self.best:g} in {self.bins} bins"


Scale = LevelScale | RangeScale


def _number(value: Any) -> float:
    """A number, but no text that looks like one, nor a truth value."""
    try:
        if isinstance(value, str | bytes | bool):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"a scale is made of numbers; got {_shown(value)}.") from error


def _shown(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > 1023:
        return f"a whole number of {value.bit_length()} bits"
    return f"{value!r:.60}"


def _unit(values: ArrayLike, worst: float, best: float) -> NDArray[np.float64]:
    # Clipped before it is divided: far beyond the ends of a narrow scale it would overflow.
    inside = np.clip(as_floats(values, "ratings"), min(worst, best), max(worst, best))
    # A falling scale gives -0.0 at its worst end; adding zero makes it 0.0.
    return np.asarray((inside - worst) / (best - worst) + 0.0)


def _check_span(worst: float, best: float) -> None:
    """Refuse ends whose difference is infinite: every rating would map to 0."""
    if not math.isfinite(best - worst):
        raise InputError(
            f"a scale from {worst:g} to {best:g} is too wide: its ends differ by more than a "
            f"64-bit float can hold. Use a scale near the ratings."
        )


def outside(scale: Scale, values: ArrayLike) -> NDArray[np.bool_]:
    """Where a value lies beyond the scale's ends by more than float32 rounding; NaN does not."""
    middle = scale.worst / 2 + scale.best / 2
    reach = abs(scale.best - scale.worst) * (0.5 + LEVEL_TOLERANCE)
    with np.errstate(over="ignore"):  # as far out as infinity
        return np.asarray(np.abs(as_floats(values, "ratings") - middle) > reach)


def scale_of(value: Any) -> Scale:
    """A scale from itself, from a list of levels, or from plain data as in ``rules.toml``.

    Parameters
    ----------
    value : LevelScale, RangeScale, sequence of float, or mapping
        Levels are worst to best.

    Raises
    ------
    InputError
        If it is none of these.

    Examples
    --------
    >>> scale_of([1, 2, 3]).best, scale_of({"worst": 0, "best": 1, "bins": 4}).n_levels
    (3.0, 4)
    """
    if isinstance(value, LevelScale | RangeScale):
        return value
    if isinstance(value, Mapping):
        return scale_from_dict(value)
    if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str | bytes):
        return scale_from_dict({"levels": tuple(value)})
    raise InputError(
        f"a scale is a list of levels such as [1, 2, 3, 4, 5], worst to best, a LevelScale or a "
        f"RangeScale; got {value!r}."
    )


def scale_from_dict(data: Mapping[str, Any]) -> Scale:
    """Build a scale from ``{"levels": [...]}`` or ``{"worst": …, "best": …, "bins": …}``.

    Raises
    ------
    InputError
        If the keys fit neither form, or a value is not a number.
    """
    keys = set(data)
    try:
        if keys == {"levels"}:
            if not isinstance(data["levels"], list | tuple):
                raise TypeError
            return LevelScale(tuple(data["levels"]))
        if {"worst", "best"} <= keys <= {"worst", "best", "bins"}:
            return RangeScale(**data)
    except InputError:
        raise
    except TypeError as error:
        raise InputError(f"a scale is made of numbers; got {dict(data)!r:.200}.") from error
    raise InputError(
        "a scale is {levels = [1, 2, 3]} or {worst = 0.0, best = 1.0, bins = 10}; "
        f"got the keys {sorted(keys)}."
    )
