"""Samples of lm-evaluation-harness: ``samples_<task>_<time>.jsonl``.

One rule per metric, and filter where there are several: ``exact_match,strict``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from encore.ratings.importing.tools.part import Part, first_of, named, rows_of
from encore.ratings.importing.tools.tool import Tool

_MARKS = ("doc_id", "doc", "target", "resps", "filtered_resps")
# Metrics that are 1 at best and 0 at worst; a task may define others.
_SHARES = {"acc", "acc_norm", "acc_mutual_info", "exact_match", "em", "f1", "mc1", "mc2"}
_HASHES = ("doc_hash", "prompt_hash", "target_hash")
_KNOWN = {*_MARKS, *_HASHES, "arguments", "filter", "metrics"}


def _recognises(document: Any) -> bool:
    return all(mark in first_of(document) for mark in _MARKS)


def _rows(document: Any, source: str) -> Iterator[dict[str, Any]]:
    for sample in rows_of(document, source):
        prompt = _prompt(sample)
        answers = sample.take("resps", list)
        texts = [text for answer in answers if isinstance(answer, list) for text in answer]
        alone = texts[0] if len(texts) == 1 and isinstance(texts[0], str) else None
        task_and_prompt = [sample.value.get(key) for key in _HASHES]
        response = {
            "prompt_id": named(
                [sample.value["doc_id"] if None in task_and_prompt else "", *task_and_prompt]
            ),
            "prompt": prompt,
            "response_id": named(answers),
            "response": alone,
        }
        kind = sample.find("filter", str) or "none"
        for metric in _metrics(sample):
            rule = metric if kind == "none" else f"{metric},{kind}"
            score = sample.score(metric)
            why = {} if score is not None else {"reason": "no score"}
            told = {"scale": "0-1", "reverse": False} if metric in _SHARES else {}
            yield response | {"rule": rule, "score": score} | told | why


def _prompt(sample: Part) -> str | None:
    """The text of the first request; older versions write requests as lists."""
    arguments = sample.value.get("arguments")
    if isinstance(arguments, dict):
        first = next(iter(arguments.values()), None)
        text = first.get("arg_0") if isinstance(first, dict) else None
    else:
        first = arguments[0] if isinstance(arguments, list) and arguments else None
        text = first[0] if isinstance(first, list) and first else None
    return text if isinstance(text, str) else None


def _metrics(sample: Part) -> list[str]:
    """Named in newer versions; in older ones all that is a number and nothing else."""
    if "metrics" in sample:
        return [str(name) for name in sample.take("metrics", list)]
    return [
        key
        for key, value in sample.value.items()
        if key not in _KNOWN and isinstance(value, int | float)
    ]


LM_EVAL = Tool("lm-evaluation-harness", _recognises, _rows)
