"""What a user may say about an import, and what has to be asked."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from encore.errors import InputError
from encore.formatting import listed

Shape = Literal["wide", "long", "pairs"]
ALL = "all"
"""Stands for every rule where rules are named."""


@dataclass(frozen=True, kw_only=True)
class Choices:
    """How files are to be read; what is None or empty is guessed. See :func:`import_ratings`."""

    shape: Shape | None = None
    roles: Mapping[str, str] = field(default_factory=dict)
    rule_columns: tuple[str, ...] = ()
    label: tuple[str, ...] = ()
    prefix: str | None = None
    scale: Mapping[str, str] = field(default_factory=dict)
    reverse: tuple[str, ...] = ()
    as_is: tuple[str, ...] = ()
    map: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    na: tuple[str, ...] = ()
    unrated: tuple[str, ...] = ()
    number_repeats: bool = False
    rater_per_file: bool = False
    combine: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    decimal: str | None = None
    sheet: str | None = None

    def scale_of(self, rule: str) -> str | None:
        """What is said about a rule's scale."""
        return self.scale.get(rule, self.scale.get(ALL))

    def direction_of(self, rule: str) -> Literal["reverse", "as-is"] | None:
        """What is said about which end of a rule's scale is good; its own name counts more."""
        for name in (rule, ALL):
            if name in self.reverse:
                return "reverse"
            if name in self.as_is:
                return "as-is"
        return None

    def with_scales(self, scales: Mapping[str, str]) -> Choices:
        """These, and scales."""
        return replace(self, scale={**self.scale, **scales})

    def arguments(self) -> list[str]:
        """The options of the command line that say the same."""
        given = {f.name: getattr(self, f.name) for f in fields(self)}
        found: list[str] = []
        for name in ("shape", "prefix", "combine", "encoding", "delimiter", "decimal", "sheet"):
            if given[name] is not None:
                found += _said(f"--{name}", "tab" if given[name] == "\t" else given[name])
        for role, column in self.roles.items():
            found += _said(f"--{role.replace('_', '-')}", column)
        for name in ("rule_columns", "label", "reverse", "as_is", "na", "unrated"):
            found += [f"--{name.replace('_', '-')}={joined_names(n)}" for n in [given[name]] if n]
        for rule, scale in self.scale.items():
            found.append(f"--scale={scale}" if rule == ALL else f"--scale={escaped(rule)}={scale}")
        for rule, words in self.map.items():
            before = "" if rule == ALL else f"{rule}:"
            found += [f"--map={before}{old}={new}" for old, new in words.items()]
        flags = ("number_repeats", "rater_per_file")
        return found + [f"--{name.replace('_', '-')}" for name in flags if given[name]]

    def to_dict(self) -> dict[str, Any]:
        """What is said, as plain data."""
        given = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: value for name, value in given.items() if value not in (None, (), {}, False)}


def _said(option: str, value: str) -> list[str]:
    """An option with its value, joined by a sign where that would read as another option."""
    return [f"{option}={value}"] if value.startswith("-") else [option, value]


def joined_names(names: tuple[str, ...]) -> str:
    r"""Names with commas between them, which :func:`split_names` takes apart.

    Examples
    --------
    >>> split_names(joined_names(("a", "b, c")))
    ('a', 'b, c')
    """
    return ",".join(map(escaped, names))


def escaped(name: str) -> str:
    """A name with a backslash before its commas."""
    return name.replace("\\", "\\\\").replace(",", "\\,")


def split_names(text: str) -> tuple[str, ...]:
    """Names that have commas between them; a comma in a name has a backslash before it."""
    import re

    parts = re.findall(r"(?:^|,)((?:\\.|[^,\\])*)", text)
    return tuple(p for p in (re.sub(r"\\(.)", r"\1", part).strip() for part in parts) if p)


@dataclass(frozen=True)
class Question:
    """Something about a file that cannot be told for certain.

    Parameters
    ----------
    kind : {"scale", "direction", "value", "repeats", "combine", "sheet"}
        What it is about.
    rules : tuple of str
        The rules that it is about.
    text : str
        What was seen, and why it does not say enough.
    answers : mapping of str to str
        What may be answered, the likeliest first, and the option that says so.
    word : str
        The value that it is about, if it is about one.
    """

    kind: Literal["scale", "direction", "value", "repeats", "combine", "sheet"]
    rules: tuple[str, ...]
    text: str
    answers: Mapping[str, str]
    word: str = ""

    def line(self) -> str:
        """The question and the options that answer it, on one line."""
        about = f"{listed(self.rules)}: " if self.rules else ""
        options = [shlex.join([option]) for option in self.answers.values()]
        return f"{about}{self.text} Say {' or '.join(dict.fromkeys(options))}."


class UnsureError(InputError):
    """What a file means is not certain, and nobody was there to ask.

    Parameters
    ----------
    questions : sequence of Question
        What has to be said.
    """

    def __init__(self, questions: tuple[Question, ...], source: str) -> None:
        self.questions = questions
        self.source = source
        lines = "".join(f"\n  {question.line()}" for question in questions)
        super().__init__(f"{source}: not certain what this means; nothing was written.{lines}")
