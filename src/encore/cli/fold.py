"""``encore fold``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from encore.cli.options import counted, head_option, json_option, on_device
from encore.cli.paths import Reads, ReadsNamed, WritesFolder
from encore.cli.screen import note, print_json, say, working
from encore.cli.texts import noted, texts_options
from encore.cli.verb import format_option, verb
from encore.heads import FoldCheck, HeadModel, check_fold
from encore.heads import fold as fold_model
from encore.heads.model.find_heads import STANDARD
from encore.raters.texts import Texts, first_conversations
from encore.rewards import Reward

_EXACT = 1e-5


@verb()
@click.argument("model", type=ReadsNamed(folders=True))
@click.option(
    "--weights",
    "weights_path",
    type=Reads(),
    required=True,
    help="A weights.json, or a reward.json whose form is the mean.",
)
@click.option(
    "-o",
    "--out",
    type=WritesFolder(),
    required=True,
    help="The folder to write.",
)
@click.option(
    "--check",
    "texts",
    type=ReadsNamed(folders=True, streams=True),
    help="Score these texts both ways, and say how they differ.",
)
@format_option
@click.option(
    "--limit",
    type=click.IntRange(2),
    default=1000,
    show_default=True,
    help="How many responses of --check to score.",
)
@texts_options
@head_option
@on_device
@json_option()
def fold(
    model: str,
    weights_path: Path,
    out: Path,
    texts: str | None,
    limit: int,
    layout: str | None,
    json_messages: bool,
    head: str | None,
    device: str | None,
    dtype: str | None,
    batch_tokens: int | None,
    as_json: bool,
) -> None:
    """Fold the heads of MODEL and their weights into a model with one head.

    The backbone's files are linked, not copied, where they need no change. The folded head costs
    what one head costs and gives the weighted reward; it cannot clip values that lie beyond the
    ends of their scales, as composing does: --check says how many do, and what that changes.

    \b
    Example:
      encore fold heads --weights weights.json -o folded --check pairs.jsonl
    """
    reward = Reward.load(weights_path)
    weights = reward.weights
    talks = []
    if texts is not None:
        told = Texts(texts, layout=layout, json_messages=json_messages)
        talks = first_conversations(told, limit, noted)
    folded = fold_model(model, reward, out=out, head=head)
    result = {"out": str(out), "n_rules": len(weights.rules), "offset": folded.offset}
    found = None
    if texts is not None:
        heads, one = (
            HeadModel(source, head=name, device=device, dtype=dtype, batch_tokens=batch_tokens)
            for source, name in ((model, head), (out, None))
        )
        with working("scoring both ways"):
            found = check_fold(heads, weights, one, talks)
    if folded.module not in STANDARD:
        note(f"{model}: its heads are read from {folded.module}.")
    if as_json:
        print_json({**result, "check": None if found is None else asdict(found)})
    else:
        say(f"{out}: {counted(len(weights.rules), 'head')} folded into one")
        if found is not None:
            _print_check(found)
    if found is not None and not (
        found.largest_difference <= _EXACT and found.rank_agreement == 1  # NaN is neither
    ):
        note(
            "The folded rewards differ from the weighted heads by more than rounding in float32; "
            "in bfloat16 that is to be expected (--dtype float32 tells)."
        )
        raise click.exceptions.Exit(1)


def _print_check(found: FoldCheck) -> None:
    say(
        f"{counted(found.n_responses, 'response')} scored both ways: largest difference "
        f"{found.largest_difference:.1e} of the largest reward, "
        f"{found.rank_agreement:.2%} of pairs in the same order."
    )
    if found.clipped_share:
        say(
            f"{found.clipped_share:.2%} of the heads' values lie beyond their scales. Composing "
            f"clips them and a folded head cannot: {found.clipped_rank_agreement:.2%} of pairs are "
            f"in the order of the composed rewards."
        )
