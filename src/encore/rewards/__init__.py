"""Composing ratings and weights into one reward."""

from encore.rewards.compose import APPLIES_AT_LEAST, MAX_MISSING, AppliesBy, compose
from encore.rewards.contributions import Contributions
from encore.rewards.files import load_rewards, save_rewards
from encore.rewards.forms import (
    FORMS,
    Form,
    Geometric,
    Mean,
    Pessimistic,
    Power,
    as_form,
    form_text,
)
from encore.rewards.reward import Reward, as_reward
from encore.rewards.score import Scored, score

__all__ = [
    "APPLIES_AT_LEAST",
    "FORMS",
    "MAX_MISSING",
    "AppliesBy",
    "Contributions",
    "Form",
    "Geometric",
    "Mean",
    "Pessimistic",
    "Power",
    "Reward",
    "Scored",
    "as_form",
    "as_reward",
    "compose",
    "form_text",
    "load_rewards",
    "save_rewards",
    "score",
]
