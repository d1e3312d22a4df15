"""``encore rules select``."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path

import click

from encore.calibration import Calibration, Selection, calibrate, select_rules
from encore.cli.options import counted, json_option, output
from encore.cli.paths import Reads, ReadsNamed
from encore.cli.raters import Chosen, rater_options
from encore.cli.screen import note, print_json, say, show
from encore.cli.tables import picks_table, votes_table
from encore.cli.texts import noted, texts_options
from encore.cli.verb import format_option, verb
from encore.errors import InputError
from encore.raters import ChosenRules, Judge, LocalJudge, Texts, choose_rules
from encore.rules import Rulebook


@verb()
@click.argument("name", type=ReadsNamed())
@click.option("-k", "k", type=click.IntRange(1), required=True, help="How many rules.")
@click.option(
    "--ratings",
    type=Reads(streams=True),
    help="Choose by a ratings file or a calibration.json, under the rules of NAME.",
)
@click.option(
    "--data",
    type=ReadsNamed(folders=True, streams=True),
    help="Or let a judge (--rater) choose, on texts as for `encore rate`.",
)
@format_option
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=50,
    show_default=True,
    help="How many responses of --data to show the judge.",
)
@texts_options
@output("The rules.toml to write.")
@rater_options(required=False)
@json_option()
def select(
    name: str,
    k: int,
    ratings: Path | None,
    data: str | None,
    limit: int,
    layout: str | None,
    json_messages: bool,
    out: Path,
    chosen: Chosen | None,
    as_json: bool,
) -> None:
    """Choose k of the rules of NAME, a catalogue or a rules.toml, for your data.

    With ratings, it takes the rules that tell most of what all of them tell, each something new:
    no judge and no label is asked. With a judge, it shows responses with all the rules and takes
    those that the judge most often finds to matter.

    \b
    Example:
      encore rules select safety -k 10 --ratings sample.parquet -o rules.toml
      encore rules select safety -k 10 --data pairs.jsonl --rater openai:Qwen/Qwen3-8B \\
        --base-url http://localhost:8000/v1 -o rules.toml
    """
    if (ratings is None) == (data is None):
        raise click.UsageError("Give either '--ratings' or '--data' with '--rater'.")
    catalogue = Rulebook.load(name)
    if ratings is not None:
        selection = select_rules(_calibration(ratings, catalogue), k)
        selection.rules.save(out, f"{len(selection.rules)} of the rules of {name}, by ratings.")
        return _print_selection(selection, k, out, as_json=as_json)
    texts = Texts(str(data), layout=layout, json_messages=json_messages)
    named = _choose_by_judge(texts, catalogue, chosen, k, limit)
    named.rules.save(out, f"{k} of the rules of {name}, as a judge chose them.")
    _print_chosen_rules(named, out, as_json=as_json)


def _calibration(ratings: Path, catalogue: Rulebook) -> Calibration:
    if ratings.suffix != ".json":
        return calibrate(ratings, catalogue)
    calibration = Calibration.load(ratings)
    calibration.rules.same_as(catalogue, str(ratings), "the catalogue")
    return calibration


def _choose_by_judge(
    texts: Texts, catalogue: Rulebook, chosen: Chosen | None, k: int, limit: int
) -> ChosenRules:
    rater = None if chosen is None else chosen.rater
    if not isinstance(rater, Judge | LocalJudge):
        raise InputError("choosing by --data needs a judge: give --rater openai:MODEL or local.")
    items = list(replace(texts, limit=limit).items(noted))[:limit]
    with rater.served() if isinstance(rater, LocalJudge) else nullcontext(rater) as judge:
        return choose_rules(items, catalogue, judge, k)


def _print_selection(selection: Selection, k: int, out: Path, *, as_json: bool) -> None:
    if as_json:
        return print_json({"out": str(out), "picks": [asdict(pick) for pick in selection.picks]})
    show(picks_table(selection.picks))
    if len(selection.picks) < k:
        note(f"Note: only {len(selection.picks)} rules tell something that the others do not.")
    say(f"{out}: {counted(len(selection.rules), 'rule')}")


def _print_chosen_rules(chosen: ChosenRules, out: Path, *, as_json: bool) -> None:
    if as_json:
        told = {"n_asked": chosen.n_asked, "n_valid": chosen.n_valid}
        votes = [asdict(vote) for vote in chosen.votes]
        return print_json({"out": str(out), **told, "votes": votes, "rules": chosen.rules.ids})
    show(votes_table(chosen))
    note(f"{chosen.n_valid} of {chosen.n_asked} answers named rules.")
    say(f"{out}: {counted(len(chosen.rules), 'rule')}")
