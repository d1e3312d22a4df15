"""Scores of RewardBench, from its public source: ``…_outputs.jsonl`` and ``eval-set-scores``.

One rule, the reward model's score; where it has several heads, one per head. In RewardBench 1
each prompt has a chosen and a rejected response, in 2 four or more, of which the first
``num_correct`` are right: the label says which.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from encore.errors import RatingsError
from encore.ratings.importing.tools.part import Part, first_of, named, rows_of, said
from encore.ratings.importing.tools.tool import Tool

_SIDES = ("chosen", "rejected")
_PAIRED = tuple(f"scores_{side}" for side in _SIDES)


def _recognises(document: Any) -> bool:
    """Rows, or an object of columns; beside the scores stands what came out."""
    found = document if isinstance(document, dict) else first_of(document)
    paired = all(name in found for name in _PAIRED)
    several = "scores" in found and "text" in found and ("num_correct" in found or "id" in found)
    columns = not isinstance(document, dict) or isinstance(document.get("results"), list)
    return "results" in found and columns and (paired or several)


def _rows(document: Any, source: str) -> Iterator[dict[str, Any]]:
    common: Mapping[str, Any] = {}
    if isinstance(document, dict):
        document, common = _turned(document, source)
    for row in rows_of(document, source):
        whole = Part({**common, **row.value}, row.source, row.row)
        prompt = whole.words("prompt")
        key = whole.value.get("id")
        shared = {
            "prompt_id": str(key) if key is not None else named(prompt or _texts(whole)),
            "prompt": prompt,
            "subset": whole.find("subset", str),
            "rater": whole.find("model", str),
        }
        for response, score in _responses(whole):
            for rule, rating in _heads(whole, score):
                why = {"reason": "no score"} if rating is None else {}
                # RewardBench counts higher as better; heads have directions of their own.
                told = {"reverse": False} if rule == "score" else {}
                yield shared | response | {"rule": rule, "score": rating} | told | why


def _turned(columns: dict[str, Any], source: str) -> tuple[list[Any], dict[str, Any]]:
    """Columns as rows; what is no list, such as the model's name, is of all rows."""
    lists = {name: value for name, value in columns.items() if isinstance(value, list)}
    n = len(lists["results"])
    wrong = next((name for name, value in lists.items() if len(value) != n), None)
    if wrong is not None:
        message = f"has {len(lists[wrong])} values where 'results' has {n}; is the file whole?"
        raise RatingsError(message, source=source, column=wrong)
    rows = [dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)]
    return rows, {name: value for name, value in columns.items() if name not in lists}


def _texts(row: Part) -> list[Any]:
    return [row.value.get(name) for name in ("text", "text_chosen", "text_rejected")]


def _responses(row: Part) -> Iterator[tuple[dict[str, Any], Any]]:
    if _PAIRED[0] in row.value:
        for side in _SIDES:
            text = row.value.get(f"text_{side}", row.value.get(side))
            response = {
                "response_id": side,
                "response": None if text is None else said(text),
                "model": row.find(f"{side}_model", str),
                "label": float(side == "chosen"),
            }
            yield response, row.value[f"scores_{side}"]
        return
    scores, texts = row.take("scores", list), row.take("text", list)
    if len(scores) != len(texts):
        row.fail(f"expected a score for each of {len(texts)} texts; got {len(scores)}.", "scores")
    n_right = row.find("num_correct", int)
    for place, (score, text) in enumerate(zip(scores, texts, strict=True)):
        label = float(place < (1 if n_right is None else n_right))
        yield {"response_id": str(place + 1), "response": said(text), "label": label}, score


def _heads(row: Part, score: Any) -> Iterator[tuple[str, Any]]:
    """The scores of one response; a list of one is a score."""
    while isinstance(score, list) and len(score) == 1:
        score = score[0]
    heads = score if isinstance(score, list) else [score]
    if not heads:
        row.fail("expected a score; got an empty list.", "scores")
    for number, value in enumerate(heads, 1):
        rule = "score" if len(heads) == 1 else f"score {number}"
        yield rule, Part({rule: value}, row.source, row.row).score(rule)


REWARDBENCH = Tool("RewardBench", _recognises, _rows)
