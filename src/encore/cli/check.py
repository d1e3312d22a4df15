"""``encore rules check``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click
import numpy as np

from encore.cli.options import counted, json_option, store_option
from encore.cli.paths import ReadsNamed, ReadsRater
from encore.cli.raters import Chosen, plain_rater
from encore.cli.screen import print_json, progress, say
from encore.cli.texts import noted
from encore.cli.verb import Verb
from encore.errors import InputError
from encore.formatting import listed
from encore.raters import Job, Store, Texts
from encore.raters.applicability import PromptCoverage, prompt_coverage
from encore.ratings import as_ratings
from encore.rules import Rulebook, check_rules

# Below this a rule is not asked about by default, and has no say in a reward.
_AT_LEAST = 0.1


@click.command(cls=Verb)
@click.argument("name", type=ReadsNamed())
@click.option(
    "--on",
    "data",
    type=ReadsNamed(),
    help="Say for how many prompts no rule applies: of ratings that say how far each one does, or "
    "of texts, with --rater.",
)
@click.option("--rater", "spec", type=ReadsRater(), help="The judge to ask about the prompts.")
@click.option("--base-url", help="URL of its endpoint, up to and including /v1.")
@click.option(
    "--key-env",
    default="OPENAI_API_KEY",
    show_default=True,
    help="The environment variable that holds its key.",
)
@store_option("Where its answers are kept; encore rate starts from what is there.")
@click.option("--strict", is_flag=True, help="Exit with 1 if anything is found.")
@json_option()
def check(
    name: str,
    data: str | None,
    spec: str | None,
    base_url: str | None,
    key_env: str,
    store_path: Path,
    strict: bool,
    as_json: bool,
) -> None:
    """Check that NAME is rules that ENCORE can read, and look for trouble in their wording.

    NAME is a rules.toml or a catalogue. Found are duplicates, double-barrelled rules ("and/or"),
    and rules that do not say what is good; with --on, prompts to which no rule applies, whose
    responses get no reward.

    \b
    Example:
      encore rules check rules.toml
      encore rules check rules.toml --on ratings.parquet
      encore rules check safety-13 --on prompts.jsonl --rater local
    """
    if data is None and spec is not None:
        raise click.UsageError("--rater goes with --on: it is asked about prompts.")
    rulebook = Rulebook.load(name)
    findings = check_rules(rulebook)
    covered = None
    if data is not None and spec is not None:
        chosen = plain_rater(spec, base_url, key_env, applicability="prompt")
        covered = _asked(data, rulebook, chosen, store_path)
    elif data is not None:
        covered = _rated(data, rulebook)
    if as_json:
        shown = {"n_rules": len(rulebook), "digest": rulebook.digest}
        prompts = {} if covered is None else {"prompts": asdict(covered)}
        print_json({**shown, **prompts, "findings": [asdict(finding) for finding in findings]})
    else:
        say(f"{name}: {len(rulebook)} rules, digest {rulebook.digest[:12]}")
        for finding in findings:
            say(f"  {finding.rule}: {finding.kind}: {finding.message}")
        if covered is not None:
            _say_covered(covered)
    if strict and (findings or (covered is not None and covered.n_without)):
        raise click.exceptions.Exit(1)


def _rated(data: str, rules: Rulebook) -> PromptCoverage:
    """To how many prompts rules apply, by ratings that say so."""
    table = as_ratings(Path(data), rules).applies_by_prompt()
    if table.applies is None:
        raise InputError(
            f"{data} does not say how far rules apply. Rate with --applicability prompt; or give "
            f"texts, and a judge that is asked about their prompts (--rater)."
        )
    prompts = np.arange(table.n_rows) if table.prompts is None else table.prompts.codes
    return prompt_coverage(table.applies, prompts, rules, _AT_LEAST)


def _asked(data: str, rules: Rulebook, chosen: Chosen, store_path: Path) -> PromptCoverage:
    """The same, by what a judge says about the prompts; it is not asked about responses."""
    with Store(store_path) as store:
        job = Job(Texts(data), rules, chosen.rater, store)
        for message in job.notes:
            noted(message)
        with progress("asking") as (update, note_above):
            job.on_note = note_above
            job.ask_prompts(lambda now: update(now.n_done, "", total=now.n_answers))
        found, passed = job.applicability(), job.prompts
        if found is None or passed is None:
            raise InputError(f"{data}: nobody was asked which rules apply.")
        asked = passed.places >= 0
        return prompt_coverage(found.applies[asked], passed.places[asked], rules, _AT_LEAST)


def _say_covered(covered: PromptCoverage) -> None:
    prompts = counted(covered.n_prompts, "prompt")
    say(f"  no rule applies to {covered.n_without} of {prompts}, at {_AT_LEAST} or more")
    never = [rule for rule, n_prompts in covered.by_rule.items() if not n_prompts]
    if never:
        say(f"  {counted(len(never), 'rule')} to none of them: {listed(never)}")
