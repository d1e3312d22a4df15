"""The ratings table: responses × rules, and which prompt and response each row belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from encore.arrays import Record, as_numpy, cached_array, read_only
from encore.formatting import listed
from encore.ratings.blocks import expected_levels, numbers_block, ratings_block, whole_repeats
from encore.ratings.ids import Ids, as_id
from encore.ratings.origin import Origin
from encore.rules import Rulebook, Rules, as_rulebook

# A sum of probabilities may miss 1 by the rounding of float32 or of six printed digits.
_SUM_TOLERANCE = 1e-4


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
    applies : array_like of float or bool, shape (n_rows, n_rules), optional
        How far each rule applies, in [0, 1]; 1 where NaN, and everywhere by default. Where it is 0
        there is no rating: one that is given counts for nothing, so the table empties its cell.
    probabilities : array_like of float, shape (n_rows, n_rules, max n_levels), optional
        The rater's own distribution over each rule's levels, worst first; 0 beyond a rule's levels,
        all NaN where it gave none. Where a rating or a spread is missing beside it, it is the
        expected level, or the entropy.
    origin : Origin
        Where the rows come from, for errors.

    Raises
    ------
    RatingsError
        If shapes disagree, a rating is infinite or not on its rule's scale, a spread is negative,
        *applies* is beyond [0, 1], probabilities are not those of the rule's levels, or one
        response of a prompt is rated twice under one repeat.

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
    applies: NDArray[np.float64] | None
    probabilities: NDArray[np.float64] | None
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
        applies: ArrayLike | None = None,
        probabilities: ArrayLike | None = None,
        origin: Origin | None = None,
    ) -> None:
        self._set("rules", as_rulebook(rules, scale))
        self._set("origin", Origin() if origin is None else origin)
        self._set("values", ratings_block(values, self.rules, self.origin))
        self._set("prompts", self._ids("prompts", prompts))
        self._set("responses", self._ids("responses", responses))
        self._set("repeats", None if repeats is None else whole_repeats(repeats, self.origin))
        blocks = {"spread": spread, "applies": applies, "probabilities": probabilities}
        for name, block in blocks.items():
            self._set(name, None if block is None else numbers_block(name, block, self.origin))
        self._check_shapes()
        self._check_applies()
        self._check_probabilities()
        self._check_values()
        self._check_repeats()
        self._empty_where_not_applicable()

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
    def not_applicable(self) -> NDArray[np.bool_]:
        """Where a rule does not apply at all, so that there is nothing to rate."""
        if self.applies is None:
            return np.zeros(self.values.shape, dtype=bool)
        return np.asarray(self.applies == 0)

    @cached_array
    def unrated(self) -> NDArray[np.bool_]:
        """Where a rule applies, however little, and there is no rating."""
        return ~self.rated & ~self.not_applicable

    @cached_array
    def counted(self) -> NDArray[np.bool_]:
        """Where there is a rating under a rule that applies at least half."""
        return self.rated if self.applies is None else self.rated & (self.applies >= 0.5)

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
        return self._with(
            **{
                name: None if (column := getattr(self, name)) is None else column[rows]
                for name in ("values", "repeats", "spread", "applies", "probabilities")
            },
            prompts=None if self.prompts is None else self.prompts.take(rows),
            responses=None if self.responses is None else self.responses.take(rows),
        )

    def under(self, rules: Rulebook) -> RatingsTable:
        """The table under the same rules, whose notes and vetoes may be others.

        Raises
        ------
        MismatchError
            If they are not the same rules.
        """
        rules.same_as(self.rules, "these rules", self.source)
        return self if rules == self.rules else self._with(rules=rules)

    def applies_by_prompt(self) -> RatingsTable:
        """The table in which a rule applies to a response as far as to its prompt, on average.

        So no response can talk a rule away: where its own rating is empty because the rule did
        not apply to it, but to another response, the cell is unrated now. Each response counts
        once, repeats do not. Without prompts, or without *applies*, it is the table itself.

        Examples
        --------
        >>> table = RatingsTable(["privacy"], [[1], [1]], ["p", "p"], scale=[0, 1],
        ...                      applies=[[1], [0]])
        >>> by_prompt = table.applies_by_prompt()
        >>> by_prompt.applies.tolist(), by_prompt.unrated.tolist()
        ([[0.5], [0.5]], [[False], [True]])
        """
        if self.applies is None or self.prompts is None:
            return self
        codes, first = self.prompts.codes, self.is_first
        n_responses = np.bincount(codes[first], minlength=len(self.prompts.names))
        # The mean lies between the least and the most, which rounding must not leave.
        means = np.column_stack(
            [
                np.bincount(codes[first], column[first], len(n_responses)) / n_responses.clip(1)
                for column in self.applies.T
            ]
        )
        return self._with(applies=np.minimum(means, 1.0)[codes])

    def regrouped(self, prompts: Ids, responses: Ids | None) -> RatingsTable:
        """The table with other ids of its rows, by which its responses stay distinct."""
        return self._with(prompts=prompts, responses=responses)

    def _with(self, **parts: Any) -> RatingsTable:
        """The table with other parts, which need no check: they are made of its own."""
        table = object.__new__(RatingsTable)
        for each in fields(self):
            table._set(each.name, parts.get(each.name, getattr(self, each.name)))
        return table

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
        n_levels = int(self.rules.n_levels.max())
        shapes = {
            "spread": self.values.shape,
            "applies": self.values.shape,
            "probabilities": (*self.values.shape, n_levels),
        }
        for name, shape in shapes.items():
            block = getattr(self, name)
            if block is not None and block.shape != shape:
                raise self.origin.error(f"{name} has shape {block.shape}; expected {shape}.")

    def _check_applies(self) -> None:
        if self.applies is None:
            return
        self._refuse(
            (self.applies < 0) | (self.applies > 1),
            self.applies,
            "{value} is not how far a rule applies; expected 0 (not at all) to 1.",
            suffix=".applies",
        )
        applies = np.where(np.isnan(self.applies), 1.0, self.applies)
        self._set("applies", None if (applies == 1).all() else applies)

    def _check_probabilities(self) -> None:
        if self.probabilities is None:
            return
        given, levels = self.probabilities, np.arange(self.probabilities.shape[2])
        known = np.asarray(~np.isnan(given).all(axis=2))
        if not known.any():
            self._set("probabilities", None)
            return
        beyond = levels >= self.rules.n_levels[:, None]
        ranged = np.array([not hasattr(rule.scale, "levels") for rule in self.rules])
        filled = np.where(beyond & np.isnan(given) & known[:, :, None], 0.0, given)
        total = filled.sum(axis=2)
        wrong = (filled < 0).any(axis=2) | ~(np.abs(total - 1) <= _SUM_TOLERANCE)
        wrong |= ((filled > 0) & beyond).any(axis=2) | ranged
        self._refuse(
            known & wrong,
            total,
            "these are not the probabilities of the rule's levels ({scale}): expected one for each "
            "level, 0 or more, that sum to 1; the sum is {value}. A continuous scale has none.",
            suffix=".p",
        )
        self._set("probabilities", filled)
        expected, entropy = expected_levels(filled, self.rules)
        spread = np.full(known.shape, np.nan) if self.spread is None else self.spread
        self._set("values", np.where(np.isnan(self.values) & known, expected, self.values))
        self._set("spread", np.where(np.isnan(spread) & known, entropy, spread))

    def _empty_where_not_applicable(self) -> None:
        nowhere = self.not_applicable
        if not nowhere.any():
            return
        for name in ("values", "spread", "probabilities"):
            block = getattr(self, name)
            if block is not None:
                where = nowhere if block.ndim == 2 else nowhere[:, :, None]
                self._set(name, np.where(where, np.nan, block))

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


def ids_of(values: Iterable[Any], name: str, origin: Origin, *, as_text: bool = True) -> Ids:
    """A column of ids that are in memory, none of them empty; a prompt may be anything.

    Raises
    ------
    RatingsError
        If one is empty, or is not an id.
    """
    ids: list[Any] = []
    values = as_numpy(values)
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
