"""Saved results of verifiers before 0.3: ``python verifiers_results.py FOLDER``.

Needs verifiers 0.2 and no model: the questions are made up, and the replies are given.
"""

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import verifiers as vf
from datasets import Dataset
from openai.types.chat import ChatCompletion
from verifiers.clients import OpenAIChatCompletionsClient

REPLIES = iter(["4", "It is five, I think.", None, "5"])


class Given(OpenAIChatCompletionsClient):
    """A client whose replies are given; one of them is an error."""

    async def get_native_response(self, *_: Any, **__: Any) -> Any:
        reply = next(REPLIES)
        if reply is None:
            raise vf.ModelError("no reply")
        message = {"role": "assistant", "content": reply}
        return ChatCompletion.model_validate(
            {
                "id": "given",
                "created": 0,
                "model": "made/model",
                "object": "chat.completion",
                "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
                "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
            }
        )


def correct(completion: Any, answer: str) -> float:
    return float(completion[-1]["content"] == answer)


def brief(completion: Any) -> float:
    return 1 / len(completion[-1]["content"])


async def main(folder: Path) -> None:
    asked = [("What is 2 + 2?", "4"), ("What is 2 + 3?", "5")]
    env = vf.SingleTurnEnv(
        dataset=Dataset.from_list([{"question": q, "answer": a} for q, a in asked]),
        rubric=vf.Rubric(funcs=[correct, brief], weights=[2.0, 1.0]),
    )
    place = Path(tempfile.mkdtemp())
    await env.evaluate(
        client=Given(object()),
        model="made/model",
        num_examples=2,
        rollouts_per_example=2,
        max_concurrent=1,
        save_results=True,
        results_path=place,
    )
    (found,) = place.rglob("results.jsonl")
    shutil.copy(found, folder / "results.jsonl")


asyncio.run(main(Path(sys.argv[1])))
