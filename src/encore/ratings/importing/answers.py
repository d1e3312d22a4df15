"""What an answer to a question says."""

from __future__ import annotations

from dataclasses import replace

from encore.errors import InputError
from encore.ratings.importing.choices import Choices, Question
from encore.ratings.importing.scale import scale_from_text


def answered(choices: Choices, question: Question, answer: str) -> Choices:
    """The choices with the answer to a question.

    Raises
    ------
    InputError
        If that is no answer to it.
    """
    answer = answer.strip()
    if question.kind == "scale" and answer:
        return choices.with_scales(dict.fromkeys(question.rules, answer))
    if question.kind == "direction" and answer in ("reverse", "as-is"):
        name = answer.replace("-", "_")
        return replace(choices, **{name: (*getattr(choices, name), *question.rules)})  # type: ignore[arg-type]
    if question.kind == "repeats" and answer in ("yes", "repeats"):
        return replace(choices, number_repeats=True)
    if question.kind == "combine" and answer in ("mean", "repeats"):
        return replace(choices, combine=answer)
    if question.kind == "sheet" and answer in question.answers:
        return replace(choices, sheet=answer)
    if question.kind == "value" and answer:
        if answer in ("na", "unrated"):
            return replace(choices, **{answer: (*getattr(choices, answer), question.word)})  # type: ignore[arg-type]
        if answer == "rating":
            answer = question.word
        maps = {
            rule: {**choices.map.get(rule, {}), question.word: answer} for rule in question.rules
        }
        return replace(choices, map={**choices.map, **maps})
    raise InputError(
        f"{answer!r} is no answer; expected one of {', '.join(question.answers) or 'a scale'}."
    )


def answered_by(question: Question, answer: str) -> str | None:
    """What is wrong with an answer; None where nothing is."""
    try:
        answered(Choices(), question, answer)
        if question.kind == "scale":
            scale_from_text(answer)
    except InputError as error:
        return str(error)
    return None
