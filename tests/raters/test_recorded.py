from __future__ import annotations

import json
from pathlib import Path

import pytest

from encore import examples
from encore.errors import RatingsError
from encore.raters import Recorded, Texts, rate
from encore.ratings.files import read_arrow
from encore.rules import LevelScale, Rule, Rulebook

SCALE = LevelScale((1, 2, 3, 4, 5))
RULES = Rulebook((Rule("kind", "Is kind.", SCALE), Rule("true", "Is true.", SCALE)))


def texts(tmp_path: Path, *rows: dict[str, str]) -> Path:
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_ratings_are_found_by_the_ids_of_responses(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text(
        "prompt_id,response_id,kind,kind.spread,true\np,a,1.5,0.3,2\np,b,3,,\nq,a,5,,5\n"
    )
    data = texts(
        tmp_path,
        {"prompt_id": "p", "response_id": "b", "prompt": "Hi", "response": "same"},
        {"prompt_id": "p", "response_id": "a", "prompt": "Hi", "response": "same"},
        {"prompt_id": "p", "response_id": "c", "prompt": "Hi", "response": "same"},
    )
    rated = rate(data, RULES, Recorded(tmp_path / "r.csv"))
    # The texts are alike; the ids tell them apart.
    assert rated.table["kind"].to_pylist() == [3.0, 1.5, None]
    assert rated.table["kind.spread"].to_pylist() == [None, 0.3, None]
    assert rated.table["true"].to_pylist() == [None, 2.0, None]
    assert [dict(rule.reasons) for rule in rated.coverage] == [
        {"not recorded": 1},
        {"not recorded": 2},
    ]


def test_columns_of_one_text_have_ratings_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("prompt_id,response_id,one,two\np,a,1,5\n")
    data = texts(tmp_path, {"prompt_id": "p", "response_id": "a", "prompt": "Hi", "response": "x"})
    twins = [Rule(name, "Is kind.", SCALE) for name in ("one", "two")]
    store = tmp_path / "store.sqlite"
    for rules, expected in ((twins[:1], [1.0]), (twins[1:], [5.0]), (twins, [1.0, 5.0])):
        rated = rate(data, Rulebook(tuple(rules)), Recorded(tmp_path / "r.csv"), store=store)
        assert [rated.table[rule.id][0].as_py() for rule in rules] == expected


def test_ratings_are_found_by_the_ids_of_pairs(tmp_path: Path) -> None:
    table = read_arrow(examples.ratings_path(), examples.rules(), also=("subset",))
    first = table.slice(0, 1).to_pylist()[0]
    data = texts(tmp_path, {"id": first["id"], "prompt": "Hi", "chosen": "a", "rejected": "b"})
    rated = rate(data, examples.rules(), Recorded(examples.ratings_path()))
    # The repeat in the file's second row is no rating of its own.
    for name in ("chosen.honesty", "rejected.sexual", "rejected.wellbeing"):
        assert rated.table[name][0].as_py() == first[name]


def test_a_response_that_is_named_under_two_prompts_needs_its_prompt(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("prompt_id,response_id,kind,true\np,a,1,1\nq,a,5,5\n")
    row = {"response_id": "a", "prompt": "Hi", "response": "x"}
    rated = rate(texts(tmp_path, row), RULES, Recorded(tmp_path / "r.csv"))
    assert rated.table["kind"].to_pylist() == [None]
    row = {**row, "prompt_id": "q"}
    rated = rate(texts(tmp_path, row), RULES, Recorded(tmp_path / "r.csv"))
    assert rated.table["kind"].to_pylist() == [5.0]


def test_a_file_without_ids_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("kind,true\n1,1\n")
    data = texts(tmp_path, {"prompt": "Hi", "response": "x"})
    with pytest.raises(RatingsError, match="recorded ratings are found by 'prompt_id'"):
        rate(data, RULES, Recorded(tmp_path / "r.csv"))


def test_other_contents_are_another_rater(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("prompt_id,response_id,kind,true\np,a,1,1\n")
    before = Recorded(tmp_path / "r.csv").identity
    (tmp_path / "r.csv").write_text("prompt_id,response_id,kind,true\np,a,2,1\n")
    assert Recorded(tmp_path / "r.csv").identity != before
    data = Texts(texts(tmp_path, {"prompt": "Hi", "response": "x"}))
    assert "sha256" in rate(data, RULES, Recorded(tmp_path / "r.csv")).provenance["rater"]
