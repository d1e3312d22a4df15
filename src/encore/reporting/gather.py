"""What a report is about: a calibration, and the rated pairs or responses that it shows."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from encore.arrays import Record
from encore.calibration import Calibration, calibrate
from encore.calibration.calibrate import calibrate_file
from encore.errors import InputError
from encore.files import file_digest
from encore.parsing import json_value
from encore.ratings import PreferencePairs, RatingsTable, as_pairs, as_ratings
from encore.ratings.forms import settled
from encore.rewards import AppliesBy
from encore.rewards.compose import by
from encore.rules import Rulebook

if TYPE_CHECKING:
    import pyarrow as pa

MAX_PAIRS = 20_000
MAX_RESPONSES = 10_000


@dataclass(frozen=True, eq=False, repr=False)
class Subject(Record):
    """What was rated.

    Parameters
    ----------
    calibration : Calibration
        Of all ratings, or of the calibration set.
    name : str
        The file's name, or a description of ratings from memory.
    sha256 : str
        Digest of the file; empty for ratings from memory.
    rater : str
        Who rated, according to the file; empty if it does not say.
    pairs : PreferencePairs or None
        Labelled pairs, at most ``MAX_PAIRS`` of them, sampled evenly.
    responses : RatingsTable or None
        Rated responses where there are no pairs, at most ``MAX_RESPONSES``, likewise sampled.
    pair_ids : tuple of str
        Their ids.
    n_pairs, n_responses : int
        How many there are in total.
    path : Path or None
        The file, from which texts can be read.
    own_calibration : bool
        Whether the calibration is of these ratings, rather than of a calibration set.
    applies_by : {"response", "prompt"}
        What says how far a rule applies.
    """

    calibration: Calibration
    name: str
    sha256: str = ""
    rater: str = ""
    pairs: PreferencePairs | None = None
    responses: RatingsTable | None = field(default=None, repr=False)
    pair_ids: tuple[str, ...] = ()
    n_pairs: int = 0
    n_responses: int = 0
    path: Path | None = None
    own_calibration: bool = True
    applies_by: AppliesBy = "response"

    def by(self, applies_by: AppliesBy) -> Subject:
        """With how far rules apply by response, or averaged over each prompt's responses."""
        pairs, responses = self.pairs, self.responses
        if pairs is not None:
            pairs = replace(pairs, ratings=by(applies_by, pairs.ratings))
        if responses is not None:
            responses = by(applies_by, responses)
        return replace(self, pairs=pairs, responses=responses, applies_by=applies_by)

    @property
    def is_sampled(self) -> bool:
        """Whether the pairs are a sample of more."""
        return self.pairs is not None and self.pairs.n_pairs < self.n_pairs


def gather(
    source: Any,
    rules: Rulebook | None,
    calibration_set: Any,
    rng: np.random.Generator,
    *,
    pairs: PreferencePairs | None = None,
) -> Subject:
    """Read what the report is about; where *pairs* were made of it by label, about these.

    Raises
    ------
    InputError
        If ratings come without rules, or a calibration comes with rules.
    MismatchError
        If something was made with other rules.
    """
    if _is_calibration(source):
        if rules is not None or calibration_set is not None:
            raise InputError(
                "a calibration holds its own rules; give rules and sets only with ratings."
            )
        return _of_calibration(source)
    is_path = isinstance(source, str | os.PathLike)
    if rules is None:
        raise InputError(f"{source if is_path else 'these ratings'}: give their rules.")
    own = calibration_set is None
    if pairs is not None:
        found = _from_memory(pairs, rules, rng)
        calibration = calibrate(pairs, rules) if own else None
        if is_path:
            path = Path(source)
            found |= {"name": path.name, "sha256": file_digest(path), "rater": _rater_of(path)}
    elif is_path:
        found, calibration = _from_file(Path(source), rules, rng, calibrates=own)
    else:
        found = _from_memory(source, rules, rng)
        calibration = calibrate(source, rules) if own else None
    if calibration is None:
        calibration = _of_other_ratings(calibration_set, rules)
    return Subject(calibration, own_calibration=own, **found)


def _of_other_ratings(calibration_set: Any, rules: Rulebook) -> Calibration:
    if not _is_calibration(calibration_set):
        return calibrate(calibration_set, rules)
    calibration = _of_calibration(calibration_set).calibration
    rules.same_as(calibration.rules, "these rules", "the calibration set")
    return replace(calibration, rules=rules)  # whose vetoes are those to report on


def _is_calibration(source: Any) -> bool:
    is_path = isinstance(source, str | os.PathLike)
    return isinstance(source, Calibration) or (is_path and Path(source).suffix == ".json")


def _of_calibration(source: Any) -> Subject:
    if isinstance(source, Calibration):
        calibration, name, sha256 = source, "calibration", ""
    else:
        calibration, name = Calibration.load(source), Path(source).name
        sha256 = file_digest(source)
    return Subject(calibration, name, sha256, n_responses=calibration.n_responses)


def _from_file(
    path: Path, rules: Rulebook, rng: np.random.Generator, *, calibrates: bool
) -> tuple[dict[str, Any], Calibration | None]:
    """What the report shows of a file, and its calibration if needed, in one pass."""
    from encore.ratings import arrow, files

    sample = _RowSample(rng)
    batches = sample.watching(files.arrow_batches(path, rules, also=("subset",)))
    calibration = calibrate_file(path, rules, batches) if calibrates else None
    for _ in batches:
        pass  # whatever the calibration has not read
    sha256 = calibration.sources[0].sha256 if calibration else file_digest(path)
    found = {"name": path.name, "sha256": sha256, "rater": _rater_of(path), "path": path}
    source, n_rows = str(path), sample.n_rows
    if sample.whole is not None:
        of = arrow.pairs_from if sample.paired else arrow.ratings_from
        whole = of(files.joined(sample.whole, source), rules, source)
        found = {**_from_memory(whole, rules, rng), **found}
    elif sample.paired:
        pairs = arrow.pairs_from(sample.table(), rules, source)
        numbers = {"pair_ids": pairs.ids, "n_pairs": n_rows, "n_responses": 2 * n_rows}
        found |= {"pairs": pairs, **numbers}
    else:
        found |= {"responses": as_ratings(sample.table(), rules), "n_responses": n_rows}
    return found, calibration


def _from_memory(source: Any, rules: Rulebook, rng: np.random.Generator) -> dict[str, Any]:
    source = settled(source)
    if not isinstance(source, PreferencePairs | RatingsTable | np.ndarray | list | tuple):
        from encore.ratings import arrow

        source = arrow.to_arrow(source, "ratings")
        if arrow.is_pairs(source.column_names):
            source = as_pairs(source, rules)
    if isinstance(source, PreferencePairs):
        pairs, n_pairs, ids = as_pairs(source, rules), source.n_pairs, source.ids
        n_responses = len(np.unique([pairs.chosen, pairs.rejected]))
        if pairs.pairing is not None:
            n_responses = pairs.pairing.n_responses
        if n_pairs > MAX_PAIRS:
            taken = np.sort(rng.choice(n_pairs, MAX_PAIRS, replace=False))
            pairs = pairs.take(taken, keep_labels=True)
            ids = tuple(ids[k] for k in taken)
        numbers = {"pair_ids": ids, "n_pairs": n_pairs, "n_responses": n_responses}
        return {"name": "pairs", "pairs": pairs, **numbers}
    table = as_ratings(source, rules)
    first = np.flatnonzero(table.is_first)
    n_responses = len(first)
    if n_responses > MAX_RESPONSES:
        first = np.sort(rng.choice(first, MAX_RESPONSES, replace=False))
    return {"name": "ratings", "responses": table.take(first), "n_responses": n_responses}


class _RowSample:
    """An even sample of a stream of rows, in their order: those with the smallest random numbers.

    Repeats of a rating are skipped. As long as there are no more rows than the sample takes,
    ``whole`` holds all of them, repeats included.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.size = 0
        self.paired = False
        self.n_rows = 0
        self.whole: list[pa.Table] | None = []
        self._n_read = 0
        self._rng = rng
        self._parts: list[pa.Table] = []
        self._numbers = np.empty(0)

    def watching(self, batches: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """The batches, each looked at as it passes."""
        from encore.ratings.arrow import is_pairs

        for batch in batches:
            self.paired = is_pairs(batch.column_names)
            self.size = MAX_PAIRS if self.paired else MAX_RESPONSES
            self._add(batch)
            yield batch

    def _add(self, batch: pa.Table) -> None:
        import pyarrow

        if self.whole is not None:
            self.whole.append(batch)
        if "id" not in batch.column_names:  # pairs without ids go by their number in the file
            first = self._n_read + 1
            numbered = pyarrow.array(range(first, first + batch.num_rows))
            batch = batch.append_column("id", numbered)
        self._n_read += batch.num_rows
        if "repeat" in batch.column_names:
            repeat = batch["repeat"].to_numpy().astype(np.float64)
            batch = batch.filter(repeat == 0)
        self.n_rows += batch.num_rows
        if self.n_rows > self.size:
            self.whole = None
        numbers = self._rng.random(batch.num_rows)
        limit = self._numbers.max() if len(self._numbers) >= self.size else 1.0
        few = numbers < limit
        self._parts.append(batch.filter(few))
        self._numbers = np.append(self._numbers, numbers[few])
        if len(self._numbers) > 2 * self.size:
            self._parts = [self.table()]

    def table(self) -> pa.Table:
        import pyarrow

        rows = pyarrow.concat_tables(self._parts, promote_options="permissive")
        if len(self._numbers) > self.size:
            kept = np.sort(np.argpartition(self._numbers, self.size)[: self.size])
            rows, self._numbers = rows.take(kept), self._numbers[kept]
        return rows


def _rater_of(path: Path) -> str:
    """Who rated a Parquet file, according to its metadata."""
    if path.suffix.lower() != ".parquet":
        return ""
    from encore.ratings.readers import open_parquet

    with open_parquet(path, verify=False) as file:
        stated = (file.schema_arrow.metadata or {}).get(b"encore.provenance", b"{}")
    try:
        rater = json_value(stated).get("rater", "")
    except (ValueError, AttributeError):
        return ""
    if isinstance(rater, dict):
        told = (str(rater[name]) for name in ("kind", "model") if rater.get(name))
        return ", ".join(told)
    return str(rater)
