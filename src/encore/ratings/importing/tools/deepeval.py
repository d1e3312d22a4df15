"""Test runs of deepeval, and its cache of metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from encore.parsing import json_value
from encore.ratings.importing.tools.part import Part, named, one_line, said
from encore.ratings.importing.tools.tool import Tool

_CACHE = "test_cases_lookup_map"
_LATEST = "testRunData"


def _recognises(document: Any) -> bool:
    if not isinstance(document, dict):
        return False
    run = document.get(_LATEST, document)
    return isinstance(document.get(_CACHE), dict) or (
        isinstance(run, dict)
        and isinstance(run.get("testCases"), list)
        and ("conversationalTestCases" in run or "metricsScores" in run)
    )


def _rows(document: Any, source: str) -> Iterator[dict[str, Any]]:
    whole = Part(document, source, 1)
    cases = _cached(whole) if _CACHE in whole else _tested(whole)
    seen: Counter[tuple[str, str]] = Counter()
    for prompt, response, metrics in cases:
        ids = named(prompt), named(response)
        rated = {
            "prompt_id": ids[0],
            "prompt": prompt,
            "response_id": ids[1],
            "response": response,
            "repeat": seen[ids],
        }
        seen[ids] += 1
        for metric in metrics:
            yield rated | _rating(metric)
        if not metrics:
            yield rated | {"rule": None, "score": None, "reason": "no metric ran"}


def _tested(whole: Part) -> Iterator[tuple[str, str, list[Part]]]:
    run = whole.inner(_LATEST) if _LATEST in whole else whole
    row = 0
    for key in ("testCases", "conversationalTestCases"):
        for case in run.objects(key):
            row += 1
            part = Part(case.value, case.source, row)
            if key == "testCases":
                prompt, response = part.take("input", object), part.find("actualOutput", object)
            else:
                turns = part.find("turns", list) or []
                prompt, response = part.find("scenario", str) or turns[:1], turns[1:]
            yield said(prompt), said(response or ""), part.objects("metricsData")


def _cached(whole: Part) -> Iterator[tuple[str, str, list[Part]]]:
    """The cache's keys are the test cases, as JSON."""
    for row, (key, value) in enumerate(whole.inner(_CACHE).value.items(), 1):
        place = Part({}, whole.source, row)
        try:
            case = place.at(json_value(key, finite=False), _CACHE)
        except ValueError as error:
            place.fail(f"a key is no test case: {error}", _CACHE)
        stored = place.at(value, _CACHE).objects("cached_metrics_data")
        metrics = [part.inner("metric_data") for part in stored]
        yield said(case.value.get("input")), said(case.value.get("actual_output") or ""), metrics


def _rating(metric: Part) -> dict[str, Any]:
    score, threshold = metric.number("score"), metric.number("threshold")
    reason = metric.find("reason", str)
    if score is None:
        reason = metric.find("error", str) or reason or "no score"
    rating: dict[str, Any] = {"rule": one_line(metric.take("name", str)), "score": score}
    rating |= {"reason": reason, "rater": metric.find("evaluationModel", str), "scale": "0-1"}
    success = metric.find("success", bool)
    if score is None or threshold is None or score == threshold or success is None:
        return rating
    # A metric of what is bad, such as bias, succeeds below its threshold.
    return rating | {"reverse": success != (score > threshold)}


DEEPEVAL = Tool("deepeval", _recognises, _rows)
