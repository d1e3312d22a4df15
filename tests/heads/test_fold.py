from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import encore
from encore import LevelScale, RangeScale, Reward, Rule, Rulebook, Weights
from encore.errors import CheckpointError, InputError, MismatchError
from encore.heads import Checkpoint, HeadModel, check_fold, fold, folded_rewards
from encore.heads.files.safetensors import Stored
from encore.heads.fold import rank_agreement
from encore.rules import Veto
from tests.heads.tiny import TALKS, classifier, gated, plain_logits, random_texts

Peer = Callable[[str], ModuleType]
# "true" counts a cost: 2 is its worst.
RULES = Rulebook(
    (
        Rule("kind", "Is kind.", RangeScale(-2, 3)),
        Rule("true", "Is false.", RangeScale(2, -2)),
        Rule("short", "Is short.", RangeScale(0, 1)),
    )
)
WEIGHTS = Weights(RULES, np.array([3.0, 1, 4]))


def weighted(values: NDArray[Any]) -> NDArray[Any]:
    """3/8 (v + 2)/5 + 1/8 (2 - v)/4 + 4/8 v, head by head."""
    kind, true, short = values.astype(float).T
    return np.asarray(3 / 8 * (kind + 2) / 5 + 1 / 8 * (2 - true) / 4 + 4 / 8 * short)


def test_the_folded_head_gives_the_weighted_reward(classifier_folder: Path, tmp_path: Path) -> None:
    talks = [*TALKS, *random_texts(40)]
    fold(classifier_folder, WEIGHTS, out=tmp_path / "out")
    wanted = weighted(HeadModel(classifier_folder).score_heads(talks))
    rewards = folded_rewards(HeadModel(tmp_path / "out"), talks)
    np.testing.assert_allclose(rewards, wanted, atol=1e-5 * np.abs(wanted).max())
    assert rank_agreement(rewards, wanted) == 1.0


def test_weights_are_also_taken_from_their_file(llama: Path, tmp_path: Path) -> None:
    WEIGHTS.save(tmp_path / "weights.json")
    one = encore.fold(llama, WEIGHTS, out=tmp_path / "one")
    two = encore.fold(llama, tmp_path / "weights.json", out=tmp_path / "two")
    assert (one.offset, one.weight.tolist()) == (two.offset, two.weight.tolist())


def test_transformers_own_class_gives_it_too(
    classifier_folder: Path, tmp_path: Path, peer: Peer
) -> None:
    # Logit and offset, as the sidecar says; a BERT's head has a bias, and no offset is left.
    fold(classifier_folder, WEIGHTS, out=tmp_path / "out")
    wanted = weighted(HeadModel(classifier_folder).score_heads(TALKS))
    logits = plain_logits(peer("transformers"), tmp_path / "out", TALKS)
    offset = json.loads((tmp_path / "out" / "encore_fold.json").read_text())["offset"]
    assert logits.shape == (len(TALKS), 1)
    assert (offset == 0) == (classifier_folder.name == "bert")
    np.testing.assert_allclose(logits[:, 0] + offset, wanted, atol=1e-5)


def test_nothing_of_the_model_is_missing_or_left_over(
    classifier_folder: Path, tmp_path: Path, peer: Peer
) -> None:
    fold(classifier_folder, WEIGHTS, out=tmp_path / "out")
    auto = peer("transformers").AutoModelForSequenceClassification
    _, told = auto.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not any(told[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))


def test_all_tensors_but_the_head_are_the_same_bytes(
    classifier_folder: Path, tmp_path: Path
) -> None:
    fold(classifier_folder, WEIGHTS, out=tmp_path / "out")
    before, after = (Checkpoint.open(f).tensors for f in (classifier_folder, tmp_path / "out"))
    heads = {name for name in before if name.startswith(("score", "classifier"))}
    assert before.keys() == after.keys() and heads
    for name in before.keys() - heads:
        one, other = before[name], after[name]
        assert isinstance(one, Stored) and isinstance(other, Stored)
        assert (one.kind, one.shape) == (other.kind, other.shape)
        assert b"".join(one.blocks()) == b"".join(other.blocks())


def test_the_files_of_the_backbone_are_linked_once_heads_have_their_own(
    llama: Path, tmp_path: Path
) -> None:
    fold(llama, WEIGHTS, out=tmp_path / "one")  # head and backbone share a file: copied
    rules = Rulebook.from_ids(["composed"], RangeScale(0, 1))
    fold(tmp_path / "one", Weights(rules, np.array([1.0], float)), out=tmp_path / "two")
    backbone, head = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    assert (tmp_path / "one" / backbone).samefile(tmp_path / "two" / backbone)
    assert not (tmp_path / "one" / head).samefile(tmp_path / "two" / head)


def test_the_configuration_is_what_servers_and_trainers_read(llama: Path, tmp_path: Path) -> None:
    # vLLM: one label and "regression", so that no sigmoid is applied; OpenRLHF: (r - mean) / std.
    folded = fold(llama, WEIGHTS, out=tmp_path / "out")
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["architectures"] == ["LlamaForSequenceClassification"]
    assert config["id2label"] == {"0": "composed"} and config["problem_type"] == "regression"
    assert (config["mean"], config["std"]) == (-folded.offset, 1.0)
    assert config["value_head_prefix"] == "score"
    head = Checkpoint.open(tmp_path / "out").tensors["score.weight"]
    assert head.shape == (1, config["hidden_size"])
    assert isinstance(head, Stored) and head.kind == "F32"


def test_an_offset_by_hand(llama: Path, tmp_path: Path) -> None:
    # No bias: 3/8 · 2/5 + 1/8 · 2/4 + 4/8 · 0 = 0.15 + 0.0625.
    assert fold(llama, WEIGHTS, out=tmp_path / "out").offset == pytest.approx(0.2125)


def test_trl_reads_the_folded_reward(llama: Path, tmp_path: Path, peer: Peer) -> None:
    # What TRL's trainers do with a reward model that they are given by its path: template, then
    # tokens without special ones, then the first logit of a padded batch.
    torch, transformers = peer("torch"), peer("transformers")
    fold(llama, WEIGHTS, out=tmp_path / "out")
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        tmp_path / "out", num_labels=1
    ).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    texts = [
        peer("trl").apply_chat_template(
            {"messages": [{"role": r, "content": c} for r, c in talk]}, tokenizer
        )["text"]
        for talk in TALKS
    ]
    inputs = tokenizer(
        texts, return_tensors="pt", padding=True, padding_side="right", add_special_tokens=False
    )
    with torch.inference_mode():
        logits = model(**inputs).logits[:, 0].numpy()
    wanted = weighted(HeadModel(llama).score_heads(TALKS))
    np.testing.assert_allclose(logits + 0.2125, wanted, atol=1e-5)


@pytest.mark.parametrize("n_quantiles", [None, 5], ids=["ArmoRM", "QRM"])
def test_armorm_and_qrm_fold_to_a_plain_llama(
    n_quantiles: int | None, tmp_path: Path, peer: Peer
) -> None:
    gated(tmp_path / "model", n_quantiles=n_quantiles)
    model = HeadModel(tmp_path / "model")
    assert model.rules is not None
    weights = Weights(model.rules, np.arange(1.0, 20.0))
    folded = fold(tmp_path / "model", weights, out=tmp_path / "out")
    wanted = model.score_heads(TALKS).astype(float) @ weights.shares  # all on 0 to 1
    logits = plain_logits(peer("transformers"), tmp_path / "out", TALKS)[:, 0]
    assert folded.offset == 0
    np.testing.assert_allclose(logits, wanted, rtol=1e-5, atol=1e-5)
    assert not any("gating" in name for name in Checkpoint.open(tmp_path / "out").tensors)


def test_mini_folds_without_a_checkpoint_on_disk(tmp_path: Path) -> None:
    model = HeadModel("encore:mini")
    assert model.rules is not None
    weights = Weights(model.rules, np.arange(1.0, 11.0))
    fold("encore:mini", weights, out=tmp_path / "out")
    found = check_fold(model, weights, HeadModel(tmp_path / "out"), [*TALKS, *random_texts(20)])
    assert found.largest_difference < 1e-5 and found.rank_agreement == 1.0


def test_the_check_counts_what_composing_would_clip(llama: Path, tmp_path: Path) -> None:
    talks = random_texts(60)
    values = HeadModel(llama).score_heads(talks)
    fold(llama, WEIGHTS, out=tmp_path / "out")
    found = check_fold(HeadModel(llama), WEIGHTS, HeadModel(tmp_path / "out"), talks)
    low, high = np.array([-2, -2, 0]), np.array([3, 2, 1])
    beyond = (values < low) | (values > high)
    assert 0 < beyond.mean() == pytest.approx(found.clipped_share)
    clipped, plain = weighted(np.clip(values, low, high)), weighted(values)
    alike = told = 0
    for i in range(60):
        for j in range(i):
            a, b = clipped[i] - clipped[j], plain[i] - plain[j]
            told += abs(a) > 1e-6 < abs(b)
            alike += abs(a) > 1e-6 < abs(b) and a * b > 0
    assert found.clipped_rank_agreement == pytest.approx(alike / told)
    assert found.n_responses == 60


def test_levels_are_refused(llama: Path, tmp_path: Path) -> None:
    levels = Rulebook.from_ids(["kind", "true", "short"], LevelScale((1, 2, 3)))
    with pytest.raises(InputError, match=r"rule 'kind' has the levels 1, 2, 3; a head gives any"):
        fold(llama, Weights(levels, np.array([1, 1, 1], float)), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("form", ["geometric", "power:exponent=2", "pessimistic"])
def test_only_the_mean_folds(form: str, llama: Path, tmp_path: Path) -> None:
    Reward(WEIGHTS, form=form).save(tmp_path / "reward.json")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=rf"the form {form}.* only the weighted mean is a sum"):
        fold(llama, tmp_path / "reward.json", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    one = fold(llama, Reward(WEIGHTS), out=tmp_path / "one")
    assert one == fold(llama, WEIGHTS, out=tmp_path / "two")


def test_a_veto_does_not_fold(llama: Path, tmp_path: Path) -> None:
    rules = Rulebook((replace(RULES["kind"], veto=Veto(-1)), *RULES.rules[1:]))
    with pytest.raises(InputError, match=r"the rules \[kind\] have a veto"):
        fold(llama, Weights(rules, WEIGHTS.values), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_weights_of_other_rules_are_refused(llama: Path, tmp_path: Path) -> None:
    other = Weights(Rulebook.from_ids(["kind", "warm"], RangeScale(0, 1)), np.array([1, 1], float))
    with pytest.raises(MismatchError, match=r"no heads for the rules \['warm'\]"):
        fold(llama, other, out=tmp_path / "out")


def test_some_of_the_heads_can_be_folded(llama: Path, tmp_path: Path) -> None:
    one = Weights(Rulebook.from_ids(["short"], RangeScale(0, 1)), np.array([1], float))
    fold(llama, one, out=tmp_path / "out")
    rewards = folded_rewards(HeadModel(tmp_path / "out"), TALKS)
    np.testing.assert_allclose(rewards, HeadModel(llama).score_heads(TALKS)[:, 2], atol=1e-6)


def test_what_is_there_is_not_written_over(llama: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")
    with pytest.raises(InputError, match="it already exists"):
        fold(llama, WEIGHTS, out=tmp_path / "out")
    with pytest.raises(InputError, match="there is no folder"):
        fold(llama, WEIGHTS, out=tmp_path / "no" / "out")


def test_a_fold_that_fails_leaves_nothing(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("encore.heads.model.write.write_tensors", full)
    with pytest.raises(OSError, match="No space"):
        fold(llama, WEIGHTS, out=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_heads_that_are_no_linear_layer_are_refused(llama: Path, tmp_path: Path) -> None:
    classifier(tmp_path / "model", "llama", ("a", "b"))
    opened = Checkpoint.open(tmp_path / "model").tensors
    from encore.heads.files.safetensors import write_tensors

    moved = {name.replace("score.", "score.2."): tensor for name, tensor in opened.items()}
    write_tensors(tmp_path / "new", moved)
    (tmp_path / "new").replace(tmp_path / "model" / "model.safetensors")
    rules = Weights(Rulebook.from_ids(["a"], RangeScale(0, 1)), np.array([1], float))
    with pytest.raises(
        CheckpointError, match=r"score\.2\.weight.* not linear .* bring the ratings"
    ):
        fold(tmp_path / "model", rules, out=tmp_path / "out")


def test_a_bfloat16_backbone_stays_what_it_is(tmp_path: Path, peer: Peer) -> None:
    torch = peer("torch")
    model = classifier(tmp_path / "model", "llama", ("kind", "true", "short"))
    model.to(torch.bfloat16).save_pretrained(tmp_path / "model")
    fold(tmp_path / "model", WEIGHTS, out=tmp_path / "out")
    tensors = Checkpoint.open(tmp_path / "out").tensors
    kinds = {name: t.kind for name, t in tensors.items() if isinstance(t, Stored)}
    assert kinds.pop("score.weight") == "F32" and set(kinds.values()) == {"BF16"}
    source, made = (HeadModel(tmp_path / n, dtype="float32") for n in ("model", "out"))
    assert check_fold(source, WEIGHTS, made, TALKS).largest_difference < 1e-5


def test_a_model_without_padding_gets_a_token_for_it(tmp_path: Path, peer: Peer) -> None:
    # Else Transformers would refuse batches, or with the end of text as padding read one token off.
    transformers = peer("transformers")
    classifier(tmp_path / "model", "llama", ("kind", "true", "short"), pad_token_id=None)
    path = tmp_path / "model" / "tokenizer_config.json"
    told = {k: v for k, v in json.loads(path.read_text()).items() if k != "pad_token"}
    path.write_text(json.dumps(told))
    wanted = weighted(HeadModel(tmp_path / "model").score_heads(TALKS))
    fold(tmp_path / "model", WEIGHTS, out=tmp_path / "out")
    logits = plain_logits(transformers, tmp_path / "out", TALKS)
    np.testing.assert_allclose(logits[:, 0] + 0.2125, wanted, atol=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", ["F32", "F16", "BF16"])
def test_a_backbone_that_is_not_finite_is_refused(
    kind: str, bad: float, llama: Path, tmp_path: Path, peer: Peer
) -> None:
    torch = peer("torch")
    library = peer("safetensors.torch")
    shutil.copytree(llama, tmp_path / "model")
    path = tmp_path / "model" / "model.safetensors"
    wanted = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}[kind]
    tensors = {name: tensor.to(wanted) for name, tensor in library.load_file(path).items()}
    library.save_file(tensors, path)
    fold(tmp_path / "model", WEIGHTS, out=tmp_path / "good")
    tensors["model.layers.1.mlp.down_proj.weight"][5, 7] = bad
    library.save_file(tensors, path)
    with pytest.raises(CheckpointError, match=r"'model\.layers\.1\.mlp\.down_proj\.weight' of its"):
        fold(tmp_path / "model", WEIGHTS, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_quantised_backbone_is_folded_without_being_read(llama: Path, tmp_path: Path) -> None:
    # Its heads are plain numbers; whatever serves the model reads the rest.
    shutil.copytree(llama, tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    told = {"quant_method": "gptq", "bits": 4, "group_size": 128}
    path.write_text(json.dumps({**json.loads(path.read_text()), "quantization_config": told}))
    folded = fold(tmp_path / "model", WEIGHTS, out=tmp_path / "out")
    assert folded == fold(llama, WEIGHTS, out=tmp_path / "plain")
    written = json.loads((tmp_path / "out" / "config.json").read_text())
    assert written["quantization_config"] == told
