"""Composing ratings and weights into one reward."""

from encore.rewards.compose import MAX_MISSING, compose
from encore.rewards.files import load_rewards, save_rewards
from encore.rewards.reward import Reward, as_reward
from encore.rewards.score import Scored, score

__all__ = [
    "MAX_MISSING",
    "Reward",
    "Scored",
    "as_reward",
    "compose",
    "load_rewards",
    "save_rewards",
    "score",
]
