"""What the paper published, to set beside what was measured here; marked as published."""

from __future__ import annotations

from dataclasses import dataclass

SOURCE = "Li et al. (2026), arXiv 2503.20995"


@dataclass(frozen=True)
class Published:
    """One published row.

    Parameters
    ----------
    method : str
        What it is, in our words.
    model : str
        The backbone of its heads.
    safety : float
        RewardBench's Safety section, in [0, 1].
    """

    method: str
    model: str
    safety: float


PUBLISHED = (
    Published("ENCORE (softmax, temperature 2)", "Llama-3.1-8B", 0.885),
    Published("mixture-of-experts gate", "Llama-3.1-8B", 0.860),
    Published("uniform", "Llama-3.1-8B", 0.855),
    Published("single-head Bradley-Terry", "Llama-3.1-8B", 0.827),
    Published("ENCORE (softmax, temperature 2)", "FsfairX-Llama-3-8B", 0.831),
    Published("uniform", "FsfairX-Llama-3-8B", 0.777),
)
"""The Safety column of the paper's table; other raters, other rules, the whole benchmark."""
