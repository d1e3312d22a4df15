from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encore.errors import InputError, MismatchError, RatingsError
from encore.raters import Recorded, rate
from encore.raters.training_data import pair_ids, preference_data, rated_data
from encore.ratings import as_ratings
from encore.rules import LevelScale, Rulebook

NAN = float("nan")
RULES = Rulebook.from_ids(["kind", "true"], LevelScale((1, 2, 3, 4, 5)))


def lines(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def text(prompt_id: str | None, response_id: str | None, response: str = "x") -> dict[str, Any]:
    ids = {"prompt_id": prompt_id, "response_id": response_id}
    named = {name: value for name, value in ids.items() if value is not None}
    return {**named, "prompt": "Hi", "response": response}


def rows_of(ratings: Any, texts: Path) -> list[list[float | None]]:
    """The ratings of each text; None where it has none."""
    targets = rated_data(ratings, RULES, texts).targets.tolist()
    return [[None if value != value else value for value in row] for row in targets]


def test_ratings_are_found_by_prompt_and_response(tmp_path: Path) -> None:
    ratings = tmp_path / "r.csv"
    ratings.write_text("prompt_id,response_id,kind,true\np,a,1,2\np,b,3,\nq,a,5,5\n")
    texts = lines(tmp_path / "t.jsonl", text("q", "a"), text("p", "b"), text("p", "c"))
    assert rows_of(ratings, texts) == [[5, 5], [3, None], [None, None]]


def test_a_response_without_a_prompt_id_is_found_by_its_own_where_one_prompt_has_it(
    tmp_path: Path,
) -> None:
    ratings = tmp_path / "r.csv"
    ratings.write_text("prompt_id,response_id,kind,true\np,a,1,2\np,b,3,3\nq,b,5,5\n")
    texts = lines(tmp_path / "t.jsonl", text(None, "a"), text(None, "b"), text("other", "a"))
    # b is of p and of q: which one is meant cannot be known. The response a of another prompt is
    # another response.
    assert rows_of(ratings, texts) == [[1, 2], [None, None], [None, None]]


def test_one_rating_is_not_given_to_two_responses(tmp_path: Path) -> None:
    ratings = tmp_path / "r.csv"
    ratings.write_text("prompt_id,response_id,kind,true\np,a,1,2\n")
    one, other = text(None, "a"), {**text(None, "a"), "prompt": "Ho"}
    texts = lines(tmp_path / "t.jsonl", one, other)
    for _ in range(2):  # a store that was begun does not hide it
        with pytest.raises(RatingsError, match="rated once, but the texts hold it under two") as e:
            rate(texts, RULES, Recorded(ratings), store=tmp_path / "store.sqlite")
        assert (e.value.source, e.value.row) == (str(ratings), 1)
    with pytest.raises(RatingsError, match="Give the texts the 'prompt_id' of the ratings"):
        rated_data(ratings, RULES, texts)


def test_a_prompt_that_is_only_a_text_is_that_text(tmp_path: Path) -> None:
    ratings = tmp_path / "r.csv"
    ratings.write_text("prompt,response_id,kind,true\nHi,a,1,2\nHo,a,3,3\n")
    one, other = text(None, "a"), {**text(None, "a"), "prompt": "Ho"}
    assert rows_of(ratings, lines(tmp_path / "t.jsonl", other, one)) == [[3, 3], [1, 2]]


def test_pairs_that_name_no_prompts_are_found_by_their_ids_alone(tmp_path: Path) -> None:
    ratings = tmp_path / "r.csv"
    head = "id,chosen.kind,chosen.true,rejected.kind,rejected.true\n"
    ratings.write_text(f"{head}007,1,2,3,4\n7,5,5,1,1\n")
    pair = {"prompt": "Hi", "chosen": "x", "rejected": "y"}
    rows = [{**pair, "id": "7", "prompt_id": "p"}, {**pair, "id": "007"}]
    texts = lines(tmp_path / "t.jsonl", *rows)
    assert rows_of(ratings, texts) == [[5, 5], [1, 1], [1, 2], [3, 4]]


def test_pairs_are_found_by_their_ids_chosen_first(tmp_path: Path) -> None:
    ratings = tmp_path / "r.csv"
    head = "id,chosen.kind,chosen.true,rejected.kind,rejected.true\n"
    ratings.write_text(f"{head}one,1,2,3,4\ntwo,5,5,1,1\n")
    answers = {"prompt": "Hi", "chosen": "yes", "rejected": "no"}
    pairs = [{"id": name, **answers} for name in ("two", "none", "one")]
    found = rows_of(ratings, lines(tmp_path / "t.jsonl", *pairs))
    assert found == [[5, 5], [1, 1], [None, None], [None, None], [1, 2], [3, 4]]


def test_a_repeat_is_no_rating_of_its_own(tmp_path: Path) -> None:
    ratings = tmp_path / "r.csv"
    ratings.write_text("prompt_id,response_id,repeat,kind,true\np,a,1,5,5\np,a,0,1,2\np,b,0,3,3\n")
    texts = lines(tmp_path / "t.jsonl", text(None, "a"))
    assert rows_of(ratings, texts) == [[1, 2]]


def test_texts_in_the_file_of_ratings_keep_its_rows(tmp_path: Path) -> None:
    rated = tmp_path / "r.csv"
    rated.write_text(
        "prompt_id,response_id,prompt,response,kind,true\np,a,Hi,Hello,1,2\nq,a,Ho,No,3,\n"
    )
    data = rated_data(rated, RULES)
    np.testing.assert_array_equal(data.targets, [[1, 2], [3, NAN]])
    assert list(data.prompts) == ["p", "q"]
    talks = [(("user", "Hi"), ("assistant", "Hello")), (("user", "Ho"), ("assistant", "No"))]
    assert list(data.conversations) == talks == list(data.conversations)  # read anew
    sha256 = hashlib.sha256(rated.read_bytes()).hexdigest()
    assert data.provenance == {
        **{"ratings": "r.csv", "ratings_sha256": sha256, "data": "r.csv", "data_sha256": sha256},
        "rules_digest": RULES.digest,
    }


def test_ratings_in_memory_need_their_texts(tmp_path: Path) -> None:
    frame = {"prompt_id": ["p"], "response_id": ["a"], "kind": [1], "true": [2]}
    texts = lines(tmp_path / "t.jsonl", text("p", "a"))
    assert rows_of(frame, texts) == rows_of(as_ratings(frame, RULES), texts) == [[1, 2]]
    with pytest.raises(InputError, match="give texts too"):
        rated_data(frame, RULES)


def test_what_a_rater_gave_is_learnt_from_as_it_is(tmp_path: Path) -> None:
    ratings = tmp_path / "r.csv"
    ratings.write_text("prompt_id,response_id,kind,true\np,a,1,2\n")
    texts = lines(tmp_path / "t.jsonl", text("p", "a"), text("p", "b"))
    assert rows_of(rate(texts, RULES, Recorded(ratings)), texts) == [[1, 2], [None, None]]


ids = st.sampled_from(["a", "b", "c", None])


@given(
    rated=st.lists(
        st.tuples(st.sampled_from("pqr"), st.sampled_from("abc"), st.sampled_from([1, 3, None])),
        unique_by=lambda row: row[:2],
        min_size=1,
    ),
    asked=st.lists(st.tuples(st.sampled_from("pqrs"), ids), unique=True, min_size=1),
)
def test_the_join_is_that_of_a_loop_and_of_a_rating_job(
    tmp_path_factory: pytest.TempPathFactory,
    rated: list[tuple[str, str, float | None]],
    asked: list[tuple[str, str | None]],
) -> None:
    folder = tmp_path_factory.mktemp("join")
    columns = ("prompt_id", "response_id", "kind", "true")
    ratings = [dict(zip(columns, (p, r, value, 5), strict=True)) for p, r, value in rated]
    source = lines(folder / "r.jsonl", *ratings)
    texts = lines(folder / "t.jsonl", *(text(p, r) for p, r in asked))
    wanted = []
    for prompt, response in asked:
        values = [value for p, r, value in rated if (p, r) == (prompt, response)]
        wanted.append([values[0], 5] if values else [None, None])
    expected = np.array(wanted, dtype=float)
    job = as_ratings(rate(texts, RULES, Recorded(source)).table, RULES).values
    np.testing.assert_array_equal(job, expected)
    if np.isnan(expected).all():
        with pytest.raises(RatingsError, match="rates none of"):
            rated_data(source, RULES, texts)
    else:
        np.testing.assert_array_equal(rated_data(source, RULES, texts).targets, expected)


@pytest.mark.parametrize(
    ("ratings", "texts", "says"),
    [
        ("prompt_id,response_id,kind,true\nx,y,1,2\n", [text("p", "a")], "rates none of"),
        ("kind,true\n1,2\n", [text("p", "a")], "the responses have no ids"),
        (
            "prompt_id,response_id,kind,true\np,a,1,2\n",
            [text("p", "a"), text("p", "a", "y")],
            "response 'a' of prompt 'p' is also in row 1",
        ),
        ("prompt_id,response_id,kind\np,a,1\n", [text("p", "a")], "no column for 1 of 2 ratings"),
    ],
    ids=["of others", "without ids", "one response in two rows", "of fewer rules"],
)
def test_ratings_and_texts_that_do_not_meet_are_refused(
    tmp_path: Path, ratings: str, texts: list[dict[str, Any]], says: str
) -> None:
    (tmp_path / "r.csv").write_text(ratings)
    with pytest.raises(RatingsError, match=says):
        rated_data(tmp_path / "r.csv", RULES, lines(tmp_path / "t.jsonl", *texts))


def test_ratings_of_other_rules_are_refused(tmp_path: Path) -> None:
    texts = lines(tmp_path / "t.jsonl", text("p", "a"))
    (tmp_path / "r.csv").write_text("prompt_id,response_id,kind,true\np,a,1,2\n")
    rate(texts, RULES, Recorded(tmp_path / "r.csv")).save(tmp_path / "r.parquet")
    others = Rulebook.from_ids(["kind", "true"], LevelScale((1, 2)))
    with pytest.raises(MismatchError, match="made with other rules"):
        rated_data(tmp_path / "r.parquet", others, texts)


def test_responses_are_not_pairs(tmp_path: Path) -> None:
    texts = lines(tmp_path / "t.jsonl", text("p", "a"))
    for read in (preference_data, lambda source: rated_data(source, RULES, paired=True)):
        with pytest.raises(RatingsError, match="expected pairs"):
            read(texts)


def test_preferences_are_read_from_a_file() -> None:
    with pytest.raises(InputError, match="give the path of a file of pairs of texts"):
        preference_data({"chosen": ["yes"], "rejected": ["no"]})  # type: ignore[arg-type]


def test_preferences_need_no_ratings(tmp_path: Path) -> None:
    pairs = [{"id": n, "prompt_id": f"p{n}", "chosen": f"yes {n}", "rejected": "no"} for n in "12"]
    path = lines(tmp_path / "t.jsonl", *pairs)
    data = preference_data(path)
    assert list(data.conversations)[2] == (("assistant", "yes 2"),)
    assert (list(data.prompts), data.targets.shape) == (["p1", "p1", "p2", "p2"], (0, 1))
    assert pair_ids(path) == ["1", "2"]
