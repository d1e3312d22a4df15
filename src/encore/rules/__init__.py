"""Rules, their scales, and the catalogues that ship with ENCORE."""

from encore.rules.rule import Rule
from encore.rules.rulebook import Rulebook, catalogues
from encore.rules.scale import LevelScale, RangeScale, Scale

__all__ = ["LevelScale", "RangeScale", "Rule", "Rulebook", "Scale", "catalogues"]
