from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import Result

import encore
from encore import RangeScale, Rulebook, Weights
from encore.cli.train import train as cli_train
from encore.heads import HeadModel

pytestmark = [
    pytest.mark.early,
    pytest.mark.skipif(bool(os.environ.get("ENCORE_BARE")), reason="bare install without torch"),
]
Run = Callable[..., Result]
RATED = """\
prompt_id,response_id,prompt,response,kind,calm
{rows}
"""


@pytest.fixture
def model(folder: Path) -> Path:
    """A tiny Llama of two heads that states no ranges."""
    from tests.heads.tiny import classifier

    classifier(folder / "model", "llama", ("kind", "calm"))
    return folder / "model"


@pytest.fixture
def rated(folder: Path) -> Path:
    """Rated responses with their texts: long ones are kind, and half are calm."""
    from tests.heads.tiny import random_texts

    lines = []
    for number, (asked, answered) in enumerate(random_texts(60)):
        kind = min(5, 1 + len(answered[1].split()) // 3)
        calm = 1 + 4 * (number % 2)
        lines.append(f"p{number},r{number},{asked[1]},{answered[1]},{kind},{calm}")
    (folder / "rated.csv").write_text(RATED.format(rows="\n".join(lines)))
    levels = "scale = { levels = [1, 2, 3, 4, 5] }"
    rules = "".join(f'[[rule]]\nid = "{n}"\ntext = "Is {n}."\n{levels}\n' for n in ("kind", "calm"))
    (folder / "levels.toml").write_text(rules)
    return folder / "rated.csv"


def test_a_model_without_ranges_says_how_to_have_them_measured(run: Run, model: Path) -> None:
    done = run("rate", "texts.csv", "--rater", f"heads:{model}", "-o", "out.parquet")
    assert done.exit_code == 1
    assert "encore rules heads MODEL --on DATA -o rules.toml" in done.output


def test_ranges_are_measured_and_then_rated_under(run: Run, model: Path, folder: Path) -> None:
    done = run("rules", "heads", model, "--on", "texts.csv", "-o", "heads.toml")
    assert done.exit_code == 0, done.output
    assert Rulebook.load(folder / "heads.toml").ids == ("kind", "calm")
    command = ["rate", "texts.csv", "--rater", f"heads:{model}", "--rules", "heads.toml"]
    done = run(*command, "-o", "out.parquet")
    assert done.exit_code == 0, done.output
    assert "6 responses under 2 rules" in done.output and "tokens read" in done.output
    talk = [[("user", "Hi"), ("assistant", "Hello")]]
    value = HeadModel(model).score_heads(talk)[0, 0]
    assert pq.read_table("out.parquet")["chosen.kind"][0].as_py() == pytest.approx(value, abs=1e-5)


def test_models_side_by_side_are_named_with_a_comma(run: Run, model: Path, folder: Path) -> None:
    from tests.heads.tiny import classifier

    classifier(folder / "cost", "llama", ("LABEL_0",))
    names = f"{model},{folder / 'cost'}"
    done = run("rate", "texts.csv", "--rater", f"heads:{names}", "-o", "out.parquet")
    assert done.exit_code == 1  # no ranges
    Rulebook.from_ids(["kind", "calm", "cost"], RangeScale(2, -2)).save(folder / "three.toml")
    command = ["rate", "texts.csv", "--rater", f"heads:{names}", "--rules", "three.toml"]
    assert run(*command, "-o", "out.parquet").exit_code == 0
    assert "rejected.cost" in pq.read_table("out.parquet").column_names


def test_the_rules_of_mini_are_its_own(run: Run, folder: Path) -> None:
    assert run("rules", "heads", "encore:mini", "-o", "mini.toml").exit_code == 0
    assert Rulebook.load(folder / "mini.toml") == HeadModel("encore:mini").rules
    done = run("rate", "texts.csv", "--rater", "heads:encore:mini", "-o", "out.parquet", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["n_responses"] == 6 and len(told["coverage"]) == 10
    assert {rule["n_rated"] for rule in told["coverage"]} == {6}


def test_a_plan_loads_no_model(run: Run, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("encore.heads.model.backbone.Backbone.__init__")
    Rulebook.from_ids(["kind", "calm"], RangeScale(0, 1)).save("heads.toml")
    command = ["rate", "texts.csv", "--rater", f"heads:{model}", "--rules", "heads.toml"]
    done = run(*command, "--dry-run")
    assert done.exit_code == 0, done.output
    assert "6 responses" in done.output


def test_rate_train_weigh_fold_and_check(run: Run, rated: Path, model: Path, folder: Path) -> None:
    done = run(
        *("train", rated, "--rules", "levels.toml", "--backbone", model, "-o", "heads"),
        *("--layers", "1", "--json"),
    )
    assert done.exit_code == 0, done.output
    quality = {found["rule"]: found for found in json.loads(done.stdout)["quality"]}
    assert quality["kind"]["n_targets"] == 60
    assert quality["kind"]["auc"] > 0.7 > quality["calm"]["auc"]
    own = folder / "heads" / "rules.toml"
    assert run("rate", "texts.csv", "--rater", "heads:heads", "-o", "r.parquet").exit_code == 0
    assert run("calibrate", "r.parquet", "--rules", own, "-o", "c.json").exit_code == 0
    assert run("weigh", "c.json", "-o", "w.json").exit_code == 0
    done = run("fold", "heads", "--weights", "w.json", "-o", "folded", "--check", "texts.csv")
    assert done.exit_code == 0, done.output
    assert "2 heads folded into one" in done.output and "100.00% of pairs" in done.output
    # The folded head is the weighted mean of the heads on their own scales.
    weights = Weights.load("w.json")
    talk = [[("user", "Hi"), ("assistant", "Hello")]]
    values = HeadModel("heads").score_heads(talk)[0].astype(float)
    scales = [rule.scale for rule in weights.rules]
    unit = [(v - s.worst) / (s.best - s.worst) for v, s in zip(values, scales, strict=True)]
    offset = json.loads((folder / "folded" / "encore_fold.json").read_text())["offset"]
    reward = HeadModel("folded").score_heads(talk)[0, 0] + offset
    assert reward == pytest.approx(float(np.dot(unit, weights.shares)), abs=1e-5)


def test_ratings_and_texts_meet_by_their_ids(run: Run, rated: Path, model: Path) -> None:
    rated.with_name("only.csv").write_text(
        "\n".join(",".join([*cells[:2], *cells[-2:]]) for cells in _cells(rated))
    )
    common = ["--rules", "levels.toml", "--backbone", model, "--json"]
    one = run("train", rated, *common, "-o", "one")
    two = run("train", "only.csv", "--texts", rated, *common, "-o", "two")
    assert two.exit_code == 0, two.output
    assert json.loads(one.stdout)["quality"] == json.loads(two.stdout)["quality"]


def _cells(path: Path) -> list[list[str]]:
    return [line.split(",") for line in path.read_text().splitlines()]


def test_ratings_of_none_of_the_texts_are_an_error(run: Run, rated: Path, model: Path) -> None:
    other = rated.with_name("other.csv")
    other.write_text("prompt_id,response_id,kind,calm\nx,y,1,2\n")
    command = ["--rules", "levels.toml", "--backbone", model, "-o", "out"]
    done = run("train", other, "--texts", rated, *command)
    assert done.exit_code == 1 and "rates none of" in done.output


def test_preferences_and_gates_are_trained_from_pairs(run: Run, model: Path, folder: Path) -> None:
    from tests.heads.tiny import random_texts

    rows = ["id,prompt_id,prompt,chosen,rejected,chosen.kind,rejected.kind"]
    for number, (asked, answered) in enumerate(random_texts(40)):
        longer = f"{answered[1]} and much more to say about all of it"
        rows.append(f"{number},p{number},{asked[1]},{longer},{answered[1]},4,{1 + number % 5}")
    (folder / "prefer.csv").write_text("\n".join(rows))
    command = ["train", "prefer.csv", "--backbone", model, "--json"]
    kept = ("--held-out", "held_out.parquet")
    done = run(*command, "--method", "bradley-terry", "-o", "bt", *kept)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["quality"][0]["auc"] > 0.8
    assert HeadModel("bt").names == ("preferred",)
    levels = '[[rule]]\nid = "kind"\ntext = "Is kind."\nscale = { levels = [1, 2, 3, 4, 5] }\n'
    (folder / "one.toml").write_text(levels)
    assert pq.read_table("held_out.parquet").column_names == [
        *("id", "chosen.reward", "rejected.reward")
    ]
    gating = ("--method", "gating", "--rules", "one.toml", "-o", "gate.safetensors")
    done = run(*command, *gating, *kept)
    assert done.exit_code == 0, done.output
    # Of 40 pairs, 4 is above 1, 2 and 3: 24; a tie with 4 is wrong, as is 5.
    assert json.loads(done.stdout)["uniform_accuracy"] == pytest.approx(24 / 40)


@pytest.mark.parametrize(
    ("method", "tune"),
    [
        ("finetune", "full"),
        ("finetune", "lora"),
        ("bradley-terry", "full"),
        ("bradley-terry", "lora"),
    ],
)
def test_backbones_are_trained_too_and_print_json_alone(
    method: str,
    tune: str,
    run: Run,
    rated: Path,
    model: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (folder / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder / "tmp"))
    rows = ["prompt_id,prompt,chosen,rejected"]
    rows += [f"p{n},Hi {n},Yes {n},No" for n in range(20)]
    (folder / "prefer.csv").write_text("\n".join(rows))
    source = "prefer.csv" if method == "bradley-terry" else rated
    rules = [] if method == "bradley-terry" else ["--rules", "levels.toml"]
    command = ["train", source, *rules, "--backbone", model, "-o", "out"]
    done = run(*command, "--method", method, "--tune", tune, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["method"].startswith(method)
    assert HeadModel("out").score_heads([[("user", "Hi"), ("assistant", "Yes")]]).size
    assert list((folder / "tmp").iterdir()) == []


def test_states_are_kept_for_other_rules(run: Run, rated: Path, model: Path, folder: Path) -> None:
    command = ["train", rated, "--backbone", model, "--states", "s.npy"]
    assert run(*command, "--rules", "levels.toml", "-o", "one").exit_code == 0
    one = Rulebook(Rulebook.load(folder / "levels.toml").rules[:1])
    one.save(folder / "one.toml")
    done = run(*command, "--rules", "one.toml", "-o", "two")
    assert done.exit_code == 0, done.output


def test_a_check_on_texts_that_are_not_there_writes_nothing(
    run: Run, model: Path, folder: Path
) -> None:
    rules = Rulebook.from_ids(["kind", "calm"], RangeScale(-2, 2))
    Weights.by_hand(rules, {"kind": 1, "calm": 1}).save(folder / "w.json")
    done = run("fold", model, "--weights", "w.json", "-o", "out", "--check", "none.jsonl")
    assert done.exit_code == 1 and not (folder / "out").exists()


def test_ranges_of_models_side_by_side_are_measured_together(
    run: Run, model: Path, folder: Path
) -> None:
    from tests.heads.tiny import classifier

    classifier(folder / "cost", "llama", ("LABEL_0",))
    names = f"{model},{folder / 'cost'}"
    done = run("rules", "heads", names, "--on", "texts.csv", "-o", "three.toml")
    assert done.exit_code == 0, done.output
    assert Rulebook.load(folder / "three.toml").ids == ("kind", "calm", "cost")


def test_responses_that_are_no_pairs_teach_no_gate(run: Run, rated: Path, model: Path) -> None:
    command = ["train", rated, "--rules", "levels.toml", "--backbone", model, "-o", "out"]
    done = run(*command, "--method", "gating")
    assert done.exit_code == 1 and "expected pairs" in done.output


def test_a_rating_of_one_name_for_a_model_serves_under_another(
    run: Run, model: Path, folder: Path
) -> None:
    Rulebook.from_ids(["kind", "calm"], RangeScale(-2, 2)).save(folder / "heads.toml")
    command = ["rate", "texts.csv", "--rules", "heads.toml", "-o", "out.parquet", "--json"]
    for name in (model, "./model", "model"):
        done = run(*command, "--rater", f"heads:{name}")
        assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["n_stored_before"] == 12


def test_options_that_do_not_go_together_are_one_line(run: Run, rated: Path, model: Path) -> None:
    command = ["train", rated, "--rules", "levels.toml", "--backbone", model, "-o", "out"]
    done = run(*command, "--n-epochs", "3")
    assert (done.exit_code, done.output) == (
        1,
        "Error: n_epochs does not go with method 'ridge' and tune 'heads': it is for a backbone "
        "that is trained too (tune 'full' or 'lora').\n",
    )


def test_the_command_has_the_options_of_the_library_and_their_defaults() -> None:
    command = cli_train.make_context("train", [__file__, "--backbone", "b", "-o", "o"]).params
    own = {"as_json", "out", "backbone", "ratings", "rules_source", "scale", "on_progress"}
    library = {
        name: parameter.default
        for name, parameter in inspect.signature(encore.train).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and name not in own
    }
    assert {name: default for name, default in command.items() if name not in own} == library
    flags = {p.name: p.opts[-1] for p in cli_train.params if p.name in library}
    assert flags == {name: f"--{name.replace('_', '-')}" for name in library}


def test_nothing_is_computed_if_there_is_no_place_for_it(run: Run, rated: Path) -> None:
    (rated.parent / "out").mkdir()
    (rated.parent / "out" / "mine").write_text("x")
    done = run("train", rated, "--rules", "levels.toml", "--backbone", "nowhere", "-o", "out")
    assert done.exit_code == 1 and "it already exists" in done.output


def test_of_several_heads_one_is_named(run: Run, model: Path, folder: Path) -> None:
    from encore.heads.files.safetensors import read_header, write_tensors

    tensors = dict(read_header(model / "model.safetensors"))
    head = np.zeros((1, 32), np.float32)
    write_tensors(folder / "new.safetensors", {**tensors, "value_head.weight": head})
    (folder / "new.safetensors").replace(model / "model.safetensors")
    rules = folder / "two.toml"
    Rulebook.from_ids(["kind", "calm"], RangeScale(-3, 3)).save(rules)
    command = ["rate", "texts.csv", "--rater", f"heads:{model}", "--rules", rules]
    done = run(*command, "-o", "out.parquet")
    assert done.exit_code == 1
    assert "score [2, 32], value_head [1, 32]. Say which (--head score)" in done.output
    done = run(*command, "--head", "score", "-o", "out.parquet")
    assert done.exit_code == 0, done.output
    assert done.output.count("its heads are read from score.") == 1
    done = run("rules", "heads", model, "--head", "score", "--on", "texts.csv", "-o", "on.toml")
    assert done.exit_code == 0, done.output
    Weights(Rulebook.load(rules), np.array([1.0, 1.0])).save(folder / "w.json")
    command = ["fold", str(model), "--weights", "w.json", "-o", "folded", "--check", "texts.csv"]
    assert run(*command).exit_code == 1
    done = run(*command, "--head", "score")
    assert done.exit_code == 0, done.output
    assert "2 heads folded into one" in done.output and "100.00% of pairs" in done.output


def test_a_head_under_another_name_is_said_once(run: Run, model: Path, folder: Path) -> None:
    from encore.heads.files.safetensors import read_header, write_tensors

    tensors = dict(read_header(model / "model.safetensors"))
    tensors["v_head.summary.weight"] = tensors.pop("score.weight")
    write_tensors(folder / "new.safetensors", tensors)
    (folder / "new.safetensors").replace(model / "model.safetensors")
    Rulebook.from_ids(["kind", "calm"], RangeScale(-3, 3)).save(folder / "two.toml")
    command = ["rate", "texts.csv", "--rater", f"heads:{model}", "--rules", "two.toml"]
    done = run(*command, "-o", "out.parquet")
    assert done.exit_code == 0, done.output
    assert done.output.count("its heads are read from v_head.summary.") == 1
    Weights(Rulebook.load(folder / "two.toml"), np.array([1.0, 1.0])).save(folder / "w.json")
    done = run("fold", model, "--weights", "w.json", "-o", "folded")
    assert done.exit_code == 0, done.output
    assert done.output.count("its heads are read from v_head.summary.") == 1


def test_values_that_are_not_finite_are_said_once(run: Run, model: Path, folder: Path) -> None:
    from tokenizers import pre_tokenizers

    from encore.heads.files.safetensors import read_header, write_tensors

    tensors = read_header(model / "model.safetensors")
    rows = tensors["model.embed_tokens.weight"].read()
    rows[7 + sorted(pre_tokenizers.ByteLevel.alphabet()).index("H")] = (
        np.nan
    )  # after 7 special ones
    write_tensors(folder / "new.safetensors", {**tensors, "model.embed_tokens.weight": rows})
    (folder / "new.safetensors").replace(model / "model.safetensors")
    Rulebook.from_ids(["kind", "calm"], RangeScale(-3, 3)).save(folder / "two.toml")
    command = ["rate", "texts.csv", "--rater", f"heads:{model}", "--rules", "two.toml"]
    done = run(*command, "-o", "out.parquet")
    assert done.output.count("The model gives values that are not finite.") == 1


def test_a_response_that_a_template_would_not_print_is_unrated(
    run: Run, model: Path, folder: Path
) -> None:
    path = model / "chat_template.jinja"
    path.write_text(path.read_text().replace("m.content", "m.content.split('###')[-1]"))
    Rulebook.from_ids(["kind", "calm"], RangeScale(-3, 3)).save(folder / "two.toml")
    (folder / "some.csv").write_text(
        "prompt_id,response_id,prompt,response\np,a,Hi,Hello\np,b,Hi,Harm ### Hello\n"
    )
    command = ["rate", "some.csv", "--rater", f"heads:{model}", "--rules", "two.toml"]
    done = run(*command, "-o", "out.parquet")
    assert done.exit_code == 0, done.output
    assert "does not print the whole assistant message" in done.output
    found = pq.read_table("out.parquet")["kind"].to_pylist()
    assert found[0] is not None and found[1] is None
