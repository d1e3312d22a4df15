"""Trained heads, and saving them as an ordinary checkpoint with rules and a model card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encore.arrays import Record
from encore.files import StrPath
from encore.heads.files.checkpoint import RULES_FILE, Checkpoint
from encore.heads.model.classifier import as_classifier, for_rules
from encore.heads.model.linear_heads import HeadPlace
from encore.heads.model.write import write_checkpoint
from encore.heads.training.quality import RuleQuality
from encore.rules import RangeScale, Rulebook


@dataclass(frozen=True, eq=False, repr=False)
class TrainedHeads(Record):
    """Heads and how good they are.

    Parameters
    ----------
    weight, bias : ndarray of float64, shape (n_rules, hidden_size), (n_rules,)
        The heads.
    rules : Rulebook
        What they rate, with ranges.
    quality : tuple of RuleQuality
        Per rule.
    method : str
        How they were trained.
    provenance : mapping
        What they were trained on.
    validated : str
        How the quality was measured.
    n_cut : int
        Responses whose middle was left out.
    held_out : ndarray of float64, shape (n_pairs, 2), optional
        For a head trained on pairs: rewards of both responses by heads that saw no pair of their
        prompt, chosen first.
    notes : tuple of str
        What was noticed in the texts.
    """

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]
    rules: Rulebook
    quality: tuple[RuleQuality, ...]
    method: str
    provenance: Mapping[str, Any]
    validated: str
    n_cut: int = 0
    held_out: NDArray[np.float64] | None = None
    notes: tuple[str, ...] = ()


def save_trained(
    trained: TrainedHeads, checkpoint: Checkpoint, place: HeadPlace, out: StrPath
) -> Rulebook:
    """Write an ordinary sequence classifier with one head per rule, its rules and its card.

    Where the architecture's head has no bias, the intercept goes into the rule's scale instead:
    worst and best are shifted by it, so that a value means the same on its scale.

    Parameters
    ----------
    trained : TrainedHeads
        The heads.
    checkpoint : Checkpoint
        Their backbone.
    place : HeadPlace
        Where its class keeps heads.
    out : path-like
        The folder to write; it must be empty or not exist.

    Returns
    -------
    Rulebook
        The rules as saved.
    """
    rules, heads = trained.rules, {f"{place.module}.weight": trained.weight}
    if place.has_bias:
        heads[f"{place.module}.bias"] = trained.bias
    else:
        rules = _moved(rules, trained.bias)
    write_checkpoint(
        out,
        for_rules(as_classifier(checkpoint), rules.ids),
        {name: part.astype(np.float32) for name, part in heads.items()},
        {RULES_FILE: rules.to_toml(), "README.md": card(trained, rules, checkpoint.name)},
    )
    return rules


def _moved(rules: Rulebook, bias: NDArray[np.float64]) -> Rulebook:
    moved = []
    for rule, by in zip(rules, bias.tolist(), strict=True):
        scale = RangeScale(rule.scale.worst - by, rule.scale.best - by, rule.scale.n_levels)
        veto = None if rule.veto is None else replace(rule.veto, at=rule.veto.at - by)
        moved.append(replace(rule, scale=scale, veto=veto))
    return Rulebook(tuple(moved))


def card(trained: TrainedHeads, rules: Rulebook, backbone: str) -> str:
    """The model card: data, quality per rule, limits."""
    rows = "\n".join(
        f"| {rule.id} | {rule.text} | {found.n_targets} | {_digits(found.r2)} | {found.auc:.3f} | "
        f"{rule.scale.worst:.6g} | {rule.scale.best:.6g} |"
        for rule, found in zip(rules, trained.quality, strict=True)
    )
    data = "\n".join(f"- {name}: {value}" for name, value in trained.provenance.items())
    weak = [found.rule for found in trained.quality if not found.auc >= 0.7]
    limits = f"- Hardly better than guessing (AUC below 0.7): {', '.join(weak)}.\n" if weak else ""
    return f"""---
library_name: transformers
pipeline_tag: text-classification
base_model: {backbone}
tags: [reward-model, multi-head, encore]
---

# {len(rules)} reward heads on {backbone}

Trained with `encore train --method {trained.method}`. An ordinary sequence classifier: one logit
per rule, in the order of `rules.toml`, as regression. Use the logits; do not put them through a
softmax or a sigmoid.

## Data

{data}

## Quality on held-out prompts

{trained.validated}; the responses to one prompt stay together. AUC is the probability that,
of two responses with different targets, the better one gets the better value; R² is the share of
the targets' variance that is explained.

| rule | text | targets | R² | AUC | worst | best |
|---|---|---|---|---|---|---|
{rows}

## Limits

- The heads know what the targets above know, on texts like those above. Check them on others.
- A head that explains little stays near its mean: its ratings vary little because it learned
  little. Low rating entropy from such a head is no sign of a crisp rule; see `encore diagnose`.
{limits}"""


def _digits(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.3f}"
