"""``--benchmark`` of ``encore compare``: its texts, rated here or before."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from encore.cli.options import counted, note, refuse_no_folder, refuse_overwrite
from encore.cli.rate import rate_job, rules_of
from encore.cli.raters import plain_rater
from encore.errors import InputError
from encore.evaluation import BENCHMARKS, Benchmark, write_texts
from encore.raters import Job, Store, Texts
from encore.ratings import Ids, PreferencePairs, as_pairs
from encore.rules import Rulebook


@dataclass(frozen=True)
class Asked:
    """What the options say of a benchmark and its rater."""

    benchmark: str | None
    texts_out: Path | None
    rater: str | None
    base_url: str | None
    key_env: str
    store: Path
    out: Path | None

    def __post_init__(self) -> None:
        if self.benchmark is None and (self.rater or self.texts_out):
            raise click.UsageError("--rater and --write-texts go with --benchmark.")
        if self.rater is None and self.out:
            raise click.UsageError("--out goes with --rater: it holds the new ratings.")

    def texts_only(self, source: Path | None) -> bool:
        """Write the benchmark's texts, if that is what was asked."""
        if self.texts_out is None or self.benchmark is None:
            return False
        benchmark = BENCHMARKS[self.benchmark]
        refuse_overwrite(self.texts_out, *([source] if source else []))
        _note_deviation(benchmark, write_texts(benchmark, source, self.texts_out))
        click.echo(self.texts_out)
        return True


_FILE = click.Path(dir_okay=False, path_type=Path)
_OPTIONS = (
    click.option("--benchmark", type=click.Choice(list(BENCHMARKS)), help="What PAIRS are of."),
    click.option(
        "--write-texts",
        "texts_out",
        type=_FILE,
        help="Only write the benchmark's texts, for `encore rate` with all its options.",
    ),
    click.option("--rater", help="Rate the benchmark first: as of `encore rate`."),
    click.option("--base-url", help="Of the rater's endpoint."),
    click.option("--key-env", default="OPENAI_API_KEY", help="Where the endpoint's key is."),
    click.option(
        "--store",
        type=_FILE,
        default=Path("encore-store.sqlite"),
        show_default=True,
        help="Where the rater's answers are kept.",
    ),
    click.option("-o", "--out", type=_FILE, help="Keep the rater's ratings in this file."),
)


def benchmark_options(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb the options, and what they say as ``asked``."""

    @functools.wraps(verb)
    def with_benchmark(
        *,
        benchmark: str | None,
        texts_out: Path | None,
        rater: str | None,
        base_url: str | None,
        key_env: str,
        store: Path,
        out: Path | None,
        **others: Any,
    ) -> Any:
        asked = Asked(benchmark, texts_out, rater, base_url, key_env, store, out)
        return verb(asked=asked, **others)

    decorated: Callable[..., Any] = with_benchmark
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def benchmark_pairs(source: Path | None, rules_source: str | None, asked: Asked) -> PreferencePairs:
    """The benchmark's rated pairs; those of other subsets are left out.

    Raises
    ------
    InputError
        If there are no pairs of the benchmark, or neither pairs nor a rater.
    """
    if asked.rater is None:
        if source is None or rules_source is None:
            raise click.UsageError("give rated PAIRS with their --rules, or a --rater.")
        pairs = as_pairs(source, Rulebook.load(rules_source))
    else:
        pairs = _rate(source, rules_source, asked)
    benchmark = BENCHMARKS[str(asked.benchmark)]
    names = [str(pairs.subsets.names[code]) for code in pairs.subsets.codes]
    kept = np.array([name in benchmark.counts for name in names])
    if not kept.any():
        raise InputError(
            f"{source}: no pair is of the subsets {list(benchmark.counts)}. Is there a column "
            f"'subset'?"
        )
    _note_deviation(benchmark, benchmark.counts_in(pairs.subsets, pairs.prompts))
    if not kept.all():
        note(f"Note: {counted(int((~kept).sum()), 'pair')} of other subsets left out.")
    # The names of what is left alone: every name is a column of the table.
    ours = Ids.of([name for name, keep in zip(names, kept, strict=True) if keep])
    return replace(pairs.take(kept), subsets=ours)


def _rate(source: Path | None, rules_source: str | None, asked: Asked) -> PreferencePairs:
    chosen = plain_rater(str(asked.rater), asked.base_url, asked.key_env)
    rules = rules_of(rules_source, chosen)
    if asked.out is not None:
        refuse_no_folder(asked.out)
        refuse_overwrite(asked.out, *([source] if source else []))
    with tempfile.TemporaryDirectory(prefix="encore-benchmark-") as folder:
        path = Path(folder) / f"{asked.benchmark}.parquet"
        write_texts(BENCHMARKS[str(asked.benchmark)], source, path)
        with Store(asked.store) as store:
            job = Job(Texts(path), rules, chosen.rater, store)
            rate_job(job)
            rated = job.rated()
    if asked.out is not None:
        rated.save(asked.out)
    return as_pairs(rated.table, rules)


def _note_deviation(benchmark: Benchmark, counts: Mapping[str, int]) -> None:
    if deviation := benchmark.deviation(counts):
        note(f"Note: not {benchmark.name} as it is: {deviation}.")
