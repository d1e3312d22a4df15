"""From ratings to a calibration: mergeable statistics, entropies, and what is wrong with a rule."""

from encore.calibrate.calibrate import calibrate, calibrate_batches
from encore.calibrate.calibration import Calibration, Source
from encore.calibrate.diagnose import KINDS, Diagnosis, Finding, diagnose
from encore.calibrate.entropy import entropy_interval, rating_entropy
from encore.calibrate.premise import Premise, premise
from encore.calibrate.select import Pick, Selection, select_rules
from encore.calibrate.statistics import Statistics

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
    "premise",
    "rating_entropy",
    "select_rules",
]
