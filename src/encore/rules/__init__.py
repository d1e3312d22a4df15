"""Rules, their scales, and the catalogues that ship with ENCORE."""

from encore.rules.check import RuleFinding, check_rules
from encore.rules.rule import Rule
from encore.rules.rulebook import Rulebook, Rules, as_rulebook, catalogues
from encore.rules.scale import LevelScale, RangeScale, Scale, scale_of
from encore.rules.veto import Veto

__all__ = [
    "LevelScale",
    "RangeScale",
    "Rule",
    "RuleFinding",
    "Rulebook",
    "Rules",
    "Scale",
    "Veto",
    "as_rulebook",
    "catalogues",
    "check_rules",
    "scale_of",
]
