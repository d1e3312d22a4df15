"""A reward: weights and how unit ratings become one number, in one small file."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encore.arrays import Record
from encore.errors import DocumentError, InputError
from encore.files import StrPath, document_kind, read_document, write_document
from encore.ratings import as_ratings
from encore.rewards.compose import (
    MAX_MISSING,
    AppliesBy,
    Composed,
    by,
    check_applies_by,
    check_max_missing,
    composed,
)
from encore.rewards.contributions import Contributions
from encore.rewards.forms import FORMS, Form, Mean, as_form, form_name, form_text, make_form
from encore.weights import Weights
from encore.weights.scheme import options_of
from encore.weights.weights import KIND as WEIGHTS_KIND

KIND = "encore.reward"
VERSION = 2


@dataclass(frozen=True, eq=False, repr=False)
class Reward(Record):
    """Rules and weights, ready to score.

    Parameters
    ----------
    weights : Weights
        With their rules and scales.
    max_missing : float, default 0.2
        See :func:`encore.compose`.
    form : Form or str, default mean
        How unit ratings become one number.
    applies_by : {"response", "prompt"}
        What says how far a rule applies; see :func:`encore.compose`.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from encore import LevelScale, Rulebook, Weights
    >>> rules = Rulebook.from_ids(["a", "b"], LevelScale((0, 1)))
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "reward.json"
    >>> Reward(Weights(rules, [1, 3])).save(path)
    >>> Reward.load(path)([[0, 1], [1, 1]]).tolist()
    [0.75, 1.0]
    """

    weights: Weights
    max_missing: float = MAX_MISSING
    form: Form = field(default_factory=Mean)
    applies_by: AppliesBy = "response"

    def __post_init__(self) -> None:
        check_max_missing(self.max_missing)
        check_applies_by(self.applies_by)
        object.__setattr__(self, "form", as_form(self.form))
        super().__post_init__()

    def __call__(self, ratings: Any) -> NDArray[np.float64]:
        """Rewards of shape (n_responses,); see :func:`encore.compose`."""
        return self.composed(ratings).rewards

    def contributions(self, ratings: Any) -> Contributions:
        """Rewards with what each rule contributes to them; see :func:`encore.compose`."""
        return self.composed(ratings).contributions()

    def composed(self, ratings: Any) -> Composed:
        """Rewards, and what they were made of."""
        table = by(self.applies_by, as_ratings(ratings, self.weights.rules))
        return composed(table, self.weights, self.form, self.max_missing)

    def __repr__(self) -> str:
        by = ", rules applying by prompt" if self.applies_by == "prompt" else ""
        vetoes = self.weights.rules.vetoes
        by += f", vetoes {', '.join(vetoes)}" if vetoes else ""
        form, missing = form_text(self.form), f"{self.max_missing:g}"
        return f"Reward, {form}, max_missing {missing}{by}, of {self.weights!r}"

    def _repr_html_(self) -> str:
        """In a notebook: its weights."""
        return self.weights._repr_html_()

    def save(self, path: StrPath) -> None:
        """Write ``reward.json``, atomically.

        Raises
        ------
        InputError
            If the form is not one of ``encore.rewards.FORMS``: nothing could load it again.
        """
        name = form_name(self.form)
        if type(self.form) is not FORMS.get(name):
            raise InputError(f"a reward of the form {name} cannot be saved; forms: {list(FORMS)}.")
        body = {
            "form": {"name": name, "options": options_of(self.form)},
            "max_missing": self.max_missing,
            "applies_by": self.applies_by,
            "weights": self.weights.to_dict(),
        }
        write_document(path, KIND, VERSION, body)

    @classmethod
    def load(cls, path: StrPath) -> Reward:
        """Read ``reward.json``, or a ``weights.json``, whose reward is the mean.

        Raises
        ------
        DocumentError
            If the file is neither, or is broken.
        """
        if document_kind(path) == WEIGHTS_KIND:
            return cls(Weights.load(path))
        document = read_document(
            path, KIND, VERSION, oldest=VERSION, again="Save the reward again from its weights."
        )
        try:
            weights = Weights.from_dict(document["weights"], str(path))
            form = make_form(document["form"]["name"], document["form"]["options"])
            return cls(weights, document["max_missing"], form, document["applies_by"])
        except DocumentError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DocumentError(f"{path}: a broken reward ({error!r}). Save it again.") from error


def as_reward(
    reward: Reward | Weights | StrPath,
    *,
    form: Form | str | None = None,
    max_missing: float | None = None,
    applies_by: AppliesBy | None = None,
) -> Reward:
    """A reward from a reward, from weights, or from a file of either.

    Parameters
    ----------
    reward : Reward, Weights or path
        What it is made from.
    form, max_missing, applies_by : optional
        Instead of its own.

    Raises
    ------
    DocumentError
        As :meth:`Reward.load`.
    InputError
        If what it should have instead is unusable.
    """
    if isinstance(reward, Weights):
        reward = Reward(reward)
    elif not isinstance(reward, Reward):
        reward = Reward.load(reward)
    given = {"form": form, "max_missing": max_missing, "applies_by": applies_by}
    instead: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return replace(reward, **instead) if instead else reward
