"""``encore rate``."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from pathlib import Path
from typing import NoReturn

import click

from encore.cli.options import counted, json_option, output, rules_option, store_option
from encore.cli.paths import ReadsNamed
from encore.cli.rated import Price, print_plan, print_rated
from encore.cli.raters import Chosen, rater_options
from encore.cli.screen import note, progress
from encore.cli.texts import noted, texts_options
from encore.cli.verb import format_option, stream_format, verb
from encore.errors import InputError, RatingsError, StoppedError
from encore.raters import Heads, Job, Progress, Rated, Store, Texts, plan
from encore.raters.judge.plan import saving
from encore.rules import Rulebook


@verb()
@click.argument("data", type=ReadsNamed(folders=True, streams=True))
@rules_option(required=False)
@rater_options()
@output("The .parquet, .csv or .jsonl file to write.", required=False, table=True)
@format_option
@store_option("Where every answer is kept; another run starts from what is there.")
@click.option(
    "--price",
    type=click.FloatRange(0),
    nargs=2,
    metavar="IN OUT",
    help="USD per million tokens in and out, to show the cost.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be asked and cost; ask nothing.")
@click.option("--partial", is_flag=True, help="Write what is rated even if the run stops early.")
@click.option("--retry-unrated", is_flag=True, help="Ask again where there was no rating before.")
@click.option("--limit", type=click.IntRange(1), help="Only the first rows of DATA.")
@click.option("--split", help="Split of a dataset.")
@texts_options
@json_option()
def rate(
    data: str,
    rules_source: str | None,
    chosen: Chosen,
    out: Path | None,
    store_path: Path,
    price: Price | None,
    dry_run: bool,
    partial: bool,
    retry_unrated: bool,
    limit: int | None,
    split: str | None,
    layout: str | None,
    json_messages: bool,
    as_json: bool,
) -> None:
    """Rate every response in DATA under every rule.

    DATA is a .jsonl, .csv or .parquet file, or a Hugging Face dataset, with the columns prompt
    and response, or prompt, chosen and rejected, or messages. Every answer is stored as it comes:
    run the same command again to go on after an interruption.

    \b
    Example:
      encore rate pairs.jsonl --rules safety-12 --rater openai:Qwen/Qwen3-8B \\
        --base-url http://localhost:8000/v1 -o ratings.parquet
      encore rate pairs.jsonl --rules safety-12 --rater local -o ratings.parquet
      encore rate pairs.jsonl --rater heads:encore:mini -o ratings.parquet
    """
    if out is None and not dry_run:
        raise click.UsageError("Missing option '-o' / '--out'; or only plan with '--dry-run'.")
    rules = rules_of(rules_source, chosen)
    texts = Texts(data, split, limit, layout=layout, json_messages=json_messages)
    # A plan leaves no file behind.
    with Store(":memory:" if dry_run and not store_path.exists() else store_path) as store:
        job = Job(texts, rules, chosen.rater, store, retry_unrated=retry_unrated and not dry_run)
        for message in job.notes:
            noted(message)
        if out is None or dry_run:
            return print_plan(plan(job, chosen.options), price, as_json=as_json)
        rate_job(job, price, partial_out=out if partial else None)
        rated = job.rated()
        is_rated = any(rule.n_rated for rule in rated.coverage)
        if is_rated:
            rated.save(out, format=stream_format(out))
        saved = saving(job, chosen.options)
        print_rated(job, rated, saved, out if is_rated else None, price=price, as_json=as_json)
        if not is_rated:
            _give_up_unrated(job, rated)


def rules_of(source: str | None, chosen: Chosen) -> Rulebook:
    """The rules that are named, or those that the rater states."""
    if source is not None:
        return Rulebook.load(source)
    if chosen.rules is not None:
        return chosen.rules
    if isinstance(chosen.rater, Heads):
        raise InputError(
            "the model does not state the ranges of its heads' values. Have them measured: encore "
            "rules heads MODEL --on DATA -o rules.toml; see that worst and best are the right way "
            "round, and give --rules rules.toml."
        )
    raise click.UsageError("Missing option '--rules'.")


def rate_job(job: Job, price: Price | None = None, partial_out: Path | None = None) -> None:
    """Run a job with a progress bar; if it stops early, say how to resume."""
    try:
        _run(job, price)
    except (StoppedError, KeyboardInterrupt) as reason:
        if partial_out is not None:
            job.rated().save(partial_out, format=stream_format(partial_out))
        _give_up(job, reason, partial_out)


def _run(job: Job, price: Price | None) -> None:
    if job.n_stored:
        note(f"{job.n_stored} of {job.n_wanted} answers are in {job.store.path} already.")
    with progress("rating") as (update, note_above):
        job.on_note = note_above
        job.run(lambda now: update(now.n_done, _told(now, price), total=now.n_answers))


def _told(now: Progress, price: Price | None) -> str:
    """Speed, failures and cost so far."""
    told = f"{now.n_done / max(now.seconds, 1e-9):.1f}/s"
    if now.n_unrated:
        told += f", {now.n_unrated / now.n_done:.1%} unrated"
    return told if price is None else f"{told}, ${now.usage.cost(price):.2f}"


def _give_up(job: Job, reason: BaseException, written: Path | None) -> NoReturn:
    """Say how to resume; what is rated is in the store."""
    stored, command = job.count_stored(), shlex.join(["encore", *sys.argv[1:]])
    kept = f"{stored} of {job.n_wanted} answers are in {job.store.path}"
    kept += f", and {written} holds them." if written else "; no file was written."
    note(kept, "Resume with the same command:", f"  {command}")
    if isinstance(reason, KeyboardInterrupt):
        raise click.exceptions.Exit(130)
    raise reason


def _give_up_unrated(job: Job, rated: Rated) -> NoReturn:
    """Say why there is no rating at all; a file of empty cells is not written."""
    reasons = sum((Counter(rule.reasons) for rule in rated.coverage), Counter[str]())
    reasons["not applicable"] = sum(rule.n_not_applicable for rule in rated.coverage)
    why = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common() if count)
    raise RatingsError(
        f"no rating in any of the {counted(job.n_responses, 'response')} under "
        f"{counted(len(rated.rules), 'rule')}: {why}. No file was written; `encore store export "
        f"{job.store.path}` shows the replies, and --retry-unrated asks again.",
        source=str(job.texts.source),
    )
