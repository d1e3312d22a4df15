"""What is stored or described in ways that give no model, or another one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from encore.errors import CheckpointError
from encore.heads import HeadModel
from encore.heads.files.safetensors import numbers_of, read_header, write_tensors
from tests.heads.tiny import HIDDEN, TALKS, classifier

UP = "model.layers.0.mlp.up_proj"


@pytest.fixture
def model(llama: Path, tmp_path: Path) -> Path:
    """A copy of a tiny Llama of three heads, to change."""
    shutil.copytree(llama, tmp_path / "model")
    return tmp_path / "model"


def configure(folder: Path, **changes: Any) -> None:
    config = {**json.loads((folder / "config.json").read_text()), **changes}
    (folder / "config.json").write_text(json.dumps(config))


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the tensors of a model; integers and bytes are written by the peer's library."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file({n: t.contiguous() for n, t in tensors.items()}, folder / "model.safetensors")


QUANTISED: list[Mapping[str, Any]] = [
    {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"},
    {"quant_method": "bitsandbytes", "load_in_8bit": True},
    {"quant_method": "gptq", "bits": 4, "group_size": 128},
    {"quant_method": "awq", "bits": 4},
    {"quant_method": "compressed-tensors", "format": "int-quantized", "config_groups": {}},
    {"quant_method": "fp8", "activation_scheme": "dynamic"},
    {"quant_method": "hqq"},
    {"quant_method": "one that nobody knows"},
    {"bits": 4},
]


@pytest.mark.parametrize("told", QUANTISED, ids=lambda told: str(told.get("quant_method")))
def test_plain_weights_are_read_whatever_is_said_of_them(
    told: Mapping[str, Any], model: Path, llama: Path
) -> None:
    configure(model, quantization_config=told)
    found = HeadModel(model)
    np.testing.assert_array_equal(found.score_heads(TALKS), HeadModel(llama).score_heads(TALKS))
    by = told.get("quant_method", "?")
    assert f"it is quantised by {by}; its weights are plain numbers" in found.notes[0]


def packed(kind: str, **beside: Any) -> Callable[[dict[str, Any]], object]:
    def change(tensors: dict[str, Any]) -> None:
        import torch

        tensors[f"{UP}.weight"] = torch.zeros(768, 1, dtype=getattr(torch, kind))
        for name, size in beside.items():
            tensors[f"{UP}.{name.replace('__', '.')}"] = torch.zeros(size)

    return change


def renamed(suffix: str) -> Callable[[dict[str, Any]], object]:
    def change(tensors: dict[str, Any]) -> None:
        import torch

        del tensors[f"{UP}.weight"]
        tensors[f"{UP}.{suffix}"] = torch.zeros(4, 48, dtype=torch.int32)
        tensors[f"{UP}.scales"] = torch.ones(1, 48)

    return change


@pytest.mark.parametrize(
    ("method", "change"),
    [
        ("bitsandbytes", packed("uint8", weight__absmax=12)),
        ("bitsandbytes", packed("int8", SCB=48)),
        ("fp8", packed("float8_e4m3fn", weight_scale_inv=1)),
        ("compressed-tensors", packed("int8", weight_scale=48)),
        ("compressed-tensors", renamed("weight_packed")),
        ("gptq", renamed("qweight")),
        ("awq", renamed("qweight")),
        ("quanto", renamed("weight._data")),
        ("hqq", renamed("W_q")),
        (None, packed("uint8")),
    ],
)
def test_quantised_weights_are_one_line_with_the_next_step(
    method: str | None, change: Callable[[dict[str, Any]], object], model: Path
) -> None:
    rewrite(model, change)
    if method is not None:
        configure(model, quantization_config={"quant_method": method, "bits": 4})
    assert HeadModel(model).names == ("kind", "true", "short")  # the heads are plain
    with pytest.raises(CheckpointError, match="are quantised by") as error:
        HeadModel(model).score_heads(TALKS)
    said = str(error.value)
    assert "\n" not in said and (method or "config.json does not name") in said
    assert UP in said and "Give the model that it was quantised from" in said
    assert ("model.dequantize()" in said) == (method in ("bitsandbytes", "fp8"))


def adapter(folder: Path, *, weights: bool) -> None:
    told = {"peft_type": "LORA", "base_model_name_or_path": "org/base", "task_type": "SEQ_CLS"}
    (folder / "adapter_config.json").write_text(json.dumps(told))
    if weights:
        head = {"base_model.model.score.weight": np.zeros((1, HIDDEN), np.float32)}
        write_tensors(folder / "adapter_model.safetensors", head)


@pytest.mark.parametrize("has_config", [True, False])
def test_an_adapter_alone_says_how_to_merge_it(has_config: bool, model: Path) -> None:
    adapter(model, weights=True)
    (model / "model.safetensors").unlink()
    if not has_config:
        (model / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"an adapter alone, .* \(org/base\)\. Merge it") as e:
        HeadModel(model)
    assert "merge_and_unload()" in str(e.value) and "\n" not in str(e.value)


def test_a_model_with_what_is_left_of_an_adapter_is_read(model: Path, llama: Path) -> None:
    adapter(model, weights=False)
    found = HeadModel(model).score_heads(TALKS)
    np.testing.assert_array_equal(found, HeadModel(llama).score_heads(TALKS))


def test_a_model_beside_its_adapter_may_or_may_not_have_it_in_it(model: Path) -> None:
    adapter(model, weights=True)
    with pytest.raises(CheckpointError, match=r"nothing says whether .* remove adapter_model\.saf"):
        HeadModel(model)


def test_matrices_of_an_adapter_among_the_weights_are_not_left_out(model: Path) -> None:
    def change(tensors: dict[str, Any]) -> None:
        import torch

        tensors[f"{UP}.lora_A.default.weight"] = torch.zeros(4, HIDDEN)

    rewrite(model, change)
    with pytest.raises(CheckpointError, match=r"an adapter that is not merged .*lora_A"):
        HeadModel(model)


@pytest.mark.parametrize(
    "changes",
    [
        {"num_hidden_layers": 10**6},
        {"num_hidden_layers": 10**12},
        {"hidden_size": 10**9, "num_attention_heads": 4},
        {"vocab_size": 10**12},
        {"intermediate_size": 10**9},
        {"intermediate_size": 10**12, "hidden_size": 10**12},
        {"head_dim": 10**9},
        {"num_attention_heads": 10**6, "num_key_value_heads": 10**6},
        {"num_hidden_layers": "two"},
        {"num_hidden_layers": -1},
        {"num_hidden_layers": 0},
        {"num_hidden_layers": 1},
        {"hidden_size": 0},
        {"hidden_size": -32},
        {"hidden_size": 64},
        {"hidden_act": "nope"},
        {"num_attention_heads": 0},
        {"rope_parameters": {"rope_type": "nope"}},
        {"rope_parameters": "x"},
        {"vocab_size": None},
        {"num_key_value_heads": 3, "num_attention_heads": 4},
        {"head_dim": 5},
    ],
    ids=str,
)
def test_a_configuration_of_another_model_is_an_error_in_time(
    changes: Mapping[str, Any], model: Path
) -> None:
    configure(model, **changes)
    with pytest.raises(CheckpointError):
        HeadModel(model).score_heads(TALKS)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("mixtral", {"num_local_experts": 10**9}),
        ("bert", {"max_position_embeddings": 10**12}),
        ("bert", {"type_vocab_size": 10**12}),
        ("bert", {"num_hidden_layers": 10**6}),
        ("mixtral", {"num_experts_per_tok": 99}),
    ],
)
def test_so_is_that_of_other_architectures(
    kind: str, changes: Mapping[str, Any], tmp_path: Path
) -> None:
    classifier(tmp_path, kind, ("a", "b"))
    assert np.isfinite(HeadModel(tmp_path).score_heads(TALKS[:1])).all()
    configure(tmp_path, **changes)
    with pytest.raises(
        CheckpointError, match=r"They belong to different models|cannot read a short text"
    ):
        HeadModel(tmp_path).score_heads(TALKS)


def test_layers_that_the_configuration_leaves_out_are_an_error(model: Path) -> None:
    # One layer of two would be another model, without a word.
    configure(model, num_hidden_layers=1)
    with pytest.raises(CheckpointError, match=r"'model\.layers\.1\..* have no place in the llama"):
        HeadModel(model).score_heads(TALKS)


def test_biases_that_the_class_has_no_place_for_are_an_error(model: Path) -> None:
    def change(tensors: dict[str, Any]) -> None:
        import torch

        tensors["model.layers.0.self_attn.q_proj.bias"] = torch.ones(32)

    rewrite(model, change)
    with pytest.raises(CheckpointError, match=r"q_proj\.bias'\] have no place"):
        HeadModel(model).score_heads(TALKS)


def test_buffers_of_old_files_are_left_out(model: Path, llama: Path) -> None:
    def change(tensors: dict[str, Any]) -> None:
        import torch

        tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(4)
        tensors["model.layers.0.self_attn.bias"] = torch.ones(1, 1, 8, 8)

    rewrite(model, change)
    found = HeadModel(model).score_heads(TALKS)
    np.testing.assert_array_equal(found, HeadModel(llama).score_heads(TALKS))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_backbone_that_is_not_finite_gives_an_error_and_no_values(
    bad: float, model: Path
) -> None:
    path = model / "model.safetensors"
    tensors: dict[str, Any] = dict(read_header(path))
    norm = numbers_of(tensors["model.norm.weight"]).copy()
    norm[3] = bad
    write_tensors(model / "new.safetensors", {**tensors, "model.norm.weight": norm})
    (model / "new.safetensors").replace(path)
    with pytest.raises(CheckpointError, match=r"its states are not finite\. Fetch the model again"):
        HeadModel(model).score_heads(TALKS)


def test_numbers_that_only_some_texts_reach_give_an_error_and_no_values(model: Path) -> None:
    path = model / "model.safetensors"
    tensors = read_header(path)
    rows = numbers_of(tensors["model.embed_tokens.weight"]).copy()
    rows[HeadModel(model).backbone.reader.tokenizer.convert_tokens_to_ids("Z")] = np.nan
    write_tensors(model / "new.safetensors", {**tensors, "model.embed_tokens.weight": rows})
    (model / "new.safetensors").replace(path)
    broken = HeadModel(model)
    assert np.isfinite(broken.score_heads(TALKS)).all()
    with pytest.raises(
        CheckpointError, match=r"gives values that are not finite\. Fetch the model"
    ):
        broken.score_heads([*TALKS, [("user", "Z"), ("assistant", "a")]])
