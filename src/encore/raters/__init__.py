"""Rating: judges and heads that score responses against rules, and never lose a rating."""

from encore.raters.job import Job, Progress, rate
from encore.raters.judge.choose_rules import ChosenRules, RuleVotes, choose_rules
from encore.raters.judge.endpoint import Limits
from encore.raters.judge.judge import Judge
from encore.raters.judge.local import LocalJudge
from encore.raters.judge.options import JudgeOptions
from encore.raters.judge.plan import Plan, plan
from encore.raters.protocol import Answer, Identity, Item, Ledger, Rater, Reason, Usage
from encore.raters.rated import Coverage, Rated
from encore.raters.recorded import Recorded
from encore.raters.reward_model import Heads
from encore.raters.store import Store
from encore.raters.texts import Texts
from encore.raters.train import train

__all__ = [
    "Answer",
    "ChosenRules",
    "Coverage",
    "Heads",
    "Identity",
    "Item",
    "Job",
    "Judge",
    "JudgeOptions",
    "Ledger",
    "Limits",
    "LocalJudge",
    "Plan",
    "Progress",
    "Rated",
    "Rater",
    "Reason",
    "Recorded",
    "RuleVotes",
    "Store",
    "Texts",
    "Usage",
    "choose_rules",
    "plan",
    "rate",
    "train",
]
