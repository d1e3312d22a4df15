"""The command line: parse, call the library, print."""

from __future__ import annotations

from typing import Any

import click

from encore._version import __version__
from encore.cli.calibrate import calibrate, merge
from encore.cli.compare import compare
from encore.cli.demo import demo
from encore.cli.diagnose import diagnose
from encore.cli.evaluate import evaluate
from encore.cli.fold import fold
from encore.cli.rate import rate
from encore.cli.report import report
from encore.cli.rules import rules
from encore.cli.score import score
from encore.cli.select import select
from encore.cli.store import store
from encore.cli.theory import theory
from encore.cli.train import train
from encore.cli.weigh import weigh
from encore.errors import EncoreError


class Verbs(click.Group):
    """Turns a library error into one line and exit code 1. The only place that does."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb."""
        try:
            return super().invoke(ctx)
        except EncoreError as error:
            raise click.ClickException(str(error)) from error
        except BrokenPipeError:
            raise  # the reader of a pipe left: click knows what to do
        except OSError as error:
            if error.filename is None and error.strerror is None:
                raise
            where = f"{error.filename}: " if error.filename else ""
            raise click.ClickException(f"{where}{error.strerror}.") from error
        except KeyboardInterrupt:
            click.echo("Interrupted. No file was left half written.", err=True)
            raise click.exceptions.Exit(130) from None


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


_VERBS = (
    *(demo, rules, rate, store, train, calibrate, merge, diagnose, weigh, score),
    *(evaluate, compare, report, fold, theory),
)
rules.add_command(select)
for verb in _VERBS:
    main.add_command(verb)
