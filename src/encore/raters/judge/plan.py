"""What a rating job would ask and cost, before it asks anything."""

from __future__ import annotations

from dataclasses import dataclass

from encore.raters.job import Job
from encore.raters.judge.options import JudgeOptions
from encore.raters.judge.prompt import (
    Fence,
    conversation_prompt,
    parts_of,
    rule_prompt,
    rules_prompt,
)

# Tokens of a prompt are estimated at four bytes of UTF-8 each, as English prose has.
_BYTES_PER_TOKEN = 4
_JSON_TOKENS = 12


@dataclass(frozen=True)
class Plan:
    """What is left to do of a job, estimated.

    Parameters
    ----------
    n_responses, n_distinct : int
        Responses, and those that differ in text or conversation.
    n_answers, n_stored : int
        Answers that make the table whole, and those that there are.
    n_requests : int
        Calls to make, if none has to be repeated.
    prompt_tokens, shared_tokens, completion_tokens : int
        Their tokens, about; the shared part of the prompts' is what a prefix cache can serve.
    """

    n_responses: int
    n_distinct: int
    n_answers: int
    n_stored: int
    n_requests: int
    prompt_tokens: int
    shared_tokens: int
    completion_tokens: int

    def cost(self, price: tuple[float, float]) -> float:
        """What it costs at a price per million prompt and completion tokens, nothing cached.

        Examples
        --------
        >>> Plan(1, 1, 2, 0, 2, 1000, 400, 2).cost((1.0, 500.0))
        0.002
        """
        return (self.prompt_tokens * price[0] + self.completion_tokens * price[1]) / 1e6


def plan(job: Job, options: JudgeOptions | None) -> Plan:
    """Estimate a job from its prompts.

    Parameters
    ----------
    job : Job
        The job.
    options : JudgeOptions, optional
        How its judge is asked; None for a rater that is no judge and costs no call.
    """
    n_requests = prompt = shared = completion = 0
    batch = options is not None and options.batch_rules
    asked = {rule.id: _tokens(rule_prompt(rule)) for rule in job.rules}
    all_rules = _tokens(rules_prompt(job.rules.rules))
    for item in job.items() if options is not None else ():
        wanted = job.wants(item)
        calls = len({sample for _, sample in wanted}) if batch else len(wanted)
        told = _tokens(conversation_prompt(parts_of(item), Fence("0" * 12)))
        suffixes = calls * all_rules if batch else sum(asked[rule.id] for rule, _ in wanted)
        n_requests += calls
        prompt += calls * told + suffixes
        shared += (calls - 1) * told
        completion += calls * (_JSON_TOKENS * len(job.rules) if batch else 1)
    return Plan(
        n_responses=job.n_responses,
        n_distinct=job.n_distinct,
        n_answers=job.n_wanted,
        n_stored=job.n_stored,
        n_requests=n_requests,
        prompt_tokens=prompt,
        shared_tokens=shared,
        completion_tokens=completion,
    )


def _tokens(text: str) -> int:
    return -(-len(text.encode("utf-8", "replace")) // _BYTES_PER_TOKEN)
