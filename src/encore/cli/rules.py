"""``encore rules``: look at rules and check a rules file."""

from __future__ import annotations

from pathlib import Path

import click

from encore.cli.check import check
from encore.cli.importing import guess
from encore.cli.options import counted, head_option, json_option, on_device, output
from encore.cli.paths import ReadsNamed
from encore.cli.screen import note, print_json, say, show, working
from encore.cli.select import select
from encore.cli.tables import rules_table
from encore.cli.texts import noted, texts_options
from encore.cli.verb import Verb, format_option
from encore.errors import InputError, UnknownNameError
from encore.heads import open_models, ranged
from encore.raters.texts import Texts, first_conversations
from encore.rules import Rulebook, catalogues


@click.group()
def rules() -> None:
    """List, show and check rules."""


@rules.command("list", cls=Verb)
@json_option()
def list_rules(as_json: bool) -> None:
    """List the catalogues that ship with ENCORE.

    \b
    Example:
      encore rules list
    """
    listed = {
        name: {"n_rules": len(rulebook), "groups": rulebook.groups}
        for name, rulebook in catalogues().items()
    }
    if as_json:
        return print_json(listed)
    width = max(map(len, listed))
    for name, rulebook in catalogues().items():
        say(f"{name:{width}}  {len(rulebook)} rules in {len(rulebook.groups)} groups")


@rules.command("show", cls=Verb)
@click.argument("name", type=ReadsNamed())
@click.option("--group", help="Only the rules of this group.")
@json_option()
def show_rules(name: str, group: str | None, as_json: bool) -> None:
    """Show the rules of NAME, a catalogue or a rules.toml.

    \b
    Example:
      encore rules show safety-12
      encore rules show safety --group privacy
    """
    rulebook = Rulebook.load(name)
    title = name
    if group is not None:
        if group not in rulebook.groups:
            raise UnknownNameError("group", group, rulebook.groups)
        rulebook = Rulebook(tuple(rule for rule in rulebook if rule.group == group))
        title = f"{name}, group {group}"
    if as_json:
        return print_json({"digest": rulebook.digest, "rules": rulebook.to_dicts()})
    show(rules_table(f"{title}: {counted(len(rulebook), 'rule')}", rulebook))


@rules.command(cls=Verb)
@click.argument("model", type=ReadsNamed(folders=True, several=True))
@click.option(
    "--on",
    "data",
    type=ReadsNamed(folders=True, streams=True),
    help="Texts to measure ranges on, as `encore rate` takes them.",
)
@format_option
@click.option(
    "--limit",
    type=click.IntRange(10),
    default=1000,
    show_default=True,
    help="How many responses to score.",
)
@texts_options
@output("The rules.toml to write.")
@head_option
@on_device
@json_option()
def heads(
    model: str,
    data: str | None,
    limit: int,
    layout: str | None,
    json_messages: bool,
    out: Path,
    head: str | None,
    device: str | None,
    dtype: str | None,
    batch_tokens: int | None,
    as_json: bool,
) -> None:
    """Write the rules of MODEL, a multi-head reward model, for the verbs that take --rules.

    With --on, their ranges are those of the heads' values on these texts: for models that state
    none. Higher is then taken to be better: where a head counts a cost, swap worst and best in the
    file, and give each rule a text.

    \b
    Example:
      encore rules heads encore:mini -o rules.toml
      encore rules heads reward-model --on pairs.jsonl -o rules.toml
    """
    running = open_models(model, head=head, device=device, dtype=dtype, batch_tokens=batch_tokens)
    for said in running.notes:
        note(said)
    if data is None and running.rules is None:
        raise InputError(f"{model} states no ranges for its heads; give texts with --on.")
    if data is not None:
        texts = Texts(data, layout=layout, json_messages=json_messages)
        talks = first_conversations(texts, limit, noted)
        with working("scoring"):
            found = ranged(running.names, running.score_heads(talks))
        note("Note: higher is taken to be better; swap worst and best where it is not.")
    elif running.rules is not None:
        found = running.rules
    found.save(out, f"The rules of {model}.")
    if as_json:
        return print_json({"out": str(out), "rules": found.to_dicts()})
    say(f"{out}: {counted(len(found), 'rule')}")


rules.add_command(check)
rules.add_command(select)
rules.add_command(guess)
