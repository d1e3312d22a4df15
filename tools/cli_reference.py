"""Write the command line's reference from its own help texts.

Run as ``python tools/cli_reference.py docs/reference/cli.md``, or ``make reference``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from encore.cli.main import main as encore

HEADER = """# Command line

Generated from `encore --help` and the help of each command (`make reference`); a test keeps it up
to date. Results go to standard output, progress and notes to standard error. Exit status: 0 on
success, 1 for an error, said in one line, 2 for wrong arguments, 130 after Ctrl-C.
"""


def contexts(
    command: click.Command, parent: click.Context | None = None
) -> Iterator[click.Context]:
    """A command and its subcommands, parents first."""
    context = click.Context(
        command,
        parent,
        info_name=command.name if parent else "encore",
        max_content_width=88,
        terminal_width=88,
        **command.context_settings,
    )
    yield context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from contexts(child, context)


def reference() -> str:
    """The whole page."""
    parts = [HEADER]
    for context in contexts(encore):
        help_text = context.command.get_help(context)
        parts.append(f"## {context.command_path}\n\n```text\n{help_text}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference(), encoding="utf-8")
