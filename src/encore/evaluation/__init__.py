"""Evaluating rewards on labelled pairs, with intervals, under every tie convention."""

from encore.evaluation.accuracy import (
    CONVENTIONS,
    TIE_TOLERANCE,
    Outcomes,
    accuracy,
    outcomes,
    separation,
    tie_rate,
)
from encore.evaluation.compare import compare
from encore.evaluation.comparison import Comparison
from encore.evaluation.cross_validate import choose
from encore.evaluation.entropy_accuracy import EntropyCorrelation, EntropyCorrelations, RuleAccuracy
from encore.evaluation.evaluate import Evaluation, evaluate
from encore.evaluation.intervals import FEW_PROMPTS, Interval
from encore.evaluation.rewardbench.datasets import (
    BENCHMARKS,
    Benchmark,
    benchmark_pairs,
    write_texts,
)
from encore.evaluation.rewardbench.scores import SAFETY_COUNTS, best_of_n, safety_score
from encore.evaluation.row import Row
from encore.evaluation.subset_table import SubsetTable
from encore.evaluation.weigh import weigh

__all__ = [
    "BENCHMARKS",
    "CONVENTIONS",
    "FEW_PROMPTS",
    "SAFETY_COUNTS",
    "TIE_TOLERANCE",
    "Benchmark",
    "Comparison",
    "EntropyCorrelation",
    "EntropyCorrelations",
    "Evaluation",
    "Interval",
    "Outcomes",
    "Row",
    "RuleAccuracy",
    "SubsetTable",
    "accuracy",
    "benchmark_pairs",
    "best_of_n",
    "choose",
    "compare",
    "evaluate",
    "outcomes",
    "safety_score",
    "separation",
    "tie_rate",
    "weigh",
    "write_texts",
]
