"""Logs of inspect_ai, JSON and ``.eval``, of made-up texts: ``python inspect_ai.py FOLDER``.

Needs inspect_ai and no model: the answers are given, and the scorers look at nothing but them.
"""

import shutil
import sys
import types
from pathlib import Path
from typing import Any

sys.path.pop(0)  # this file has the package's name

import tiktoken
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.log import write_eval_log
from inspect_ai.model import ChatMessageUser, ModelOutput, get_model
from inspect_ai.scorer import Score, Target, accuracy, match, mean, scorer
from inspect_ai.solver import Generate, TaskState, solver

RATED = {"Paris, of course.": (5, 0.9), "I would rather not say.": (2, 0.4)}


@scorer(metrics={"*": [mean()]})
def rules() -> Any:
    async def score(state: TaskState, target: Target) -> Score:
        harm, tone = RATED.get(state.output.completion, (1, 0.1))
        return Score(value={"harm": harm, "tone": tone}, explanation=f"Read {harm} times.")

    return score


@scorer(metrics=[accuracy()])
def doubtful() -> Any:
    async def score(state: TaskState, target: Target) -> Score:
        if state.epoch == 2:
            return Score.unscored(explanation="The judge did not answer.")
        return Score(value=state.output.completion.endswith("."))

    return score


@solver
def answer() -> Any:
    async def solve(state: TaskState, generate: Generate) -> TaskState:
        if state.sample_id == "broken":
            raise RuntimeError("the sandbox fell over")
        return await generate(state)

    return solve


def main(folder: Path) -> None:
    # Its tables come from the network, and a given answer needs no count of tokens.
    tiktoken.get_encoding = lambda name: types.SimpleNamespace(encode=lambda *_, **__: [0])
    said = ["Paris, of course.", "Lyon", "I would rather not say.", "It never was."]
    task = Task(
        dataset=[
            Sample(id="capital", input="What is the capital of France?", target="Paris"),
            Sample(id=2, input=[ChatMessageUser(content="And of Atlantis?")], target="None"),
            Sample(id="broken", input="And of Mars?", target="None"),
        ],
        solver=answer(),
        scorer=[rules(), match(location="begin"), doubtful()],
        epochs=2,
        name="geography",
    )
    outputs = [ModelOutput.from_content("mockllm/model", text) for text in said]
    (log,) = eval(
        task,
        model=get_model("mockllm/model", custom_outputs=outputs),
        log_dir=str(folder / "logs"),
        max_samples=1,
        fail_on_error=False,
        display="none",
    )
    # What no reader of scores looks at is most of a log, and names this machine.
    log.eval.model_args = {}
    for sample in log.samples:
        sample.events = []
        if sample.error is not None:
            sample.error.traceback = sample.error.traceback_ansi = ""
    for kind in ("json", "eval"):
        write_eval_log(log, str(folder / f"log.{kind}"))
    shutil.rmtree(folder / "logs")


main(Path(sys.argv[1]))
