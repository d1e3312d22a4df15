from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from encore import Weights
from encore.heads import HeadModel, check_fold, fold, read_heads
from encore.heads.model.bundled import MINI_FOLDER, mini

Peer = Callable[[str], ModuleType]
DATA = Path(__file__).parents[4] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="no labelled texts beside the project")


def unseen(name: str, peer: Peer) -> list[dict[str, Any]]:
    """Rows whose prompts no head was trained on: two fifths, by the digest that the card names."""
    rows = peer("pyarrow.parquet").read_table(DATA / f"{name}.parquet").to_pylist()
    digests = [hashlib.sha256(row["prompt"].encode()).hexdigest()[:8] for row in rows]
    return [row for row, digest in zip(rows, digests, strict=True) if int(digest, 16) % 5 < 2]


def test_it_is_small_and_whole() -> None:
    assert sum(path.stat().st_size for path in MINI_FOLDER.iterdir()) < 200_000
    checkpoint = mini()
    heads = read_heads(checkpoint)
    assert checkpoint.rules is not None and heads.names == checkpoint.rules.ids
    assert heads.weight.shape == (10, 384)
    card = (MINI_FOLDER / "README.md").read_text()
    for rule in checkpoint.rules:
        assert f"| {rule.id} | {rule.text} |" in card
        assert rule.scale.worst < rule.scale.best


def test_its_card_says_where_it_fails() -> None:
    card = (MINI_FOLDER / "README.md").read_text()
    assert "Hardly better than guessing (AUC below 0.7): judgement" in card
    assert "On pairs from prompts it never saw" in card


@needs_data
def test_it_knows_harmful_answers_to_prompts_that_it_never_saw(peer: Peer) -> None:
    rows = unseen("donotanswer_responses", peer)[:400]
    talks = [(("user", row["prompt"]), ("assistant", row["response"])) for row in rows]
    model = HeadModel("encore:mini")
    values = model.score_heads(talks)[:, model.names.index("harmless")]
    harmless = [1 - row["harmful"] for row in rows]
    assert peer("sklearn.metrics").roc_auc_score(harmless, values) > 0.9


@needs_data
def test_folding_keeps_the_rewards_of_real_texts(tmp_path: Path, peer: Peer) -> None:
    rows = unseen("safety_pairs", peer)[:60]
    sides = ("chosen", "rejected")
    talks = [(("user", r["prompt"]), ("assistant", r[side])) for r in rows for side in sides]
    model = HeadModel("encore:mini")
    assert model.rules is not None
    weights = Weights(model.rules, np.arange(10.0, 0, -1))
    fold("encore:mini", weights, out=tmp_path / "out")
    found = check_fold(model, weights, HeadModel(tmp_path / "out"), talks)
    assert found.largest_difference < 1e-5 and found.rank_agreement == 1.0
