"""Saved rollouts of verifiers: ``traces.jsonl``, and ``results.jsonl`` from before 0.3.

One rule per reward function and metric. A rollout that failed has rewards of 0 in its file;
here it is unrated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from encore.ratings.importing.tools.part import Part, first_of, named, one_line, rows_of, said
from encore.ratings.importing.tools.tool import Tool

# Columns of older results that are no scores; "reward" is the rewards' sum.
_COLUMNS = {
    *("example_id", "prompt", "completion", "answer", "info", "task", "reward", "error"),
    *("timing", "is_completed", "is_truncated", "stop_condition", "metrics", "tool_defs"),
    *("token_usage", "error_chain", "long_error_chain", "generation_ms", "scoring_ms", "total_ms"),
}


# Of each function: its name, the score, and what its rows say besides.
Scores = list[tuple[str, Any, dict[str, bool]]]


def _recognises(document: Any) -> bool:
    first = first_of(document)
    if all(key in first for key in ("traces", "task", "env")):
        return isinstance(first["traces"], list)
    return all(key in first for key in ("prompt", "completion", "reward")) and (
        "example_id" in first or "task" in first or "metrics" in first
    )


def _rows(document: Any, source: str) -> Iterator[dict[str, Any]]:
    seen: Counter[str] = Counter()
    for row in rows_of(document, source):
        if "traces" in row:
            for trace in row.objects("traces"):
                yield from _trace(trace, row.inner("env").find("id", str) or "")
        else:
            yield from _result(row, seen)


def _trace(trace: Part, env: str) -> Iterator[dict[str, Any]]:
    task = trace.inner("task")
    data = task.inner("data")
    prompt = data.words("prompt")
    key = task.find("key", str) or task.find("hash", str) or named(data.value)
    replies = [
        node.inner("message").words("content")
        for node in trace.objects("nodes")
        if node.inner("message").value.get("role") == "assistant"
    ]
    config = trace.inner("agent").inner("config")
    response = {
        "prompt_id": f"{env}/{key}" if env else key,
        "prompt": prompt,
        "response_id": trace.take("id", str),
        "response": replies[-1] if replies else None,
        "model": config.find("model", str),
    }
    errors = trace.objects("errors")
    why = errors[-1].words("message") if errors else None
    rewards, metrics = trace.inner("rewards"), trace.inner("metrics")
    scores: Scores = []
    for name in rewards.value:
        reward = rewards.inner(name)
        # What weighs less than nothing is a penalty.
        told = {"reverse": (reward.number("weight") or 0) < 0} if reward.value else {}
        scores.append((name, reward.score("score"), told))
    scores += [(name, metrics.score(name), {}) for name in metrics.value]
    yield from _rated(response, scores, why, failed=trace.value.get("ok") is False)


def _result(row: Part, seen: Counter[str]) -> Iterator[dict[str, Any]]:
    prompt = row.value.get("prompt")
    key = "-".join(
        str(part) for part in (row.value.get("example_id"), named(prompt)) if part is not None
    )
    seen[key] += 1
    completion = row.value.get("completion")
    response = {
        "prompt_id": key,
        "prompt": None if prompt is None else said(prompt),
        "response_id": str(seen[key]),
        "response": said(completion) if completion else None,
        "subset": row.find("task", str),
    }
    metrics = row.inner("metrics") if "metrics" in row else row
    scores: Scores = [
        (name, metrics.score(name), {})
        for name, value in metrics.value.items()
        if metrics is not row or (name not in _COLUMNS and isinstance(value, int | float | None))
    ]
    error = row.value.get("error")
    why = error.get("message") if isinstance(error, dict) else error
    yield from _rated(response, scores, why if why is None else said(why), failed=bool(error))


def _rated(
    response: dict[str, Any], scores: Scores, why: str | None, *, failed: bool
) -> Iterator[dict[str, Any]]:
    for name, score, told in scores:
        rating = None if failed else score
        reason = {"reason": why or "no score"} if rating is None else {}
        yield response | {"rule": one_line(name), "score": rating} | told | reason
    if not scores:
        yield response | {"rule": None, "score": None, "reason": why or "no reward function"}


VERIFIERS = Tool("verifiers", _recognises, _rows)
