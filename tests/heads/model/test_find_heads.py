from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from encore import RangeScale, Rulebook, Weights
from encore.errors import CheckpointError
from encore.heads import Checkpoint, HeadModel, fold, folded_rewards, read_heads
from encore.heads.files.safetensors import numbers_of, read_header, write_tensors
from tests.heads.tiny import HIDDEN, TALKS, classifier

Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama of one head with the two labels that Transformers gives by default."""
    folder = tmp_path_factory.mktemp("models") / "one"
    classifier(folder, "llama", ("LABEL_0",))
    labels = {"0": "LABEL_0", "1": "LABEL_1"}
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "id2label": labels}))
    return folder


@pytest.fixture
def model(one: Path, tmp_path: Path) -> Path:
    """A copy of it, to change."""
    shutil.copytree(one, tmp_path / "model")
    return tmp_path / "model"


def rewrite(folder: Path, change: Change) -> None:
    tensors: dict[str, Any] = dict(read_header(folder / "model.safetensors"))
    change(tensors)
    write_tensors(folder / "new.safetensors", tensors)
    (folder / "new.safetensors").replace(folder / "model.safetensors")


def named(name: str) -> Change:
    """The head under another name."""
    return lambda tensors: tensors.__setitem__(name, tensors.pop("score.weight"))


def also(**more: Any) -> Change:
    return lambda tensors: tensors.update({n.replace("__", "."): t for n, t in more.items()})


def zeros(*shape: int) -> Any:
    return np.zeros(shape, np.float32)


def test_one_head_of_two_default_labels_is_one_head(one: Path) -> None:
    assert HeadModel(one).names == ("one",)


def test_three_heads_of_two_default_labels_are_three(llama: Path, tmp_path: Path) -> None:
    shutil.copytree(llama, tmp_path / "m")
    config = json.loads((llama / "config.json").read_text())
    config["id2label"] = {"0": "LABEL_0", "1": "LABEL_1"}
    (tmp_path / "m" / "config.json").write_text(json.dumps(config))
    assert HeadModel(tmp_path / "m").names == ("LABEL_0", "LABEL_1", "LABEL_2")
    config["id2label"] = {"0": "kind", "1": "LABEL_1"}  # somebody did name one
    (tmp_path / "m" / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="3 heads but 2 distinct names"):
        HeadModel(tmp_path / "m")


@pytest.mark.parametrize(
    "name",
    [
        *("v_head.weight", "v_head.summary.weight", "value_head.weight", "reward_head.weight"),
        *("score_head.weight", "rm_head.weight", "regression_head.weight", "model.score.weight"),
        *("critic.weight", "head.weight", "scores.weight", "reward_model_output.weight"),
        *("score.modules_to_save.default.weight", "toxicity.weight", "regression_layer.weight"),
    ],
)
def test_one_linear_head_is_read_under_any_name(name: str, model: Path, one: Path) -> None:
    rewrite(model, named(name))
    found, wanted = HeadModel(model), HeadModel(one)
    assert found.heads.module == name.removesuffix(".weight")
    np.testing.assert_array_equal(found.heads.weight, wanted.heads.weight)
    np.testing.assert_array_equal(found.score_heads(TALKS), wanted.score_heads(TALKS))
    if name != "regression_layer.weight":
        assert found.notes == (f"{model}: its heads are read from {found.heads.module}.",)


def test_its_bias_goes_along(model: Path, one: Path) -> None:
    rewrite(model, named("v_head.summary.weight"))
    rewrite(model, also(v_head__summary__bias=np.array([2.5], np.float32)))
    found, wanted = HeadModel(model).score_heads(TALKS), HeadModel(one).score_heads(TALKS)
    np.testing.assert_allclose(found, wanted + 2.5, atol=1e-6)


@pytest.mark.parametrize(
    ("file", "prefix"),
    [("value_head", "v_head.summary."), ("value_head", ""), ("reward_head", "score.")],
)
def test_a_head_in_a_file_of_its_own_is_read(
    file: str, prefix: str, model: Path, one: Path
) -> None:
    # LLaMA-Factory: the language model as it is, and the head beside it.
    head = numbers_of(Checkpoint.open(one).tensors["score.weight"])
    rewrite(model, lambda tensors: tensors.pop("score.weight"))
    rewrite(model, also(lm_head__weight=zeros(300, HIDDEN)))
    parts = {f"{prefix}weight": head, f"{prefix}bias": np.ones(1, np.float32)}
    write_tensors(model / f"{file}.safetensors", parts)
    found = HeadModel(model)
    assert found.heads.module == (prefix.removesuffix(".") or file)
    wanted = HeadModel(one).score_heads(TALKS) + 1
    np.testing.assert_allclose(found.score_heads(TALKS), wanted, atol=1e-6)
    assert found.identity["sha256"] != HeadModel(one).identity["sha256"]


def test_a_pickled_head_says_how_to_save_it(model: Path) -> None:
    rewrite(model, lambda tensors: tensors.pop("score.weight"))
    (model / "value_head.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(CheckpointError, match=r"value_head\.bin, which is pickled .* as value_hea"):
        HeadModel(model)


@pytest.mark.parametrize(
    ("more", "listed"),
    [
        ({"v_head__weight": zeros(2, HIDDEN)}, rf"score \[1, {HIDDEN}\], v_head \[2, {HIDDEN}\]"),
        ({"heads__b__weight": zeros(3, HIDDEN), "heads__a__weight": zeros(1, HIDDEN)}, "heads.a"),
        ({"regression_layer__weight": zeros(1, HIDDEN)}, "regression_layer"),
    ],
)
def test_of_several_heads_one_has_to_be_chosen(
    more: Mapping[str, Any], listed: str, model: Path, one: Path
) -> None:
    rewrite(model, also(**more))
    with pytest.raises(CheckpointError, match=rf"could be its heads: .*{listed}.*--head "):
        HeadModel(model)
    chosen = HeadModel(model, head="score")
    np.testing.assert_array_equal(chosen.score_heads(TALKS), HeadModel(one).score_heads(TALKS))
    for name, tensor in more.items():
        layer = name.replace("__", ".").removesuffix(".weight")
        other = HeadModel(model, head=layer)
        assert other.heads.weight.shape == tensor.shape
        assert other.identity != chosen.identity and other.identity["head"] == layer
        assert read_heads(other.checkpoint, f"{layer}.weight").module == layer
    with pytest.raises(CheckpointError, match=r"no linear layer 'scor' on its states; .* score \["):
        HeadModel(model, head="scor")


def test_a_layer_called_otherwise_does_not_compete_with_a_head(model: Path) -> None:
    rewrite(model, also(projector__weight=zeros(4, HIDDEN)))
    assert HeadModel(model).heads.module == "score" and HeadModel(model).notes == ()
    assert len(HeadModel(model, head="projector").names) == 4


@pytest.mark.parametrize(
    "layers",
    [
        {"v_head.dense.weight": (HIDDEN, HIDDEN), "v_head.summary.weight": (1, HIDDEN)},
        {"reward_head.0.weight": (HIDDEN, HIDDEN), "reward_head.2.weight": (1, HIDDEN)},
        {"value_head.0.weight": (16, HIDDEN), "value_head.2.weight": (1, 16)},
        {"value_head.down.weight": (16, HIDDEN), "value_head.out.weight": (1, 16)},
        {"score.norm.weight": (HIDDEN,), "score.linear.weight": (1, HIDDEN)},
        {"reward_dense.weight": (HIDDEN, HIDDEN), "reward_out.weight": (1, HIDDEN)},
        {"score.0.weight": (HIDDEN, HIDDEN), "score.2.weight": (1, HIDDEN)},
    ],
)
def test_layers_in_a_row_are_not_taken_for_a_linear_head(
    layers: Mapping[str, tuple[int, ...]], model: Path
) -> None:
    # Their last layer alone would give other numbers, and no error.
    rewrite(model, lambda tensors: tensors.pop("score.weight"))
    rewrite(model, lambda tensors: tensors.update({n: zeros(*s) for n, s in layers.items()}))
    with pytest.raises(CheckpointError, match=r"more than one linear layer .* bring the ratings"):
        HeadModel(model)


@pytest.mark.parametrize(
    "name",
    [
        *("lm_head", "model.embed_tokens_per_layer", "cls.seq_relationship", "qa_outputs"),
        *("model.layers.0.router", "gating.layers.0", "transformer.wpe", "score.original_module"),
    ],
)
def test_what_belongs_to_the_backbone_or_another_task_is_no_head(name: str, model: Path) -> None:
    rewrite(model, named(f"{name}.weight"))
    with pytest.raises(CheckpointError, match=r"it has no heads|more than one linear layer"):
        HeadModel(model)


def test_what_an_adapter_saved_beside_the_first_head_is_the_head(model: Path, one: Path) -> None:
    # PEFT: modules_to_save.default is trained, original_module is what it was before.
    rewrite(model, named("score.modules_to_save.default.weight"))
    rewrite(model, also(score__original_module__weight=zeros(1, HIDDEN)))
    found = HeadModel(model).score_heads(TALKS)
    np.testing.assert_array_equal(found, HeadModel(one).score_heads(TALKS))


@pytest.mark.parametrize(
    ("kind", "place"), [("llama", ("score", None)), ("bert", ("classifier", "bias"))]
)
def test_a_head_under_another_name_is_folded_to_where_the_class_has_it(
    kind: str, place: tuple[str, str | None], tmp_path: Path
) -> None:
    classifier(tmp_path / "model", kind, ("a", "b", "c"))
    standard = place[0]

    def change(tensors: dict[str, Any]) -> None:
        for part in ("weight", "bias"):
            if f"{standard}.{part}" in tensors:
                tensors[f"value_head.{part}"] = tensors.pop(f"{standard}.{part}")
        tensors["other_head.weight"] = zeros(2, HIDDEN)

    rewrite(tmp_path / "model", change)
    rules = Rulebook.from_ids(["a", "b", "c"], RangeScale(-2, 2))
    weights = Weights(rules, np.array([1.0, 2.0, 1.0]))
    with pytest.raises(CheckpointError, match="several linear layers"):
        fold(tmp_path / "model", weights, out=tmp_path / "out")
    folded = fold(tmp_path / "model", weights, out=tmp_path / "out", head="value_head")
    assert folded.module == "value_head"
    tensors = Checkpoint.open(tmp_path / "out").tensors
    assert f"{standard}.weight" in tensors and (f"{standard}.bias" in tensors) == bool(place[1])
    assert not any("_head." in name for name in tensors)
    # Shares 1/4, 1/2, 1/4; a value v on -2 … 2 is (v + 2) / 4.
    values = HeadModel(tmp_path / "model", head="value_head").score_heads(TALKS)
    wanted = (values / 4 + 0.5) @ np.array([0.25, 0.5, 0.25])
    rewards = folded_rewards(HeadModel(tmp_path / "out"), TALKS)
    np.testing.assert_allclose(rewards, wanted, atol=1e-6)
