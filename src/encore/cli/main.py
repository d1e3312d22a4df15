"""The command line: parse, call the library, print."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from encore._version import __version__
from encore.errors import EncoreError
from encore.formatting import visible

VERBS = {
    "demo": "Calibrate, weigh, score, compare and report on the bundled real ratings.",
    "rules": "List, show and check rules.",
    "rate": "Rate every response in DATA under every rule.",
    "store": "Look into a store of ratings, export it, clean it.",
    "train": "Train a head per rule on RATINGS, or one head on preferences.",
    "calibrate": "Estimate each rule's entropy and margins from RATINGS, one file or several.",
    "merge": "Add CALIBRATIONS of the same rules into one.",
    "diagnose": "Look for rules whose weight would mislead, in ratings or a calibration.json.",
    "weigh": "Weigh the rules of CALIBRATION.",
    "score": "Write the reward of every response in RATINGS.",
    "pairs": "Make preference pairs of rated responses, each with a label of its own.",
    "evaluate": "Say how often one reward ranks labelled PAIRS as people do.",
    "compare": "Compare every scheme and baseline on the same labelled PAIRS.",
    "benchmark": "Compare every scheme and baseline on the safety benchmark NAME.",
    "report": "Write one HTML page about a calibration.json, rated responses, or labelled pairs.",
    "fold": "Fold the heads of MODEL and their weights into a model with one head.",
    "theory": "Check where entropy stands in for the weights that labels would give.",
}
"""Every verb and what it does: only the one that is asked for is imported."""
_MODULES = {"merge": "calibrate"}


class Verbs(click.Group):
    """Turns a library error into one line and exit code 1. The only place that does."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs, in the order in which data pass through them."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a verb."""
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"encore.cli.{_MODULES.get(cmd_name, cmd_name)}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing them."""
        width = formatter.width - 6 - max(map(len, VERBS))
        with formatter.section("Commands"):
            listed = [click.Command(name, help=text) for name, text in VERBS.items()]
            formatter.write_dl([(str(c.name), c.get_short_help_str(width)) for c in listed])

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Parse the arguments before the verb."""
        with _visible_errors():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb."""
        try:
            with _visible_errors():
                return super().invoke(ctx)
        except EncoreError as error:
            raise _refusal(str(error), ctx) from error
        except BrokenPipeError:
            raise  # the reader of a pipe left: click knows what to do
        except OSError as error:
            if error.filename is None and error.strerror is None:
                raise
            where = f"{error.filename}: " if error.filename else ""
            raise _refusal(f"{where}{error.strerror}.", ctx) from error
        except KeyboardInterrupt:
            click.echo("Interrupted. No file was left half written.", err=True)
            raise click.exceptions.Exit(130) from None


def _refusal(text: str, ctx: click.Context) -> click.ClickException:
    from encore.cli.verb import as_named  # a verb has imported it

    return click.ClickException(visible(as_named(text, ctx), lines=False))


@contextmanager
def _visible_errors() -> Iterator[None]:
    """Wrong usage is said in click's words, which quote the arguments as they are."""
    try:
        yield
    except click.ClickException as error:
        error.message = visible(error.message)  # type: ignore[misc]
        raise


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="encore")
def main() -> None:
    """From many noisy safety ratings to one reward you can trust.

    \b
    Try it on the bundled ratings:
      encore demo
    On your own:
      encore rate pairs.jsonl --rules safety-12 --rater local -o ratings.parquet
      encore calibrate ratings.parquet --rules rules.toml -o calibration.json
      encore weigh calibration.json -o weights.json
      encore score ratings.parquet --weights weights.json -o rewards.parquet

    \b
    Completion for your shell:
      eval "$(_ENCORE_COMPLETE=bash_source encore)"     # or zsh_source
      _ENCORE_COMPLETE=fish_source encore | source
    """
