"""From ratings to a calibration: mergeable statistics, entropies, and what is wrong with a rule."""

from encore.calibration.calibrate import calibrate, calibrate_batches
from encore.calibration.calibration import Calibration, Source, merge
from encore.calibration.diagnose import KINDS, Diagnosis, Finding, diagnose
from encore.calibration.entropy import entropy_interval, rating_entropy
from encore.calibration.premise import Premise, premise
from encore.calibration.select_rules import Pick, Selection, select_rules
from encore.calibration.statistics import Statistics

__all__ = [
    "KINDS",
    "Calibration",
    "Diagnosis",
    "Finding",
    "Pick",
    "Premise",
    "Selection",
    "Source",
    "Statistics",
    "calibrate",
    "calibrate_batches",
    "diagnose",
    "entropy_interval",
    "merge",
    "premise",
    "rating_entropy",
    "select_rules",
]
