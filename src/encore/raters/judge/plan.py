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
from encore.raters.protocol import Usage

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
    """

    n_responses: int
    n_distinct: int
    n_answers: int
    n_stored: int
    n_requests: int
    prompt_tokens: int
    shared_tokens: int
    completion_tokens: int

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
        completion += calls * (_JSON_TOKENS * len(job.rules) if batch else _CODE_TOKENS)
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
