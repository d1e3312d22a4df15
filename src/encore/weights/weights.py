"""Weights: one number per rule, and where it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encore.arrays import Record, as_floats, cached_array
from encore.errors import DocumentError, InputError
from encore.files import StrPath, read_document, read_whole, write_document
from encore.formatting import html_table, listed, percent
from encore.parsing import json_value
from encore.rules import Rulebook, as_rulebook

KIND = "encore.weights"
VERSION = 1
_LARGEST = 1e300  # with 32,000 rules of this weight the sum is still finite
_ROUNDING = 1e-12  # what another machine's sum of the same weights may differ by


@dataclass(frozen=True, eq=False, repr=False)
class Weights(Record):
    """One weight per rule, with the scales that it was computed on.

    Enough, alone, to compose a reward anywhere.

    Parameters
    ----------
    rules : Rulebook, path, catalogue's name, or mapping of ids to scales
        The rules, with their scales.
    values : array_like of float, shape (n_rules,)
        Raw weights as the scheme defines them: finite, not negative, not all zero.
    scheme : str
        What made them; ``"by_hand"`` for weights that a person gave.
    options : mapping
        The scheme's options.
    calibration_digest : str
        The calibration that they were made from; empty if there was none.
    notes : tuple of str
        What a user should know, such as rules that got nothing and why.

    Raises
    ------
    InputError
        If a weight is not finite or negative, their sum is not positive, or there is not one per
        rule.

    Examples
    --------
    >>> from encore.rules import LevelScale
    >>> weights = Weights(Rulebook.from_ids(["a", "b"], LevelScale((0, 1))), [3.0, 1.0])
    >>> weights.shares.tolist(), weights["a"], dict(weights)
    ([0.75, 0.25], 3.0, {'a': 3.0, 'b': 1.0})
    """

    rules: Rulebook
    values: NDArray[np.float64]
    scheme: str = "by_hand"
    options: Mapping[str, Any] = field(default_factory=dict)
    calibration_digest: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "rules", as_rulebook(self.rules))
        values = as_floats(self.values, "weights").copy()  # the caller's may change
        if values.shape != (len(self.rules),):
            raise InputError(f"weights of shape {values.shape} for {len(self.rules)} rules.")
        for rule_id, value in zip(self.rules.ids, values.tolist(), strict=True):
            if not np.isfinite(value) or value < 0:
                raise InputError(
                    f"rule {rule_id!r}: weight {value:g} is not a finite number of 0 or more. "
                    f"If the rule counts against a response, reverse its scale (worst > best)."
                )
        if values.max() > _LARGEST:
            raise InputError(
                f"weight {values.max():g} is too large to add up; scale all weights down."
            )
        if values.sum() <= 0:
            raise InputError(
                "all weights are zero: nothing would be left of the reward. Give at least one "
                "rule a positive weight."
            )
        object.__setattr__(self, "values", values)
        super().__post_init__()

    @cached_array
    def shares(self) -> NDArray[np.float64]:
        """Weights divided by their sum, shape (n_rules,): rewards stay in [0, 1]."""
        return np.asarray(self.values / self.values.sum())

    def __getitem__(self, rule_id: str) -> float:
        """The raw weight of a rule."""
        return float(self.values[self.rules.position(rule_id)])

    def __iter__(self) -> Iterator[str]:
        """The ids of the rules, so that ``dict(weights)`` holds the raw weights."""
        return iter(self.rules.ids)

    def __len__(self) -> int:
        return len(self.rules)

    def __contains__(self, rule_id: object) -> bool:
        return rule_id in self.rules.ids

    def keys(self) -> tuple[str, ...]:
        """The ids of the rules, in order."""
        return self.rules.ids

    def __repr__(self) -> str:
        shown = [f"{rule_id} {share:.3f}" for rule_id, share in zip(self, self.shares, strict=True)]
        return f"Weights by {self.scheme}, shares of {len(self)} rules: {listed(shown)}"

    @classmethod
    def by_hand(cls, rules: Rulebook, weights: Mapping[str, float]) -> Weights:
        """Weights that a person gives, one for every rule by its id.

        Raises
        ------
        UnknownNameError
            If a name is not a rule's id.
        InputError
            If a rule has no weight (0 leaves it out), or a weight is unusable.
        """
        for name, value in weights.items():
            rules.position(name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise InputError(f"rule {name!r}: weight {value!r} is not a number.")
        missing = [name for name in rules.ids if name not in weights]
        if missing:
            raise InputError(f"no weight for rules {missing}. Give 0 to leave a rule out.")
        try:
            values = np.array([weights[name] for name in rules.ids], dtype=np.float64)
        except OverflowError as error:
            raise InputError("a weight is larger than any float; scale all down.") from error
        return cls(rules, values)

    def _repr_html_(self) -> str:
        """In a notebook: every rule with its share, and the notes below."""
        top = self.shares.max()
        rows = [
            (rule_id, f"{value:.4g}", percent(share), "█" * round(20 * share / top))
            for rule_id, value, share in zip(
                self.rules.ids, self.values.tolist(), self.shares.tolist(), strict=True
            )
        ]
        columns, notes = ("rule", "weight", "share %", ""), "; ".join(self.notes)
        return html_table(f"weights: {self.scheme}", columns, rows, notes, text=("",))

    def save(self, path: StrPath) -> None:
        """Write ``weights.json``, atomically; numbers round-trip exactly."""
        write_document(path, KIND, VERSION, self.to_dict())

    @classmethod
    def load(cls, path: StrPath) -> Weights:
        """Read ``weights.json``.

        Raises
        ------
        DocumentError
            If the file is not a weights file, or is broken.
        """
        return cls.from_dict(read_document(path, KIND, VERSION), str(path))

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        rows = zip(self.rules.to_dicts(), self.values.tolist(), self.shares.tolist(), strict=True)
        return {
            "scheme": self.scheme,
            "options": dict(self.options),
            "rules_digest": self.rules.digest,
            "calibration_digest": self.calibration_digest,
            "notes": list(self.notes),
            "rules": [{**rule, "weight": weight, "share": share} for rule, weight, share in rows],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source: str) -> Weights:
        """Read what :meth:`to_dict` gave; *source* names it in errors.

        Raises
        ------
        DocumentError
            If a part is missing or unusable.
        """
        try:
            tables = [dict(table) for table in data["rules"]]
            values, shares = (
                np.array([_number(table.pop(key)) for table in tables])
                for key in ("weight", "share")
            )
            rules_digest, told = data["rules_digest"], (data["scheme"], data["calibration_digest"])
            if not all(isinstance(text, str) for text in (*told, *data["notes"])):
                raise TypeError("scheme, calibration_digest and notes must be text")
            if not isinstance(data["notes"], list) or not isinstance(data["options"], Mapping):
                raise TypeError("notes must be a list and options an object")
            weights = cls(
                Rulebook.from_dicts(tables),
                values,
                scheme=data["scheme"],
                options=dict(data["options"]),
                calibration_digest=data["calibration_digest"],
                notes=tuple(data["notes"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DocumentError(
                f"{source}: a broken weights file ({error}). Weigh again."
            ) from error
        if rules_digest != weights.rules.digest or not np.allclose(
            shares, weights.shares, rtol=_ROUNDING, atol=0
        ):
            raise DocumentError(
                f"{source}: rules or weights were changed by hand. Weigh again; weights by hand "
                f"go in a file of their own, for `encore weigh --scheme FILE`."
            )
        return weights


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not a number")
    return float(value)


def load_hand_weights(path: StrPath, rules: Rulebook) -> Weights:
    """Read weights by hand from a JSON object, ``{"<rule id>": <weight>, …}``.

    Raises
    ------
    DocumentError
        If the file is not such an object, or its weights are unusable.
    """
    try:
        data = json_value(read_whole(path), finite=False)  # the rule is named below
    except InputError:
        raise
    except ValueError as error:
        raise DocumentError(f"{path}: not JSON ({error}).") from error
    if not isinstance(data, dict):
        raise DocumentError(f'{path}: expected {{"<rule id>": <weight>, …}}, got {data!r:.60}.')
    try:
        return Weights.by_hand(rules, data)
    except InputError as error:
        raise DocumentError(f"{path}: {error}") from error
