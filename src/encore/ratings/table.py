"""The ratings table: responses × rules, and which prompt and response each row belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from encore.errors import RatingsError
from encore.rules import Rulebook

MEMORY = "ratings"


@dataclass(frozen=True)
class Ids:
    """A column of ids: an integer code per row, and the distinct ids that the codes stand for.

    Parameters
    ----------
    codes : ndarray of int64, shape (n_rows,)
        Positions in *names*.
    names : sequence
        The distinct ids.
    """

    codes: NDArray[np.int64]
    names: Sequence[Any]

    @classmethod
    def of(cls, values: Sequence[Any] | NDArray[Any]) -> Ids:
        """Codes in order of first appearance."""
        index: dict[Any, int] = {}
        codes = [index.setdefault(value, len(index)) for value in values]
        return cls(np.array(codes, dtype=np.int64), list(index))

    @classmethod
    def distinct(cls, n_rows: int) -> Ids:
        """An id of its own for every row."""
        return cls(np.arange(n_rows), range(n_rows))

    def take(self, rows: NDArray[Any] | slice) -> Ids:
        """These rows only; the names stay."""
        return Ids(self.codes[rows], self.names)

    def __len__(self) -> int:
        return len(self.codes)


@dataclass(frozen=True)
class RatingsTable:
    """Ratings of responses under rules, checked when made.

    Parameters
    ----------
    rules : Rulebook
        The rules, one per column.
    values : array_like of float, shape (n_rows, n_rules)
        Ratings on the rules' own scales; NaN where unrated. A value that lies between two levels
        needs a *spread*: only a rater that gives a distribution can mean it.
    prompts : Ids or sequence, optional
        Which prompt each row answers; without it there are no within-prompt margins.
    responses : Ids or sequence, optional
        Which response each row rates; each row is its own response by default.
    repeats : array_like of int, shape (n_rows,), optional
        0 for a rating, 1, 2, … for the same response rated again. Repeats estimate the spread and
        are not counted elsewhere.
    spread : array_like of float, shape (n_rows, n_rules), optional
        Entropy (nats) of the rater's own distribution for each rating; NaN where it gave none.
    source : str
        Named in errors.
    first_row : int
        Number of the first row in *source*, counted from 1; for errors in a batch of a file.

    Raises
    ------
    RatingsError
        If shapes disagree, a rating is infinite or not on its rule's scale, a spread is negative,
        or one response of a prompt is rated twice under one repeat.

    Examples
    --------
    >>> from encore.rules import LevelScale
    >>> rules = Rulebook.from_ids(["privacy", "honesty"], LevelScale((1, 2, 3, 4, 5)))
    >>> table = RatingsTable(rules, [[5, 4], [1, float("nan")]], prompts=["a", "a"])
    >>> table.n_rows, int(table.rated.sum())
    (2, 3)
    """

    rules: Rulebook
    values: NDArray[np.float64]
    prompts: Ids | None = None
    responses: Ids | None = None
    repeats: NDArray[np.int64] | None = None
    spread: NDArray[np.float64] | None = None
    source: str = MEMORY
    first_row: int = 1

    def __post_init__(self) -> None:
        values = self._numbers("values", self.values)
        if values.ndim != 2 or values.shape[1] != len(self.rules):
            raise RatingsError(
                f"ratings have shape {values.shape}; expected (n_rows, {len(self.rules)}), one "
                f"column per rule.",
                source=self.source,
            )
        object.__setattr__(self, "values", values)
        for name in ("prompts", "responses"):
            column = getattr(self, name)
            if column is not None and not isinstance(column, Ids):
                object.__setattr__(self, name, Ids.of(column))
        if self.repeats is not None:
            object.__setattr__(self, "repeats", np.asarray(self.repeats, dtype=np.int64))
        if self.spread is not None:
            object.__setattr__(self, "spread", self._numbers("spread", self.spread))
        self._check_lengths()
        self._check_values()
        self._check_repeats()

    @property
    def n_rows(self) -> int:
        """Rows, repeats included."""
        return len(self.values)

    @cached_property
    def rated(self) -> NDArray[np.bool_]:
        """Where there is a rating, shape (n_rows, n_rules)."""
        return ~np.isnan(self.values)

    @cached_property
    def unit(self) -> NDArray[np.float64]:
        """Ratings mapped to [0, 1], worst to best, shape (n_rows, n_rules); NaN where unrated."""
        return self.rules.unit(self.values)

    def take(self, rows: NDArray[Any] | slice) -> RatingsTable:
        """A table of these rows, in this order."""
        return replace(
            self,
            values=self.values[rows],
            prompts=None if self.prompts is None else self.prompts.take(rows),
            responses=None if self.responses is None else self.responses.take(rows),
            repeats=None if self.repeats is None else self.repeats[rows],
            spread=None if self.spread is None else self.spread[rows],
        )

    def _numbers(self, name: str, values: ArrayLike) -> NDArray[np.float64]:
        array = np.asarray(values)
        if array.dtype.kind not in "fiub":
            raise RatingsError(
                f"{name} are of type {array.dtype}; expected numbers, with NaN where unrated.",
                source=self.source,
            )
        return array.astype(np.float64, copy=False)

    def _check_lengths(self) -> None:
        columns = {"prompts": self.prompts, "responses": self.responses, "repeats": self.repeats}
        for name, column in columns.items():
            if column is not None and len(column) != self.n_rows:
                raise RatingsError(
                    f"{len(column)} {name} for {self.n_rows} rows of ratings; expected one a row.",
                    source=self.source,
                )
        if self.spread is not None and self.spread.shape != self.values.shape:
            raise RatingsError(
                f"the spread has shape {self.spread.shape}; expected {self.values.shape} as the "
                f"ratings.",
                source=self.source,
            )

    def _check_values(self) -> None:
        self._refuse(
            np.isinf(self.values),
            "rating {value} is not finite. Leave an unrated cell empty (NaN).",
        )
        spread = self.spread
        if spread is not None:
            wrong = np.isinf(spread) | (spread < 0)
            self._refuse(wrong, "spread {value} is not an entropy in nats, 0 or more.", of=spread)
        off = self.rules.off_level(self.values)
        if spread is not None:
            # An expected level lies between levels, never beyond them.
            off &= np.isnan(spread) | self.rules.outside(self.values)
        self._refuse(
            off,
            "rating {value} is not one of the rule's levels ({scale}). Correct the rating or the "
            "rule's scale; a continuous scale is {{worst, best, bins}}, and an expected level "
            "needs a '{rule}.spread' column.",
        )

    def _refuse(
        self, wrong: NDArray[np.bool_], message: str, of: NDArray[np.float64] | None = None
    ) -> None:
        """Raise for the first marked cell, row by row."""
        if not wrong.any():
            return
        row = int(wrong.any(axis=1).argmax())
        column = int(wrong[row].argmax())
        rule = self.rules.rules[column]
        value = (self.values if of is None else of)[row, column]
        raise RatingsError(
            message.format(value=f"{value:g}", scale=rule.scale, rule=rule.id),
            source=self.source,
            row=self.first_row + row,
            column=rule.id,
        )

    def _check_repeats(self) -> None:
        """Refuse a second rating of one response under one prompt and one repeat."""
        if self.repeats is not None and (self.repeats < 0).any():
            row = int((self.repeats < 0).argmax())
            raise RatingsError(
                f"repeat {self.repeats[row]} is negative; expected 0 for a rating, 1, 2, … for "
                f"the same response rated again.",
                source=self.source,
                row=self.first_row + row,
                column="repeat",
            )
        if self.responses is None:
            if self.repeats is not None and self.repeats.any():
                raise RatingsError(
                    "repeats need response ids: which response was rated again?", source=self.source
                )
            return
        zeros = np.zeros(self.n_rows, dtype=np.int64)
        repeats = zeros if self.repeats is None else self.repeats
        prompts = zeros if self.prompts is None else self.prompts.codes
        order = np.lexsort((repeats, self.responses.codes, prompts))
        keys = np.column_stack([prompts, self.responses.codes, repeats])[order]
        twice = (keys[1:] == keys[:-1]).all(axis=1)
        if not twice.any():
            return
        at = int(twice.argmax())
        first, second = int(order[at]), int(order[at + 1])
        name = self.responses.names[self.responses.codes[second]]
        raise RatingsError(
            f"response {name!r} of one prompt is rated twice (also in row "
            f"{self.first_row + first}). Remove one, or number them in a 'repeat' column.",
            source=self.source,
            row=self.first_row + second,
            column="response_id",
        )
