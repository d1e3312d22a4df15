"""A rulebook: the rules of one rating job, in order."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encore.arrays import cached_array
from encore.errors import DocumentError, InputError, MismatchError, UnknownNameError
from encore.files import StrPath, atomic_write, digest, read_whole
from encore.formatting import html_table, listed
from encore.parsing import toml_document
from encore.rules.rule import Rule, rule_from_dict
from encore.rules.scale import Scale, outside, scale_of
from encore.rules.veto import Veto


@dataclass(frozen=True, repr=False)
class Rulebook:
    """An ordered set of rules.

    Parameters
    ----------
    rules : sequence of Rule
        At least one, with distinct ids.

    Raises
    ------
    InputError
        If there is no rule, or two have the same id.

    Examples
    --------
    >>> from encore.rules import LevelScale
    >>> rules = Rulebook.from_ids(["privacy", "honesty"], LevelScale((1, 2, 3, 4, 5)))
    >>> rules.ids
    ('privacy', 'honesty')
    >>> len(Rulebook.load("safety-12"))
    12
    """

    rules: tuple[Rule, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "rules", tuple(self.rules))
        if not self.rules:
            raise InputError("a rulebook needs at least one rule; got none.")
        twice = [name for name, times in Counter(self.ids).items() if times > 1]
        if twice:
            raise InputError(f"duplicate rule ids: {twice}. Give each rule its own id.")

    @classmethod
    def from_ids(cls, ids: Iterable[str], scale: Scale | Sequence[float]) -> Rulebook:
        """Rules on one scale, their ids for texts: for ratings without a rules file.

        A list of numbers is a scale of levels, worst to best.

        Raises
        ------
        InputError
            If the ids are a single text, or the scale is not a scale.
        """
        if isinstance(ids, str):
            raise InputError(f"ids must be a list of texts, such as [{ids!r}]; got {ids!r}.")
        of_all = scale_of(scale)
        return cls(tuple(Rule(name, name, of_all) for name in ids))

    @classmethod
    def load(cls, source: StrPath) -> Rulebook:
        """Read a ``rules.toml`` file, or a catalogue by its name (see :func:`catalogues`).

        Raises
        ------
        DocumentError
            If the file is not TOML or a rule in it is unusable.
        InputError
            If *source* is neither a file nor a catalogue.
        """
        path = Path(source)
        # Of os.path, not of Path, which has an error of its own for what cannot be a path.
        is_file, is_folder = os.path.isfile(path), os.path.isdir(path)
        if not is_file and str(source) not in _shipped() and (path.suffix or is_folder):
            found = "a folder" if is_folder else "no such file"
            raise InputError(
                f"{source}: {found}; nor is there a catalogue of that name. Catalogues: "
                f"{', '.join(_shipped())}."
            )
        path = path if is_file else catalogue_path(str(source))
        return cls.parse(read_whole(path), str(source))

    @classmethod
    def parse(cls, text: bytes, source: str) -> Rulebook:
        """Read the contents of a ``rules.toml``; *source* names it in errors."""
        try:
            document = toml_document(text)
        except ValueError as error:
            raise DocumentError(f"{source}: not a TOML file ({error}).") from error
        tables = document.get("rule")
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            tables = None
        if tables is None or len(document) > 1:
            raise DocumentError(
                f"{source}: a rules file is a list of [[rule]] tables and nothing else; "
                f"got the keys {sorted(document)}."
            )
        try:
            return cls.from_dicts(tables)
        except InputError as error:
            raise DocumentError(f"{source}: {error}") from error

    def save(self, path: StrPath, heading: str = "") -> None:
        """Write a ``rules.toml``, atomically; *heading* becomes comment lines at its top.

        Loading it gives the same rules.

        Raises
        ------
        InputError
            If a text holds a lone surrogate, which no UTF-8 file can.
        """
        head = "".join(f"# {line}\n" for line in heading.splitlines())
        try:
            data = (head + "\n" * bool(head) + self.to_toml()).encode("utf-8")
        except UnicodeEncodeError as error:
            raise InputError(f"{path}: a rule's text is not valid Unicode ({error}).") from error
        with atomic_write(path) as temporary:
            temporary.write_bytes(data)

    def to_toml(self) -> str:
        """The text of a ``rules.toml``."""
        return "\n".join(f"[[rule]]\n{_toml(rule.to_dict())}" for rule in self.rules)

    @classmethod
    def from_dicts(cls, tables: Iterable[Mapping[str, Any]]) -> Rulebook:
        """Build a rulebook from plain data, one mapping per rule."""
        return cls(tuple(rule_from_dict(table) for table in tables))

    def to_dicts(self) -> list[dict[str, Any]]:
        """Plain data, one mapping per rule."""
        return [rule.to_dict() for rule in self.rules]

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """The rule ids, in order."""
        return tuple(rule.id for rule in self.rules)

    @cached_property
    def groups(self) -> dict[str, int]:
        """How many rules each group holds, in order; rules of no group are not counted."""
        return dict(Counter(rule.group for rule in self.rules if rule.group is not None))

    @cached_array
    def n_levels(self) -> NDArray[np.int64]:
        """Levels (or bins) of each rule, shape (n_rules,)."""
        return np.array([rule.scale.n_levels for rule in self.rules], dtype=np.int64)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of ids, texts and scales in order: what a rating depends on."""
        # "source": None keeps the digests of files written before rules had notes.
        return digest([{**rule.judged(), "source": None} for rule in self.rules])

    @cached_property
    def vetoes(self) -> dict[str, Veto]:
        """The vetoes, by the ids of their rules."""
        return {rule.id: rule.veto for rule in self.rules if rule.veto is not None}

    def __len__(self) -> int:
        return len(self.rules)

    def __iter__(self) -> Iterator[Rule]:
        return iter(self.rules)

    def __getitem__(self, rule_id: str) -> Rule:
        return self.rules[self.position(rule_id)]

    def __repr__(self) -> str:
        return f"Rulebook of {len(self)} rules: {listed(self.ids)}"

    def _repr_html_(self) -> str:
        """In a notebook: every rule with its scale and text."""
        rows = [(rule.id, str(rule.scale), rule.text) for rule in self]
        columns = ("rule", "scale (worst to best)", "text")
        return html_table(f"{len(self)} rules", columns, rows, text=columns)

    def position(self, rule_id: str) -> int:
        """A rule's position in the order.

        Raises
        ------
        UnknownNameError
            If no rule has this id.
        """
        if rule_id not in self.ids:
            raise UnknownNameError("rule", rule_id, self.ids)
        return self.ids.index(rule_id)

    def same_as(self, other: Rulebook, mine: str, theirs: str) -> None:
        """Check that *other* holds the same rules.

        Raises
        ------
        MismatchError
            If it does not; the message says how they differ.
        """
        if self.digest == other.digest:
            return
        if self.ids != other.ids:
            raise MismatchError(
                f"{mine}: rules [{listed(self.ids)}]; {theirs}: rules [{listed(other.ids)}]. "
                f"Use files made from the same rules, in the same order."
            )
        differ = [a.id for a, b in zip(self, other, strict=True) if a.judged() != b.judged()]
        raise MismatchError(
            f"{mine} and {theirs} hold rules [{listed(differ)}] with different texts or scales. "
            f"Use files made from the same rules."
        )

    def same_vetoes(self, other: Rulebook, mine: str, theirs: str) -> None:
        """Check that *other*, of the same rules, has the same vetoes.

        Raises
        ------
        MismatchError
            If it has not; the message names the rules.
        """
        differ = [a.id for a, b in zip(self, other, strict=True) if a.veto != b.veto]
        if differ:
            raise MismatchError(
                f"{mine} and {theirs} hold different vetoes for the rules [{listed(differ)}]. "
                f"Make them the same: ratings do not depend on a veto, so it may be edited in "
                f"either file."
            )

    def unit(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Ratings of shape (n, n_rules) mapped to [0, 1], rule by rule; NaN stays NaN."""
        return self._by_scale(lambda scale, part: scale.unit(part), values)

    def level_of(self, values: NDArray[np.float64]) -> NDArray[np.int16]:
        """Level index of each rating, 0 for the worst; -1 where unrated."""
        return self._by_scale(lambda scale, part: scale.level_of(part), values)

    def off_level(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Where a rating is not one of its rule's levels."""
        return self._by_scale(lambda scale, part: scale.off_level(part), values)

    def outside(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Where a rating lies beyond the ends of its rule's scale."""
        return self._by_scale(outside, values)

    @cached_property
    def _columns_of_scale(self) -> dict[Scale, list[int]]:
        columns: dict[Scale, list[int]] = {}
        for position, rule in enumerate(self.rules):
            columns.setdefault(rule.scale, []).append(position)
        return columns

    def _by_scale(
        self, function: Callable[[Scale, NDArray[np.float64]], NDArray[Any]], values: NDArray[Any]
    ) -> NDArray[Any]:
        """Call *function* once per distinct scale: most rulebooks have one."""
        if len(self._columns_of_scale) == 1:
            return function(self.rules[0].scale, values)
        parts = {s: function(s, values[:, c]) for s, c in self._columns_of_scale.items()}
        result = np.empty(values.shape, dtype=next(iter(parts.values())).dtype, order="F")
        for scale, columns in self._columns_of_scale.items():
            result[:, columns] = parts[scale]
        return result


Rules = Rulebook | StrPath | Iterable[Rule] | Iterable[str] | Mapping[str, Any]
"""Every form that rules come in; see :func:`as_rulebook`."""


def as_rulebook(rules: Rules, scale: Any = None) -> Rulebook:
    """A rulebook from rules in any form.

    Parameters
    ----------
    rules : Rulebook, path, str, list or mapping
        Rules; a ``rules.toml`` or the name of a catalogue; a list of ids, which need a *scale*; or
        a mapping of ids to scales.
    scale : LevelScale, RangeScale or list of levels, optional
        The scale of a list of ids.

    Raises
    ------
    InputError
        If it is none of these, or ids come without a scale.
    DocumentError, UnknownNameError
        As :meth:`Rulebook.load`.

    Examples
    --------
    >>> as_rulebook(["privacy", "honesty"], [1, 2, 3, 4, 5])
    Rulebook of 2 rules: privacy, honesty
    >>> as_rulebook("safety-12")["crime"].scale.n_levels
    5
    """
    if isinstance(rules, Rulebook | str | os.PathLike | Mapping) and scale is not None:
        raise InputError("a scale goes with a list of ids; these rules have their own.")
    if isinstance(rules, Rulebook):
        return rules
    if isinstance(rules, str | os.PathLike):
        return Rulebook.load(rules)
    if isinstance(rules, Mapping):
        return Rulebook(tuple(Rule(name, name, its) for name, its in rules.items()))
    try:
        listed_rules: list[Any] = list(rules)
    except TypeError:
        raise InputError(
            f"rules must be a Rulebook, a rules.toml, the name of a catalogue, or a list of ids "
            f"with a scale; got {rules!r:.60}."
        ) from None
    if scale is None and all(isinstance(rule, Rule) for rule in listed_rules):
        return Rulebook(tuple(listed_rules))
    if scale is None:
        raise InputError(
            f"the rules [{listed(list(map(str, listed_rules)))}] have no scale: give one, as in "
            f"scale=[1, 2, 3, 4, 5], worst to best."
        )
    return Rulebook.from_ids(listed_rules, scale)


def _toml(table: Mapping[str, Any]) -> str:
    """A rule's keys as in a file that people edit: one key per line, the scale on one."""
    return "".join(f"{key} = {_toml_value(value)}\n" for key, value in table.items())


def _toml_value(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{key} = {_toml_value(held)}' for key, held in value.items())} }}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml_value, value))}]"
    if isinstance(value, str):
        # JSON's escapes are valid in TOML, which requires one more: that of DEL.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    number = repr(float(value)).removesuffix(".0")
    return "-0.0" if number == "-0" else number


def catalogue_path(name: str) -> Path:
    """The file of a catalogue that ships with ENCORE.

    Raises
    ------
    UnknownNameError
        If there is no such catalogue.
    """
    shipped = _shipped()
    if name not in shipped:
        raise UnknownNameError("rules file or catalogue", name, shipped)
    return shipped[name]


def _shipped() -> dict[str, Path]:
    paths = (Path(__file__).parent / "data").glob("*.toml")
    return {path.stem: path for path in sorted(paths, key=lambda path: path.stem)}


def catalogues() -> dict[str, Rulebook]:
    """The rule catalogues that ship with ENCORE, by name.

    Examples
    --------
    >>> "safety-12" in catalogues()
    True
    """
    return {name: Rulebook.load(name) for name in _shipped()}
