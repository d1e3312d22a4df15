"""ENCORE: from many noisy safety ratings to one reward you can trust.

``encore.evaluate``, ``encore.rate``, ``encore.report``, ``encore.theory`` and what comes from them
load when they are first asked for: a reward in a training loop needs none of it, and importing
ENCORE stays quick.
"""

import importlib
from typing import TYPE_CHECKING, Any

from encore import examples, weights
from encore.calibrate import Calibration, Diagnosis, calibrate, diagnose, rating_entropy
from encore.compose import Reward, compose
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
from encore.rules import LevelScale, RangeScale, Rule, Rulebook
from encore.weights import Weights

if TYPE_CHECKING:
    from encore import evaluate, rate, report, theory
    from encore.evaluate import Comparison, Evaluation, compare

__version__ = "0.1.0"

__all__ = [
    "BudgetError",
    "Calibration",
    "CheckpointError",
    "Comparison",
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
    "Reward",
    "Rule",
    "Rulebook",
    "StoppedError",
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
    "rate",
    "rating_entropy",
    "report",
    "theory",
    "weights",
]


def __getattr__(name: str) -> Any:
    if name in ("evaluate", "rate", "report", "theory"):
        return importlib.import_module(f"encore.{name}")
    if name in ("Comparison", "Evaluation", "compare"):
        return getattr(importlib.import_module("encore.evaluate"), name)
    raise AttributeError(f"module 'encore' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
