"""What each rule's values mean and on which scale, and what has to be asked about that."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from encore.errors import InputError
from encore.formatting import listed
from encore.ratings.importing.choices import ALL, Choices, Question, escaped, joined_names
from encore.ratings.importing.grid import RatingsGrid
from encore.ratings.importing.names import sounds_bad
from encore.ratings.importing.scale import (
    certain_scale,
    likely_scales,
    reversed_scale,
    scale_from_text,
)
from encore.ratings.importing.values import SENTINELS, UNSURE_WORDS, Read, read_values
from encore.rules import Rulebook, Scale
from encore.rules.scale import outside

_MOST_WORDS = 12


@dataclass(frozen=True, eq=False)
class Decided:
    """What is known of one rule.

    Parameters
    ----------
    read : Read
        What its values mean.
    scale : Scale or None
        Its scale, if that is certain.
    words : tuple of str
        Its levels' words, worst first, if they are words.
    why : str
        Where the scale comes from, in a word or two.
    """

    read: Read
    scale: Scale | None
    words: tuple[str, ...]
    why: str


def decided(
    grid: RatingsGrid, choices: Choices, rules: Rulebook | None
) -> tuple[dict[str, Decided], list[Question]]:
    """Each rule's values and scale, and all that has to be asked.

    Raises
    ------
    InputError
        If what is said of a rule's scale is no scale, or names a rule that is not there.
    RatingsError
        If a cell cannot be a rating.
    """
    _check_names(grid, choices)
    reads = {rule: _read(grid, rule, choices) for rule in grid.rules}
    questions = list(_about_grid(grid, choices))
    clean = {}
    for rule, read in reads.items():
        of_rules = None if rules is None else rules[rule].scale
        asked, clean[rule] = _about_values(grid, rule, read, choices, of_rules)
        questions += asked
    pool = _pool(clean.values())
    found = {}
    scale: Scale | None
    for rule, read in clean.items():
        scale, words, why = _scale(grid, rule, read, choices, rules=rules, pool=pool)
        if scale is None:
            if not any(rule in q.rules and q.kind == "scale" for q in questions):
                questions.append(_scale_question(rule, read))
        turned = rules is None and _turned(grid, rule, read, choices)
        if turned is None:
            questions.append(_direction_question(rule))
        elif turned and scale is not None:
            scale = reversed_scale(scale)
        found[rule] = Decided(reads[rule], scale, words, why)
    return found, _grouped(questions, len(grid.rules))


def _check_names(grid: RatingsGrid, choices: Choices) -> None:
    """Refuse what is said of rules that are not there."""
    for option, names in (
        ("--scale", choices.scale),
        ("--reverse", choices.reverse),
        ("--as-is", choices.as_is),
        ("--map", choices.map),
    ):
        for name in names:
            if name not in (ALL, *grid.rules, *(choices.label if option == "--map" else ())):
                raise InputError(
                    f"{option} names {name!r}, and there is no such rule. Rules: "
                    f"{listed(list(grid.rules), most=20)}."
                )


def _read(grid: RatingsGrid, rule: str, choices: Choices) -> Read:
    said = choices.scale_of(rule) or grid.rules[rule].scale
    words = () if said is None else scale_from_text(said)[1]
    cells, decimal = grid.rules[rule].cells, grid.found.decimal
    if (
        words and said == choices.scale.get(ALL) and rule not in choices.scale
    ):  # of all rules: it is meant for those with such words
        plain = read_values(rule, cells, choices, decimal=decimal)
        if not plain.unread():
            return plain
    return read_values(rule, cells, choices, decimal=decimal, words=words)


def _scale(
    grid: RatingsGrid,
    rule: str,
    read: Read,
    choices: Choices,
    *,
    rules: Rulebook | None,
    pool: Sequence[float],
) -> tuple[Scale | None, tuple[str, ...], str]:
    """A rule's scale, its words, and where it comes from."""
    if rules is not None:
        return rules[rule].scale, read.words, "rules"
    said = choices.scale_of(rule)
    if said is not None and not (rule not in choices.scale and read.words and "," not in said):
        of_said, words = scale_from_text(said, read.seen)
        return of_said, words, "said"
    if (told := grid.rules[rule].scale) is not None:
        return *scale_from_text(told, read.seen), "tool"
    scale = certain_scale(read, pool) or certain_scale(read, read.seen)
    return scale, read.words, "seen"


def _pool(reads: Iterable[Read]) -> list[float]:
    """The numbers of all rules that are rated in whole numbers on more than two levels."""
    pool: set[float] = set()
    for read in reads:
        whole = all(value.is_integer() for value in read.seen)
        if whole and read.written <= {"number", "samples"} and set(read.seen) != {0.0, 1.0}:
            pool |= set(read.seen)
    return sorted(pool)


def _about_grid(grid: RatingsGrid, choices: Choices) -> list[Question]:
    questions = []
    found = grid.found
    raters = raters_of(grid)
    if len(raters) > 1 and choices.combine is None:
        text = f"ratings by {len(raters)} raters ({listed(raters)}): one, their mean, or repeats?"
        answers = {how: f"--combine={how}" for how in ("mean", "repeats")}
        questions.append(Question("combine", (), text, answers))
    if grid.twice is not None and "repeat" not in grid.others:
        first, second = (
            f"{found.sources[int(found.source[row])]}, row {found.rows[row]}" for row in grid.twice
        )
        by = "" if raters else " (If another rater did: --rater COLUMN, or --rater-per-file.)"
        text = f"{second} rates the same response under the same rule as {first}: again?{by}"
        questions.append(Question("repeats", (), text, {"repeats": "--number-repeats"}))
    return questions


def raters_of(grid: RatingsGrid) -> list[str]:
    """The names of the raters, in the order of their appearance."""
    if "rater" not in grid.others:
        return []
    column = grid.others["rater"]
    texts = column.texts().to_pylist()
    return list(dict.fromkeys(texts[code] for code in column.used()))


def _about_values(
    grid: RatingsGrid, rule: str, read: Read, choices: Choices, fixed: Scale | None
) -> tuple[list[Question], Read]:
    """What has to be asked about single values; and the reading without those."""
    unread = [word for word in read.unread() if not read.unsure]
    unsure = [word for word in unread if word.strip().casefold() in UNSURE_WORDS]
    words = [word for word in unread if word not in unsure]
    questions = [
        Question(
            "value",
            (rule,),
            f"{word!r} may mean that the rule does not apply, or that there is no rating.",
            {
                "na": f"--na={joined_names((word,))}",
                "unrated": f"--unrated={joined_names((word,))}",
            },
            word,
        )
        for word in unsure
    ]
    if words:
        _refuse_texts(grid, rule, read, words)
        if read.seen or len(words) == 1 or fixed is not None:
            questions += [_word_question(grid, rule, read, word) for word in words]
        else:
            text = (
                f"its values are words ({', '.join(map(repr, words))}); name its levels from worst "
                f"to best."
            )
            answers = {"worst,…,best": f"--scale={escaped(rule)}=WORST,…,BEST"}
            questions.append(Question("scale", (rule,), text, answers))
    stands = _stand_ins(read, choices, rule, fixed)
    for value in stands:
        word = next(t for t, n in zip(read.texts, read.numbers, strict=True) if n == value)
        others = [v for v in read.seen if v not in stands]
        text = f"{word} is far from the other values ({_span(others)}): is it a rating?"
        answers = {
            "unrated": f"--unrated={joined_names((word,))}",
            "na": f"--na={joined_names((word,))}",
            "rating": f"--map={word}={word}",
        }
        questions.append(Question("value", (rule,), text, answers, word))
    return questions, replace(read, seen=tuple(v for v in read.seen if v not in stands))


def _row_of(grid: RatingsGrid, rule: str, read: Read, word: str) -> int:
    code = read.codes[read.texts.index(word)]
    return int(np.flatnonzero(grid.rules[rule].cells.codes == code)[0])


def _refuse_texts(grid: RatingsGrid, rule: str, read: Read, words: list[str]) -> None:
    """Refuse cells that cannot be the words of a scale."""
    long = next((word for word in words if len(word) > 60), None)
    if long is None and len(words) <= _MOST_WORDS:
        return
    word = long or words[0]
    more = "" if len(words) == 1 else f" (nor are {len(words) - 1} other values)"
    raise grid.error(
        f"{word!r:.80} is not a rating{more}. If this column holds none, name those that do with "
        f"--rule-columns, or keep this one with --label; if it is to be read otherwise, say "
        f"--map OLD=NEW.",
        rule,
        _row_of(grid, rule, read, word),
    )


def _word_question(grid: RatingsGrid, rule: str, read: Read, word: str) -> Question:
    row = _row_of(grid, rule, read, word)
    place = int(grid.rules[rule].places[row])
    found = grid.found
    where = f"{found.sources[int(found.source[place])]}, row {found.rows[place]}"
    return Question(
        "value",
        (rule,),
        f"{word!r} ({where}) is not a rating that is known.",
        {
            "NUMBER": f"--map={word}=NUMBER",
            "unrated": f"--unrated={joined_names((word,))}",
            "na": f"--na={joined_names((word,))}",
        },
        word,
    )


def _stand_ins(read: Read, choices: Choices, rule: str, fixed: Scale | None) -> list[float]:
    """Numbers such as -1 and 99 that lie far outside the others, and may stand for no rating."""
    if "number" not in read.written:
        return []
    kept = {*choices.map.get(ALL, {}), *choices.map.get(rule, {})}
    said = choices.scale.get(rule, choices.scale.get(ALL) if fixed is None else None)
    scale = fixed
    if said is not None:
        scale = scale_from_text(said, [v for v in read.seen if v not in SENTINELS])[0]
    suspects = [v for v in read.seen if v in SENTINELS]
    others = [v for v in read.seen if v not in SENTINELS]
    if not others or not suspects:
        return []
    low, high = min(others), max(others)
    if not (all(v.is_integer() for v in others) or 0 <= low <= high <= 1):
        return []  # among numbers with decimals, such as logits, they are as good as any
    texts = dict(zip(read.numbers.tolist(), read.texts, strict=True))
    found = []
    for value in suspects:
        far = value < 0 <= low if value < 0 else value >= 9 * max(high, 1)
        inside = scale is not None and not bool(outside(scale, [value])[0])
        if far and not inside and texts.get(value) not in kept:
            found.append(value)
    return found


def _span(values: Sequence[float]) -> str:
    if len(values) <= 6 and all(value.is_integer() for value in values):
        return ", ".join(f"{value:g}" for value in values)
    low, high = f"{min(values):.6g}", f"{max(values):.6g}"
    return low if low == high else f"{low} to {high}"


def _scale_question(rule: str, read: Read) -> Question:
    likely = likely_scales(read)
    seen = f"values seen: {_span(read.seen)}" if read.seen else "no value was seen"
    if read.unsure:
        seen = "its letters or words belong to several scales"
    return Question(
        "scale",
        (rule,),
        f"{seen}. On which scale is that, from worst to best?",
        {text: f"--scale={escaped(rule)}={text}" for text in likely},
    )


def _turned(grid: RatingsGrid, rule: str, read: Read, choices: Choices) -> bool | None:
    """Whether less is better; None where the rule's name leaves that in doubt."""
    said = choices.direction_of(rule)
    if said is not None:
        return said == "reverse"
    if (told := grid.rules[rule].reverse) is not None:
        return told
    if read.sure or rule in choices.scale or not sounds_bad(rule):
        return False
    return None


def _direction_question(rule: str) -> Question:
    return Question(
        "direction",
        (rule,),
        "by the name, more may be worse. Is the highest value (or yes) the worst, or the best?",
        {
            "reverse": f"--reverse={joined_names((rule,))}",
            "as-is": f"--as-is={joined_names((rule,))}",
        },
    )


def _grouped(questions: Sequence[Question], n_rules: int) -> list[Question]:
    """The same question about several rules as one."""
    groups: dict[tuple[object, ...], list[Question]] = {}
    for question in questions:
        is_scale = question.kind == "scale" and not any("…" in a for a in question.answers)
        key: tuple[object, ...] = (question.kind, question.word)
        if is_scale:
            key += tuple(question.answers)
        elif question.kind == "scale":
            key += question.rules
        groups.setdefault(key, []).append(question)
    return [_merged(group, n_rules) for group in groups.values()]


def _merged(group: list[Question], n_rules: int) -> Question:
    first = group[0]
    names = tuple(dict.fromkeys(rule for question in group for rule in question.rules))
    if len(group) == 1 and n_rules > 1:
        return first
    answers = dict(first.answers)
    together = joined_names(names)
    if first.kind == "scale" and not any("…" in answer for answer in answers):
        before = "" if len(names) == n_rules else f"{together}="
        answers = {text: f"--scale={before}{text}" for text in answers}
    elif first.kind == "direction":
        answers = {name: f"--{name}={together}" for name in answers}
    return replace(first, rules=names, answers=answers)
