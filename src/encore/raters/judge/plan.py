"""What a rating job would ask and cost, before it asks anything, and what it need not ask."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from encore.raters.applicability import prompt_of
from encore.raters.job import Job
from encore.raters.judge.judge import asks_of
from encore.raters.judge.options import JudgeOptions
from encore.raters.judge.prompt import (
    Asks,
    Fence,
    conversation_prompt,
    parts_of,
    rule_prompt,
    rules_prompt,
)
from encore.raters.passes import Pass
from encore.raters.protocol import Item, Usage
from encore.rules import Rule

# Prompt tokens are estimated at four bytes of UTF-8 each, as in English prose.
_BYTES_PER_TOKEN = 4
_JSON_TOKENS = 12
_CODE_TOKENS = 2  # a code and its end


@dataclass(frozen=True)
class Plan:
    """What is left to do of a job, estimated.

    Parameters
    ----------
    n_responses, n_distinct : int
        Responses, and those that differ in text or conversation.
    n_answers, n_stored : int
        Answers that complete the table, and those already stored.
    n_requests : int
        Calls to make, if none has to be repeated.
    prompt_tokens, shared_tokens, completion_tokens : int
        Their tokens, estimated; the shared part of the prompts is what a prefix cache can serve.
    n_prompts, n_new_prompts : int
        Prompts that are asked about first, and those of them that are yet to be. As long as there
        are some, all other numbers are the most that it can be: that all rules apply to them.
    of_prompts : Usage
        What of it the prompts cost.
    sure : Usage
        The least that it can be: that no rule applies to the responses of new prompts.
    n_left_out : int
        Answers that are not asked for, as far as is known, since the rules do not apply.
    """

    n_responses: int
    n_distinct: int
    n_answers: int
    n_stored: int
    n_requests: int
    prompt_tokens: int
    shared_tokens: int
    completion_tokens: int
    n_prompts: int = 0
    n_new_prompts: int = 0
    of_prompts: Usage = field(default_factory=Usage)
    sure: Usage = field(default_factory=Usage)
    n_left_out: int = 0

    @property
    def usage(self) -> Usage:
        """What the run would use if nothing is repeated and everything cacheable is cached."""
        return Usage(
            self.n_requests, self.prompt_tokens, self.shared_tokens, self.completion_tokens
        )


def plan(job: Job, options: JudgeOptions | None) -> Plan:
    """Estimate a job from its prompts.

    Parameters
    ----------
    job : Job
        The job.
    options : JudgeOptions, optional
        How its judge is asked; None for a rater that is not a judge and makes no calls.
    """
    of_prompts = most = sure = Usage()
    new: set[bytes] = set()
    if options is not None:
        if job.prompts is not None:
            new = {prompt.text_key for prompt in job.prompts.items()}
            of_prompts = _missing(job.prompts, job.prompts.items(), Asks.PROMPT, options)
        responses, asks = job.responses, asks_of(options)
        most = of_prompts + _missing(responses, responses.items(), asks, options)
        known = (item for item in responses.items() if prompt_of(item).text_key not in new)
        sure = of_prompts + _missing(responses, known, asks, options) if new else most
    return Plan(
        n_responses=job.n_responses,
        n_distinct=job.n_distinct,
        n_answers=job.n_wanted,
        n_stored=job.n_stored,
        n_requests=most.n_requests,
        prompt_tokens=most.prompt_tokens,
        shared_tokens=most.cached_tokens,
        completion_tokens=most.completion_tokens,
        n_prompts=0 if job.prompts is None else job.prompts.n_distinct,
        n_new_prompts=len(new),
        of_prompts=of_prompts,
        sure=sure,
        n_left_out=job.responses.n_left_out,
    )


def saving(job: Job, options: JudgeOptions | None) -> Usage:
    """What is not asked since rules do not apply, estimated as in a plan.

    That some of it is stored all the same, by a run that asked, is not looked up.
    """
    if options is None or job.prompts is None or not job.responses.n_left_out:
        return Usage()

    def left_out(item: Item) -> list[tuple[Rule, int]]:
        asked = {rule.id for rule in job.responses.asks(item)}
        rules = [rule for rule in job.rules if rule.id not in asked]
        return [(rule, sample) for rule in rules for sample in range(options.n_samples)]

    items = job.responses.distinct_items()
    return _cost(job.responses, items, left_out, asks_of(options), options)


Wants = Callable[[Item], list[tuple[Rule, int]]]


def _missing(held: Pass, items: Iterable[Item], asks: Asks, options: JudgeOptions) -> Usage:
    return _cost(held, items, held.wants, asks, options)


def _cost(
    held: Pass, items: Iterable[Item], wants: Wants, asks: Asks, options: JudgeOptions
) -> Usage:
    """What the calls about some items cost; cached is what repeats a prefix."""
    batch = options.batch_rules
    asked = {rule.id: _tokens(rule_prompt(rule, asks)) for rule in held.rules}
    all_rules = _tokens(rules_prompt(held.rules.rules, asks))
    return sum(_costs(items, wants, asks, asked, all_rules if batch else None), Usage())


def _costs(
    items: Iterable[Item],
    wants: Wants,
    asks: Asks,
    asked: dict[str, int],
    all_rules: int | None,
) -> Iterator[Usage]:
    """Of each item; *all_rules* is what follows the conversation where all are asked at once."""
    for item in items:
        wanted = wants(item)
        if not wanted:
            continue
        calls = len(wanted)
        suffixes = sum(asked[rule.id] for rule, _ in wanted)
        completion = _CODE_TOKENS
        if all_rules is not None:
            calls = len({sample for _, sample in wanted})
            suffixes, completion = calls * all_rules, _JSON_TOKENS * len(asked)
        told = _tokens(conversation_prompt(parts_of(item, asks), Fence("0" * 12), asks))
        prompt = calls * told + suffixes
        yield Usage(calls, prompt, (calls - 1) * told, calls * completion)


def _tokens(text: str) -> int:
    return -(-len(text.encode("utf-8", "replace")) // _BYTES_PER_TOKEN)
