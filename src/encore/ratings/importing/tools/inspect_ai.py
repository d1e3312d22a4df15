"""Logs of inspect_ai: JSON, and ``.eval`` (an archive of JSON).

One rule per scorer, or per key where a scorer gives an object or a list. An epoch asks the model
again, so it is another response to the prompt, and not another rating of one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from encore.ratings.importing.tools.inspect_ai_archive import Samples, open_log
from encore.ratings.importing.tools.part import Part, one_line
from encore.ratings.importing.tools.tool import Tool


def _recognises(document: Any) -> bool:
    if not isinstance(document, dict):
        return False
    head = document.get("eval")
    return isinstance(head, dict) and "task" in head and "model" in head and "plan" in document


def _rows(document: Any, source: str) -> Iterator[dict[str, Any]]:
    head = Part(document, source, 0).inner("eval")
    task, model = head.take("task", str), head.take("model", str)
    partial = {
        scorer.find("name", str)
        for scorer in head.objects("scorers")
        if scorer.inner("options").value.get("partial_credit")
    }
    samples = document.get("samples") or ()
    if not isinstance(samples, list | tuple | Samples):
        Part(document, source, 0).fail(f"expected a list; got {samples!r:.80}.", "samples")
    for row, value in enumerate(samples, 1):
        sample = Part({}, source, row).at(value, "sample")
        response = {
            "prompt_id": f"{task}/{sample.words('id')}",
            "prompt": sample.words("input"),
            "response_id": f"{model}/{sample.find('epoch', int) or 1}",
            "response": _response(sample),
            "model": model,
            "subset": task,
        }
        rated = False
        for name in sample.inner("scores").value:
            for score in _scores(sample.inner("scores"), name):
                # Incorrect, partially correct, correct.
                grade = {"scale": "I,P,C" if name in partial else "I,C", "reverse": False}
                yield response | score | (grade if score["score"] in ("C", "P", "I") else {})
                rated = True
        if not rated:
            error = sample.inner("error").find("message", str)
            yield response | {"rule": None, "score": None, "reason": error or "not scored"}


def _response(sample: Part) -> str | None:
    output = sample.inner("output")
    choices = output.objects("choices")
    return choices[0].inner("message").words("content") if choices else None


def _scores(scores: Part, name: str) -> Iterator[dict[str, Any]]:
    score = scores.inner(name)
    value = score.value.get("value")
    reason = score.words("explanation")
    if isinstance(value, list):
        value = {str(place): item for place, item in enumerate(value, 1)}
    if isinstance(value, dict):
        found = score.at(value, "value")
        pairs = [(f"{name}/{key}", found.score(key)) for key in value]
    else:
        pairs = [(name, score.score("value"))]
    for rule, rating in pairs:
        why = reason if rating is not None else reason or "unscored"
        yield {"rule": one_line(rule), "score": rating, "reason": why}


INSPECT_AI = Tool("inspect_ai", _recognises, _rows, ending=".eval", open=open_log)
