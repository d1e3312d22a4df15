"""Results of promptfoo, from its documentation and public source: JSON, and JSONL.

One rule per assertion, named by its metric, or by its type and value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from encore.ratings.importing.tools.part import Part, first_of, named, numbered, one_line, rows_of
from encore.ratings.importing.tools.tool import Tool

# Of all assertions; the opposite of one has scores of its own.
_PASSES = {"scale": "0-1", "reverse": False}
_MARKS = ("success", "testCase", "vars")


def _recognises(document: Any) -> bool:
    if isinstance(document, dict):
        results = document.get("results")
        found = results.get("results") if isinstance(results, dict) else results
        first = first_of(found)
    else:
        first = first_of(document)
    graded = "gradingResult" in first or "namedScores" in first
    return graded and any(mark in first for mark in _MARKS) and "prompt" in first


def _rows(document: Any, source: str) -> Iterator[dict[str, Any]]:
    results = document
    while isinstance(results, dict):
        results = results.get("results")
    seen: Counter[tuple[str, str]] = Counter()
    for result in rows_of(results or (), source):
        provider = result.inner("provider") if _is_object(result, "provider") else None
        named_so = provider.find("label", str) or provider.take("id", str) if provider else None
        model: object = named_so or result.find("provider", object)
        asked = result.inner("prompt") if _is_object(result, "prompt") else None
        prompt = (asked.words("raw") if asked else result.words("prompt")) or ""
        ids = named(prompt), str(model)
        seen[ids] += 1
        response = {
            "prompt_id": ids[0],
            "prompt": prompt,
            "response_id": ids[1] if seen[ids] == 1 else f"{ids[1]} {seen[ids]}",
            "response": result.inner("response").words("output"),
            "model": model,
        }
        ratings = list(_ratings(result))
        if not ratings:
            why = result.find("error", str) or "no assertion"
            ratings = [{"rule": None, "score": None, "reason": why}]
        for rating in ratings:
            yield response | rating


def _is_object(part: Part, key: str) -> bool:
    return isinstance(part.value.get(key), dict)


def _ratings(result: Part) -> Iterator[dict[str, Any]]:
    components = [
        leaf
        for part in result.inner("gradingResult").objects("componentResults")
        for leaf in _leaves(part)
    ]
    named_ones = [_rule(part) for part in components]
    for rule, part in zip(numbered(named_ones), components, strict=True):
        score, reason = part.score("score"), part.find("reason", str)
        if part.inner("metadata").find("graderError", bool):
            score = None
        yield {"rule": one_line(rule), "score": score, "reason": reason, **_PASSES}
    scores = result.inner("namedScores")
    for name in scores.value:
        if name not in named_ones:
            yield {"rule": one_line(name), "score": scores.score(name), **_PASSES}


def _leaves(part: Part) -> Iterator[Part]:
    """A component, or those of a set of assertions."""
    below = part.objects("componentResults")
    if not below:
        yield part
    for inner in below:
        yield from _leaves(inner)


def _rule(part: Part) -> str:
    assertion = part.inner("assertion")
    metric = assertion.find("metric", str)
    if metric:
        return metric
    kind, value = assertion.find("type", str) or "assertion", assertion.words("value")
    return f"{kind}: {value}" if value else kind


PROMPTFOO = Tool("promptfoo", _recognises, _rows)
