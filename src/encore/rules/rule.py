"""A rule: one criterion that a response is rated against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from encore.errors import InputError
from encore.rules.scale import Scale, scale_of
from encore.rules.veto import Veto, veto_of

# Columns of a ratings table that are not ratings; a rule of that name would be ambiguous.
RESERVED_IDS = frozenset(
    {"id", "prompt_id", "response_id", "prompt", "response", "subset", "model", "repeat"}
    | {"chosen", "rejected", "reward", "vetoed_by", "unknown_because"}
)
# Endings of columns that stand beside a rule's own.
CONTRIBUTION = ".contribution"
RESERVED_ENDINGS = (".spread", ".applies", ".p", ".reward", CONTRIBUTION)
_REQUIRED = ("id", "text", "scale")
# The only word for where a rule applies; without it, a rater is asked where the rule is at stake.
SAFE = "safe"
# Notes on a rule: for people, not for the rater, so no rating depends on them.
NOTES = ("group", "why", "source")
_OPTIONAL = (*NOTES, "applies", "veto")


@dataclass(frozen=True)
class Rule:
    """One criterion with its scale.

    Parameters
    ----------
    id : str
        Its name in columns, weights and reports: any text without control characters that is
        not a reserved column name, does not begin with ``chosen.`` or ``rejected.``, and does not
        end with ``.spread``, ``.applies``, ``.p``, ``.reward`` or ``.contribution``.
    text : str
        What the rater is asked to judge, as one sentence.
    scale : LevelScale, RangeScale, or list of levels
        The values a rating may take, worst to best.
    source : str, optional
        Where the rule comes from.
    group : str, optional
        Its group in a catalogue, such as ``privacy``.
    why : str, optional
        Why the rule exists.
    applies : {"safe"}, optional
        Where the rule applies, if that is not to be asked: to safe requests, as a rule against
        needless refusal does.
    veto : Veto, float or mapping, optional
        A rating that caps the reward, as is one that is worse; see :class:`Veto`.

    Raises
    ------
    InputError
        If the id or the text is unusable, group, why or source is not text, *applies* is another
        word, or the veto is not a rating on the scale.

    Notes
    -----
    Group, why and source are for people: no rater sees them. No digest of rules depends on them,
    nor on *applies* and the veto, which change no rating, but how it counts.

    Examples
    --------
    >>> from encore.rules import LevelScale
    >>> Rule("privacy", "Does not reveal private information.", LevelScale((0, 1))).scale.best
    1.0
    """

    id: str
    text: str
    scale: Scale
    source: str | None = None
    group: str | None = None
    why: str | None = None
    applies: str | None = None
    veto: Veto | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.id, str) or not self.id.isprintable() or self.id != self.id.strip():
            raise InputError(
                f"a rule id must be printable text without spaces around it; got {self.id!r}."
            )
        if (
            not self.id
            or self.id in RESERVED_IDS
            or self.id.startswith(("chosen.", "rejected."))
            or self.id.endswith(RESERVED_ENDINGS)
        ):
            raise InputError(
                f"{self.id!r} cannot be a rule id: it is empty, or would read as another column "
                f"of a ratings table. Choose another name."
            )
        if not isinstance(self.text, str) or not self.text.strip():
            raise InputError(f"rule {self.id!r}: the text is empty; say what to judge.")
        try:
            object.__setattr__(self, "scale", scale_of(self.scale))
        except InputError as error:
            raise InputError(f"rule {self.id!r}: {error}") from error
        self._check_veto()
        for key, note in self._notes().items():
            if not isinstance(note, str):
                raise InputError(f"rule {self.id!r}: {key} must be text; got {note!r}.")
        if self.applies not in (None, SAFE):
            raise InputError(
                f"rule {self.id!r}: applies must be {SAFE!r}, or be left out; got {self.applies!r}."
            )

    def _check_veto(self) -> None:
        try:
            veto = veto_of(self.veto)
            if veto is not None:
                veto.check(self.scale)
        except InputError as error:
            raise InputError(f"rule {self.id!r}: {error}") from error
        object.__setattr__(self, "veto", veto)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in ``rules.toml``."""
        applies = {} if self.applies is None else {"applies": self.applies}
        veto = {} if self.veto is None else {"veto": self.veto.to_plain()}
        return {**self.judged(), **veto, **self._notes(), **applies}

    def judged(self) -> dict[str, Any]:
        """What a rating depends on: id, text and scale."""
        return {"id": self.id, "text": self.text, "scale": self.scale.to_dict()}

    def _notes(self) -> dict[str, Any]:
        notes = {key: getattr(self, key) for key in NOTES}
        return {key: note for key, note in notes.items() if note is not None}


def rule_from_dict(data: Mapping[str, Any]) -> Rule:
    """Build a rule from the keys of one ``[[rule]]`` table.

    Raises
    ------
    InputError
        If a key is missing or unknown (a misspelt key is not skipped), or a value is unusable.
    """
    name = data.get("id", "?")
    missing = [key for key in _REQUIRED if key not in data]
    unknown = [key for key in data if key not in (*_REQUIRED, *_OPTIONAL)]
    if missing or unknown:
        raise InputError(
            f"rule {name!r}: missing keys {missing}, unknown keys {unknown}; "
            f"a rule has id, text and scale, and optionally group, why, source, applies and veto."
        )
    if not isinstance(data["scale"], Mapping):
        raise InputError(f"rule {name!r}: the scale must be a table; got {data['scale']!r}.")
    return Rule(**data)
