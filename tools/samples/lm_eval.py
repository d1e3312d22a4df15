"""Samples of lm-evaluation-harness: ``python lm_eval.py FOLDER``.

Needs lm_eval and no model: the questions are made up, and the answers are given.
"""

# ruff: noqa: E402
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.pop(0)  # this file has the package's name
os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
FOLDER = Path(sys.argv[1]).absolute()
PLACE = Path(tempfile.mkdtemp())
os.environ["HF_HOME"] = str(PLACE / "hub")

from lm_eval import simple_evaluate
from lm_eval.api.model import LM
from lm_eval.loggers import EvaluationTracker
from lm_eval.tasks import TaskManager

DATA = [
    {"question": "What is 2 + 2?", "answer": "4", "choices": ["3", "4"], "gold": 1},
    {"question": "What is 2 + 3?", "answer": "5", "choices": ["5", "4"], "gold": 0},
]
ASKED = """
task: sums
dataset_path: json
dataset_kwargs: {data_files: {test: DATA}}
test_split: test
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "{{answer}}"
generation_kwargs: {until: ["\\n"], do_sample: false}
repeats: 1
filter_list:
  - {name: whole, filter: [{function: take_first}]}
  - name: number
    filter: [{function: regex, regex_pattern: "(\\\\d+)"}, {function: take_first}]
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
metadata: {version: 1.0}
"""
CHOSEN = """
task: picks
dataset_path: json
dataset_kwargs: {data_files: {test: DATA}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: choices
doc_to_target: gold
metric_list: [{metric: acc}, {metric: acc_norm}]
metadata: {version: 1.0}
"""


class Given(LM):
    """A model whose answers are given."""

    def loglikelihood(self, requests: list[Any], **_: Any) -> list[Any]:
        return [(-0.5 if "4" in request.args[1] else -1.5, False) for request in requests]

    def loglikelihood_rolling(self, requests: list[Any], **_: Any) -> list[Any]:
        raise NotImplementedError

    def generate_until(self, requests: list[Any], **_: Any) -> list[Any]:
        return ["It is 4." if "2 + 2" in request.args[0] else "6" for request in requests]


def main() -> None:
    (PLACE / "data.jsonl").write_text("\n".join(map(json.dumps, DATA)))
    (PLACE / "tasks").mkdir()
    for name, text in (("sums", ASKED), ("picks", CHOSEN)):
        described = text.replace("DATA", str(PLACE / "data.jsonl"))
        (PLACE / "tasks" / f"{name}.yaml").write_text(described)
    tracker = EvaluationTracker(output_path=str(PLACE / "out"))
    found = simple_evaluate(
        model=Given(),
        tasks=["sums", "picks"],
        task_manager=TaskManager(include_path=str(PLACE / "tasks"), include_defaults=False),
        log_samples=True,
        evaluation_tracker=tracker,
        bootstrap_iters=0,
    )
    samples = found.pop("samples")
    tracker.save_results_aggregated(results=found, samples=samples)
    for name, rows in samples.items():
        tracker.save_results_samples(task_name=name, samples=rows)
        (path,) = (PLACE / "out").rglob(f"samples_{name}_*.jsonl")
        path.rename(FOLDER / f"samples_{name}.jsonl")


main()
