"""What ``encore rate`` prints: what it would ask, and what it has rated."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from encore.cli.options import counted
from encore.cli.screen import note, print_json, say, show
from encore.cli.tables import coverage_table
from encore.raters import Heads, Job, Plan, Rated, Usage

Price = tuple[float, float]


def print_plan(planned: Plan, price: Price | None, *, as_json: bool) -> None:
    """Say what would be asked, and about what it costs."""
    cost = None if price is None else planned.usage.cost(price)
    if as_json:
        return print_json({**asdict(planned), "cost_usd": cost})
    say(
        f"{counted(planned.n_responses, 'response')}, {planned.n_distinct} of them distinct: "
        f"{counted(planned.n_answers, 'answer')}, {planned.n_stored} of them stored."
    )
    if planned.n_prompts:
        _say_prompts(planned)
    say(
        f"Left to ask: {'at most ' if planned.n_new_prompts else ''}"
        f"{counted(planned.n_requests, 'request')}, about {planned.prompt_tokens:,} "
        f"tokens in ({planned.shared_tokens:,} of them repeat a prefix that a cache can serve) and "
        f"{planned.completion_tokens:,} out."
    )
    if cost is not None:
        say(f"About ${cost:,.2f}, at most, with nothing cached.")


def _say_prompts(planned: Plan) -> None:
    """What asking first which rules apply costs, and what it is known to spare."""
    of, new = planned.of_prompts, planned.n_new_prompts
    say(
        f"Which rules apply: {counted(planned.n_prompts, 'prompt')}, {new} of them to be asked "
        f"about first, with {counted(of.n_requests, 'request')} and about {of.prompt_tokens:,} "
        f"tokens in."
    )
    if new < planned.n_prompts:
        left_out = counted(planned.n_left_out, "answer")
        say(f"By what is known of the others, {left_out} need not be asked for.")
    if new:
        say(
            f"What they leave out is not known before: the whole is at least "
            f"{counted(planned.sure.n_requests, 'request')}."
        )


def print_rated(
    job: Job,
    rated: Rated,
    saved: Usage,
    out: Path | None,
    *,
    price: Price | None,
    as_json: bool,
) -> None:
    """Say what was rated and what it cost."""
    usage = job.usage
    if as_json:
        return print_json(
            {
                "out": None if out is None else str(out),
                "n_responses": job.n_responses,
                "n_stored_before": job.n_stored,
                "n_cut": rated.n_cut,
                "usage": asdict(usage),
                "cost_usd": None if price is None else usage.cost(price),
                "coverage": [asdict(rule) for rule in rated.coverage],
                "applicability": _of_prompts(job, saved),
                "notes": job.notes,
            }
        )
    show(coverage_table(rated.coverage))
    if rated.n_cut:
        cut = counted(rated.n_cut, "response")
        note(f"Note: {cut} judged with the middle of an overlong text left out.")
    _note_unknown(rated)
    if out is None:
        return
    if job.prompts is not None:
        _say_saved(job, saved)
    spent = "" if price is None else f", ${usage.cost(price):.2f}"
    share = usage.cached_tokens / usage.prompt_tokens if usage.prompt_tokens else 0.0
    done = f"{counted(job.n_responses, 'response')} under {counted(len(rated.rules), 'rule')}"
    if isinstance(job.rater, Heads):
        return say(f"{out}: {done}; {usage.prompt_tokens:,} tokens read")
    say(
        f"{out}: {done}; {counted(usage.n_requests, 'request')}, {usage.prompt_tokens:,} tokens in "
        f"({share:.0%} cached), {usage.completion_tokens:,} out{spent}"
    )


def _of_prompts(job: Job, saved: Usage) -> dict[str, Any] | None:
    """What asking first which rules apply has cost and spared; None where it was not asked."""
    if job.prompts is None:
        return None
    return {
        "n_prompts": job.prompts.n_distinct,
        "usage": asdict(job.usage_of_prompts),
        "n_left_out": job.responses.n_left_out,
        "saved": asdict(saved),
    }


def _say_saved(job: Job, saved: Usage) -> None:
    of, held = job.usage_of_prompts, job.responses
    n_all = held.n_wanted + held.n_left_out
    n_prompts = 0 if job.prompts is None else job.prompts.n_distinct
    say(
        f"Which rules apply: {counted(n_prompts, 'prompt')}, {counted(of.n_requests, 'request')}, "
        f"{of.prompt_tokens:,} tokens in. So {held.n_left_out:,} of {n_all:,} answers were not "
        f"asked for: {counted(saved.n_requests, 'request')} and about {saved.prompt_tokens:,} "
        f"tokens in saved."
    )


def _note_unknown(rated: Rated) -> None:
    """Say how often it is not known how far a rule applies."""
    why = sum((Counter(rule.unknown) for rule in rated.coverage), Counter[str]())
    if why:
        n_cells = sum(rule.n_responses for rule in rated.coverage)
        reasons = ", ".join(f"{count} {reason}" for reason, count in why.most_common())
        note(
            f"Note: in {why.total():,} of {n_cells:,} cells it is not known how far the rule "
            f"applies ({reasons}); it counts as if it does."
        )
