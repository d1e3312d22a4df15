"""The ratings table: responses × rules, and which prompt and response each row belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from encore.arrays import Record, as_floats, cached_array, read_only
from encore.errors import InputError
from encore.formatting import listed
from encore.ratings.ids import Ids, as_id, largest_whole
from encore.ratings.origin import Origin
from encore.rules import Rulebook, Rules, as_rulebook


@dataclass(frozen=True, init=False, eq=False, repr=False)
class RatingsTable(Record):
    """Ratings of responses under rules, checked on creation.

    Parameters
    ----------
    rules : Rulebook, path, catalogue's name, or list of ids
        The rules, one per column; see :func:`encore.rules.as_rulebook`.
    values : array_like of float, shape (n_rows, n_rules)
        Ratings on the rules' own scales; NaN where unrated. A value that lies between two levels
        needs a *spread*: only a rater that gives a distribution can mean it.
    prompts : sequence or Ids, optional
        Which prompt each row answers; without it there are no within-prompt margins.
    responses : sequence or Ids, optional
        Which response each row rates; each row is its own response by default.
    repeats : array_like of int, shape (n_rows,), optional
        0 for a rating, 1, 2, … for the same response rated again. Repeats estimate the spread and
        are not counted elsewhere.
    scale : LevelScale, RangeScale or list of levels, optional
        The scale, if the rules are a list of ids.
    spread : array_like of float, shape (n_rows, n_rules), optional
        Entropy (nats) of the rater's own distribution for each rating; NaN where it gave none.
    origin : Origin
        Where the rows come from, for errors.

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
    prompts: Ids | None
    responses: Ids | None
    repeats: NDArray[np.int64] | None
    spread: NDArray[np.float64] | None
    origin: Origin = field(compare=False)

    def __init__(
        self,
        rules: Rules,
        values: ArrayLike,
        prompts: Ids | Sequence[Any] | NDArray[Any] | None = None,
        responses: Ids | Sequence[Any] | NDArray[Any] | None = None,
        repeats: ArrayLike | None = None,
        *,
        scale: Any = None,
        spread: ArrayLike | None = None,
        origin: Origin | None = None,
    ) -> None:
        self._set("rules", as_rulebook(rules, scale))
        self._set("origin", Origin() if origin is None else origin)
        self._set("values", ratings_block(values, self.rules, self.origin))
        self._set("prompts", self._ids("prompts", prompts))
        self._set("responses", self._ids("responses", responses))
        self._set("repeats", None if repeats is None else whole_repeats(repeats, self.origin))
        self._set("spread", None if spread is None else _numbers("spread", spread, self.origin))
        self._check_shapes()
        self._check_values()
        self._check_repeats()

    def __repr__(self) -> str:
        return (
            f"RatingsTable of {self.source}: {self.n_rows:,} rows under {len(self.rules)} rules: "
            f"{listed(self.rules.ids)}"
        )

    @property
    def source(self) -> str:
        """The file, or a name for ratings from memory."""
        return self.origin.source

    @property
    def n_rows(self) -> int:
        """Rows, repeats included."""
        return len(self.values)

    @property
    def groups(self) -> Ids | None:
        """What must be contiguous: prompts, or else responses with their repeats."""
        return self.responses if self.prompts is None else self.prompts

    @cached_array
    def rated(self) -> NDArray[np.bool_]:
        """Where there is a rating, shape (n_rows, n_rules)."""
        return ~np.isnan(self.values)

    @cached_array
    def unit(self) -> NDArray[np.float64]:
        """Ratings mapped to [0, 1], worst to best, shape (n_rows, n_rules); NaN where unrated."""
        return self.rules.unit(self.values)

    @cached_array
    def is_first(self) -> NDArray[np.bool_]:
        """Where a row holds a response's first rating, not a repeat: its lowest repeat."""
        if self.repeats is None or self.responses is None:
            return np.ones(self.n_rows, dtype=bool)
        prompts = np.zeros(self.n_rows) if self.prompts is None else self.prompts.codes
        order = np.lexsort((self.repeats, self.responses.codes, prompts))
        keys = np.column_stack([prompts, self.responses.codes])[order]
        first = np.ones(self.n_rows, dtype=bool)
        first[order[1:]] = (keys[1:] != keys[:-1]).any(axis=1)
        return first

    def take(self, rows: NDArray[Any] | slice) -> RatingsTable:
        """A table of these rows, in this order."""
        part = object.__new__(RatingsTable)  # checked already: a part of it needs no check
        part._set("rules", self.rules)
        part._set("origin", self.origin)
        part._set("values", self.values[rows])
        part._set("prompts", None if self.prompts is None else self.prompts.take(rows))
        part._set("responses", None if self.responses is None else self.responses.take(rows))
        part._set("repeats", None if self.repeats is None else self.repeats[rows])
        part._set("spread", None if self.spread is None else self.spread[rows])
        return part

    def _set(self, name: str, value: object) -> None:
        held = read_only(value) if isinstance(value, np.ndarray) else value
        object.__setattr__(self, name, held)

    def _ids(self, name: str, values: Ids | Sequence[Any] | NDArray[Any] | None) -> Ids | None:
        if values is None or isinstance(values, Ids):
            return values
        return ids_of(values, name, self.origin, as_text=name == "responses")

    def _check_shapes(self) -> None:
        columns = {"prompts": self.prompts, "responses": self.responses, "repeats": self.repeats}
        for name, column in columns.items():
            if column is not None and len(column) != self.n_rows:
                raise self.origin.error(
                    f"{len(column)} {name} for {self.n_rows} rows of ratings; expected one per row."
                )
        if self.spread is not None and self.spread.shape != self.values.shape:
            raise self.origin.error(
                f"the spread has shape {self.spread.shape}; expected {self.values.shape}, that of "
                f"the ratings."
            )

    def _check_values(self) -> None:
        values, spread = self.values, self.spread
        self._refuse(
            np.isinf(values),
            values,
            "rating {value} is not finite. Leave an unrated cell empty (NaN).",
        )
        off = self.rules.off_level(values)
        if spread is not None:
            wrong = np.isinf(spread) | (spread < 0)
            message = "spread {value} is not an entropy in nats, 0 or more."
            self._refuse(wrong, spread, message, suffix=".spread")
            # An expected level lies between levels, never beyond them.
            off &= np.isnan(spread) | self.rules.outside(values)
        self._refuse(
            off,
            values,
            "rating {value} is not one of the rule's levels ({scale}). Correct the rating or the "
            "rule's scale; a continuous scale is {{worst, best, bins}}, and an expected level "
            "needs a '{column}.spread' column.",
        )

    def _refuse(
        self,
        wrong: NDArray[np.bool_],
        values: NDArray[np.float64],
        message: str,
        *,
        suffix: str = "",
    ) -> None:
        """Raise for the first marked cell, row by row."""
        if not wrong.any():
            return
        row = int(wrong.any(axis=1).argmax())
        position = int(wrong[row].argmax())
        rule = self.rules.rules[position]
        column = self.origin.column(row, rule.id)
        said = message.format(value=f"{values[row, position]:g}", scale=rule.scale, column=column)
        raise self.origin.error(said, row, column + suffix)

    def _check_repeats(self) -> None:
        """Refuse a second rating of one response under one prompt and one repeat."""
        if self.responses is None:
            if self.repeats is not None and self.repeats.any():
                raise self.origin.error(
                    "repeats need response ids ('response_id', or 'id' for pairs), to say which "
                    "response was rated again."
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
        raise self.origin.error(
            f"response {name!r} of one prompt is rated twice (also in row "
            f"{self.origin.row(first)}). Remove one, or number them in a 'repeat' column.",
            second,
            "id" if self.origin.paired else "response_id",
        )


def whole_repeats(repeats: ArrayLike, origin: Origin) -> NDArray[np.int64]:
    """Numbers of repeats.

    Raises
    ------
    RatingsError
        If one is not a whole number of 0 or more, or too large to be told from its neighbours.
    """
    numbers = _numbers("repeats", repeats, origin)
    if np.asarray(repeats).dtype == bool:
        raise origin.error("repeats are true or false; expected 0, 1, 2, ….", 0, "repeat")
    wrong = ~((numbers == np.floor(numbers)) & (numbers >= 0) & np.isfinite(numbers))
    if wrong.any():
        row = int(wrong.argmax())
        raise origin.error(
            f"repeat {numbers[row]:g} is not a whole number of 0 or more; expected 0 for a "
            f"rating, 1, 2, … for the same response rated again.",
            row,
            "repeat",
        )
    large = numbers > largest_whole(np.float64)
    if large.any():
        row = int(large.argmax())
        raise origin.error(
            f"repeat {numbers[row]:g} is too large to be told from its neighbours; number repeats "
            f"1, 2, ….",
            row,
            "repeat",
        )
    return numbers.astype(np.int64)


def ids_of(values: Iterable[Any], name: str, origin: Origin, *, as_text: bool = True) -> Ids:
    """A column of ids that are in memory, none of them empty; a prompt may be anything.

    Raises
    ------
    RatingsError
        If one is empty, or is not an id.
    """
    ids: list[Any] = []
    for row, value in enumerate(values.tolist() if isinstance(values, np.ndarray) else values):
        if (type(value) is str and value) or type(value) is int:  # nearly all are
            ids.append(str(value) if as_text else value)
            continue
        try:
            own = as_id(value)
        except ValueError as error:
            if as_text:
                raise origin.error(f"{name}: {error}.", row) from error
            own = repr(value)
        if own is None:
            raise origin.error(f"{name}: this id is empty; give every row one.", row)
        ids.append(own if as_text else value)
    return Ids.of(ids)


def ratings_block(values: ArrayLike, rules: Rulebook, origin: Origin) -> NDArray[np.float64]:
    """Ratings as an array of numbers with one column per rule; the values are not checked.

    Raises
    ------
    RatingsError
        If they are not numbers, or not of shape (n_rows, n_rules).
    """
    block = _numbers("values", values, origin)
    if block.ndim != 2 or block.shape[1] != len(rules):
        expected = f"(n_rows, {len(rules)}), one column per rule"
        raise origin.error(f"ratings have shape {block.shape}; expected {expected}.")
    return block


def _numbers(name: str, values: ArrayLike, origin: Origin) -> NDArray[np.float64]:
    try:
        return as_floats(values, name, "unrated")
    except InputError as error:
        raise origin.error(str(error)) from error
