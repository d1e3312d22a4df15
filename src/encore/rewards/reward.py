"""A reward: weights and the rule for unrated cells, in one small file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encore.arrays import Record
from encore.errors import DocumentError
from encore.files import StrPath, document_kind, read_document, write_document
from encore.rewards.compose import MAX_MISSING, check_max_missing, compose
from encore.weights import Weights
from encore.weights.weights import KIND as WEIGHTS_KIND

KIND = "encore.reward"
VERSION = 1


@dataclass(frozen=True, eq=False, repr=False)
class Reward(Record):
    """Rules and weights, ready to score.

    Parameters
    ----------
    weights : Weights
        With their rules and scales.
    max_missing : float, default 0.2
        See :func:`encore.compose`.

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

    def __post_init__(self) -> None:
        check_max_missing(self.max_missing)
        super().__post_init__()

    def __call__(self, ratings: Any) -> NDArray[np.float64]:
        """Rewards of shape (n_responses,); see :func:`encore.compose`."""
        return compose(ratings, self.weights, max_missing=self.max_missing)

    def __repr__(self) -> str:
        return f"Reward, max_missing {self.max_missing:g}, of {self.weights!r}"

    def _repr_html_(self) -> str:
        """In a notebook: its weights."""
        return self.weights._repr_html_()

    def save(self, path: StrPath) -> None:
        """Write ``reward.json``, atomically."""
        body = {"max_missing": self.max_missing, "weights": self.weights.to_dict()}
        write_document(path, KIND, VERSION, body)

    @classmethod
    def load(cls, path: StrPath) -> Reward:
        """Read ``reward.json``, or a ``weights.json`` with the default for unrated cells.

        Raises
        ------
        DocumentError
            If the file is neither, or is broken.
        """
        if document_kind(path) == WEIGHTS_KIND:
            return cls(Weights.load(path))
        document = read_document(path, KIND, VERSION)
        try:
            weights = Weights.from_dict(document["weights"], str(path))
            return cls(weights, document["max_missing"])
        except DocumentError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise DocumentError(f"{path}: a broken reward ({error!r}). Save it again.") from error


def as_reward(reward: Reward | Weights | StrPath) -> Reward:
    """A reward from a reward, from weights, or from a file of either.

    Raises
    ------
    DocumentError
        As :meth:`Reward.load`.
    """
    if isinstance(reward, Weights):
        return Reward(reward)
    return reward if isinstance(reward, Reward) else Reward.load(reward)
