"""From what was found to a grid: wide, long, or pairs."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from encore.errors import InputError, RatingsError
from encore.formatting import listed
from encore.ratings.importing.choices import ALL, Choices, Shape
from encore.ratings.importing.coded import Coded, Found, below
from encore.ratings.importing.columns import (
    holds_ratings,
    known_column,
    match_rules,
    names_of,
    roles_of,
    rule_columns,
    usable_id,
)
from encore.ratings.importing.conversations import with_texts
from encore.ratings.importing.grid import RatingsGrid, Rows, RuleCells, combined, ordinal
from encore.ratings.importing.names import bare_name, beside, plain_name
from encore.ratings.origin import SIDES
from encore.rules import Rulebook

_IDS = ("prompt_id", "prompt", "response_id", "response", "model", "subset", "rater", "repeat")
_LONG = (*_IDS, "rule", "score", "spread", "reason", "applies", "not_applicable")
_MOST_RULES = 1000
_SCORES = r"(?:all_)?(?:scores?|ratings?|rewards?)"
_SIDED = (
    re.compile(rf"{_SCORES}[._ ](chosen|rejected)(?:[._ ](?P<rest>.+))?"),
    re.compile(r"(chosen|rejected)[._ ](?P<rest>.+)"),
    re.compile(r"(?P<rest>.+)[._ ](chosen|rejected)"),
)
_TEXTS = ("response", "text", "content", "answer", "completion")
_NO_RULES = (*_TEXTS, "model", "id", "response_id", "messages", "tokens", "length", "token_count")


def grid_of(found: Found, choices: Choices, rules: Rulebook | None = None) -> RatingsGrid:
    """What was found as a grid; the shape is said, or told by the columns.

    Raises
    ------
    UnknownNameError
        If a column is said that is not there.
    RatingsError
        If no column holds ratings, or nothing says what a row rates.
    """
    shape = choices.shape or _shape(found, choices)
    if shape not in _MAKERS:
        raise InputError(f"no shape is called {shape!r}. Known: {', '.join(_MAKERS)}.")
    for name in choices.label:
        column = known_column(name, found)
        if words := {**choices.map.get(ALL, {}), **choices.map.get(name, {})}:
            found.columns[column] = found.columns[column].mapped(words)
    found, notes = with_texts(found, choices, shape)
    grid = _MAKERS[shape](found, choices, rules)
    grid.notes.extend(notes)
    if len(grid.rules) > _MOST_RULES:
        raise RatingsError(
            f"{len(grid.rules):,} rules; at most {_MOST_RULES:,} are read. Which columns are "
            f"ratings? Say --rule-columns; or the column with rules' names, --rule.",
            source=found.sources[0],
        )
    return grid


def _shape(found: Found, choices: Choices) -> Shape:
    if "rule" in choices.roles or found.tool is not None:
        return "long"
    if choices.rule_columns or choices.prefix is not None:
        return "pairs" if _sides(found) else "wide"
    if _sides(found):
        return "pairs"
    roles = roles_of(found, choices, _LONG)
    if "rule" in roles and "score" in roles:
        names = found.columns[roles["rule"]]
        scores = found.columns[roles["score"]]
        if names.is_text() and holds_ratings(scores, found.decimal):
            return "long"
    return "wide"


def _wide(found: Found, choices: Choices, rules: Rulebook | None) -> RatingsGrid:
    roles = roles_of(found, choices, _IDS)
    _take_id(found, roles)
    named = rule_columns(found, choices, roles.values(), rules)
    rows = np.arange(found.n_rows)
    cells = {
        rule: RuleCells(column, found.columns[column], _beside_of(column, found, set(named)), rows)
        for column, rule in named.items()
    }
    used = {*named, *(name for name in found.columns if _belongs(name, named))}
    others = _others(found, roles, used)
    twice = None
    if "response_id" in roles:
        names = [roles[r] for r in ("prompt_id", "subset", "rater", "repeat") if r in roles]
        names += [roles["prompt"]] if "prompt" in roles and "prompt_id" not in roles else []
        keys = [found.columns[name].keys() for name in (*names, roles["response_id"])]
        numbers = ordinal(combined(keys)[0])
        if choices.number_repeats and "repeat" not in roles:
            others["repeat"] = Coded.of(pa.array(numbers))
        elif numbers.any():
            twice = _twice(found, roles["response_id"], combined(keys)[0])
    elif "response" in roles and len(found.sources) > 1:
        names = [r for r in ("prompt_id", "prompt", "model", "rater", "response") if r in roles]
        same = combined([found.columns[roles[role]].keys() for role in names])[0]
        twice = None if "repeat" in roles else _in_two_files(found, same)
        if twice is not None and choices.number_repeats:
            others["repeat"] = Coded.of(pa.array(ordinal(same)))
    return RatingsGrid("wide", cells, others, roles, found, twice=twice)


def _in_two_files(found: Found, same: Rows) -> tuple[int, int] | None:
    """The first two rows of one response that are of different files."""
    first = np.unique(same, return_index=True)[1][same]
    again = np.flatnonzero(found.source != found.source[first])
    return (int(first[again[0]]), int(again[0])) if len(again) else None


def _take_id(found: Found, roles: dict[str, str]) -> None:
    """A column that is only called ``id`` names responses, where nothing else does."""
    for name in ("id", "uid", "uuid"):
        if name in found.columns and "response_id" not in roles and name not in roles.values():
            roles["response_id"] = name


def _belongs(name: str, rules: dict[str, str]) -> bool:
    at = beside(name)
    return at is not None and any(at[0] in (column, bare_name(column)) for column in rules)


def _beside_of(column: str, found: Found, rules: set[str]) -> dict[str, Coded]:
    bases = (column, bare_name(column))
    return {
        at[1]: found.columns[name]
        for name in found.columns
        if name not in rules and (at := beside(name)) is not None and at[0] in bases
    }


def _others(found: Found, roles: dict[str, str], used: set[str]) -> dict[str, Coded]:
    """Columns that are no ratings; those with a role get its name."""
    names = names_of(found, roles)
    return {names[name]: column for name, column in found.columns.items() if name not in used}


def _long(found: Found, choices: Choices, rules: Rulebook | None) -> RatingsGrid:
    if found.tool is not None:
        known = {name: name for name in found.columns if name in _LONG}
        roles = {**known, **roles_of(found, choices, ())}
    else:
        roles = roles_of(found, choices, _LONG)
    if absent := [role for role in ("rule", "score") if role not in roles]:
        raise RatingsError(
            f"no column holds the {' and the '.join(absent)} of each row; found "
            f"{list(found.columns)[:20]}. Say --rule COLUMN and --score COLUMN.",
            source=found.sources[0],
        )
    _take_id(found, roles)
    at, first, numbers = _responses(found, roles, choices)
    places, names = _rule_rows(found.columns[roles["rule"]])
    matched = None if rules is None else match_rules(names, rules, found.sources[0])
    notes = []
    if matched is not None and (left := [name for name in names if name not in matched]):
        notes.append(f"left out, since no rule is called so: {listed(left)}.")
    ids = {name: usable_id(name) if matched is None else matched.get(name, "") for name in names}
    cells = {
        ids[name]: _cells_of(found, roles, at[own], own, len(first))
        for name, own in places.items()
        if ids[name]
    }
    if not cells:
        raise RatingsError("no row names a rule.", source=found.sources[0], column=roles["rule"])
    others, dropped = _of_responses(found, roles, at, first)
    if dropped:
        notes.append(f"left out, since they differ within a response: {listed(dropped)}.")
    if numbers is not None:
        others["repeat"] = Coded.of(pa.array(numbers[first]))
    rule_keys = combined([at, found.columns[roles["rule"]].keys()])[0]
    twice = _twice(found, roles["rule"], rule_keys)
    return RatingsGrid("long", cells, others, roles, found, notes, twice)


def _twice(found: Found, column: str, keys: Rows) -> tuple[int, int] | None:
    """The first two rows that rate one response under one rule; a row of no rule rates none."""
    rated = np.flatnonzero(~found.columns[column].empty)
    again = ordinal(keys[rated]) == 1
    if not again.any():
        return None
    second = int(rated[again.argmax()])
    return int(np.flatnonzero(keys == keys[second])[0]), second


def _responses(
    found: Found, roles: dict[str, str], choices: Choices
) -> tuple[Rows, Rows, Rows | None]:
    """The grid's row of each row, the first row of each, and its number as a repeat if numbered."""
    names = [roles[r] for r in ("prompt_id", "subset", "rater", "repeat") if r in roles]
    if "prompt_id" not in roles and "prompt" in roles:
        names.append(roles["prompt"])
    own = [roles["response_id"]] if "response_id" in roles else []
    own = own or [roles[role] for role in ("response", "model") if role in roles]
    if not own and not {"prompt_id", "prompt"} & set(roles):
        raise RatingsError(
            f"no column says which response a row rates; found {list(found.columns)[:20]}. Say "
            f"--response-id COLUMN, --response COLUMN or --prompt COLUMN.",
            source=found.sources[0],
        )
    keys = [found.columns[name].keys() for name in (*names, *own)]
    numbers = None
    if choices.number_repeats and "repeat" not in roles:
        numbers = ordinal(combined([*keys, found.columns[roles["rule"]].keys()])[0])
        keys.append(numbers)
    return *_in_order(found, roles, *combined(keys)), numbers


def _in_order(found: Found, roles: dict[str, str], at: Rows, first: Rows) -> tuple[Rows, Rows]:
    """The grid's rows in the order in which they appear, those of one prompt together."""
    prompt = next((roles[r] for r in ("prompt_id", "prompt") if r in roles), None)
    lead = first
    if prompt is not None:
        numbers, starts = combined([found.columns[prompt].keys()])
        lead = starts[numbers[first]]
    order = np.lexsort((first, lead))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return place[at], first[order]


def _rule_rows(column: Coded) -> tuple[dict[str, Rows], list[str]]:
    """The rows of each rule's name, in the order of their appearance."""
    texts = column.texts().to_pylist()
    names: dict[str, list[int]] = {}
    for code in column.used():
        name = " ".join(texts[code].split())
        if name:
            names.setdefault(name, []).append(code)
    order = np.argsort(column.codes, kind="stable")
    ordered = column.codes[order]
    rows = {}
    for name, codes in names.items():
        parts = [order[slice(*np.searchsorted(ordered, [code, code + 1]))] for code in codes]
        rows[name] = np.sort(np.concatenate(parts))
    in_order = dict(sorted(rows.items(), key=lambda item: int(item[1][0])))
    return in_order, list(in_order)


def _cells_of(found: Found, roles: dict[str, str], at: Rows, own: Rows, n_rows: int) -> RuleCells:
    """The cells of one rule: its rows *own*, which belong to the rows *at* of the grid."""
    places = np.full(n_rows, -1, dtype=np.int64)
    places[at] = own
    columns = found.columns
    near: dict[str, Coded] = {
        role: columns[roles[role]].take(places)
        for role in ("spread", "reason", "applies", "not_applicable")
        if role in roles
    }
    scale, less = (_of_tool(found, name, own) for name in ("scale", "reverse"))
    cells = columns[roles["score"]].take(places)
    return RuleCells(roles["score"], cells, near, places, scale, less)


def _of_tool(found: Found, name: str, own: Rows) -> Any:
    """What a tool says of a rule in its rows; None where it says nothing, or two things."""
    if found.tool is None or name not in found.columns:
        return None
    column = found.columns[name].take(own)
    values = {column.objects()[code] for code in column.used()}
    return values.pop() if len(values) == 1 else None


def _of_responses(
    found: Found, roles: dict[str, str], at: Rows, first: Rows
) -> tuple[dict[str, Coded], list[str]]:
    """Columns that say one thing per response, and the names of those that do not."""
    consumed = {roles[r] for r in _LONG[len(_IDS) :] if r in roles}
    kept, dropped = {}, []
    names = names_of(found, roles)
    for name, column in found.columns.items():
        if name in consumed or (found.tool is not None and name in ("scale", "reverse")):
            continue
        same = column.codes == column.codes[first[at]]
        if not same.all():
            keys = column.keys()
            same = keys == keys[first[at]]
        if same.all():
            kept[names[name]] = column.take(first)
        else:
            dropped.append(name)
    return kept, dropped


def side_of(name: str) -> tuple[str, str] | None:
    """The side of a pair that a column is of, and what it holds.

    Examples
    --------
    >>> side_of("chosen.privacy"), side_of("tone_rejected"), side_of("scores_chosen")
    (('chosen', 'privacy'), ('rejected', 'tone'), ('chosen', 'score'))
    """
    for pattern in _SIDED:
        if match := pattern.fullmatch(name):
            side = match[1] if match[1] in SIDES else match[2]
            return side, match["rest"] or "score"
    return None


def _sides(found: Found) -> dict[str, tuple[str, str]]:
    """What both sides of pairs hold as ratings, with the columns of the two."""
    sides: dict[str, dict[str, str]] = {}
    for name in found.columns:
        if (at := side_of(name)) is not None:
            sides.setdefault(at[1], {}).setdefault(at[0], name)
    return {
        rest: (both["chosen"], both["rejected"])
        for rest, both in sides.items()
        if len(both) == 2
        and plain_name(rest) not in _NO_RULES
        and all(_rates(found.columns[name], rest, found.decimal) for name in both.values())
    }


def _rates(column: Coded, rest: str, decimal: str) -> bool:
    """Whether a side's column holds ratings; scores may be lists in lists."""
    if rest == "score" and isinstance(column.values, list):
        flat = [_flat(v) if isinstance(v, list) else v for v in column.values]
        column = Coded(column.codes, flat)
    return holds_ratings(column, decimal)


def _pairs(found: Found, choices: Choices, rules: Rulebook | None) -> RatingsGrid:
    sides = _sides(found)
    if not sides:
        raise RatingsError(
            f"no columns hold ratings of both sides, such as chosen.<rule> and rejected.<rule>, or "
            f"scores_chosen and scores_rejected; found {list(found.columns)[:20]}.",
            source=found.sources[0],
        )
    places = np.repeat(np.arange(found.n_rows), 2)
    both = {}
    for rest, names in sides.items():
        for rule, column in _heads(rest, [found.columns[name] for name in names], choices).items():
            both[rule] = (" | ".join(names), column)
    near = {rest for rest in both if (at := beside(rest)) is not None and at[0] in both}
    inner = replace(found, columns={rest: column for rest, (_, column) in both.items()})
    plain = replace(choices, rule_columns=tuple(r for r in choices.rule_columns if r in both))
    named = rule_columns(inner, plain, near, rules)
    cells = {
        rule: RuleCells(both[rest][0], both[rest][1], _beside_of(rest, inner, set(named)), places)
        for rest, rule in named.items()
    }
    used = {name for names in sides.values() for name in names}
    roles = roles_of(found, choices, ("prompt_id", "prompt", "subset", "rater", "repeat"))
    others = _others(found, roles, used)
    for side in SIDES:
        texts = [n for n in others if (at := side_of(n)) and at[0] == side and at[1] in _TEXTS]
        if side not in others and texts:
            others[side] = others.pop(texts[0])
    return RatingsGrid("pairs", cells, others, roles, found)


def _heads(rest: str, columns: list[Coded], choices: Choices) -> dict[str, Coded]:
    """One column of both sides in turn, or several where each score is a list of several."""
    n_rows = len(columns[0])
    stacked = below(columns, [n_rows, n_rows])
    turned = stacked.take(np.arange(2 * n_rows).reshape(2, n_rows).T.ravel())
    values = turned.objects() if isinstance(turned.values, list) else []
    if rest != "score" or not values or not all(isinstance(v, list) for v in values):
        return {rest: turned}
    flat = [_flat(value) for value in values]
    widths = {len(value) for value in flat}
    if widths == {1}:
        return {rest: Coded(turned.codes, [value[0] for value in flat])}
    n_heads = widths.pop()
    if widths:
        return {rest: turned}
    names = choices.rule_columns
    if len(names) != n_heads:
        names = tuple(f"score_{place}" for place in range(1, n_heads + 1))
    return {
        name: Coded(turned.codes, [value[place] for value in flat])
        for place, name in enumerate(names)
    }


def _flat(value: list[object]) -> list[object]:
    while len(value) == 1 and isinstance(value[0], list):
        value = value[0]
    return value


_MAKERS = {"wide": _wide, "long": _long, "pairs": _pairs}
