"""Vetoes: a rating so bad that it caps the reward, whatever the other ratings are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from encore.errors import InputError
from encore.rules.scale import LEVEL_TOLERANCE, Scale


@dataclass(frozen=True)
class Veto:
    """A rating at *at*, or worse, caps the reward.

    It matters when rewards are composed, and only then: no rating, and no digest of rules,
    depends on it.

    Parameters
    ----------
    at : float
        A rating on the rule's own scale, in whose direction "worse" is meant: not the best one.
    cap : float, default 0
        The most that the reward can be, from 0 to less than 1.

    Raises
    ------
    InputError
        If either is not a number, or the cap is beyond its bounds.

    Examples
    --------
    >>> from encore import Rule
    >>> Rule("crime", "Does not help with crime.", [1, 2, 3, 4, 5], veto=2).veto
    Veto(at=2.0, cap=0.0)
    """

    at: float
    cap: float = 0.0

    def __post_init__(self) -> None:
        for name in ("at", "cap"):
            value = getattr(self, name)
            number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
            if not number or not np.isfinite(value):
                raise InputError(f"the veto's {name} is {value!r}; expected a finite number.")
            object.__setattr__(self, name, float(value))
        if not 0 <= self.cap < 1:
            raise InputError(
                f"the veto's cap is {self.cap:g}; expected 0 or more and less than 1, since "
                f"rewards lie in [0, 1]."
            )

    def check(self, scale: Scale) -> None:
        """Refuse a veto that this scale has no rating for, or that every rating would fire.

        Raises
        ------
        InputError
            If *at* is not a rating on the scale, or is the best one.
        """
        unit = float(scale.unit([self.at])[0])
        beyond = self.at < min(scale.worst, scale.best) or self.at > max(scale.worst, scale.best)
        if beyond or bool(scale.off_level([self.at])[0]):
            raise InputError(f"a veto at {self.at:g} is not a rating on the scale ({scale}).")
        if unit >= 1 - LEVEL_TOLERANCE:
            raise InputError(
                f"a veto at {self.at:g}, the best rating of the scale ({scale}), would veto every "
                f"response."
            )

    def fires(self, values: ArrayLike, scale: Scale) -> NDArray[np.bool_]:
        """Where a rating is at the veto or worse; a rating that is not there (NaN) is not."""
        limit = float(scale.unit([self.at])[0]) + LEVEL_TOLERANCE
        return np.asarray(scale.unit(values) <= limit)

    def to_plain(self) -> float | dict[str, float]:
        """As in ``rules.toml``: a number, or a table where there is a cap."""
        return {"at": self.at, "cap": self.cap} if self.cap else self.at


def veto_of(value: Any) -> Veto | None:
    """A veto from itself, a rating, or a table ``{at, cap}``; None is none.

    Raises
    ------
    InputError
        If it is none of these.
    """
    if value is None or isinstance(value, Veto):
        return value
    if isinstance(value, Mapping):
        if not {"at"} <= set(value) <= {"at", "cap"}:
            raise InputError(
                f"a veto is a rating, as in veto = 2, or a table, as in "
                f"veto = {{at = 2, cap = 0.1}}; got the keys {sorted(map(str, value))}."
            )
        return Veto(**value)
    return Veto(value)
