"""``encore store``: look into a store of ratings, export it, clean it."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from encore.cli.options import counted, existing, json_option, output, print_json, refuse_overwrite
from encore.errors import InputError
from encore.files import atomic_write
from encore.raters import Store
from encore.rules import Rulebook

_DAY = 86_400.0


@click.group()
def store() -> None:
    """Look into a store of ratings, export it, clean it."""


@store.command()
@click.argument("file", type=existing())
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
    click.echo(f"{file}: {held.n_bytes:,} bytes, {counted(len(held.raters), 'rater')}")
    for entry in held.raters:
        who = entry["rater"]
        name = who.get("model") or who.get("file") or who.get("kind")
        last = datetime.fromtimestamp(entry["last"], UTC)
        click.echo(
            f"  {who.get('kind')} {name}: {counted(entry['n_answers'], 'answer')} about "
            f"{counted(entry['n_conversations'], 'response')} under "
            f"{counted(entry['n_rules'], 'rule')}, {entry['n_unrated']} unrated, "
            f"{counted(entry['n_requests'], 'request')}, last on {last:%Y-%m-%d}"
        )


@store.command()
@click.argument("file", type=existing())
@output("The .csv or .jsonl file to write.")
@json_option()
def export(file: Path, out: Path, as_json: bool) -> None:
    """Write every answer in the store FILE with its rater, rule and reason.

    \b
    Example:
      encore store export encore-store.sqlite -o answers.csv
    """
    refuse_overwrite(out, file)
    if out.suffix not in (".csv", ".jsonl"):
        raise InputError(f"{out}: an export is a .csv or a .jsonl file.")
    n_rows = 0
    with (
        Store(file) as opened,
        atomic_write(out) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as stream,
    ):
        writer = None
        for row in opened.rows():
            n_rows += 1
            if out.suffix == ".jsonl":
                stream.write(json.dumps(row, ensure_ascii=False) + "\n")
                continue
            if writer is None:
                writer = csv.DictWriter(stream, list(row), lineterminator="\n")
                writer.writeheader()
            writer.writerow(row)
    if as_json:
        return print_json({"out": str(out), "n_answers": n_rows})
    click.echo(f"{out}: {counted(n_rows, 'answer')}")


@store.command()
@click.argument("file", type=existing())
@click.option("--rules", "rules_source", help="Remove answers under every rule but these.")
@click.option(
    "--older-than", type=click.FloatRange(0), metavar="DAYS", help="Remove older answers."
)
@click.option("--unrated", is_flag=True, help="Remove answers that gave no rating.")
@click.option("--dry-run", is_flag=True, help="Only say how many.")
@json_option()
def gc(
    file: Path,
    rules_source: str | None,
    older_than: float | None,
    unrated: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Remove answers from the store FILE that no run will want, and give the room back.

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
    click.echo(f"{file}: {counted(removed, 'answer')} {'to remove' if dry_run else 'removed'}")
