"""``encore store``: look into a store of ratings, export it, clean it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from encore.cli.options import counted, json_option, output
from encore.cli.paths import STORE, ReadsNamed, Updates
from encore.cli.screen import print_json, say
from encore.cli.verb import Verb, format_option, stream_format
from encore.errors import InputError
from encore.raters import Store
from encore.ratings.write import open_table
from encore.rules import Rulebook

if TYPE_CHECKING:
    import pyarrow as pa

_DAY = 86_400.0
_AT_ONCE = 10_000
_STORE = Updates(*STORE, exists=True)  # SQLite writes beside a file that it only reads


@click.group()
def store() -> None:
    """Look into a store of ratings, export it, clean it."""


@store.command(cls=Verb)
@click.argument("file", type=_STORE)
@json_option()
def info(file: Path, as_json: bool) -> None:
    """Say what the store FILE holds, rater by rater.

    \b
    Example:
      encore store info encore-store.sqlite
    """
    with Store(file) as opened:
        held = opened.info()
    if as_json:
        return print_json(asdict(held))
    say(f"{file}: {held.n_bytes:,} bytes, {counted(len(held.raters), 'rater')}")
    for entry in held.raters:
        who = entry["rater"]
        name = who.get("model") or who.get("file") or who.get("kind")
        last = datetime.fromtimestamp(entry["last"], UTC)
        of, under = ("prompt", "question") if who.get("asks") == "prompt" else ("response", "rule")
        say(
            f"  {who.get('kind')} {name}: {counted(entry['n_answers'], 'answer')} about "
            f"{counted(entry['n_conversations'], of)} under "
            f"{counted(entry['n_rules'], under)}, {entry['n_unrated']} unrated, "
            f"{counted(entry['n_requests'], 'request')}, last on {last:%Y-%m-%d}"
        )


@store.command(cls=Verb)
@click.argument("file", type=_STORE)
@output("The .parquet, .csv or .jsonl file to write.", table=True)
@format_option
@json_option()
def export(file: Path, out: Path, as_json: bool) -> None:
    """Write every answer in the store FILE with its rater, rule and reason.

    \b
    Example:
      encore store export encore-store.sqlite -o answers.csv
    """
    n_rows = 0
    with Store(file) as opened, open_table(out, format=stream_format(out)) as write:
        for table in _tables(opened):
            write(table)
            n_rows += table.num_rows
    if as_json:
        return print_json({"out": str(out), "n_answers": n_rows})
    say(f"{out}: {counted(n_rows, 'answer')}")


def _tables(store: Store) -> Iterator[pa.Table]:
    """All answers; the first table is empty, so that an empty store has columns too."""
    import pyarrow as pa

    texts = ("conversation", "rater", "rule", "scale", "reason", "probabilities", "reply")
    numbers = ("value", "spread", "applies", "made")
    names = (*texts[:4], "sample", *numbers[:3], *texts[4:])
    counts = ("n_requests", "prompt_tokens", "cached_tokens", "completion_tokens", "n_cut")
    kinds = {**dict.fromkeys(texts, pa.string()), **dict.fromkeys(numbers, pa.float64())}
    schema = pa.schema([(n, kinds.get(n, pa.int64())) for n in (*names, *counts, "made")])
    yield schema.empty_table()
    rows = store.rows()
    while part := list(islice(rows, _AT_ONCE)):
        yield pa.Table.from_pylist(part, schema)


@store.command(cls=Verb)
@click.argument("file", type=_STORE)
@click.option(
    "--rules", "rules_source", type=ReadsNamed(), help="Remove answers under all other rules."
)
@click.option(
    "--older-than", type=click.FloatRange(0), metavar="DAYS", help="Remove older answers."
)
@click.option("--unrated", is_flag=True, help="Remove answers that gave no rating.")
@click.option("--dry-run", is_flag=True, help="Only print how many.")
@json_option()
def gc(
    file: Path,
    rules_source: str | None,
    older_than: float | None,
    unrated: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Remove answers from the store FILE that no run will need, and free their space.

    \b
    Example:
      encore store gc encore-store.sqlite --rules rules.toml --dry-run
    """
    if rules_source is None and older_than is None and not unrated:
        raise InputError("say what to remove: --rules, --older-than or --unrated.")
    rules = None if rules_source is None else Rulebook.load(rules_source)
    with Store(file) as opened:
        removed = opened.gc(
            rules=rules,
            older_than=None if older_than is None else older_than * _DAY,
            unrated=unrated,
            dry_run=dry_run,
        )
    if as_json:
        return print_json({"n_answers": removed, "dry_run": dry_run})
    say(f"{file}: {counted(removed, 'answer')} {'to remove' if dry_run else 'removed'}")
