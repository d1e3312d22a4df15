from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from encore import LevelScale, RangeScale, Rule, Rulebook
from encore.errors import CheckpointError, InputError
from encore.heads import Backbone, Checkpoint, HeadModel
from encore.heads.files.safetensors import read_header
from encore.heads.gate import gate_of
from encore.heads.model.padding import padded_reader
from encore.heads.model.surgery import first_layers
from encore.heads.training.finetune import Tuning, masked_squared_error
from encore.heads.training.preference import GateTraining, fit_gate, held_out_gates, save_gate
from encore.heads.training.quality import auc
from encore.heads.training.save import save_trained
from encore.heads.training.states import split_of
from encore.heads.training.train import (
    TrainingData,
    train_bradley_terry,
    train_finetune,
    train_gate,
    train_preference,
    train_ridge,
)
from tests.heads.tiny import classifier, config, loosen, plain_logits, random_texts, tokenizer

Peer = Callable[[str], ModuleType]
pytestmark = pytest.mark.early
RULES = Rulebook(
    (
        Rule("long", "Is long.", LevelScale((1, 2, 3, 4, 5))),
        Rule("curt", "Is not curt.", LevelScale((3, 2, 1))),  # 3 is the worst
    )
)


def data(n: int = 120) -> TrainingData:
    """Longer responses are better under both rules; a third has no target under the second."""
    talks = random_texts(n)
    n_words = np.array([len(talk[-1][1].split()) for talk in talks])
    targets = np.stack([np.clip(1 + n_words // 3, 1, 5), np.clip(3 - n_words // 5, 1, 3)], 1)
    targets = targets.astype(float)
    targets[::3, 1] = np.nan
    prompts = [talk[0][1] for talk in talks]
    return TrainingData(talks, targets, prompts, RULES, {"data": "made here"})


def pairs(n: int = 60) -> TrainingData:
    """Rated pairs; of two responses the longer is chosen."""
    talks: list[Any] = []
    for one, other in zip(random_texts(n, 1), random_texts(n, 2), strict=True):
        sides = [one[-1][1], other[-1][1] + " and more words than that to be longer"]
        talks += [[one[0], ("assistant", side)] for side in sorted(sides, key=len)[::-1]]
    n_words = np.array([len(talk[-1][1].split()) for talk in talks])
    targets = np.stack([np.clip(1 + n_words // 4, 1, 5), 2 + 0 * n_words], 1).astype(float)
    prompts = [talk[0][1] for talk in talks]
    return TrainingData(talks, targets, prompts, RULES, {"data": "made here"})


@pytest.mark.parametrize("kind", ["llama", "bert"])
def test_trained_heads_are_what_any_software_reads_from_the_folder(
    kind: str, tmp_path: Path, peer: Peer, request: pytest.FixtureRequest
) -> None:
    backbone = Backbone(Checkpoint.open(request.getfixturevalue(kind)))
    made = data()
    trained = train_ridge(made, backbone, tmp_path / "states.npy")
    rules = save_trained(trained, backbone.checkpoint, backbone.head_place, tmp_path / "out")
    talks = list(made.conversations)
    values = HeadModel(tmp_path / "out").score_heads(talks)
    logits = plain_logits(peer("transformers"), tmp_path / "out", talks)
    np.testing.assert_allclose(values, logits, atol=2e-5)
    # On its scale a value means what the fit says: a Llama's heads have no bias to hold it.
    states = np.load(tmp_path / "states.npy")
    fitted = trained.rules.unit(states @ trained.weight.T + trained.bias)
    np.testing.assert_allclose(rules.unit(values.astype(float)), fitted, atol=2e-5)
    assert HeadModel(tmp_path / "out").rules == rules
    assert (rules == trained.rules) == (kind == "bert")


def test_quality_is_that_of_values_on_prompts_left_out(
    llama: Path, tmp_path: Path, peer: Peer
) -> None:
    metrics, ridge = peer("sklearn.metrics"), peer("sklearn.linear_model").Ridge
    backbone, made = Backbone(Checkpoint.open(llama)), data()
    trained = train_ridge(made, backbone, tmp_path / "states.npy")
    states, splits = np.load(tmp_path / "states.npy").astype(float), split_of(made.prompts, 5)
    for rule, found in enumerate(trained.quality):
        here = ~np.isnan(made.targets[:, rule])
        values = np.empty(len(states))
        for split in range(5):
            seen = here & (splits != split)
            model = ridge(alpha=found.alpha).fit(states[seen], made.targets[seen, rule])
            values[splits == split] = model.predict(states[splits == split])
        assert found.n_targets == here.sum()
        wanted = metrics.r2_score(made.targets[here, rule], values[here])
        assert found.r2 == pytest.approx(wanted, abs=1e-6)
        assert found.auc > 0.7  # length can be read off these states


def test_ranges_hold_the_targets_and_nearly_all_values(llama: Path, tmp_path: Path) -> None:
    backbone, made = Backbone(Checkpoint.open(llama)), data()
    long, curt = train_ridge(made, backbone, tmp_path / "states.npy").rules
    assert isinstance(long.scale, RangeScale) and isinstance(curt.scale, RangeScale)
    assert long.scale.worst <= 1 and long.scale.best >= 5
    assert curt.scale.worst >= 3 and curt.scale.best <= 1


def test_ratings_of_another_number_than_texts_are_an_error(llama: Path, tmp_path: Path) -> None:
    made = data()
    wrong = TrainingData(random_texts(7), made.targets, made.prompts, RULES, {})
    with pytest.raises(InputError, match="120 rows of ratings for 7 texts"):
        train_ridge(wrong, Backbone(Checkpoint.open(llama)), tmp_path / "states.npy")


def test_the_card_states_data_quality_and_limits(llama: Path, tmp_path: Path) -> None:
    backbone = Backbone(Checkpoint.open(llama))
    trained = train_ridge(data(), backbone, tmp_path / "states.npy")
    save_trained(trained, backbone.checkpoint, backbone.head_place, tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    assert "- data: made here" in card and "Cross-validation over 5 splits" in card
    assert f"| curt | Is not curt. | 80 | {trained.quality[1].r2:.3f} |" in card


def test_auc_is_sklearns_for_two_levels(peer: Peer) -> None:
    rng = np.random.default_rng(0)
    levels, values = rng.integers(0, 2, 200), rng.integers(0, 20, 200).astype(float)  # with ties
    wanted = peer("sklearn.metrics").roc_auc_score(levels, values)
    assert auc(levels.astype(np.int16), values) == pytest.approx(wanted)


def test_auc_of_more_levels_counts_pairs() -> None:
    rng = np.random.default_rng(1)
    levels, values = rng.integers(0, 4, 60).astype(np.int16), rng.integers(0, 9, 60).astype(float)
    won = told = 0.0
    for i in range(60):
        for j in range(60):
            if levels[i] > levels[j]:
                told += 1
                won += float(values[i] > values[j]) + 0.5 * float(values[i] == values[j])
    assert auc(levels, values) == pytest.approx(won / told)
    assert np.isnan(auc(np.zeros(5, np.int16), values[:5]))


def test_a_bradley_terry_head_is_sklearns_logistic_regression(
    llama: Path, tmp_path: Path, peer: Peer
) -> None:
    # Without intercept, on margins and their opposites: each pair counts twice, so C halves.
    logistic = peer("sklearn.linear_model").LogisticRegression
    backbone, made = Backbone(Checkpoint.open(llama)), pairs()
    trained = train_bradley_terry(made, backbone, tmp_path / "states.npy")
    states = np.load(tmp_path / "states.npy").astype(float)
    margins = states[0::2] - states[1::2]
    (found,) = trained.quality
    assert found.alpha is not None and found.auc > 0.8 and found.n_targets == 60
    plain = logistic(C=1 / (2 * found.alpha), fit_intercept=False, tol=1e-10, max_iter=10_000)
    plain.fit(np.concatenate([margins, -margins]), np.repeat([1, 0], 60))
    np.testing.assert_allclose(trained.weight[0], plain.coef_[0], atol=1e-4)
    # Rewards of a split's pairs are by the head that the other splits' pairs give.
    split = split_of(made.prompts[0::2], 5)
    seen = margins[split != split[0]]
    plain.fit(np.concatenate([seen, -seen]), np.repeat([1, 0], len(seen)))
    assert trained.held_out is not None
    np.testing.assert_allclose(trained.held_out[0], states[:2] @ plain.coef_[0], atol=1e-4)


def test_pairs_of_one_prompt_are_not_enough(llama: Path, tmp_path: Path) -> None:
    made = pairs(4)
    one = TrainingData(made.conversations, made.targets, ["p"] * 8, RULES, {})
    with pytest.raises(InputError, match="all pairs are of one prompt or in one split"):
        train_bradley_terry(one, Backbone(Checkpoint.open(llama)), tmp_path / "states.npy")


def test_a_gate_learns_which_rule_a_prompt_asks_for(tmp_path: Path) -> None:
    # Prompts of two kinds; each rule ranks the pairs of its own kind right, the other's wrong.
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, 200)
    states = rng.normal(size=(200, 6)).astype(np.float32)
    states[:, 0] += np.where(kind, 3, -3)
    margins = np.where(np.eye(2)[kind] > 0, 0.4, -0.5).astype(np.float32)
    how = GateTraining(width=32, n_steps=200)
    gate = fit_gate(states, margins, how)
    assert (gate.weights(states).argmax(axis=1) == kind).mean() > 0.95
    sides = np.stack([margins, np.zeros_like(margins)], axis=1)
    held_out = held_out_gates(states, sides, rng.integers(0, 5, 200), how)
    assert (held_out[:, 0] > held_out[:, 1]).mean() > 0.9
    assert (margins.mean(axis=1) > 0).mean() == 0  # uniform weights rank all of them wrong
    save_gate(gate, tmp_path / "gate.safetensors")
    again = gate_of(read_header(tmp_path / "gate.safetensors"), how.temperature, "gate")
    np.testing.assert_array_equal(again.weights(states), gate.weights(states))
    np.testing.assert_allclose(gate.weights(states).sum(axis=1), gate.scale, rtol=1e-5)


def test_a_gate_is_trained_on_the_states_of_prompts(llama: Path) -> None:
    trained = train_gate(pairs(20), Backbone(Checkpoint.open(llama)), GateTraining(n_steps=5))
    assert trained.n_pairs == 20
    assert trained.uniform_accuracy == 1.0  # the first rule rates length, the second is a tie
    assert trained.gate.weights(np.zeros((1, 32), np.float32)).shape == (1, 2)


def test_missing_targets_have_no_part_in_the_loss(peer: Peer) -> None:
    # ((3 - 1)² + (0 - 2)²) / 2 = 4, whatever the head without target says.
    torch = peer("torch")
    values = torch.tensor([[3.0, 99.0], [7.0, 0.0]], requires_grad=True)
    wanted = torch.tensor([[1.0, float("nan")], [7.0, 2.0]])
    loss = masked_squared_error(values, wanted)
    assert float(loss.detach()) == pytest.approx((4 + 0 + 4) / 3)
    loss.backward()  # type: ignore[no-untyped-call]
    assert values.grad[0, 1] == 0 and bool(torch.isfinite(values.grad).all())
    nothing = masked_squared_error(values, torch.full((2, 2), float("nan")))
    assert float(nothing.detach()) == 0


@pytest.mark.parametrize("lora", [False, True])
def test_a_backbone_is_trained_with_its_heads(
    lora: bool, llama: Path, tmp_path: Path, peer: Peer
) -> None:
    made = data()
    how = Tuning(tmp_path / "work", lora=lora, n_epochs=20, learning_rate=5e-3, batch_size=16)
    done = train_finetune(made, Checkpoint.open(llama), how)
    assert done is not None
    trained, backbone, place = done
    save_trained(trained, backbone, place, tmp_path / "out")
    assert trained.quality[0].auc > 0.7
    talks = list(made.conversations)
    values = HeadModel(tmp_path / "out").score_heads(talks)
    logits = plain_logits(peer("transformers"), tmp_path / "out", talks)
    np.testing.assert_allclose(values, logits, atol=2e-5)
    rules = HeadModel(tmp_path / "out").rules
    assert rules is not None
    # Values on their scale follow the targets, the falling one too.
    unit, wanted = rules.unit(values.astype(float)), RULES.unit(made.targets)
    for rule in range(2):
        here = ~np.isnan(wanted[:, rule])
        assert np.corrcoef(unit[here, rule], wanted[here, rule])[0, 1] > 0.6
    before, after = (Checkpoint.open(f).tensors for f in (llama, tmp_path / "out"))
    assert before.keys() == after.keys()


@pytest.mark.parametrize("lora", [False, True])
def test_preferences_train_a_backbone_through_trl(
    lora: bool, llama: Path, tmp_path: Path, peer: Peer
) -> None:
    made = pairs()
    how = Tuning(tmp_path / "work", lora=lora, n_epochs=10, learning_rate=5e-3, batch_size=16)
    done = train_preference(made, Checkpoint.open(llama), how)
    assert done is not None
    trained, backbone, place = done
    save_trained(trained, backbone, place, tmp_path / "out")
    assert trained.quality[0].auc > 0.7
    values = HeadModel(tmp_path / "out").score_heads(list(made.conversations))
    assert values.shape == (120, 1)
    assert (values[0::2] > values[1::2]).mean() > 0.8


@pytest.mark.parametrize("padding", ["none", "the end of text"])
def test_padding_is_settled_before_a_backbone_is_trained(
    padding: str, tmp_path: Path, peer: Peer
) -> None:
    # As in Llama 3: no padding in config.json, and none or the end of text in the tokenizer, which
    # every text ends in. What is measured must be what is saved.
    folder = tmp_path / "model"
    classifier(folder, "llama", ("a", "b"), pad_token_id=None, eos_token_id=6)
    tokenizer(folder, pad="<|eot|>")
    path = folder / "tokenizer_config.json"
    told = {**json.loads(path.read_text()), "eos_token": "<|eot|>"}
    if padding == "none":
        del told["pad_token"]
    path.write_text(json.dumps(told))
    made = data()
    how = Tuning(tmp_path / "work", n_epochs=4, learning_rate=5e-3)
    done = train_finetune(made, Checkpoint.open(folder), how)
    assert done is not None
    trained, backbone, place = done
    rules = save_trained(trained, backbone, place, tmp_path / "out")
    talks = list(made.conversations)
    values = HeadModel(tmp_path / "out").score_heads(talks)
    logits = plain_logits(peer("transformers"), tmp_path / "out", talks)
    np.testing.assert_allclose(values, logits, atol=2e-5)
    left_out = split_of(made.prompts, 5) == 0
    again = auc(
        RULES.level_of(made.targets)[left_out, 0], rules.unit(values.astype(float))[left_out, 0]
    )
    assert again == pytest.approx(trained.quality[0].auc)


def test_a_tokenizer_with_nothing_to_pad_with_is_an_error(tmp_path: Path) -> None:
    classifier(tmp_path / "model", "llama", ("a", "b"))
    made = tokenizer(tmp_path / "model", pad="<|eot|>")
    made.eos_token = "<|eot|>"
    made.save_pretrained(tmp_path / "model")
    path = tmp_path / "model" / "tokenizer.json"
    core = json.loads(path.read_text())
    kept = ("<s>", "<|head|>", "<|end|>", "<|eot|>")
    core["added_tokens"] = [token for token in core["added_tokens"] if token["content"] in kept]
    path.write_text(json.dumps(core))
    config = tmp_path / "model" / "tokenizer_config.json"
    told = json.loads(config.read_text())
    config.write_text(json.dumps({k: v for k, v in told.items() if k != "unk_token"}))
    with pytest.raises(CheckpointError, match=r"no padding token but the one that ends every text"):
        padded_reader(Checkpoint.open(tmp_path / "model"))


def test_heads_on_a_masked_language_model_keep_all_on_the_way_to_them(
    tmp_path: Path, peer: Peer
) -> None:
    # ModernBERT's own classifier reads head.dense and head.norm, which lie outside its backbone.
    transformers = peer("transformers")
    described = config("modernbert", max_position_embeddings=512)
    model = transformers.AutoModelForMaskedLM.from_config(described)
    loosen(model)
    model.save_pretrained(tmp_path / "mlm")
    tokenizer(tmp_path / "mlm", chat=False)
    backbone = Backbone(Checkpoint.open(tmp_path / "mlm"))
    trained = train_ridge(data(), backbone, tmp_path / "states.npy")
    save_trained(trained, backbone.checkpoint, backbone.head_place, tmp_path / "out")
    talks = list(data().conversations)[:5]
    values = HeadModel(tmp_path / "out").score_heads(talks)
    states = backbone.states([backbone.reader(talk) for talk in talks])
    wanted = states @ trained.weight.T + (trained.bias if backbone.head_place.has_bias else 0)
    np.testing.assert_allclose(values, wanted, atol=2e-5)
    auto = transformers.AutoModelForSequenceClassification
    _, told = auto.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not told["missing_keys"]


def test_fewer_layers_of_a_bare_backbone_leave_the_others_out(tmp_path: Path, peer: Peer) -> None:
    transformers = peer("transformers")
    model = transformers.AutoModel.from_config(config("llama"))
    loosen(model)
    model.save_pretrained(tmp_path / "bare")
    tokenizer(tmp_path / "bare")
    backbone = Backbone(first_layers(Checkpoint.open(tmp_path / "bare"), 1))
    trained = train_ridge(data(), backbone, tmp_path / "states.npy")
    save_trained(trained, backbone.checkpoint, backbone.head_place, tmp_path / "out")
    auto = transformers.AutoModelForSequenceClassification
    _, told = auto.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not told["missing_keys"] and not told["unexpected_keys"]


def test_targets_that_teach_nothing_are_found_before_training(llama: Path, tmp_path: Path) -> None:
    made = data()
    targets = made.targets.copy()
    targets[split_of(made.prompts, 5) != 0, 1] = np.nan
    made = replace(made, targets=targets)
    with pytest.raises(InputError, match="rule 'curt' has"):
        train_finetune(made, Checkpoint.open(llama), Tuning(tmp_path))


def test_single_responses_teach_no_gate(llama: Path) -> None:
    made = data(5)
    with pytest.raises(InputError, match="5 responses are not pairs"):
        train_gate(made, Backbone(Checkpoint.open(llama)))


def test_a_gate_needs_prompts_and_more_than_one(llama: Path) -> None:
    made, backbone = pairs(4), Backbone(Checkpoint.open(llama))
    one = TrainingData(made.conversations, made.targets, ["p"] * 8, RULES, {})
    with pytest.raises(InputError, match="all pairs are of one prompt or in one split"):
        train_gate(one, backbone)
    bare = TrainingData(
        [talk[1:] for talk in made.conversations], made.targets, list("aabbccdd"), RULES, {}
    )
    with pytest.raises(InputError, match="no prompt, which a gate needs"):
        train_gate(bare, backbone)


def test_an_encoder_is_not_given_to_trl(bert: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Use --tune heads"):
        train_preference(pairs(4), Checkpoint.open(bert), Tuning(tmp_path))
