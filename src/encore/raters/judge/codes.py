"""Codes: the numbers that a judge answers with, and the levels they stand for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from encore.errors import InputError
from encore.rules import LevelScale, Rule

# An endpoint lists 20 alternatives of a token at most: of more codes, too many would be unseen.
MAX_CODES = 26


@dataclass(frozen=True)
class Codes:
    """One number per level, all of the same length: one digit for up to ten levels, else two.

    No word begins with a digit, and no code with another code, so that a refusal's first token is
    none of them. Levels that are whole numbers are their own codes where all fit; others, and the
    bins of a range, are numbered. The bins of a range stand for evenly spaced values, the first
    for its worst end and the last for its best.

    Parameters
    ----------
    names : tuple of str
        Worst to best; after them, where a judge may say so, that the rule does not apply.
    values : tuple of float
        The rating that each level's code stands for.

    Examples
    --------
    >>> Codes.of(Rule("r", "Is kind.", LevelScale((5, 3, 1))))
    Codes(names=('5', '3', '1'), values=(5.0, 3.0, 1.0))
    >>> Codes.of(Rule("r", "Is kind.", LevelScale(tuple(range(11))))).listed
    '00, 01, 02, 03, 04, 05, 06, 07, 08, 09 or 10'
    """

    names: tuple[str, ...]
    values: tuple[float, ...]

    @classmethod
    def of(cls, rule: Rule, *, may_not_apply: bool = False) -> Codes:
        """The codes of a rule's scale, with one more if it *may_not_apply*.

        Raises
        ------
        InputError
            If there are more levels or bins than codes.
        """
        if may_not_apply:
            return cls._and_none(cls.of(rule))
        scale = rule.scale
        n_levels = scale.n_levels
        if n_levels > MAX_CODES:
            raise InputError(
                f"rule {rule.id!r} has {n_levels} levels; a judge can be asked about at most "
                f"{MAX_CODES}. Give the rule fewer levels or bins."
            )
        if isinstance(scale, LevelScale):
            values = scale.levels
            for width in (1, 2) if n_levels >= 10 else (1,):
                if all(value in range(10**width) for value in values):
                    return cls(tuple(f"{int(value):0{width}}" for value in values), values)
        else:
            values = tuple(np.linspace(scale.worst, scale.best, n_levels).tolist())
        if n_levels <= 10:
            first = 0 if n_levels == 10 else 1
            return cls(tuple(str(first + place) for place in range(n_levels)), values)
        return cls(tuple(f"{number:02}" for number in range(1, n_levels + 1)), values)

    @classmethod
    def _and_none(cls, codes: Codes) -> Codes:
        """The same codes with one more: 0 where that is no level, else the last that is none."""
        names = codes.names
        if len(names[0]) == 1 and len(names) == 10:
            names = tuple(f"{int(name):02}" for name in names)
        width = len(names[0])
        free = ("0" * width, *(str(number) for number in range(10**width - 1, 0, -1)))
        none = next(name for name in free if name.zfill(width) not in names)
        return cls((*names, none), codes.values)

    @property
    def best(self) -> str:
        """The code of the best level."""
        return self.names[len(self.values) - 1]

    @property
    def none(self) -> str | None:
        """The code of a rule that does not apply, if a judge may say so."""
        return self.names[-1] if len(self.names) > len(self.values) else None

    @cached_property
    def spellings(self) -> dict[str, int]:
        """The place of each code by how a judge may write it: ``07`` as ``7`` too."""
        short = {name.removeprefix("0") or name: place for place, name in enumerate(self.names)}
        return {**short, **{name: place for place, name in enumerate(self.names)}}

    @property
    def listed(self) -> str:
        """All of them, in reading order: ``1, 2 or 3``."""
        names = sorted(self.names)
        return f"{', '.join(names[:-1])} or {names[-1]}"
