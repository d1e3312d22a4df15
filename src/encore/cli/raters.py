"""``--rater`` and the options that say how it is asked; verbs that rate share them."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from encore.cli.options import head_option, on_device
from encore.cli.paths import ReadsRater
from encore.cli.screen import note
from encore.errors import InputError, UnknownNameError
from encore.heads import open_models
from encore.parsing import json_value
from encore.raters import Heads, Judge, JudgeOptions, Limits, LocalJudge, Rater, Recorded
from encore.raters.judge.options import Applicability
from encore.raters.judge.prompt import DEFAULT_FENCE_KEY
from encore.rules import Rulebook

_RATERS = ("openai:MODEL", "local", "local:FILE.gguf", "heads:MODEL", "recorded:FILE")
FENCE_KEY = "ENCORE_FENCE_KEY"

_JUDGE = (
    click.option(
        "--reading",
        type=click.Choice(["auto", "probabilities", "text"]),
        default="auto",
        show_default=True,
        help="Where ratings are read; auto: token probabilities if the endpoint returns them.",
    ),
    click.option(
        "--n-samples",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="Answers per rule; the spread comes from how they differ.",
    ),
    click.option(
        "--temperature",
        type=click.FloatRange(0),
        help="Of the judge.  [default: 0; 1 for several samples]",
    ),
    click.option(
        "--seed",
        type=click.IntRange(0),
        default=0,
        show_default=True,
        help="Seed of the first sample.",
    ),
    click.option("--batch-rules", is_flag=True, help="Ask all rules in one call."),
    click.option(
        "--prefill/--no-prefill",
        default=None,
        help="Start the judge's answer for it (vLLM, SGLang, llama.cpp).  [default: if local]",
    ),
    click.option(
        "--max-input-tokens",
        type=click.IntRange(64),
        help="Cut longer prompts in the middle.  [default: the endpoint's limit]",
    ),
    click.option(
        "--max-answer-tokens", type=click.IntRange(1), help="Room for judges that think first."
    ),
    click.option(
        "--applicability",
        type=click.Choice(["prompt", "response", "none"]),
        help="Who says how far a rule applies: the judge, asked about each prompt first, or with "
        "each response (not for training); or nobody.  [default: prompt for a judge and more than "
        "20 rules, else none]",
    ),
    click.option(
        "--applies-at-least",
        type=click.FloatRange(0, 1),
        help="With prompt: rules that apply less are not asked about.  [default: 0.1]",
    ),
    click.option(
        "--extra", metavar="JSON", help="Fields for each request's body that no option sets."
    ),
)
_HOW = (
    *("reading", "n_samples", "temperature", "seed", "batch_rules", "prefill", "max_input_tokens"),
    *("max_answer_tokens", "applicability", "applies_at_least", "extra"),
)
_LIMITS = (
    click.option(
        "--concurrency",
        type=click.IntRange(1),
        default=32,
        show_default=True,
        help="Requests in flight.",
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(0, min_open=True),
        default=120.0,
        show_default=True,
        help="Seconds for one request.",
    ),
    click.option(
        "--attempts",
        type=click.IntRange(1),
        default=6,
        show_default=True,
        help="Requests for one answer before giving up.",
    ),
    click.option("--max-requests", type=click.IntRange(0), help="Most requests in this run."),
    click.option(
        "--max-tokens", type=click.IntRange(0), help="Most tokens in this run, prompts and answers."
    ),
)
_ENDPOINT = (
    click.option("--base-url", help="URL of the endpoint, up to and including /v1."),
    click.option(
        "--key-env",
        default="OPENAI_API_KEY",
        show_default=True,
        help="The environment variable that holds its key.",
    ),
)


@dataclass(frozen=True)
class Chosen:
    """The rater that the options choose.

    *options* is None where it is no judge, *rules* where it has none of its own.
    """

    rater: Rater
    options: JudgeOptions | None = None
    rules: Rulebook | None = None


def rater_options(*, required: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a verb the options, and what they choose as ``chosen``; None without ``--rater``."""
    rater = click.option(
        "--rater",
        "spec",
        type=ReadsRater(),
        required=required,
        help=f"Who rates: {', '.join(_RATERS)}.",
    )

    def decorate(verb: Callable[..., Any]) -> Callable[..., Any]:
        decorated = head_option(on_device(_choosing(verb)))
        for option in reversed((rater, *_ENDPOINT, *_JUDGE, *_LIMITS)):
            decorated = option(decorated)
        return decorated

    return decorate


def _choosing(verb: Callable[..., Any]) -> Callable[..., Any]:
    """The verb as a function of the options."""

    @functools.wraps(verb)
    def with_rater(
        *,
        spec: str | None,
        base_url: str | None,
        key_env: str,
        concurrency: int,
        timeout: float,
        attempts: int,
        max_requests: int | None,
        max_tokens: int | None,
        head: str | None,
        device: str | None,
        dtype: str | None,
        batch_tokens: int | None,
        **others: Any,
    ) -> Any:
        how = {name: others.pop(name) for name in _HOW}
        if spec is None:
            return verb(chosen=None, **others)
        _refuse_applicability(spec, base_url, how["applicability"], how["applies_at_least"])
        if spec.startswith("heads:") and base_url is None:
            running = {"device": device, "dtype": dtype, "batch_tokens": batch_tokens}
            heads_options = {**running, "max_tokens": how["max_input_tokens"], "head": head}
            return verb(chosen=_heads(spec.removeprefix("heads:"), heads_options), **others)
        options = _judge_options(spec, how)
        limits = Limits(concurrency, timeout, attempts, 120.0, max_requests, max_tokens)
        chosen = _choose(spec, base_url, options, limits, os.environ.get(key_env))
        return verb(chosen=chosen, **others)

    return with_rater


def _judge_options(spec: str, how: dict[str, Any]) -> JudgeOptions:
    """What the options say; where one has no default here, it goes by the rater or the rules."""
    said = {name: value for name, value in how.items() if value is not None}
    defaults = {"prefill": spec.startswith("local")}
    extra = {"extra": _json_object(how["extra"]), "fence_key": _fence_key()}
    return JudgeOptions(**{**defaults, **said, **extra})


def _refuse_applicability(
    spec: str, base_url: str | None, applicability: str | None, at_least: float | None
) -> None:
    """Refuse what only a judge can be asked, and a limit that nothing is compared with."""
    why = {
        "heads": "a model's heads give each response a value whether or not a rule applies",
        "recorded": "recorded ratings say themselves how far a rule applies, where they do",
    }
    kind = spec.partition(":")[0]
    if (
        kind in why
        and base_url is None
        and (applicability not in (None, "none") or at_least is not None)
    ):
        raise InputError(
            f"--applicability asks a judge, openai:MODEL or local; got --rater {spec}: {why[kind]}."
        )
    if at_least is not None and applicability in ("response", "none"):
        raise InputError(
            f"--applies-at-least goes with --applicability prompt; got {applicability}."
        )


def plain_rater(
    spec: str, base_url: str | None, key_env: str, *, applicability: Applicability = "auto"
) -> Chosen:
    """A rater by its name alone, with the default options."""
    _refuse_applicability(spec, base_url, None if applicability == "auto" else applicability, None)
    if spec.startswith("heads:") and base_url is None:
        return _heads(spec.removeprefix("heads:"), {})
    options = JudgeOptions(
        prefill=spec.startswith("local"), fence_key=_fence_key(), applicability=applicability
    )
    return _choose(spec, base_url, options, Limits(), os.environ.get(key_env))


def _choose(
    spec: str, base_url: str | None, options: JudgeOptions, limits: Limits, key: str | None
) -> Chosen:
    kind, _, name = spec.partition(":")
    if kind == "openai" and name:
        if base_url is None:
            raise InputError(
                "an openai rater needs --base-url, as http://localhost:8000/v1 for a server of "
                "yours or https://api.openai.com/v1."
            )
        return Chosen(Judge(name, base_url, options=options, limits=limits, api_key=key), options)
    if base_url is not None:
        raise InputError(f"--base-url goes with --rater openai:MODEL; got --rater {spec}.")
    if kind == "local":
        return Chosen(LocalJudge(name or None, options=options, limits=limits), options)
    if kind == "recorded" and name:
        return Chosen(Recorded(name))
    raise UnknownNameError("rater", spec, _RATERS)


def _heads(names: str, options: dict[str, Any]) -> Chosen:
    """Models with heads, several side by side with commas between their names."""
    model = open_models(names, **options)
    for said in model.notes:
        note(said)
    return Chosen(Heads(model), rules=model.rules)


def _fence_key() -> bytes:
    """The secret of the marks around judged text: the environment's, if it holds one."""
    key = os.environ.get(FENCE_KEY)
    return key.encode() if key else DEFAULT_FENCE_KEY


def _json_object(text: str | None) -> dict[str, Any]:
    try:
        value = json_value(text or "{}")
    except ValueError as error:
        raise InputError(f"--extra is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise InputError(f"--extra must be a JSON object; got {text}.")
    return value
