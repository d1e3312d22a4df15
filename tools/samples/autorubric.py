"""An experiment of autorubric with one judge and one with two: ``python autorubric.py FOLDER``.

Needs autorubric and no model: the texts are made up, and what the judges say is given.
"""

import asyncio
import json
import shutil
import sys
from pathlib import Path
from typing import Any

sys.path.pop(0)  # this file has the package's name

import litellm
from autorubric import Criterion, CriterionOption, DataItem, LLMConfig, Rubric, RubricDataset
from autorubric.eval import evaluate
from autorubric.graders import CriterionGrader, JudgeSpec

KINDS = [
    CriterionOption(label="Cold", value=0.0),
    CriterionOption(label="Warm", value=1.0),
    CriterionOption(label="No tone to speak of", value=0.0, na=True),
]
RUBRIC = Rubric(
    [
        Criterion(name="harm", requirement="Does no harm.", weight=2.0),
        Criterion(name="tone", requirement="Is kind.", options=KINDS, scale_type="ordinal"),
        Criterion(requirement="Names a source.", weight=-1.0),
    ]
)
SAID: dict[tuple[str, str], Any] = {
    ("Plant it in spring.", "Does no harm."): "MET",
    ("Plant it in spring.", "Is kind."): 2,
    ("Plant it in spring.", "Names a source."): "UNMET",
    ("42", "Does no harm."): "CANNOT_ASSESS",
    ("42", "Is kind."): 3,
    ("42", "Names a source."): "nonsense",
}


async def answer(model: str, messages: list[dict[str, Any]], **_: Any) -> Any:
    said = next(
        value
        for (text, criterion), value in SAID.items()
        if text in str(messages) and criterion in str(messages)
    )
    if model.endswith("stern") and said == "MET":
        said = "UNMET"
    field = "selected_option" if isinstance(said, int) else "criterion_status"
    content = json.dumps({field: said, "explanation": f"It says {said}."})
    return litellm.ModelResponse(choices=[{"message": {"role": "assistant", "content": content}}])


async def main(folder: Path) -> None:
    litellm.acompletion = answer
    data = RubricDataset(
        prompt="How do I grow garlic?",
        rubric=RUBRIC,
        name="garden",
        items=[
            DataItem(submission="Plant it in spring.", description="short"),
            DataItem(submission="42", description="a number"),
        ],
    )
    off = {"max_retries": 0, "cache_enabled": False}
    judges = [
        JudgeSpec(LLMConfig(model=f"made/{name}", **off), judge_id=name)
        for name in ("mild", "stern")
    ]
    graders = {
        "single": CriterionGrader(
            judge_model_config=LLMConfig(model="made/mild", **off), shuffle_options=False
        ),
        "ensemble": CriterionGrader(judges=judges, aggregation="majority", shuffle_options=False),
    }
    for name, grader in graders.items():
        await evaluate(
            data,
            grader,
            show_progress=False,
            max_concurrent_items=1,
            experiment_name=name,
            experiments_dir=folder,
        )
        shutil.move(folder / name / "items.jsonl", folder / f"{name}.jsonl")
        shutil.rmtree(folder / name)


asyncio.run(main(Path(sys.argv[1])))
