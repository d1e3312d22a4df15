"""Runs one peer library on its input and prints the cells without a rating; see ``peers.py``."""

# mypy: ignore-errors
# (the peers are installed elsewhere, and not typed)

from __future__ import annotations

import asyncio
import json
import os
import sys

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"


async def autorubric(told: dict, llm_calls: str) -> int:
    from autorubric import Criterion, LLMConfig, Rubric
    from autorubric.graders import CriterionGrader

    config = LLMConfig(
        model="openai/m", api_base=told["url"], api_key="none", temperature=0.0, max_tokens=128,
        timeout=120.0, max_parallel_requests=1,
    )  # fmt: skip
    grader = CriterionGrader(judge_model_config=config, llm_calls=llm_calls)
    rubric = Rubric([Criterion(weight=1.0, requirement=text) for text in told["rules"]])
    unrated = 0
    for row in told["rows"]:
        try:
            report = await rubric.grade(row["response"], grader=grader, query=row["prompt"])
            rated = sum(part.error is None for part in report.report or ())
            unrated += len(told["rules"]) - rated
        except Exception as error:
            print(repr(error)[:300], file=sys.stderr)
            unrated += len(told["rules"])
    return unrated


async def rubric(told: dict) -> int:
    from openai import AsyncOpenAI
    from rubric import Criterion, PerCriterionOutput, Rubric
    from rubric.autograders import PerCriterionGrader

    client = AsyncOpenAI(base_url=told["url"], api_key="none")
    schema = {"name": "out", "strict": True, "schema": PerCriterionOutput.model_json_schema()}

    async def generate(system_prompt: str, user_prompt: str, **_: object) -> PerCriterionOutput:
        reply = await client.chat.completions.create(
            model="m",
            messages=[
                {"role": "system", "content": system_prompt},
                {"role": "user", "content": user_prompt},
            ],
            temperature=0.0,
            max_tokens=128,
            response_format={"type": "json_schema", "json_schema": schema},
        )
        return PerCriterionOutput.model_validate_json(reply.choices[0].message.content)

    rules = Rubric([Criterion(weight=1.0, requirement=text) for text in told["rules"]])
    unrated = 0
    for row in told["rows"]:
        try:
            await rules.grade(
                row["response"], autograder=PerCriterionGrader(generate), query=row["prompt"]
            )
        except Exception as error:  # one broken answer fails the whole grading
            print(repr(error)[:300], file=sys.stderr)
            unrated += len(told["rules"])
    return unrated


if __name__ == "__main__":
    told = json.load(sys.stdin)
    ways = {
        "autorubric": lambda: autorubric(told, "per_criterion"),
        "autorubric-item": lambda: autorubric(told, "per_item"),
        "rubric": lambda: rubric(told),
    }
    print(asyncio.run(ways[sys.argv[1]]()))
