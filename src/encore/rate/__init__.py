"""Rating: judges and heads that score responses against rules, and never lose a rating."""

from encore.rate.endpoint import Limits
from encore.rate.heads import Heads
from encore.rate.judge import Judge
from encore.rate.local import LocalJudge
from encore.rate.manner import Manner
from encore.rate.plan import Plan, plan
from encore.rate.rated import Coverage, Rated
from encore.rate.rater import Answer, Identity, Item, Ledger, Rater, Reason, Usage
from encore.rate.recorded import Recorded
from encore.rate.run import Job, Progress, rate
from encore.rate.store import Store
from encore.rate.texts import Texts
from encore.rate.vote import Election, Vote, elect_rules

__all__ = [
    "Answer",
    "Coverage",
    "Election",
    "Heads",
    "Identity",
    "Item",
    "Job",
    "Judge",
    "Ledger",
    "Limits",
    "LocalJudge",
    "Manner",
    "Plan",
    "Progress",
    "Rated",
    "Rater",
    "Reason",
    "Recorded",
    "Store",
    "Texts",
    "Usage",
    "Vote",
    "elect_rules",
    "plan",
    "rate",
]
