"""ENCORE: from many noisy safety ratings to one reward you can trust.

``encore.evaluate`` and what comes from it load when they are first asked for: a reward in a
training loop needs none of it, and importing ENCORE stays quick.
"""

import importlib
from typing import TYPE_CHECKING, Any

from encore import examples, weights
from encore.calibrate import Calibration, Diagnosis, calibrate, diagnose, rating_entropy
from encore.compose import Reward, compose
from encore.errors import (
    DocumentError,
    EncoreError,
    InputError,
    MismatchError,
    MissingExtraError,
    RatingsError,
    UnknownNameError,
)
from encore.ratings import PreferencePairs, RatingsTable, as_pairs, as_ratings
from encore.rules import LevelScale, RangeScale, Rule, Rulebook
from encore.weights import Weights

if TYPE_CHECKING:
    from encore import evaluate
    from encore.evaluate import Comparison, Evaluation, compare

__version__ = "0.1.0"

__all__ = [
    "Calibration",
    "Comparison",
    "Diagnosis",
    "DocumentError",
    "EncoreError",
    "Evaluation",
    "InputError",
    "LevelScale",
    "MismatchError",
    "MissingExtraError",
    "PreferencePairs",
    "RangeScale",
    "RatingsError",
    "RatingsTable",
    "Reward",
    "Rule",
    "Rulebook",
    "UnknownNameError",
    "Weights",
    "__version__",
    "as_pairs",
    "as_ratings",
    "calibrate",
    "compare",
    "compose",
    "diagnose",
    "evaluate",
    "examples",
    "rating_entropy",
    "weights",
]


def __getattr__(name: str) -> Any:
    if name not in ("Comparison", "Evaluation", "compare", "evaluate"):
        raise AttributeError(f"module 'encore' has no attribute {name!r}")
    module = importlib.import_module("encore.evaluate")
    return module if name == "evaluate" else getattr(module, name)


def __dir__() -> list[str]:
    return __all__
