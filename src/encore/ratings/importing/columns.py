"""Which columns hold ratings, and under which rules' names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from encore.errors import RatingsError, UnknownNameError
from encore.formatting import listed
from encore.ratings.importing.choices import Choices
from encore.ratings.importing.coded import Coded, Found
from encore.ratings.importing.names import (
    CONTAINERS,
    ROLES,
    bare_name,
    beside,
    is_no_rating,
    near,
    plain_name,
    role_of,
)
from encore.ratings.importing.values import is_rated, is_rating
from encore.rules import Rulebook
from encore.rules.rule import RESERVED_IDS

_MOST_VALUES = 2000  # distinct values that are looked at to tell ratings from texts
_CUTS = (".", "_", " ", "-", ":", "/")


def roles_of(found: Found, choices: Choices, wanted: Iterable[str]) -> dict[str, str]:
    """The columns that have a role: said, or by their names.

    Raises
    ------
    UnknownNameError
        If a column is said that is not there.
    """
    roles = {}
    for role, column in choices.roles.items():
        roles[role] = known_column(column, found)
    kept = {*choices.rule_columns, *choices.label}
    for role in wanted:
        if role not in roles:
            names = [name for name in found.columns if name not in kept]
            if (name := role_of(names, role, roles.values())) is not None:
                roles[role] = name
    return {role: roles[role] for role in ROLES if role in roles}


def known_column(name: str, found: Found) -> str:
    """A column that is said, if it is there."""
    if name in found.columns:
        return name
    same = [known for known in found.columns if plain_name(known) == plain_name(name)]
    raise UnknownNameError("column", name, same or found.columns)


def names_of(found: Found, roles: dict[str, str]) -> dict[str, str]:
    """What columns are called: by their role, or as they are where no other has that role."""
    own = {name: f"{name}.found" if name in roles else name for name in found.columns}
    return own | {column: role for role, column in roles.items()}


def holds_ratings(column: Coded, decimal: str) -> bool:
    """Whether most cells of a column could be ratings, and one is."""
    used = column.used()
    if not used or (len(used) > _MOST_VALUES and column.is_text()):
        sample = dict(list(used.items())[:_MOST_VALUES])
    else:
        sample = used
    objects = column.objects()
    readable = sum(n for code, n in sample.items() if is_rating(objects[code], decimal))
    rated = any(is_rated(objects[code], decimal) for code in list(sample)[:_MOST_VALUES])
    return rated and 2 * readable >= sum(sample.values())


def rule_columns(
    found: Found, choices: Choices, taken: Iterable[str], rules: Rulebook | None
) -> dict[str, str]:
    """Rules' names by the columns that hold their ratings, among those not *taken*.

    Raises
    ------
    RatingsError
        If no column holds ratings, or two would have one rule's name.
    """
    given = [known_column(name, found) for name in choices.rule_columns]
    free = [name for name in found.columns if name not in {*taken, *choices.label}]
    if choices.prefix is not None and not given:
        given = [n for n in free if n.startswith(choices.prefix) and n != choices.prefix]
        given = [n for n in given if not _is_beside(n, given)]
        if not given:
            raise RatingsError(
                f"no column begins with {choices.prefix!r}; found {list(found.columns)[:20]}.",
                source=found.sources[0],
            )
    likely = given or _likely(found, free, rules)
    if not likely:
        commas = [name for name in free if holds_ratings(found.columns[name], ",")]
        hint = f" If {commas[0]!r} has decimal commas, say --decimal=, first." if commas else ""
        raise RatingsError(
            f"no column holds ratings; found {list(found.columns)[:20]}. Name them with "
            f"--rule-columns; or, if each row is one score, its columns with --rule and --score."
            f"{hint}",
            source=found.sources[0],
        )
    return _named(likely, choices, found, rules)


def _likely(found: Found, free: list[str], rules: Rulebook | None) -> list[str]:
    known = set() if rules is None else {plain_name(rule_id) for rule_id in rules.ids}
    names = []
    for name in free:
        is_known = plain_name(_last(name)) in known or plain_name(bare_name(_last(name))) in known
        if not is_known and (_is_beside(name, free) or is_no_rating(_last(name))):
            continue
        if is_known or holds_ratings(found.columns[name], found.decimal):
            names.append(name)
    return [name for name in names if not _is_beside(name, names)]


def _last(name: str) -> str:
    return bare_name(name).rpartition(".")[2] or name


def _is_beside(name: str, names: Iterable[str]) -> bool:
    """Whether a column stands beside another: ``privacy_reason`` beside ``privacy``."""
    found = beside(name)
    if found is None:
        return False
    bases = {other for other in names if other != name}
    return found[0] in bases or any(bare_name(other) == found[0] for other in bases)


def _named(
    columns: list[str], choices: Choices, found: Found, rules: Rulebook | None
) -> dict[str, str]:
    """The columns with the names of their rules, without what is common to all."""
    prefix = choices.prefix if choices.prefix is not None else _container(columns)
    names = {column: column.removeprefix(prefix) for column in columns}
    bare = {column: bare_name(name) for column, name in names.items()}
    if len(set(bare.values())) == len(bare):
        names = bare
    named = {column: usable_id(name) for column, name in names.items()}
    if rules is not None:
        return _matched(named, rules, found)
    twice = [name for name in named.values() if list(named.values()).count(name) > 1]
    if twice:
        both = [column for column, name in named.items() if name == twice[0]]
        raise RatingsError(
            f"columns {both} would both be the rule {twice[0]!r}; name those that are meant with "
            f"--rule-columns.",
            source=found.sources[0],
        )
    return named


def usable_id(name: str) -> str:
    """A rule's id from a name that people gave it."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    for side in ("chosen.", "rejected."):
        plain = plain.removeprefix(side)
    for ending in (".spread", ".applies", ".p", ".reward"):
        plain = (
            plain[: -len(ending)] + ending.replace(".", "_") if plain.endswith(ending) else plain
        )
    return f"{plain or 'score'}_rating" if plain in RESERVED_IDS or not plain else plain


def _container(columns: list[str]) -> str:
    """What all columns begin with, if it only says that they are scores: ``judge_``."""
    first = columns[0]
    for place in sorted((i for i, c in enumerate(first) if c in _CUTS), reverse=True):
        prefix = first[: place + 1]
        common = all(column.startswith(prefix) and column != prefix for column in columns)
        parts = [part for part in prefix.rstrip("".join(_CUTS)).split(".") if part]
        says_nothing = all(CONTAINERS.fullmatch(part.casefold()) for part in parts)
        if all(column[len(prefix) :].isdigit() for column in columns):
            continue  # score_1, score_2: a number alone is no name
        if common and parts and (says_nothing or (len(columns) > 1 and prefix.endswith("."))):
            return prefix
    return ""


def _matched(named: Mapping[str, str], rules: Rulebook, found: Found) -> dict[str, str]:
    """The columns of the rules that are given; the others are no ratings."""
    matched = match_rules(named.values(), rules, found.sources[0])
    return {column: matched[name] for column, name in named.items() if name in matched}


def match_rules(names: Iterable[str], rules: Rulebook, source: str) -> dict[str, str]:
    """The ids of the rules that names mean; they may differ in case and signs.

    Raises
    ------
    RatingsError
        If a rule has no name; the nearest is suggested.
    """
    left, matched = list(dict.fromkeys(names)), {}
    for rule_id in rules.ids:
        same = [n for n in left if n == rule_id] or [
            n for n in left if plain_name(n) == plain_name(rule_id)
        ]
        if same:
            matched[same[0]] = rule_id
            left.remove(same[0])
    missing = [rule_id for rule_id in rules.ids if rule_id not in matched.values()]
    if missing:
        hints = {rule_id: near(rule_id, left) for rule_id in missing}
        said = "".join(f" Is {n!r} meant for {r!r}?" for r, n in hints.items() if n is not None)
        raise RatingsError(
            f"no ratings for {len(missing)} of {len(rules)} rules: {listed(missing)}. Found "
            f"{left[:20]}.{said} Rename the rules or the columns, or leave --rules out to draft "
            f"rules from what is there.",
            source=source,
        )
    return matched
