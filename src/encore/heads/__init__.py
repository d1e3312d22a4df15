"""Multi-head reward models: score with them, train them, fold them into one head."""

from encore.heads.files.checkpoint import Checkpoint
from encore.heads.fold import FoldCheck, Folded, check_fold, fold, fold_heads, folded_rewards
from encore.heads.gate import Gate, gated_rewards, read_gate
from encore.heads.model.backbone import Backbone
from encore.heads.model.bundled import open_checkpoint
from encore.heads.model.head_model import HeadModel, MultiHead, SideBySide, open_models
from encore.heads.model.linear_heads import LinearHeads, ranged, read_heads

__all__ = [
    "Backbone",
    "Checkpoint",
    "FoldCheck",
    "Folded",
    "Gate",
    "HeadModel",
    "LinearHeads",
    "MultiHead",
    "SideBySide",
    "check_fold",
    "fold",
    "fold_heads",
    "folded_rewards",
    "gated_rewards",
    "open_checkpoint",
    "open_models",
    "ranged",
    "read_gate",
    "read_heads",
]
