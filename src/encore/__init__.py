"""ENCORE: from many noisy safety ratings to one reward you can trust."""

from encore import evaluate, examples, weights
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
from encore.evaluate import Comparison, Evaluation, compare
from encore.ratings import PreferencePairs, RatingsTable
from encore.rules import LevelScale, RangeScale, Rule, Rulebook
from encore.weights import Weights

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
    "calibrate",
    "compare",
    "compose",
    "diagnose",
    "evaluate",
    "examples",
    "rating_entropy",
    "weights",
]
