from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from encore.errors import CheckpointError, DocumentError
from encore.heads import Checkpoint, HeadModel, read_heads
from encore.heads.files.safetensors import read_header, write_tensors
from tests.heads.tiny import HIDDEN, classifier


@pytest.fixture
def broken(llama: Path, tmp_path: Path) -> Path:
    """A copy of a good model, to break."""
    shutil.copytree(llama, tmp_path / "model")
    return tmp_path / "model"


def configure(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    config = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({k: v for k, v in config.items() if v is not None}))


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the tensors of a model."""
    path = folder / "model.safetensors"
    tensors: dict[str, Any] = dict(read_header(path))
    change(tensors)
    write_tensors(folder / "new.safetensors", tensors)
    (folder / "new.safetensors").replace(path)


def cut(folder: Path) -> None:
    os.truncate(folder / "model.safetensors", 5000)


def pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def sharded_without_shard(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"score.weight": "model-00001-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def sharded_outside(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder.parent / "model.safetensors")
    index = {"weight_map": {"score.weight": "../model.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def sharded_without_tensor(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "one.safetensors")
    index = {"weight_map": {"score.bias": "one.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def headless(folder: Path) -> None:
    rewrite(folder, lambda tensors: tensors.pop("score.weight"))


def perceptron(folder: Path) -> None:
    def change(tensors: dict[str, Any]) -> None:
        tensors["score.0.weight"] = tensors.pop("score.weight")

    rewrite(folder, change)


def wide_head(folder: Path) -> None:
    rewrite(folder, lambda t: t.__setitem__("score.weight", np.zeros((3, 99), np.float32)))


def infinite(folder: Path) -> None:
    head = np.full((3, HIDDEN), np.inf, np.float32)
    rewrite(folder, lambda tensors: tensors.__setitem__("score.weight", head))


def more_heads(folder: Path) -> None:
    rewrite(folder, lambda t: t.__setitem__("score.weight", np.zeros((5, HIDDEN), np.float32)))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (cut, r"not a complete safetensors file .* it is cut off\). Fetch or save it again"),
        (pickle, "its weights are pickled, which can run code; save them as safetensors"),
        (lambda f: (f / "model.safetensors").unlink(), r"expected model\.safetensors or"),
        (lambda f: (f / "config.json").unlink(), r"no config\.json"),
        (lambda f: (f / "config.json").write_text("{"), "not a JSON document"),
        (lambda f: (f / "config.json").write_text("[]"), "expected a JSON object"),
        (lambda f: configure(f, model_type=None), "states no model_type"),
        (sharded_without_shard, r"model-00001-of-00002\.safetensors is missing"),
        (sharded_outside, "is not the name of a file beside it"),
        (sharded_without_tensor, r"no tensor 'score\.bias', which the index puts there"),
        (headless, r"it has no heads .* Train heads for it with `encore train`"),
        (perceptron, r"more than one linear layer \(score\.0\.weight\)"),
        (wide_head, rf"shape \[3, 99\]; expected \(heads, {HIDDEN}\)"),
        (more_heads, r"5 heads but 3 distinct names \(kind, true, short\)"),
        (lambda f: configure(f, hidden_size=None), "states no hidden_size"),
        (
            lambda f: configure(f, id2label={"a": "kind"}),
            "id2label .* does not map numbers to names",
        ),
        (lambda f: configure(f, id2label=["kind"]), "id2label .* does not map numbers to names"),
        (infinite, "score holds numbers that are not finite"),
    ],
)
def test_a_model_that_is_not_whole_says_what_is_wrong(
    spoil: Callable[[Path], object], says: str, broken: Path
) -> None:
    spoil(broken)
    with pytest.raises(CheckpointError, match=says):
        HeadModel(broken)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda f: (f / "tokenizer.json").unlink(), r"no tokenizer; expected tokenizer\.json"),
        (lambda f: (f / "tokenizer.json").write_text("{}"), "its tokenizer or its config"),
        (lambda f: (f / "chat_template.jinja").unlink(), "no chat template"),
        (lambda f: configure(f, model_type="t5gemma9"), "no sequence classifier for model_type"),
        (lambda f: configure(f, intermediate_size=99), r"do not fit config\.json .*mlp"),
        (lambda f: configure(f, num_hidden_layers=3), r"no tensors \['model\.layers\.2\."),
    ],
)
def test_a_model_that_cannot_be_loaded_says_why(
    spoil: Callable[[Path], object], says: str, broken: Path
) -> None:
    spoil(broken)
    with pytest.raises(CheckpointError, match=says):
        HeadModel(broken).score_heads([[("user", "Hi"), ("assistant", "Hello")]])


def test_rules_beside_a_model_must_be_rules(broken: Path) -> None:
    (broken / "rules.toml").write_text("rule = 3")
    with pytest.raises(DocumentError, match=r"rules\.toml"):
        HeadModel(broken)


def test_no_code_of_a_model_is_run(broken: Path, tmp_path: Path) -> None:
    told = "modeling_mine.Model"
    configure(broken, auto_map={"AutoModelForSequenceClassification": told, "AutoConfig": told})
    (broken / "modeling_mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    HeadModel(broken).score_heads([[("user", "Hi"), ("assistant", "Hello")]])
    assert not (tmp_path / "ran").exists()


def test_of_one_file_and_an_index_the_one_file_counts_as_in_transformers(broken: Path) -> None:
    one = read_heads(Checkpoint.open(broken)).weight
    shutil.copy(broken / "model.safetensors", broken / "other.safetensors")
    index = {"weight_map": dict.fromkeys(read_header(broken / "model.safetensors"), "none")}
    (broken / "model.safetensors.index.json").write_text(json.dumps(index))
    np.testing.assert_array_equal(read_heads(Checkpoint.open(broken)).weight, one)


def test_heads_of_a_sharded_model_are_found(tmp_path: Path) -> None:
    model = classifier(tmp_path / "one", "llama", ("a", "b"))
    model.save_pretrained(tmp_path / "many", max_shard_size="20KB")
    opened = Checkpoint.open(tmp_path / "many")
    assert len(list((tmp_path / "many").glob("*.safetensors"))) > 2
    np.testing.assert_array_equal(read_heads(opened).weight, model.score.weight.detach().numpy())
    assert opened.tensors.keys() == Checkpoint.open(tmp_path / "one").tensors.keys()
