"""Evaluating rewards on labelled pairs, with intervals, under every tie convention."""

from encore.evaluate.accuracy import (
    CONVENTIONS,
    TIE_TOLERANCE,
    Outcomes,
    accuracy,
    outcomes,
    separation,
    tie_rate,
)
from encore.evaluate.compare import Comparison, Row, compare
from encore.evaluate.evaluation import Evaluation, evaluate
from encore.evaluate.intervals import FEW_PROMPTS, Interval
from encore.evaluate.law import Law, RuleAccuracy
from encore.evaluate.rewardbench import SAFETY_COUNTS, safety_score

__all__ = [
    "CONVENTIONS",
    "FEW_PROMPTS",
    "SAFETY_COUNTS",
    "TIE_TOLERANCE",
    "Comparison",
    "Evaluation",
    "Interval",
    "Law",
    "Outcomes",
    "Row",
    "RuleAccuracy",
    "accuracy",
    "compare",
    "evaluate",
    "outcomes",
    "safety_score",
    "separation",
    "tie_rate",
]
