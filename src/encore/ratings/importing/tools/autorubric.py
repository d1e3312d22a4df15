"""Experiments of autorubric: the ``items.jsonl`` of an experiment's folder.

The submissions are not in it, nor which of them answer one prompt: each item is a prompt of its
own. A rating per judge, since the verdicts that autorubric counts together are made of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from encore.ratings.importing.tools.part import Part, first_of, numbered, one_line, rows_of
from encore.ratings.importing.tools.tool import Tool


def _recognises(document: Any) -> bool:
    first = first_of(document)
    report = first.get("report")
    return "item_idx" in first and isinstance(report, dict) and "score" in report


def _rows(document: Any, source: str) -> Iterator[dict[str, Any]]:
    for item in rows_of(document, source):
        report = item.inner("report")
        number = str(item.take("item_idx", int))
        ids = {"prompt_id": number, "response_id": "submission"}
        criteria = report.objects("criterion_reports")
        asked = [part.inner("criterion") if "criterion" in part else part for part in criteria]
        names = [part.find("name", str) or part.take("requirement", str) for part in asked]
        for name, criterion, part in zip(numbered(names), asked, criteria, strict=True):
            # What weighs less than nothing is a fault, and met by a worse submission.
            fault = (criterion.number("weight") or 0) < 0
            rule = {"rule": one_line(name), "reverse": fault, **_scale(criterion)}
            for rating in _ratings(part):
                yield ids | rule | rating
        if not criteria:
            why = item.find("error", str) or report.find("error", str) or "not graded"
            yield ids | {"rule": None, "score": None, "reason": why}


def _scale(criterion: Part) -> dict[str, str]:
    """The values of a criterion's options, worst first; one of two verdicts has no options."""
    options = [each for each in criterion.objects("options") if not each.find("na", bool)]
    values = sorted({value for each in options if (value := each.number("value")) is not None})
    return {"scale": ",".join(f"{value:g}" for value in values)} if len(values) > 1 else {}


def _ratings(part: Part) -> Iterator[dict[str, Any]]:
    """The judges' votes, or the verdict of a report that has none."""
    votes = part.objects("votes") + part.objects("multi_choice_votes")
    for vote in votes:
        if not vote.find("superseded", bool):
            yield {"rater": vote.take("judge_id", str)} | _rating(vote, vote)
    if votes:
        return
    for prefix in ("", "final_"):
        chosen = part.inner(f"{prefix}multi_choice_verdict")
        if f"{prefix}verdict" in part or chosen.value:
            yield _rating(part, chosen, prefix)
            return
    yield {"score": None, "reason": part.find("error", str) or "no verdict"}


def _rating(part: Part, chosen: Part, prefix: str = "") -> dict[str, Any]:
    """One verdict: met or not, or the value of the option that was chosen."""
    reason = part.find(f"{prefix}reason", str)
    error = part.find("error", str)
    if error is not None:
        return {"score": None, "reason": error}
    verdict = part.find(f"{prefix}verdict", str)
    if verdict is None:
        if chosen.find("na", bool):
            return {"score": None, "reason": reason, "not_applicable": True}
        return {"score": chosen.score("value"), "reason": reason}
    met = {"MET": True, "UNMET": False, "CANNOT_ASSESS": None}
    if verdict not in met:
        part.fail(f"expected one of {', '.join(met)}; got {verdict!r:.80}.", f"{prefix}verdict")
    return {"score": met[verdict], "reason": reason}


AUTORUBRIC = Tool("autorubric", _recognises, _rows)
