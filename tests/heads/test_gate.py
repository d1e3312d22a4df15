from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from encore.errors import CheckpointError
from encore.heads import HeadModel, gated_rewards, read_gate
from encore.heads.model.linear_heads import ATTRIBUTES
from tests.heads.tiny import TALKS, gated

Peer = Callable[[str], ModuleType]


def by_hand(folder: Path, tensors: Mapping[str, Any], talk: Any, peer: Peer) -> tuple[Any, float]:
    """Heads and gated score of one conversation, in PyTorch, as the models' cards describe them."""
    torch, transformers = peer("torch"), peer("transformers")
    auto = transformers.AutoTokenizer.from_pretrained(folder)
    messages = [{"role": role, "content": text} for role, text in talk]
    text = auto.apply_chat_template(messages, tokenize=False)
    ids = auto(text, add_special_tokens=False, return_tensors="pt").input_ids
    with torch.inference_mode():
        hidden = tensors["backbone"](ids)[0][0]
        n_quantiles = len(tensors["regression_layer.weight"]) // 19
        values = tensors["regression_layer.weight"] @ hidden[-1]
        values = values.reshape(19, n_quantiles).mean(1)
        x = hidden[_prompt_end(ids[0].tolist(), auto)]
        step = 3 if n_quantiles > 1 else 1
        for layer in range(3):
            place = f"gating.layers.{layer * step}"
            x = torch.relu(_linear(torch, tensors, place, x))
            if n_quantiles > 1:
                norm = f"gating.layers.{layer * step + 2}"
                parts = ("running_mean", "running_var", "weight", "bias")
                given = [tensors[f"{norm}.{part}"] for part in parts]
                x = torch.nn.functional.batch_norm(x[None], *given)[0]
        x = _linear(torch, tensors, f"gating.layers.{3 * step}", x)
        temperature = 5 if n_quantiles > 1 else 10
        gate = torch.softmax(x / temperature, 0) * tensors["gating.logit_scale"]
        score = (gate * (values @ tensors["reward_transform_matrix"])).sum()
    return values.numpy(), float(score)


def _linear(torch: ModuleType, tensors: Mapping[str, Any], place: str, x: Any) -> Any:
    weight, bias = tensors[f"{place}.weight"], tensors.get(f"{place}.bias")
    return torch.nn.functional.linear(x, weight, bias)


def _prompt_end(ids: list[int], auto: Any) -> int:
    """Where the last user's turn ends: the last <|eot|> before the assistant's head."""
    head = auto("<|eot|><|head|>assistant<|end|>", add_special_tokens=False).input_ids
    found = [place for place in range(len(ids)) if ids[place : place + len(head)] == head]
    return found[-1]


@pytest.mark.parametrize("n_quantiles", [None, 5], ids=["ArmoRM", "QRM"])
def test_heads_and_gate_are_those_of_a_direct_computation(
    n_quantiles: int | None, tmp_path: Path, peer: Peer
) -> None:
    tensors = gated(tmp_path / "model", n_quantiles=n_quantiles)
    model = HeadModel(tmp_path / "model")
    values, rewards = model.score_heads(TALKS), gated_rewards(model, TALKS)
    for talk, row, reward in zip(TALKS, values, rewards, strict=True):
        wanted, score = by_hand(tmp_path / "model", tensors, talk, peer)
        np.testing.assert_allclose(row, wanted, atol=2e-5)  # the values are up to 40
        assert reward == pytest.approx(score, abs=1e-5)
    assert model.names == ATTRIBUTES
    assert model.rules is not None and model.rules.ids == ATTRIBUTES


def test_quantiles_that_do_not_divide_the_rows_are_an_error(tmp_path: Path) -> None:
    gated(tmp_path / "model", n_quantiles=5)
    config = tmp_path / "model" / "config.json"
    config.write_text(config.read_text().replace('"num_quantiles": 5', '"num_quantiles": 4'))
    with pytest.raises(CheckpointError, match=r"95 rows; config.json states 19 objectives with 4"):
        HeadModel(tmp_path / "model")


def test_a_model_without_gate_is_an_error(llama: Path) -> None:
    with pytest.raises(CheckpointError, match="no gate"):
        read_gate(HeadModel(llama).checkpoint)
