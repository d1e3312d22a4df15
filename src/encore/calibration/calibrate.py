"""From ratings in any form to a calibration, streamed where they are a file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from encore.calibration.accumulate import accumulate
from encore.calibration.calibration import Calibration, Source
from encore.calibration.statistics import Statistics
from encore.errors import InputError, RatingsError
from encore.files import file_digest
from encore.ratings import RatingsTable, as_ratings
from encore.rules import Rulebook, Rules, as_rulebook

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK_ROWS = 65_536


def calibrate(
    ratings: Any, rules: Rules, *, scale: Any = None, prompts: Sequence[Any] | None = None
) -> Calibration:
    """Estimate what every label-free scheme needs from rated responses.

    Parameters
    ----------
    ratings : array_like, frame, path, RatingsTable or PreferencePairs
        Ratings on the rules' own scales; NaN where unrated. A file is streamed in bounded
        memory, and regrouped by prompt only if its rows are out of order.
    rules : Rulebook, path, catalogue's name, or list of ids
        The rules, whose ids name the columns; see :func:`encore.rules.as_rulebook`.
    scale : LevelScale, RangeScale or list of levels, optional
        The scale, if the rules are a list of ids.
    prompts : sequence, optional
        For an array: the prompt of each row, needed for within-prompt margins.

    Returns
    -------
    Calibration

    Raises
    ------
    MismatchError
        If the ratings were made with different rules.
    InputError
        If the ratings are unusable, there are none, or a file has unrated responses only.

    Examples
    --------
    >>> ratings = [[5], [5], [1], [float("nan")]]
    >>> calibrate(ratings, ["privacy"], scale=[1, 2, 3, 4, 5]).coverage.tolist()
    [0.75]
    """
    rules = as_rulebook(rules, scale)
    if isinstance(ratings, str | os.PathLike):
        return _rated(calibrate_file(Path(ratings), rules), str(ratings))
    table = _together(as_ratings(ratings, rules, prompts=prompts))
    return _with_source(calibrate_batches([table], rules), table.source, "")


def calibrate_batches(batches: Iterable[RatingsTable], rules: Rulebook) -> Calibration:
    """Calibrate a stream of tables, each holding whole prompts; memory holds one of them.

    Raises
    ------
    InputError
        If no batch has a row.
    MismatchError
        If a batch has different rules.
    """
    total: Statistics | None = None
    for table in batches:
        rules.same_as(table.rules, "these rules", table.source)
        for block in _blocks(table):
            part = accumulate(block)
            total = part if total is None else total + part
    if total is None or not total.n_responses:
        raise InputError("there are no ratings to calibrate on; expected at least one response.")
    return Calibration(rules, total)


def calibrate_file(
    path: Path, rules: Rulebook, batches: Iterable[pa.Table] | None = None
) -> Calibration:
    """Calibrate a file, in one pass where the rows of each prompt are contiguous.

    *batches*, if given, are the file's own from :func:`encore.ratings.files.arrow_batches`, for a
    caller that reads them too.
    """
    from encore.ratings.files import arrow_batches, tables_of

    if batches is None:
        batches = arrow_batches(path, rules)
    runs = _Runs()
    tables = tables_of(batches, rules, str(path))
    calibration = calibrate_batches(runs.passing(tables), rules)
    if runs.one_came_back() or calibration.n_split_prompts:
        table = _together(as_ratings(path, rules))
        calibration = calibrate_batches([table], rules)
    return _with_source(calibration, path.name, file_digest(path))


def _rated(calibration: Calibration, source: str) -> Calibration:
    """The calibration of a file, which is of no use to anyone without a rating."""
    if not calibration.statistics.counts.any():
        raise RatingsError(
            f"no rating in any of the {calibration.n_responses} responses: all are unrated. "
            f"`encore rate` says why; rate them again, or give another file.",
            source=source,
        )
    return calibration


def _with_source(calibration: Calibration, name: str, sha256: str) -> Calibration:
    return replace(calibration, sources=(Source(name, sha256, calibration.n_responses),))


class _Runs:
    """Watches a stream for a prompt (or response) that comes back after its run of rows ended.

    Exact for the first ``MAX`` runs, which take 32 MB; beyond them the calibration's
    own sample finds it, where one prompt more or less does not matter.
    """

    MAX = 1 << 22

    def __init__(self) -> None:
        self._parts: list[NDArray[np.int64]] = []
        self._n_runs = 0

    def passing(self, tables: Iterable[RatingsTable]) -> Iterator[RatingsTable]:
        for table in tables:
            groups = table.groups
            if groups is not None and self._n_runs < self.MAX:
                codes = groups.codes[groups.run_starts()]
                hashes = np.fromiter(map(hash, groups.names), np.int64, len(groups.names))
                self._parts.append(hashes[codes])
                self._n_runs += len(codes)
            yield table

    def one_came_back(self) -> bool:
        return len(np.unique(np.concatenate([np.empty(0, np.int64), *self._parts]))) < self._n_runs


def _together(table: RatingsTable) -> RatingsTable:
    """The table with the rows of each prompt (or response) side by side, otherwise in order."""
    groups = table.groups
    if groups is None:
        return table
    if len(groups.run_starts()) == len(np.unique(groups.codes)):
        return table
    return table.take(np.argsort(groups.codes, kind="stable"))


def _blocks(table: RatingsTable) -> Iterable[RatingsTable]:
    """The table in blocks that split no prompt or response: temporaries stay small."""
    if not table.n_rows:
        return
    starts = np.arange(table.n_rows) if table.groups is None else table.groups.run_starts()
    ends = np.append(starts[1:], table.n_rows)
    start = 0
    while start < table.n_rows:
        end = int(ends[min(int(np.searchsorted(ends, start + _BLOCK_ROWS)), len(ends) - 1)])
        yield table.take(slice(start, end))
        start = end
