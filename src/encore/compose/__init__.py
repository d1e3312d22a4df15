"""Composing ratings and weights into one reward."""

from encore.compose.compose import MAX_MISSING, compose
from encore.compose.reward import Reward
from encore.compose.rewards import load_rewards, save_rewards
from encore.compose.score import Scored, score_file

__all__ = [
    "MAX_MISSING",
    "Reward",
    "Scored",
    "compose",
    "load_rewards",
    "save_rewards",
    "score_file",
]
