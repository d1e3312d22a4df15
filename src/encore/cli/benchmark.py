"""``encore benchmark``: a safety benchmark, rated here or before."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from encore.cli.compare import compared, comparing_options, print_compared
from encore.cli.options import counted, output, rules_option, store_option
from encore.cli.paths import Reads, ReadsRater, Writes
from encore.cli.rate import rate_job, rules_of
from encore.cli.raters import Chosen, plain_rater
from encore.cli.screen import note, say
from encore.cli.texts import noted
from encore.cli.verb import stream_format, verb
from encore.evaluation import BENCHMARKS, Benchmark, benchmark_pairs, write_texts
from encore.raters import Job, Store, Texts
from encore.ratings import PreferencePairs, as_pairs
from encore.rules import Rulebook


@verb()
@click.argument("name", type=click.Choice(list(BENCHMARKS)))
@click.argument("rated", type=Reads(streams=True), required=False)
@rules_option(required=False)
@click.option(
    "--write-texts",
    "texts_out",
    type=Writes(table=True),
    help="Only write the benchmark's texts, to be rated by `encore rate` with all its options.",
)
@click.option("--rater", type=ReadsRater(), help="Rate the benchmark first; see `encore rate`.")
@click.option("--base-url", help="URL of the rater's endpoint.")
@click.option(
    "--key-env", default="OPENAI_API_KEY", help="Environment variable with the endpoint's key."
)
@store_option("Where the rater's answers are kept.")
@output("Keep the rater's ratings in this file.", required=False, table=True)
@comparing_options
def benchmark(
    name: str,
    rated: Path | None,
    rules_source: str | None,
    texts_out: Path | None,
    rater: str | None,
    base_url: str | None,
    key_env: str,
    store_path: Path,
    out: Path | None,
    ties: str | None,
    layout: str,
    **how: Any,
) -> None:
    """Compare every scheme and baseline on the safety benchmark NAME.

    RATED are rated pairs of the benchmark. With --rater they are its texts, which are rated first;
    without RATED, those of the Hugging Face hub at a pinned commit.

    \b
    Example:
      encore benchmark rewardbench-safety rated.parquet --rules safety-12 --format latex
      encore benchmark rewardbench-safety --rules safety-12 --rater local -o rated.parquet
      encore benchmark rewardbench-safety --write-texts texts.parquet
    """
    asked = BENCHMARKS[name]
    if texts_out is not None:
        return _write_texts(asked, rated, texts_out)
    if rater is not None:
        chosen = plain_rater(rater, base_url, key_env)
        pairs = _rate(
            asked, rated, rules_of(rules_source, chosen), chosen, store_path=store_path, out=out
        )
    elif out is not None:
        raise click.UsageError("--out goes with --rater: it holds the new ratings.")
    elif rated is None or rules_source is None:
        raise click.UsageError("give RATED pairs with their --rules, or a --rater.")
    else:
        pairs = as_pairs(rated, Rulebook.load(rules_source))
    kept = benchmark_pairs(pairs, asked)
    _note_deviation(asked, asked.counts_in(kept.subsets, kept.prompts))
    if kept.n_pairs < pairs.n_pairs:
        note(f"Note: {counted(pairs.n_pairs - kept.n_pairs, 'pair')} of other subsets left out.")
    as_json = how.pop("as_json")
    ties = ties or ("strict" if asked.n_responses == 2 else "half")
    comparison = compared(kept, **how)
    print_compared(comparison, "json" if as_json else layout, ties=ties, by_subset=True)


def _write_texts(benchmark: Benchmark, source: Path | None, out: Path) -> None:
    _note_deviation(benchmark, write_texts(benchmark, source, out, format=stream_format(out)))
    say(out)


def _rate(
    benchmark: Benchmark,
    source: Path | None,
    rules: Rulebook,
    chosen: Chosen,
    *,
    store_path: Path,
    out: Path | None,
) -> PreferencePairs:
    with tempfile.TemporaryDirectory(prefix="encore-benchmark-") as folder:
        path = Path(folder) / f"{benchmark.name}.parquet"
        write_texts(benchmark, source, path)
        with Store(store_path) as store:
            job = Job(Texts(path), rules, chosen.rater, store)
            for message in job.notes:
                noted(message)
            rate_job(job)
            rated = job.rated()
    if out is not None:
        rated.save(out, format=stream_format(out))
    return as_pairs(rated.table, rules)


def _note_deviation(benchmark: Benchmark, counts: Mapping[str, int]) -> None:
    if deviation := benchmark.deviation(counts):
        note(f"Note: not {benchmark.name} as it is: {deviation}.")
