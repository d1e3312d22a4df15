"""ENCORE: from many noisy safety ratings to one reward you can trust.

Only what a reward in a training loop needs is imported right away; the rest loads on first use,
which keeps importing ENCORE quick.
"""

import importlib
from typing import TYPE_CHECKING, Any

from encore import examples, weights
from encore._version import __version__
from encore.calibration import Calibration, Diagnosis, calibrate, diagnose, merge, rating_entropy
from encore.errors import (
    BudgetError,
    CheckpointError,
    DocumentError,
    EncoreError,
    EndpointError,
    InputError,
    MismatchError,
    MissingExtraError,
    RatingsError,
    StoppedError,
    UnknownNameError,
)
from encore.ratings import PreferencePairs, RatingsTable, as_pairs, as_ratings
from encore.ratings.make_pairs import pairs
from encore.rewards import Contributions, Reward, compose, score
from encore.rules import LevelScale, RangeScale, Rule, Rulebook, as_rulebook
from encore.weights import Weights

if TYPE_CHECKING:
    from encore.evaluation import Comparison, Evaluation, compare, evaluate, weigh
    from encore.heads import fold
    from encore.raters import rate, train
    from encore.ratings.importing import import_ratings
    from encore.reporting import Report, report

_LAZY = {
    "Comparison": "evaluation",
    "Evaluation": "evaluation",
    "Report": "reporting",
    "compare": "evaluation",
    "evaluate": "evaluation",
    "fold": "heads",
    "import_ratings": "ratings.importing",
    "rate": "raters",
    "report": "reporting",
    "train": "raters",
    "weigh": "evaluation",
}
"""The package that each name loaded on first use comes from."""

__all__ = [
    "BudgetError",
    "Calibration",
    "CheckpointError",
    "Comparison",
    "Contributions",
    "Diagnosis",
    "DocumentError",
    "EncoreError",
    "EndpointError",
    "Evaluation",
    "InputError",
    "LevelScale",
    "MismatchError",
    "MissingExtraError",
    "PreferencePairs",
    "RangeScale",
    "RatingsError",
    "RatingsTable",
    "Report",
    "Reward",
    "Rule",
    "Rulebook",
    "StoppedError",
    "UnknownNameError",
    "Weights",
    "__version__",
    "as_pairs",
    "as_ratings",
    "as_rulebook",
    "calibrate",
    "compare",
    "compose",
    "diagnose",
    "evaluate",
    "examples",
    "fold",
    "import_ratings",
    "merge",
    "pairs",
    "rate",
    "rating_entropy",
    "report",
    "score",
    "train",
    "weigh",
    "weights",
]
_PACKAGES = ("evaluation", "heads", "raters", "reporting", "theory")


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(f"encore.{_LAZY[name]}"), name)
    if name in _PACKAGES:
        return importlib.import_module(f"encore.{name}")
    raise AttributeError(f"module 'encore' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
