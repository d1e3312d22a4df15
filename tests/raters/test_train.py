from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import encore
from encore import LevelScale, Rulebook
from encore.errors import InputError, UnknownNameError
from encore.heads import Checkpoint, HeadModel

pytestmark = pytest.mark.skipif(
    bool(os.environ.get("ENCORE_BARE")), reason="bare install without torch"
)
RULES = Rulebook.from_ids(["kind"], LevelScale((1, 2, 3, 4, 5)))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama."""
    from tests.heads.tiny import classifier

    folder = tmp_path_factory.mktemp("models") / "llama"
    classifier(folder, "llama", ("kind",))
    return folder


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rated responses with their texts: long ones are kind."""
    from tests.heads.tiny import random_texts

    path = tmp_path_factory.mktemp("rated") / "rated.csv"
    rows = ["prompt_id,response_id,prompt,response,kind"]
    for number, (asked, answered) in enumerate(random_texts(60)):
        kind = min(5, 1 + len(answered[1].split()) // 3)
        rows.append(f"p{number},r{number},{asked[1]},{answered[1]},{kind}")
    path.write_text("\n".join(rows))
    return path


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rated pairs, the chosen response longer."""
    from tests.heads.tiny import random_texts

    path = tmp_path_factory.mktemp("pairs") / "pairs.csv"
    rows = ["id,prompt_id,prompt,chosen,rejected,chosen.kind,rejected.kind"]
    for number, (asked, answered) in enumerate(random_texts(40)):
        longer = f"{answered[1]} and much more to say about all of it"
        rows.append(f"{number},p{number},{asked[1]},{longer},{answered[1]},4,{1 + number % 5}")
    path.write_text("\n".join(rows))
    return path


@pytest.mark.parametrize("named", ["rulebook", "file", "ids"])
def test_trained_heads_are_returned_and_are_those_that_were_written(
    model: Path, rated: Path, tmp_path: Path, named: str
) -> None:
    RULES.save(tmp_path / "rules.toml")
    rules = {"rulebook": RULES, "file": tmp_path / "rules.toml", "ids": ["kind"]}[named]
    told: list[tuple[int, int]] = []
    trained = encore.train(
        rated,
        rules,  # type: ignore[arg-type]
        backbone=model,
        out=tmp_path / "out",
        scale=[1, 2, 3, 4, 5] if named == "ids" else None,
        layers=1,
        on_progress=lambda n_done, n_total: told.append((n_done, n_total)),
    )
    assert trained is not None and told == [(60, 60)]
    read = Checkpoint.open(tmp_path / "out")
    weight = HeadModel(tmp_path / "out").heads.weight
    np.testing.assert_array_equal(weight, trained.weight.astype(np.float32))  # type: ignore[union-attr]
    assert read.config["num_hidden_layers"] == 1


def test_a_gate_and_rewards_of_unseen_prompts_are_written(
    model: Path, pairs: Path, tmp_path: Path, peer: Callable[[str], ModuleType]
) -> None:
    out, held_out = tmp_path / "gate.safetensors", tmp_path / "held_out.parquet"
    common: dict[str, Any] = {"backbone": model, "held_out": held_out, "method": "gating"}
    trained = encore.train(pairs, RULES, out=out, **common)
    # Of 40 pairs, 4 is above 1, 2 and 3: 24; a tie with 4 is wrong, as is 5.
    assert trained.uniform_accuracy == pytest.approx(24 / 40)  # type: ignore[union-attr]
    table = peer("pyarrow.parquet").read_table(held_out)
    assert table["id"].to_pylist() == [str(number) for number in range(40)]
    won = np.array(table["chosen.reward"]) > np.array(table["rejected.reward"])
    assert trained.accuracy == won.mean()  # type: ignore[union-attr]
    assert out.is_file()
    # Other initial weights give another gate.
    other = encore.train(pairs, RULES, out=tmp_path / "other.safetensors", seed=1, **common)
    assert not np.array_equal(other.held_out, trained.held_out)  # type: ignore[union-attr, arg-type]


def test_a_gate_is_written_to_a_place_of_its_own(model: Path, pairs: Path, tmp_path: Path) -> None:
    (tmp_path / "gate").write_text("mine")
    with pytest.raises(InputError, match="it already exists"):
        encore.train(pairs, RULES, backbone=model, out=tmp_path / "gate", method="gating")


TUNED, FROZEN, ON_RATINGS = "that is trained too", "a frozen backbone", "pairs of texts alone"
OPTIONS: dict[str, Any] = {
    **{"rules": RULES, "scale": [1, 2], "texts": "texts.csv"},
    **{"states": "s.npy", "held_out": "h.parquet"},
    **{"device": "cpu", "dtype": "float32", "batch_tokens": 99},
    **{"n_epochs": 2.0, "learning_rate": 1e-4, "batch_size": 4},
}
# For each method and what is trained, the options that do not go with it.
REFUSED = {
    ("ridge", "heads"): {"held_out", "n_epochs", "learning_rate", "batch_size"},
    ("gating", "heads"): {"states", "n_epochs", "learning_rate", "batch_size"},
    ("bradley-terry", "heads"): {
        *("rules", "scale", "texts", "n_epochs", "learning_rate", "batch_size")
    },
    ("finetune", "full"): {"states", "held_out", "device", "dtype", "batch_tokens"},
    ("bradley-terry", "lora"): {
        *("rules", "scale", "texts", "states", "held_out", "device", "dtype", "batch_tokens")
    },
}
SAYS = {
    **dict.fromkeys(("rules", "scale", "texts"), ON_RATINGS),
    **{"states": FROZEN, "held_out": FROZEN},
    **{"device": FROZEN, "dtype": FROZEN, "batch_tokens": FROZEN},
    **{"n_epochs": TUNED, "learning_rate": TUNED, "batch_size": TUNED},
}


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize(("method", "tune"), REFUSED)
def test_an_option_goes_with_a_method_or_is_refused_by_name(
    tmp_path: Path, method: str, tune: str, name: str
) -> None:
    common: dict[str, Any] = {"backbone": tmp_path / "none", "out": tmp_path / "out"}
    value = OPTIONS[name]
    value = tmp_path / value if name in ("states", "held_out") else value
    with pytest.raises(InputError) as caught:
        encore.train(tmp_path / "r.csv", method=method, tune=tune, **common, **{name: value})
    if name in REFUSED[method, tune]:
        assert f"{name} does not go with method {method!r} and tune {tune!r}" in str(caught.value)
        assert SAYS[name] in str(caught.value)
    else:  # all is well up to the backbone, which is not there
        assert "does not go with" not in str(caught.value) and "none" in str(caught.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            {"method": "ridge", "tune": "lora"},
            "'ridge' cannot be used with tune 'lora'; exp.* 'heads'",
        ),
        (
            {"method": "finetune", "tune": "heads"},
            "cannot be used with tune 'heads'.*'full' or 'lora'",
        ),
        ({"method": "rigde"}, "no method of training is called 'rigde'. Did you mean 'ridge'"),
        ({"pooling": "max"}, "no pooling is called 'max'"),
        ({"pooling": "mean"}, "this is a llama"),
        ({"layers": 9}, "it has 2 layers"),
        ({"states": "states.txt"}, r"states states.txt: expected a file that ends in .npy"),
        ({"states": "no/s.npy"}, "there is no folder no; make it first"),
        ({"method": "gating", "held_out": "no/h.parquet"}, "there is no folder no"),
        ({"dtype": "float16"}, "no dtype for heads is called 'float16'.*Known: float32, bfloat16"),
        ({"device": "abacus"}, "device 'abacus'"),
        ({"batch_tokens": -1}, "batch_tokens must be 1 or more"),
        ({"rules": None}, "rules are missing"),
        ({"method": "finetune", "batch_size": 0}, "batch_size must be above 0; got 0"),
        ({"method": "finetune", "n_epochs": -1}, "n_epochs must be above 0; got -1"),
    ],
)
def test_options_that_cannot_be_are_refused(
    options: dict[str, Any], says: str, model: Path, rated: Path, tmp_path: Path
) -> None:
    given = {"rules": RULES, "backbone": model, "out": tmp_path / "out", **options}
    with pytest.raises(InputError, match=says):
        encore.train(rated, **given)
    assert not (tmp_path / "out").exists()


def test_a_name_that_is_unknown_carries_the_known_ones(model: Path, rated: Path) -> None:
    with pytest.raises(UnknownNameError) as caught:
        encore.train(rated, RULES, backbone=model, out="out", method="lasso")
    assert caught.value.known == ("ridge", "finetune", "bradley-terry", "gating")


def test_an_option_that_does_not_exist_is_a_type_error(model: Path, rated: Path) -> None:
    with pytest.raises(TypeError, match="devise"):
        encore.train(rated, RULES, backbone=model, out="out", devise="cuda")  # type: ignore[call-arg]


def test_no_file_that_is_read_is_written_over(model: Path, pairs: Path, tmp_path: Path) -> None:
    before = pairs.read_bytes()
    link = tmp_path / "link.csv"
    link.symlink_to(pairs)
    inside = model / "states.npy"
    for option, path in (("held_out", pairs), ("held_out", link), ("states", inside)):
        with pytest.raises(InputError, match="is an input"):
            encore.train(
                pairs,
                backbone=model,
                out=tmp_path / "out",
                method="bradley-terry",
                **{option: path},  # type: ignore[arg-type]
            )
    assert pairs.read_bytes() == before and not inside.exists()
    assert not (tmp_path / "out").exists()
