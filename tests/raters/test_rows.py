"""A row that cannot be read costs its own responses their ratings, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encore import LevelScale, Rulebook
from encore.errors import RatingsError
from encore.raters import Answer, Identity, Item, Job, Ledger, Reason, Store, Texts, rate
from encore.raters.layouts import LAYOUTS
from encore.raters.rows import Unreadable
from encore.raters.training_data import pair_ids, preference_data, rated_data

RULES = Rulebook.from_ids(["kind"], LevelScale((1, 2, 3)))
GOOD = [{"role": "assistant", "content": "Good"}]
# What a list of messages may be that is no response, and what is said about it.
BAD: dict[str, tuple[Any, str]] = {
    "nothing": (None, "None is not text"),
    "a number": (3, "3 is not text"),
    "no message": ([], "and there is none"),
    "the user's turn last": ([*GOOD, {"role": "user", "content": "?"}], "not the user's"),
    "a tool's turn last": ([*GOOD, {"role": "tool", "content": "4"}], "not the tool's"),
    "two responses": ([*GOOD, *GOOD], "two messages of the assistant"),
    "an unknown role": ([{"role": "critic", "content": "x"}], "one of the roles"),
    "no role": ([{"content": "x"}], "expected a role"),
    "null content": ([{"role": "assistant", "content": None}], "text content"),
    "a tool call": (
        [{"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}],
        "beside the tool calls",
    ),
    "an image": ([{"role": "assistant", "content": [{"type": "image"}]}], "text content"),
    "another question": (
        [{"role": "user", "content": "Bye"}, *GOOD],
        "neither repeat the prompt nor follow it",
    ),
}


class Threes:
    """Rates everything 3, and remembers what it was asked."""

    identity = Identity({"kind": "threes"})

    def __init__(self) -> None:
        self.asked: list[Item] = []

    def __call__(self, items: Iterable[Item], ledger: Ledger) -> None:
        for item in items:
            self.asked.append(item)
            for rule, sample in ledger.wants(item):
                ledger.keep(item, rule, Answer(value=3.0), sample)


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_response_is_unrated_and_counted(bad: str, tmp_path: Path) -> None:
    value, message = BAD[bad]
    rows = [{"prompt": "Hi", "response": text} for text in ("a", value, GOOD, "a")]
    rater = Threes()
    rated = rate(write(tmp_path / "t.jsonl", *rows), RULES, rater)
    assert rated.table["kind"].to_pylist() == [3.0, None, 3.0, 3.0]
    assert rated.table["response_id"].to_pylist() == ["1", "2", "3", "4"]
    assert rated.coverage[0].n_rated == 3
    assert rated.coverage[0].reasons == {Reason.UNREADABLE: 1}
    # The two equal texts are asked once, and the bad one never.
    assert [item.response for item in rater.asked] == ["a", "Good"]
    (note, _) = rated.notes
    assert note.startswith("1 of 4 responses cannot be read and stay unrated.")
    assert "row 2, column 'response'" in note and message in note


@pytest.mark.parametrize("bad", BAD)
def test_a_file_of_bad_responses_is_an_error_that_names_the_first(bad: str, tmp_path: Path) -> None:
    value, message = BAD[bad]
    path = write(tmp_path / "t.jsonl", *[{"prompt": "Hi", "response": value}] * 3)
    rater = Threes()
    with pytest.raises(RatingsError, match="No other row can be read") as caught:
        rate(path, RULES, rater, store=tmp_path / "s.sqlite")
    assert message in str(caught.value) and caught.value.row == 1
    assert caught.value.column == "response" and rater.asked == []


@pytest.mark.parametrize("bad", BAD)
def test_one_bad_side_of_a_pair_leaves_the_other_rated(bad: str, tmp_path: Path) -> None:
    rows = [{"id": n, "prompt": "Hi", "chosen": GOOD, "rejected": "No"} for n in range(2)]
    rows[0]["rejected"] = BAD[bad][0]
    rated = rate(write(tmp_path / "t.jsonl", *rows), RULES, Threes())
    assert rated.table["chosen.kind"].to_pylist() == [3.0, 3.0]
    assert rated.table["rejected.kind"].to_pylist() == [None, 3.0]
    # Both sides of a row are responses to one prompt, readable or not.
    assert len(set(rated.table["prompt_id"].to_pylist())) == 1


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": None, "chosen": "a", "rejected": "b"},
        {"prompt": "", "chosen": "a", "rejected": "b"},
        {"prompt": "[{'role': 'user', 'content': 'Hi'}]", "chosen": "a", "rejected": "b"},
        {"prompt": [{"role": "user", "content": None}], "chosen": "a", "rejected": "b"},
        {"prompt": '[{"role": "user", "content": null}]', "chosen": "a", "rejected": "b"},
        # Sides of two conversations; nothing before the response.
        {
            "prompt": "Hi",
            "chosen": [{"role": "user", "content": "Hi"}, *GOOD],
            "rejected": [{"role": "system", "content": "Be rude."}, *GOOD],
        },
    ],
)
def test_a_bad_prompt_costs_both_sides_of_its_row(row: dict[str, Any], tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", {"prompt": "Hi", "chosen": "a", "rejected": "b"}, row)
    first, second = Texts(path)
    assert all(isinstance(item, Item) for item in first.items)
    assert all(isinstance(item, Unreadable) for item in second.items)
    assert second.ids["id"] == "2"


def test_a_conversation_of_the_assistant_alone_is_no_response(tmp_path: Path) -> None:
    user = {"role": "user", "content": "Hi"}
    system = {"role": "system", "content": "Be brief."}
    talks = [[user, *GOOD], GOOD, [system, *GOOD], [*GOOD, *GOOD]]
    path = write(tmp_path / "t.jsonl", *({"messages": talk} for talk in talks))
    rated = rate(path, RULES, Threes())
    assert rated.table["kind"].to_pylist() == [3.0, None, None, None]
    # Each of these is a prompt of its own, so nothing is compared with it.
    assert len(set(rated.table["prompt_id"].to_pylist())) == 4


def test_a_null_beside_texts_in_parquet_is_that_row_alone(tmp_path: Path) -> None:
    texts = pa.table({"prompt": ["Hi", "Ho", None], "response": ["a", None, "c"]})
    pq.write_table(texts, tmp_path / "t.parquet")
    rated = rate(tmp_path / "t.parquet", RULES, Threes())
    assert rated.table["kind"].to_pylist() == [3.0, None, None]


def test_one_response_of_a_list_that_is_none(tmp_path: Path) -> None:
    row = {"id": "7", "prompt": "Hi", "chosen": ["a"], "rejected": ["b", "c"]}
    path = write(tmp_path / "t.jsonl", row, {**row, "id": "8", "rejected": ["b", None]})
    rated = rate(path, RULES, Threes())
    # A list with something else in it is no list of texts, and no list of messages.
    assert rated.table["id"].to_pylist() == ["7/0", "7/1", "8/0"]
    assert rated.table["rejected.kind"].to_pylist() == [3.0, 3.0, None]


def test_what_cannot_be_read_stays_so_when_the_run_is_resumed(tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", *({"prompt": "Hi", "response": r} for r in ("a", None)))
    for n_asked in (1, 0):
        rater = Threes()
        with Store(tmp_path / "s.sqlite") as store:
            job = Job(path, RULES, rater, store, retry_unrated=True)
            assert (job.n_responses, job.n_distinct, job.n_wanted) == (2, 1, 1)
            job.run()
            assert job.rated().table["kind"].to_pylist() == [3.0, None]
        assert len(rater.asked) == n_asked


def test_training_leaves_out_rows_that_cannot_be_read(tmp_path: Path) -> None:
    rows = [
        {"id": n, "prompt": f"Q{n}", "chosen": "a", "rejected": None if n == 1 else "b"}
        for n in range(3)
    ]
    path = write(tmp_path / "t.jsonl", *rows)
    data = preference_data(path)
    assert [talk[0][1] for talk in data.conversations] == ["Q0", "Q0", "Q2", "Q2"]
    assert len(data.prompts) == 4 and pair_ids(path) == ["0", "2"]
    assert data.notes[0].startswith("1 of 6 responses cannot be read")
    # The ratings beside the texts stay with theirs.
    rated = [{**row, "chosen.kind": 1 + n, "rejected.kind": 3} for n, row in enumerate(rows)]
    both = rated_data(write(tmp_path / "r.jsonl", *rated), RULES)
    assert both.targets.tolist() == [[1], [3], [3], [3]]
    assert len(list(both.conversations)) == 4
    apart = rated_data(tmp_path / "r.jsonl", RULES, path)
    assert apart.targets.tolist() == both.targets.tolist()


def test_ratings_and_texts_that_are_not_one_for_one_are_refused(tmp_path: Path) -> None:
    row = {"id": "7", "prompt": "Hi", "chosen": ["a"], "rejected": ["b", "c"]}
    path = write(tmp_path / "r.jsonl", {**row, "chosen.kind": 3, "rejected.kind": 1})
    with pytest.raises(RatingsError, match="it rates 2 responses and holds 4 texts"):
        rated_data(path, RULES)


CELLS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "from", "value", "text"]), inner)
    ),
    max_leaves=8,
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "system", "x"]), "content": CELLS}
    ),
    max_size=4,
)
TEXTS = (
    st.text()
    | MESSAGES.map(json.dumps)
    | MESSAGES.map(str)
    | st.sampled_from(
        ["\n\nHuman: Hi\n\nAssistant: Bad\n\nHuman: Thanks\n\nAssistant: OK", "[{", "['a']"]
    )
)
ANY = CELLS | MESSAGES | TEXTS


@given(
    st.lists(
        st.fixed_dictionaries({"prompt": ANY, "response": ANY})
        | st.fixed_dictionaries({"prompt": ANY, "chosen": ANY, "rejected": ANY})
        | st.fixed_dictionaries({"messages": ANY}),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from([None, *LAYOUTS]),
    st.booleans(),
)
def test_any_cells_give_rows_or_one_error(
    rows: list[dict[str, Any]], layout: str | None, json_messages: bool
) -> None:
    with mock.patch.object(Texts, "rows", lambda texts: iter(rows)):
        texts = Texts("any.jsonl", layout=layout, json_messages=json_messages)
        try:
            found = list(texts)
        except RatingsError:
            return
    assert len({row.ids.get("id", row.ids.get("response_id")) for row in found}) >= len(rows)
    assert any(isinstance(item, Item) for row in found for item in row.items)


@given(st.lists(st.tuples(st.text(min_size=1).filter(str.strip), TEXTS), min_size=1, max_size=4))
def test_a_text_is_rated_as_it_is_or_after_its_prompt(told: list[tuple[str, str]]) -> None:
    rows = [{"prompt": prompt, "response": response} for prompt, response in told]
    with mock.patch.object(Texts, "rows", lambda texts: iter(rows)):
        found = [item for row in Texts("any.jsonl") for item in row.items]
    for item, (_, response) in zip(found, told, strict=True):
        assert isinstance(item, Unreadable) or response == item.response


def test_the_limit_is_one_row_or_more(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="limit 0: expected 1 or more rows"):
        Texts(tmp_path / "t.jsonl", limit=0)
