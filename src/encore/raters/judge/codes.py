"""Codes: the single characters that a judge answers with, and the levels they stand for."""

from __future__ import annotations

import string
from dataclasses import dataclass

import numpy as np

from encore.errors import InputError
from encore.rules import LevelScale, Rule

_LETTERS = string.ascii_uppercase
MAX_CODES = len(_LETTERS)


@dataclass(frozen=True)
class Codes:
    """One character per level, read from one token's probabilities, whatever the tokenizer.

    Levels that are whole numbers from 0 to 9 are their own codes. Others, and the bins of a
    range, are numbered from 1, or lettered from A where there are more than nine. The bins of a
    range stand for evenly spaced values, the first for its worst end and the last for its best.

    Parameters
    ----------
    names : tuple of str
        Worst to best.
    values : tuple of float
        The rating that each stands for.

    Examples
    --------
    >>> Codes.of(Rule("r", "Is kind.", LevelScale((5, 3, 1))))
    Codes(names=('5', '3', '1'), values=(5.0, 3.0, 1.0))
    """

    names: tuple[str, ...]
    values: tuple[float, ...]

    @classmethod
    def of(cls, rule: Rule) -> Codes:
        """The codes of a rule's scale.

        Raises
        ------
        InputError
            If there are more levels or bins than codes.
        """
        scale = rule.scale
        n_levels = scale.n_levels
        if n_levels > MAX_CODES:
            raise InputError(
                f"rule {rule.id!r} has {n_levels} levels; a judge answers with one character, so "
                f"at most {MAX_CODES} are possible. Give the rule fewer levels or bins."
            )
        if isinstance(scale, LevelScale):
            values = scale.levels
            if all(value in range(10) for value in values):
                return cls(tuple(f"{value:.0f}" for value in values), values)
        else:
            values = tuple(np.linspace(scale.worst, scale.best, n_levels).tolist())
        numbered = tuple(str(number) for number in range(1, n_levels + 1))
        return cls(numbered if n_levels <= 9 else tuple(_LETTERS[:n_levels]), values)

    @property
    def listed(self) -> str:
        """All of them, in reading order: ``1, 2 or 3``."""
        names = sorted(self.names)
        return f"{', '.join(names[:-1])} or {names[-1]}"

    @property
    def noun(self) -> str:
        """What they are, for the prompt."""
        return "number" if self.names[0].isdigit() else "letter"
