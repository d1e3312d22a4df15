"""Preference pairs: two responses to one prompt, one of them chosen by people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from encore.arrays import Record
from encore.errors import InputError, RatingsError
from encore.formatting import listed
from encore.ratings.blocks import ratings_block
from encore.ratings.ids import Ids, is_own_prompt
from encore.ratings.origin import SIDES, Origin
from encore.ratings.pairing import Pairing
from encore.ratings.table import RatingsTable, ids_of
from encore.rules import Rulebook, Rules, as_rulebook


@dataclass(frozen=True, eq=False, repr=False)
class PreferencePairs(Record):
    """Pairs of rows of a ratings table.

    Parameters
    ----------
    ratings : RatingsTable
        Ratings of all the responses, with their prompts.
    chosen, rejected : ndarray of int64, shape (n_pairs,)
        Rows of *ratings*.
    subsets : Ids
        The subset of each pair; the same for all if the data has none.
    labels : ndarray of float64 or None, shape (n_rows,)
        The label of each row of *ratings* where pairs were made of labels; NaN where unlabelled.
        They are of all responses, so :meth:`take` drops them unless told.
    pairing : Pairing or None
        How pairs were made of labels.

    Examples
    --------
    >>> from encore.rules import LevelScale
    >>> rules = Rulebook.from_ids(["privacy"], LevelScale((0, 1)))
    >>> pairs = PreferencePairs.from_arrays([[1], [0]], [[0], [0]], rules)
    >>> pairs.n_pairs, pairs.margins[:, 0].tolist()
    (2, [1.0, 0.0])
    """

    ratings: RatingsTable
    chosen: NDArray[np.int64]
    rejected: NDArray[np.int64]
    subsets: Ids
    labels: NDArray[np.float64] | None = None
    pairing: Pairing | None = None

    def __post_init__(self) -> None:
        if len(self.chosen) == 0:
            raise RatingsError(
                "there are no pairs.",
                source=self.ratings.source,
            )
        if not len(self.chosen) == len(self.rejected) == len(self.subsets):
            raise RatingsError(
                f"{len(self.chosen)} chosen, {len(self.rejected)} rejected and "
                f"{len(self.subsets)} subsets; expected one of each per pair.",
                source=self.ratings.source,
            )
        for name in ("chosen", "rejected"):
            rows = np.ma.filled(getattr(self, name), -1)
            if np.asarray(rows).dtype.kind not in "iu":
                raise RatingsError(
                    f"{name} are of type {np.asarray(rows).dtype}; expected rows of the ratings, "
                    f"from 0.",
                    source=self.ratings.source,
                )
            rows = np.asarray(rows, dtype=np.int64)
            if rows.min() < 0 or rows.max() >= self.ratings.n_rows:
                raise RatingsError(
                    f"{name} refers to rows {rows.min()} to {rows.max()}; expected rows 0 to "
                    f"{self.ratings.n_rows - 1}.",
                    source=self.ratings.source,
                )
            object.__setattr__(self, name, rows)
        if self.labels is not None and np.shape(self.labels) != (self.ratings.n_rows,):
            raise RatingsError(
                f"labels have shape {np.shape(self.labels)} for {self.ratings.n_rows} rows of "
                f"ratings; expected one for each.",
                source=self.ratings.source,
            )
        prompts = self.ratings.prompts
        if (
            prompts is not None
            and (prompts.codes[self.chosen] != prompts.codes[self.rejected]).any()
        ):
            raise RatingsError(
                "a pair joins responses to different prompts.", source=self.ratings.source
            )
        super().__post_init__()

    @classmethod
    def from_arrays(
        cls,
        chosen: ArrayLike,
        rejected: ArrayLike,
        rules: Rules,
        *,
        scale: Any = None,
        prompts: Sequence[Any] | None = None,
        subsets: Sequence[Any] | None = None,
    ) -> PreferencePairs:
        """Pairs from two arrays of shape (n_pairs, n_rules), row by row.

        Pairs that share a prompt should say so in *prompts*: intervals resample prompts. Rules
        and their scale are given as to :func:`encore.as_pairs`.

        Raises
        ------
        RatingsError
            If the arrays differ in shape, hold no pairs, or break the ratings table's contract.
        """
        rules = as_rulebook(rules, scale)
        sides = [
            ratings_block(values, rules, Origin(side))
            for side, values in zip(SIDES, (chosen, rejected), strict=True)
        ]
        n_pairs = len(sides[0])
        sizes = {"rejected responses": len(sides[1])}
        sizes |= {"prompts": len(prompts)} if prompts is not None else {}
        sizes |= {"subsets": len(subsets)} if subsets is not None else {}
        for what, size in sizes.items():
            if size != n_pairs:
                raise RatingsError(
                    f"{size} {what} for {n_pairs} pairs; expected one per pair.",
                    source="pairs",
                )
        table = RatingsTable(
            rules,
            np.stack(sides, axis=1).reshape(2 * n_pairs, len(rules)),
            Ids.distinct(n_pairs).take(np.arange(n_pairs).repeat(2))
            if prompts is None
            else [prompt for prompt in prompts for _ in SIDES],
            origin=Origin("pairs", paired=True),
        )
        first = np.arange(n_pairs) * 2
        named = ["all"] * n_pairs if subsets is None else subsets
        return cls(table, first, first + 1, ids_of(named, "subsets", table.origin))

    def __repr__(self) -> str:
        subsets = listed([str(name) for name in self.subsets.names])
        return (
            f"PreferencePairs: {self.n_pairs:,} pairs under {len(self.rules)} rules; subsets: "
            f"{subsets}"
        )

    def take(self, rows: ArrayLike | slice, *, keep_labels: bool = False) -> PreferencePairs:
        """These pairs only, by mask or by position, in this order; the ratings are kept.

        The labels of all responses are kept only on request, as for an even sample of the pairs.

        Raises
        ------
        RatingsError
            If none is left.
        InputError
            If *rows* are neither one true or false for each pair, nor positions of pairs.

        Examples
        --------
        >>> from encore.rules import LevelScale
        >>> rules = Rulebook.from_ids(["privacy"], LevelScale((0, 1)))
        >>> pairs = PreferencePairs.from_arrays([[1], [0]], [[0], [1]], rules)
        >>> pairs.take(pairs.margins[:, 0] > 0).n_pairs, pairs.take([1, 0]).margins[:, 0].tolist()
        (1, [-1.0, 1.0])
        """
        taken = rows if isinstance(rows, slice) else _positions(rows, self.n_pairs)
        return replace(
            self,
            chosen=self.chosen[taken],
            rejected=self.rejected[taken],
            subsets=self.subsets.take(taken),
            labels=self.labels if keep_labels else None,
        )

    @property
    def rules(self) -> Rulebook:
        """The rules of the ratings."""
        return self.ratings.rules

    @property
    def n_pairs(self) -> int:
        """How many pairs there are."""
        return len(self.chosen)

    @property
    def ids(self) -> tuple[str, ...]:
        """The id of each pair; its number, from 1, where the data names none.

        A pair made of labels is called after its responses: ``chosen > rejected``.
        """
        responses, origin = self.ratings.responses, self.ratings.origin
        if self.pairing is not None:
            sides = self.response_ids(self.chosen), self.response_ids(self.rejected)
            return tuple(f"{chosen} > {rejected}" for chosen, rejected in zip(*sides, strict=True))
        if responses is None and origin.paired:
            return tuple(str(origin.row(row)) for row in self.chosen.tolist())
        if responses is None:
            return tuple(map(str, range(1, self.n_pairs + 1)))
        names = (str(responses.names[code]) for code in responses.codes[self.chosen])
        return tuple(name.removesuffix(f"/{SIDES[0]}") for name in names)

    def response_ids(self, rows: NDArray[np.int64]) -> list[str]:
        """The ids of the responses in some rows; the rows' numbers where the data names none."""
        responses, origin = self.ratings.responses, self.ratings.origin
        if responses is None:
            return [str(origin.row(row)) for row in rows.tolist()]
        return [str(responses.names[code]) for code in responses.codes[rows].tolist()]

    @property
    def prompts(self) -> Ids:
        """The prompt of each pair; one of its own for each pair where the data names none."""
        prompts = self.ratings.prompts
        return Ids.distinct(self.n_pairs) if prompts is None else prompts.take(self.chosen)

    @property
    def names_prompts(self) -> bool:
        """Whether the data names prompts: if not, each pair of a file has one of its own."""
        prompts = self.ratings.prompts
        if prompts is None or isinstance(prompts.names, range):
            return False
        named = [str(prompts.names[code]) for code in prompts.codes[self.chosen].tolist()]
        return not all(map(is_own_prompt, named, self.ids))

    @property
    def margins(self) -> NDArray[np.float64]:
        """Unit rating of the chosen less that of the rejected response, (n_pairs, n_rules).

        Between -1 and 1; NaN where either is unrated, or the rule applies less than half to it.
        """
        unit = self.counted_unit
        return unit[self.chosen] - unit[self.rejected]

    @property
    def counted_unit(self) -> NDArray[np.float64]:
        """Unit ratings of all responses, NaN where a rule applies less than half."""
        if self.ratings.applies is None:
            return self.ratings.unit
        return np.where(self.ratings.counted, self.ratings.unit, np.nan)

    @property
    def applied_margins(self) -> NDArray[np.float64]:
        """Margins as far as their rules apply, shape (n_pairs, n_rules): (a + a') / 2 times each.

        0 where a rule does not apply to one side, so that it tells nothing; NaN where it applies
        to both and is unrated on either. Without *applies*, the same as :attr:`margins`.
        """
        table = self.ratings
        if table.applies is None:
            return self.margins
        applies = (table.applies[self.chosen] + table.applies[self.rejected]) / 2
        margins = applies * (table.unit[self.chosen] - table.unit[self.rejected])
        nowhere = table.not_applicable[self.chosen] | table.not_applicable[self.rejected]
        return np.where(nowhere, 0.0, margins)

    @property
    def uneven(self) -> NDArray[np.bool_]:
        """Which pairs have two sides that are not rated under the same rules, shape (n_pairs,).

        A rule is rated on one side only, or how far it applies differs by more than a half.
        Rewards leave such a rule out on one side, or weigh it otherwise, which shifts them: these
        pairs do not compare like with like.
        """
        rated, applies = self.ratings.rated, self.ratings.applies
        uneven = (rated[self.chosen] != rated[self.rejected]).any(axis=1)
        if applies is not None:
            uneven |= (np.abs(applies[self.chosen] - applies[self.rejected]) > 0.5).any(axis=1)
        return np.asarray(uneven)

    @property
    def n_uneven(self) -> int:
        """How many pairs are :attr:`uneven`."""
        return int(self.uneven.sum())


def _positions(rows: ArrayLike, n_pairs: int) -> NDArray[np.int64]:
    """Positions of pairs, from a mask or as they are."""
    given = np.asarray(rows)
    if isinstance(rows, np.ma.MaskedArray) and np.ma.is_masked(rows):
        raise InputError("some pairs to take are masked; give positions, or true or false.")
    if given.dtype == bool and given.shape == (n_pairs,):
        return np.flatnonzero(given)
    found = given.astype(np.int64) if given.dtype.kind in "iu" or not given.size else None
    if found is None or found.ndim != 1 or (found < -n_pairs).any() or (found >= n_pairs).any():
        raise InputError(
            f"pairs to take are of type {given.dtype} and shape {given.shape}; expected true or "
            f"false for each of {n_pairs} pairs, or positions of them."
        )
    return found
