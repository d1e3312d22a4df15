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
from encore.evaluate.benchmarks import BENCHMARKS, Benchmark, write_texts
from encore.evaluate.candidates import Baselines
from encore.evaluate.compare import Comparison, Row, compare
from encore.evaluate.cross_validate import choose
from encore.evaluate.evaluation import Evaluation, evaluate
from encore.evaluate.intervals import FEW_PROMPTS, Interval
from encore.evaluate.law import Law, Laws, RuleAccuracy
from encore.evaluate.rewardbench import SAFETY_COUNTS, best_of_n, safety_score
from encore.evaluate.table import SubsetTable, subset_table

__all__ = [
    "BENCHMARKS",
    "CONVENTIONS",
    "FEW_PROMPTS",
    "SAFETY_COUNTS",
    "TIE_TOLERANCE",
    "Baselines",
    "Benchmark",
    "Comparison",
    "Evaluation",
    "Interval",
    "Law",
    "Laws",
    "Outcomes",
    "Row",
    "RuleAccuracy",
    "SubsetTable",
    "accuracy",
    "best_of_n",
    "choose",
    "compare",
    "evaluate",
    "outcomes",
    "safety_score",
    "separation",
    "subset_table",
    "tie_rate",
    "write_texts",
]
