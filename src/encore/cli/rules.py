"""``encore rules``: look at rules and check a rules file."""

from __future__ import annotations

from pathlib import Path

import click

from encore.cli.options import console, existing, json_option, print_json
from encore.cli.tables import rules_table
from encore.rules import Rulebook, catalogues


@click.group()
def rules() -> None:
    """List, show and check rules."""


@rules.command("list")
@json_option()
def list_rules(as_json: bool) -> None:
    """List the catalogues that ship with ENCORE.

    \b
    Example:
      encore rules list
    """
    sizes = {name: len(rulebook) for name, rulebook in catalogues().items()}
    if as_json:
        return print_json(sizes)
    for name, size in sizes.items():
        click.echo(f"{name}  {size} rules")


@rules.command()
@click.argument("name")
@json_option()
def show(name: str, as_json: bool) -> None:
    """Show the rules of NAME, a catalogue or a rules.toml.

    \b
    Example:
      encore rules show safety-12
    """
    rulebook = Rulebook.load(name)
    if as_json:
        return print_json({"digest": rulebook.digest, "rules": rulebook.to_dicts()})
    console().print(rules_table(f"{name}: {len(rulebook)} rules", rulebook))


@rules.command()
@click.argument("file", type=existing())
@json_option()
def check(file: Path, as_json: bool) -> None:
    """Check that FILE is a rules.toml that ENCORE can read.

    \b
    Example:
      encore rules check rules.toml
    """
    rulebook = Rulebook.load(file)
    if as_json:
        return print_json({"n_rules": len(rulebook), "digest": rulebook.digest})
    click.echo(f"{file}: {len(rulebook)} rules, digest {rulebook.digest[:12]}")
