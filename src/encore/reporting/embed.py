"""The ratings that a page embeds, so that its script can recompute everything from them."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encore.calibration import Calibration, calibrate
from encore.evaluation.cross_validate import label_free_weights
from encore.ratings import Ids, PreferencePairs, RatingsTable
from encore.rewards import MAX_MISSING
from encore.rules import LevelScale
from encore.theory import Mixture
from encore.weights import Weights

MAX_EMBEDDED_PAIRS = 5_000
MAX_SUBSETS = 20
_MAX_BYTES = 1_800_000  # for one set of ratings before base64, so that the page stays below 6 MB
_UNRATED = 255
COUNTED = ("linear", "softmax")  # the schemes that the page computes from level counts alone


@dataclass(frozen=True)
class Embedded:
    """Ratings of a page.

    Parameters
    ----------
    name : str
        What they are.
    calibration : Calibration
        The source of all weights.
    pairs : PreferencePairs or None
        The labelled pairs embedded.
    responses : RatingsTable or None
        The responses embedded where there are no pairs.
    extra : mapping of str to Weights
        Weights to choose from besides those of the label-free schemes.
    """

    name: str
    calibration: Calibration
    pairs: PreferencePairs | None
    responses: RatingsTable | None
    extra: dict[str, Weights]

    @property
    def n_rows(self) -> int:
        """Responses embedded."""
        if self.pairs is not None:
            return 2 * self.pairs.n_pairs
        return 0 if self.responses is None else self.responses.n_rows

    @cached_property
    def schemes(self) -> dict[str, Weights]:
        """What the page can weigh by."""
        return {**label_free_weights(self.calibration)[0], **self.extra}

    def to_dict(self) -> dict[str, Any]:
        """What ``web/src/recompute.ts`` calls a ``Dataset``."""
        rules, counts = self.calibration.rules, self.calibration.statistics.counts
        # Only the ratios of weights matter; the largest is 1, so that no power of them overflows.
        given = {
            name: (weights.values / weights.values.max()).tolist()
            for name, weights in self.schemes.items()
            if name not in COUNTED
        }
        names, codes = ([], np.empty(0)) if self.pairs is None else largest_subsets(self.pairs)
        return {
            "name": self.name,
            "rules": list(rules.ids),
            "nRows": self.n_rows,
            "nPairs": 0 if self.pairs is None else self.pairs.n_pairs,
            "columns": [_packed(column) for column in self._rows_of("unit").T],
            "applies": [_packed(column) for column in self._rows_of("applies").T],
            "subsets": {"names": names, "codes": _base64(codes.astype("<u2"))},
            "counts": [
                row[:n].tolist() for row, n in zip(counts, rules.n_levels.tolist(), strict=True)
            ],
            "schemes": list(self.schemes),
            "weights": given,
            "maxMissing": MAX_MISSING,
        }

    def _rows_of(self, name: str) -> NDArray[np.float64]:
        """A block of the ratings table, chosen responses first; no row if it has none."""
        table = self.responses if self.pairs is None else self.pairs.ratings
        block = None if table is None else getattr(table, name)
        if block is None:
            return np.empty((0, 0 if name == "applies" else len(self.calibration.rules)))
        if self.pairs is None:
            return np.asarray(block)
        return np.concatenate([block[self.pairs.chosen], block[self.pairs.rejected]])


def embed(
    name: str,
    calibration: Calibration,
    rated: PreferencePairs | RatingsTable | None,
    extra: dict[str, Weights],
    rng: np.random.Generator,
) -> Embedded:
    """As many pairs or responses as fit the page, sampled evenly."""
    if isinstance(rated, PreferencePairs):
        n_pairs, most = rated.n_pairs, min(MAX_EMBEDDED_PAIRS, _fits(rated.ratings) // 2)
        if n_pairs > most:
            rated = rated.take(np.sort(rng.choice(n_pairs, most, replace=False)))
        return Embedded(name, calibration, rated, None, extra)
    if rated is not None:
        n_rows, most = rated.n_rows, min(2 * MAX_EMBEDDED_PAIRS, _fits(rated))
        if n_rows > most:
            rated = rated.take(np.sort(rng.choice(n_rows, most, replace=False)))
    return Embedded(name, calibration, None, rated, extra)


def simulated(n_pairs: int = 2_000) -> Embedded:
    """The summary page's picture: rules that see the same quality through ever more noise.

    Eight rules of ten levels; chosen responses are a level better than rejected ones, seen through
    noise of half a level under the first rule to two and a half under the last. With more, ratings
    would pile up at the ends of the scale, and entropy would fall again.
    """
    noise = np.linspace(0.5, 2.5, 8)
    mixture = Mixture(np.full(8, 6.0), np.full(8, 5.0), noise, LevelScale(tuple(range(1, 11))))
    pairs = mixture.simulate(n_pairs, rng=0)
    return Embedded("simulated", calibrate(pairs, mixture.rules), pairs, None, {})


def with_largest_subsets(pairs: PreferencePairs) -> PreferencePairs:
    """The same pairs in as many subsets as are shown one by one."""
    names, codes = largest_subsets(pairs)
    return replace(pairs, subsets=Ids(codes, names))


def largest_subsets(pairs: PreferencePairs) -> tuple[list[str], NDArray[np.int64]]:
    """Subset names in order of appearance, and each pair's; if many, the small ones are joined."""
    present, first, codes, sizes = np.unique(
        pairs.subsets.codes, return_index=True, return_inverse=True, return_counts=True
    )
    kept = np.argsort(-sizes, kind="stable")[:MAX_SUBSETS]
    kept = kept[np.argsort(first[kept])]
    names = [str(pairs.subsets.names[present[k]]) for k in kept]
    place = np.full(len(present), len(kept))
    place[kept] = np.arange(len(kept))
    n_others = len(present) - len(kept)
    return [*names, *([f"{n_others} smaller subsets"] if n_others else [])], place[codes]


def _fits(table: RatingsTable) -> int:
    """How many responses fit the page."""
    blocks = [table.unit] if table.applies is None else [table.unit, table.applies]
    columns = np.concatenate([block[:: max(1, table.n_rows // 2_000)].T for block in blocks])
    size = sum(1 if len(np.unique(column)) < _UNRATED else 8 for column in columns)
    return max(2, _MAX_BYTES // size)


def _packed(column: NDArray[np.float64]) -> dict[str, Any]:
    """One rule's ratings: codes of at most 255 values, or the values."""
    known = ~np.isnan(column)
    table, codes = np.unique(column[known], return_inverse=True)
    if len(table) > _UNRATED:
        return {"values": _base64(column.astype("<f8"))}
    packed = np.full(len(column), _UNRATED, dtype=np.uint8)
    packed[known] = codes
    return {"codes": _base64(packed), "table": table.tolist()}


def _base64(array: NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
