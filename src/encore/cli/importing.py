"""``encore import``: ratings as people and their tools write them, made ours."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from encore.cli.options import counted, json_option, output
from encore.cli.paths import ParameterType, ReadsMatching, ReadsNamed, Writes
from encore.cli.screen import Grid, note, print_json, say, show
from encore.cli.tables import raters_table
from encore.cli.verb import verb
from encore.errors import InputError
from encore.formatting import visible
from encore.ratings.importing import (
    Imported,
    Question,
    RuleUnderstood,
    UnsureError,
    import_ratings,
)
from encore.ratings.importing.answers import answered_by
from encore.ratings.importing.choices import ALL, split_names

_F = TypeVar("_F", bound=Callable[..., Any])
_ROLES = (
    ("prompt", "The column with prompts' texts."),
    ("prompt-id", "The column with prompts' ids."),
    ("response", "The column with responses' texts."),
    ("response-id", "The column with responses' ids."),
    ("model", "The column that names the model that responded."),
    ("subset", "The column with subsets."),
    ("rule", "Of rows that hold one score each: the column with rules' names."),
    ("score", "The same: the column with scores."),
    ("spread", "The same: the column with spreads (nats)."),
    ("reason", "The same: the column with reasons."),
    ("applies", "The same: the column that says whether the rule applies."),
    ("not-applicable", "The same: the column that says whether it does not."),
    ("rater", "The column that names the rater, where there are several."),
    ("repeat", "The column that numbers repeats."),
)


class _Names(ParameterType):
    """Names with commas between them."""

    name = "names"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        return value if isinstance(value, tuple) else split_names(value)


def reading_options(command: _F) -> _F:
    """How files are read; all is guessed where it is not said."""
    options = (
        click.option("--shape", type=click.Choice(["wide", "long", "pairs"]), help="Of the rows."),
        *(click.option(f"--{role}", metavar="COLUMN", help=text) for role, text in _ROLES),
        click.option("--rule-columns", type=_Names(), help="The columns that hold ratings."),
        click.option(
            "--label",
            type=_Names(),
            help="Columns that are no ratings, but are kept, such as people's.",
        ),
        click.option("--prefix", help="What the names of rules' columns begin with."),
        click.option(
            "--scale",
            multiple=True,
            metavar="[RULES=]SCALE",
            help="Worst to best: 1-5, or 5,4,3,2,1, or bad,ok,good; of some rules, or of all.",
        ),
        click.option("--reverse", type=_Names(), help="Rules whose highest value is the worst."),
        click.option("--as-is", type=_Names(), help="Rules whose highest value is the best."),
        click.option(
            "--map",
            "mapped",
            multiple=True,
            metavar="[RULE:]OLD=NEW",
            help="Read a value as another one, of a rule or a --label column.",
        ),
        click.option("--na", type=_Names(), help="Values that mean: the rule does not apply."),
        click.option("--unrated", type=_Names(), help="Values that mean: there is no rating."),
        click.option(
            "--number-repeats",
            is_flag=True,
            help="A response that is rated twice under a rule was rated again.",
        ),
        click.option("--rater-per-file", is_flag=True, help="Each file is another rater's."),
        click.option(
            "--combine",
            type=click.Choice(["mean", "repeats"]),
            help="What becomes of several raters' ratings of one response.",
        ),
        click.option("--encoding", help="Of text files.  [default: recognised]"),
        click.option("--delimiter", help="Of text files: a character, or tab."),
        click.option("--sheet", help="Of a workbook: the sheet to read, where several are filled."),
        click.option("--decimal", type=click.Choice([".", ","]), help="Of numbers in text files."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@verb(name="import")
@click.argument("files", nargs=-1, required=True, type=ReadsMatching())
@output("The ratings file to write.", table=True)
@click.option("--rules", "rules_source", type=ReadsNamed(), help="Rules; else they are drafted.")
@click.option(
    "--rules-out", type=Writes(), help="Where drafted rules go.  [default: OUT, as .rules.toml]"
)
@reading_options
@json_option()
def import_(
    files: tuple[str, ...],
    out: Path,
    rules_source: str | None,
    rules_out: Path | None,
    as_json: bool,
    **how: Any,
) -> None:
    """Read ratings as you have them, from FILES, folders or patterns.

    JSON, JSON Lines, CSV and the like, Parquet, Feather, .xlsx, packed or not; a row per
    response, per score, or per pair; numbers, yes or no, letters, percentages, N/A; and what
    inspect_ai, autorubric, deepeval, promptfoo, lm-evaluation-harness, verifiers and RewardBench
    write. What was understood is shown; what is not certain is asked for, or refused with the
    option to give.

    \b
    Example:
      encore import judge.jsonl -o ratings.parquet
      encore import runs/ -o ratings.parquet --scale 1-5 --reverse toxicity --na "not relevant"
    """
    if rules_source is not None and rules_out is not None:
        raise InputError("--rules-out is where drafted rules go; with --rules none are drafted.")
    done = _imported(files, out, rules_source, rules_out=rules_out, **library_options(how))
    if as_json:
        print_json(
            {
                "command": done.command,
                "rules": done.rules.to_dicts(),
                "understood": done.understood.to_dict(),
            }
        )
        return
    print_understood(done)
    say(f"{out}: {counted(done.table.num_rows, 'row')}")
    if rules_source is None:
        drafts = rules_out or out.with_suffix(".rules.toml")
        say(f"{drafts}: {counted(len(done.rules), 'rule')}, drafted; check scales, write texts")
    say("again, with nothing left to guess:", f"  {done.command}")


@verb()
@click.argument("files", metavar="RATINGS...", nargs=-1, required=True, type=ReadsMatching())
@output("The rules.toml to write.")
@reading_options
@json_option()
def guess(files: tuple[str, ...], out: Path, as_json: bool, **how: Any) -> None:
    """Draft the rules of RATINGS alone: their names, and the scales that the values met are on.

    It takes the options of `encore import`, and asks or refuses as that does.

    \b
    Example:
      encore rules guess judge.jsonl -o rules.toml --scale 1-5
    """
    done = _imported(files, None, None, rules_out=out, **library_options(how))
    if as_json:
        print_json(
            {
                "out": str(out),
                "rules": done.rules.to_dicts(),
                "understood": done.understood.to_dict(),
            }
        )
        return
    show(_rules_table(done.understood.rules))
    say(f"{out}: {counted(len(done.rules), 'rule')}, drafted; check scales, write texts")


def _imported(*what: Any, **how: Any) -> Imported:
    """Import; what is not certain is asked for on a terminal, and else said line by line."""
    try:
        return import_ratings(*what, ask=_asked if _on_terminal() else None, **how)
    except UnsureError as error:
        note(f"Error: {error.source}: not certain what this means; nothing was written.")
        note(*(f"  {question.line()}" for question in error.questions))
        raise click.exceptions.Exit(1) from error


def library_options(how: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the command line as those of the library."""
    given = dict(how)
    roles = {role.replace("-", "_"): given.pop(role.replace("-", "_")) for role, _ in _ROLES}
    scales: dict[str, str] = {}
    for text in given.pop("scale"):
        names, sign, scale = text.rpartition("=")
        scales |= dict.fromkeys(split_names(names) if sign else (ALL,), scale)
    maps: dict[str, dict[str, str]] = {}
    for text in given.pop("mapped"):
        old, sign, new = text.rpartition("=")
        if not sign or not old:
            raise InputError(f"--map {text!r}: expected OLD=NEW, or RULE:OLD=NEW.")
        rule, colon, word = old.partition(":")
        maps.setdefault(rule if colon and rule else ALL, {})[word if colon and rule else old] = new
    if given["delimiter"] == "tab":
        given["delimiter"] = "\t"
    names = ("rule_columns", "label", "reverse", "as_is", "na", "unrated")
    return {
        **given,
        **{name: given[name] or () for name in names},
        "columns": {role: column for role, column in roles.items() if column is not None},
        "scale": scales,
        "map": maps,
    }


def _on_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _asked(question: Question) -> str:
    """Ask on the terminal until the answer is one."""
    about = f"{', '.join(question.rules)}: " if question.rules else ""
    note(f"{about}{question.text}")
    likely = next(iter(question.answers))
    while True:
        answer: str = click.prompt(
            visible(f"  {', '.join(question.answers)}"), default=likely, err=True
        )
        if (wrong := answered_by(question, answer)) is None:
            return answer
        note(wrong)


def print_understood(done: Imported) -> None:
    """What was understood: the files, the rules, the first rows, and what else to know."""
    found = done.understood
    wrote = f", written by {found.tool}" if found.tool else ""
    paired = "pairs" if found.shape == "pairs" else "responses"
    say(
        f"read {counted(found.n_found, 'row')} of {counted(len(found.files), 'file')}{wrote}: "
        f"{found.shape}, {found.n_rows} {paired} under {counted(len(found.rules), 'rule')}"
    )
    if found.columns:
        say("  " + ", ".join(f"{role} from {name!r}" for role, name in found.columns.items()))
    if found.kept:
        say(f"  kept as they are: {', '.join(map(repr, found.kept))}")
    say("")
    show(_rules_table(found.rules))
    show(_rows_table(done))
    if done.combined is not None:
        show(raters_table(done.combined))
    for text in found.notes:
        note(f"Note: {text}")


def _rules_table(rules: tuple[RuleUnderstood, ...]) -> Table:
    table = Grid(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in ("rule", "values met", "scale, worst to best"):
        table.add_column(name, overflow="fold")
    for name in ("rated", "n/a", "unrated"):
        table.add_column(name, justify="right", no_wrap=True)
    for rule in rules:
        met = [f"{v} = {rule.read_as[v]}" if v in rule.read_as else v for v in rule.met]
        more = ", …" if rule.n_met > len(met) else ""
        direction = " (higher is worse)" if rule.reversed else ""
        counts = (rule.n_rated, rule.n_not_applicable, rule.n_unrated)
        table.add_row(rule.rule, ", ".join(met) + more, f"{rule.scale}{direction}", *counts)
    return table


def _rows_table(done: Imported) -> Table:
    table = Grid(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    rows = done.understood.rows
    names = [name for name in done.table.column_names if not name.endswith(".reason")]
    shown = names[:10]
    for name in shown:
        table.add_column(
            visible(name, lines=False), overflow="ellipsis", no_wrap=True, max_width=24
        )
    for row in rows:
        table.add_row(*("" if row[n] is None else _short(row[n]) for n in shown))
    return table


def _short(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 24 else f"{text[:23]}…"
