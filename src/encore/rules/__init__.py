"""Rules, their scales, and the catalogues that ship with ENCORE."""

from encore.rules.check import RuleFinding, check_rules
from encore.rules.rule import Rule
from encore.rules.rulebook import Rulebook, catalogues
from encore.rules.scale import LevelScale, RangeScale, Scale

__all__ = [
    "LevelScale",
    "RangeScale",
    "Rule",
    "RuleFinding",
    "Rulebook",
    "Scale",
    "catalogues",
    "check_rules",
]
