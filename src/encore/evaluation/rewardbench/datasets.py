"""RewardBench's and RewardBench 2's safety texts, pinned, in the pairs layout, and their scores."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from encore.errors import InputError, RatingsError
from encore.evaluation.accuracy import Outcomes
from encore.evaluation.rewardbench.scores import (
    BEST_OF_SUBSET,
    SAFETY_COUNTS,
    best_of_n,
    section_score,
)
from encore.files import StrPath, file_digest, refuse_overwrite
from encore.ratings import Ids, PreferencePairs
from encore.ratings.ids import as_id
from encore.ratings.origin import SIDES
from encore.ratings.write import open_table, table_format

if TYPE_CHECKING:
    import pyarrow as pa

    from encore.raters import Texts

KIND, VERSION = "encore.texts", 1
_COLUMNS = ("id", "prompt_id", "subset", "prompt", *SIDES)
_MODELS = ("chosen_model", "rejected_model")


@dataclass(frozen=True)
class Benchmark:
    """A safety benchmark: where its texts are, what they are, and how it is scored.

    Parameters
    ----------
    name : str
        What users call it.
    hub, split, revision : str
        The Hugging Face dataset, its split, and the commit that is read.
    sha256 : str
        Digest of the split's Parquet file at that commit.
    counts : mapping of str to int
        Its subsets, and the rows of each.
    n_responses : int
        Responses per row: 2 make a pair; more make a best of n, of which the first is chosen.

    Examples
    --------
    >>> benchmark = BENCHMARKS["rewardbench-safety"]
    >>> benchmark.n_rows, benchmark.deviation({"donotanswer": 136, "refusals-offensive": 92})
    (740, '2 of 5 subsets; 228 of 740 pairs')
    """

    name: str
    hub: str
    split: str
    revision: str
    sha256: str
    counts: Mapping[str, int]
    n_responses: int = 2

    @property
    def n_rows(self) -> int:
        """Rows of all its subsets: pairs, or prompts of a best of n."""
        return sum(self.counts.values())

    def counts_in(self, subsets: Ids, prompts: Ids) -> dict[str, int]:
        """Rows of each of its subsets among pairs with these subsets and prompts.

        A row of a best of n is the pairs of one prompt.
        """
        counted = {}
        for code, name in enumerate(map(str, subsets.names)):
            of_subset = prompts.codes[subsets.codes == code]
            n_rows = len(of_subset if self.n_responses == 2 else np.unique(of_subset))
            if name in self.counts and n_rows:
                counted[name] = n_rows
        return counted

    def deviation(self, counts: Mapping[str, int]) -> str:
        """How rows by subset differ from the benchmark's own; empty if they do not."""
        present = {name: counts[name] for name in self.counts if counts.get(name)}
        if present == dict(self.counts):
            return ""
        unit = "pairs" if self.n_responses == 2 else "prompts"
        parts = [f"{_of(sum(present.values()), self.n_rows)} {unit}"]
        if len(present) < len(self.counts):
            parts.insert(0, f"{_of(len(present), len(self.counts))} subsets")
        more = {name: n for name, n in present.items() if n > self.counts[name]}
        parts += [f"{_of(n, self.counts[name])} in {name}" for name, n in more.items()]
        return "; ".join(parts)

    def score(self, verdicts: Outcomes, subsets: Ids, prompts: Ids) -> float:
        """Its own score of a reward, given the subset and the prompt of each pair.

        See :func:`~encore.evaluation.rewardbench.scores.section_score`, with a tie as wrong, for
        pairs, and the mean of :func:`~encore.evaluation.rewardbench.scores.best_of_n` for more
        responses.

        Returns
        -------
        float
            In [0, 1]; NaN if nothing that it counts is known.
        """
        if self.n_responses == 2:
            return section_score(verdicts, subsets)
        ours = np.array([str(name) in self.counts for name in subsets.names])[subsets.codes]
        items = np.unique(prompts.codes[ours], return_inverse=True)[1]
        scores = best_of_n(Outcomes(verdicts.win[ours], verdicts.tie[ours]), items)
        known = scores[~np.isnan(scores)]
        return float(known.mean()) if known.size else float("nan")


BENCHMARKS: dict[str, Benchmark] = {
    benchmark.name: benchmark
    for benchmark in (
        Benchmark(
            name="rewardbench-safety",
            hub="allenai/reward-bench",
            split="filtered",
            revision="168d848cdbbea9764fae4a544dc9ca1e6cca4931",
            sha256="65473c20ed0627e02503557ae102c25c6b0e66b5ed69ee327e224bb95e70ca29",
            counts=SAFETY_COUNTS,
        ),
        Benchmark(
            name="rewardbench2-safety",
            hub="allenai/reward-bench-2",
            split="test",
            revision="7ff08853b0d5686e79b13fda8677024f566a104a",
            sha256="c8ec60efbd75d2f9dcba4121e6101f7a6015abc38a34e034ae2c7ae886265958",
            counts={BEST_OF_SUBSET: 450},
            n_responses=4,
        ),
    )
}
"""The safety benchmarks by name."""


def benchmark_pairs(pairs: PreferencePairs, benchmark: Benchmark) -> PreferencePairs:
    """Only the pairs of a benchmark's subsets.

    Raises
    ------
    InputError
        If there are none.

    Examples
    --------
    >>> from encore import examples
    >>> from encore.ratings import as_pairs
    >>> pairs = as_pairs(examples.ratings_path(), examples.rules())
    >>> pairs.n_pairs, benchmark_pairs(pairs, BENCHMARKS["rewardbench-safety"]).n_pairs
    (458, 228)
    """
    names = [str(pairs.subsets.names[code]) for code in pairs.subsets.codes]
    kept = np.array([name in benchmark.counts for name in names])
    if not kept.any():
        raise InputError(
            f"{pairs.ratings.origin.source}: no pair is of the subsets {list(benchmark.counts)}. "
            f"Is there a column 'subset'?"
        )
    # Only the names of what is left: every name becomes a column of the table.
    ours = Ids.of([name for name, keep in zip(names, kept, strict=True) if keep])
    return replace(pairs.take(kept), subsets=ours)


def write_texts(
    benchmark: Benchmark, source: StrPath | None, out: StrPath, *, format: str | None = None
) -> dict[str, int]:
    r"""Write a benchmark's texts as a table in the pairs layout, to be rated.

    The texts stay under their own licences, and some of them are unsafe to read.

    Parameters
    ----------
    benchmark : Benchmark
        One of ``BENCHMARKS``.
    source : path-like, optional
        A ``.parquet``, ``.jsonl`` or ``.csv`` file with the dataset's columns, lists in CSV
        written as JSON; without one the pinned commit is read from the hub (extra ``hub``).
    out : path-like
        The ``.parquet``, ``.csv`` or ``.jsonl`` file to write. Parquet says which benchmark and
        which source it was made from.
    format : {"parquet", "csv", "jsonl"}, optional
        The format of a stream; see :func:`encore.ratings.write.table_format`.

    Returns
    -------
    dict of str to int
        The rows by subset, for :meth:`Benchmark.deviation`.

    Raises
    ------
    InputError
        If the source cannot be read, is the benchmark's own and incomplete, or is *out*; or if
        the ending of *out* is unknown.
    RatingsError
        If a column is missing, a cell is not of its kind, an id is duplicated, or no row
        is of the benchmark's subsets.
    MissingExtraError
        If the hub is to be read and the extra is not installed.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> own = "id,subset,prompt,chosen,rejected\n7,donotanswer,Hi,Hello,No\n"
    >>> _ = (folder / "own.csv").write_text(own)
    >>> write_texts(BENCHMARKS["rewardbench-safety"], folder / "own.csv", folder / "out.parquet")
    {'donotanswer': 1}
    """
    refuse_overwrite(out, source)
    table_format(out, format)
    texts = _source(benchmark, source)
    table = _table(benchmark, texts)
    counts = benchmark.counts_in(*(Ids.of(table[c].to_pylist()) for c in ("subset", "prompt_id")))
    own = source is None or file_digest(source) == benchmark.sha256
    if own and (deviation := benchmark.deviation(counts)):
        raise InputError(
            f"{texts.source}: {deviation}, but {benchmark.name} has all of them at revision "
            f"{benchmark.revision}. Clear the download from the cache and read it again."
        )
    metadata = {
        "encore.kind": KIND,
        "encore.schema_version": str(VERSION),
        "encore.provenance": json.dumps(
            {"benchmark": benchmark.name, **texts.provenance()}, sort_keys=True
        ),
    }
    with open_table(out, format=format, metadata=metadata) as write:
        write(table)
    return counts


def _of(part: int, whole: int) -> str:
    return f"{part} {'of' if part <= whole else 'instead of'} {whole}"


def _source(benchmark: Benchmark, source: StrPath | None) -> Texts:
    from encore.raters import Texts  # a third of what importing encore.evaluation would cost

    if source is None:
        return Texts(benchmark.hub, benchmark.split, revision=benchmark.revision)
    if not Path(source).is_file():
        raise InputError(
            f"{source}: no such file. Give one with the columns of {benchmark.hub}, or none, so "
            f"that it is read from the hub."
        )
    return Texts(source)


def _table(benchmark: Benchmark, texts: Texts) -> pa.Table:
    """The benchmark's rows in the pairs layout, in the source's order."""
    import pyarrow as pa

    pairs: list[dict[str, Any]] = []
    first: dict[str, int] = {}
    others: dict[str, None] = {}
    for number, cells in enumerate(texts.rows(), start=1):
        row = _Row(str(texts.source), number, cells)
        subset = row.subset
        if subset not in benchmark.counts:
            others[subset] = None
            continue
        found = row.pair(subset) if benchmark.n_responses == 2 else row.best_of(benchmark, subset)
        own = found[0]["id"]
        if first.setdefault(own, number) != number:
            raise row.error(f"the id {row.id()!r} is also in row {first[own]}.", "id")
        pairs += found
    if not pairs:
        raise RatingsError(
            f"no row is of the subsets {', '.join(benchmark.counts)} of {benchmark.name}; found "
            f"{', '.join(list(others)[:20]) or 'no rows'}.",
            source=str(texts.source),
        )
    names = [*_COLUMNS, *(name for name in _MODELS if any(name in pair for pair in pairs))]
    return pa.Table.from_pylist(pairs, pa.schema([(name, pa.string()) for name in names]))


@dataclass(frozen=True)
class _Row:
    """One row of the source, and where it is, for errors."""

    source: str
    number: int
    cells: Mapping[str, Any]

    def pair(self, subset: str) -> list[dict[str, Any]]:
        """The pair of a row of RewardBench."""
        from encore.raters.protocol import short_digest

        own, prompt = self.id(), self.text("prompt")
        # The dataset's numbers are unique within a subset only.
        own = f"{subset}/{own}" if own.isdecimal() else own
        # Several pairs share a prompt. Its id is the one that Texts would make of it.
        prompt_id = self._named("prompt_id") or short_digest([["user", prompt]]).hex()
        sides = {side: self.text(side) for side in SIDES}
        models = {name: self._named(name) for name in _MODELS if name in self.cells}
        ids = {"id": own, "prompt_id": prompt_id, "subset": subset}
        return [{**ids, "prompt": prompt, **sides, **models}]

    def best_of(self, benchmark: Benchmark, subset: str) -> list[dict[str, Any]]:
        """A pair for every rejected response of a row of RewardBench 2."""
        own, prompt = self.id(), self.text("prompt")
        (chosen,) = self._texts("chosen", 1)
        rejected = self._texts("rejected", benchmark.n_responses - 1)
        ids = {"prompt_id": own, "subset": subset, "prompt": prompt, "chosen": chosen}
        return [{"id": f"{own}/{i}", **ids, "rejected": text} for i, text in enumerate(rejected)]

    @property
    def subset(self) -> str:
        self._cell("subset")
        return self._named("subset") or ""

    def id(self) -> str:
        self._cell("id")
        own = self._named("id")
        if own is None:
            raise self.error("it is empty.", "id")
        return own

    def text(self, column: str) -> str:
        return self._as_text(self._cell(column), column)

    def _named(self, column: str) -> str | None:
        try:
            return as_id(self.cells.get(column))
        except ValueError as error:
            raise self.error(f"{error}.", column) from error

    def _texts(self, column: str, n_texts: int) -> list[str]:
        value = self._cell(column)
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                pass
        if not isinstance(value, list):
            raise self.error(
                f"{value!r:.60} is not a list of texts; in CSV it must be written as JSON.", column
            )
        if len(value) != n_texts:
            raise self.error(f"{len(value)} texts; expected {n_texts}.", column)
        return [self._as_text(text, column) for text in value]

    def _as_text(self, value: Any, column: str) -> str:
        if not isinstance(value, str):
            raise self.error(f"{value!r:.60} is not text.", column)
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise self.error(f"not valid Unicode: {error.reason}.", column) from error
        return value

    def _cell(self, column: str) -> Any:
        if column not in self.cells:
            raise self.error(
                f"there is no such column; found {', '.join(list(self.cells)[:20]) or 'none'}.",
                column,
            )
        return self.cells[column]

    def error(self, message: str, column: str) -> RatingsError:
        return RatingsError(message, source=self.source, row=self.number, column=column)
