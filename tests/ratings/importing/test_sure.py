"""A wrong guess is never silent: what is certain, what is asked, and what an answer does."""

from __future__ import annotations

import csv
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import encore
from encore.cli.main import main
from encore.ratings.importing import Question, UnsureError, import_ratings

Write = Callable[[str], Path]


@pytest.fixture
def wide(tmp_path: Path) -> Write:
    """Write a CSV of one prompt and one rule per column, from its lines."""

    def write(text: str) -> Path:
        path = tmp_path / "judge.csv"
        path.write_text(text)
        return path

    return write


def kinds(path: Path, **how: object) -> list[tuple[str, tuple[str, ...]]]:
    """What is asked about a file."""
    with pytest.raises(UnsureError) as caught:
        import_ratings(path, **how)  # type: ignore[arg-type]
    return [(question.kind, question.rules) for question in caught.value.questions]


@pytest.mark.parametrize("values", [(2, 3, 4), (0.1, 0.7), (0, 55, 100), (1, 2, 3), (0, 5), (7.5,)])
def test_a_scale_that_is_not_certain_is_asked_for(values: tuple[float, ...], wide: Write) -> None:
    path = wide("response,tone\n" + "".join(f"r{v},{v}\n" for v in values))
    assert kinds(path) == [("scale", ("tone",))]


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ((0, 1), "0, 1"),
        ((1, 2, 4, 5), "1, 2, 3, 4, 5"),
        ((1, 3, 5, 7), "1, 2, 3, 4, 5, 6, 7"),
        (("10%", "90%"), "0 to 100 in 10 bins"),
        (("pass",), "0, 1"),
    ],
)
def test_a_scale_that_is_certain_is_not(
    values: tuple[object, ...], scale: str, wide: Write
) -> None:
    path = wide("response,tone\n" + "".join(f"r{v},{v}\n" for v in values))
    assert str(import_ratings(path).rules["tone"].scale) == scale


def test_a_rule_that_was_only_ever_1_is_not_taken_for_the_worst_of_5(wide: Write) -> None:
    path = wide("response,tone,met\na,1,1\nb,5,1\nc,3,1\n")
    assert kinds(path) == [("scale", ("met",))]


@pytest.mark.parametrize("name", ["toxicity", "harm_score", "self_harm", "hallucination rate"])
def test_a_name_that_sounds_bad_has_its_direction_asked(name: str, wide: Write) -> None:
    path = wide(f"response,{name}\na,1\nb,5\nc,3\n")
    (asked,) = kinds(path)
    assert asked[0] == "direction"
    (rule,) = asked[1]
    low = import_ratings(path, reverse=[rule]).rules[rule].scale
    high = import_ratings(path, as_is=[rule]).rules[rule].scale
    assert (low.worst, low.best, high.worst, high.best) == (5, 1, 1, 5)


@pytest.mark.parametrize("name", ["harmlessness", "no_violence", "tone", "avoids harm", "privacy"])
def test_a_name_that_does_not_is_taken_as_it_is(name: str, wide: Write) -> None:
    path = wide(f"response,{name}\na,1\nb,5\nc,3\n")
    (rule,) = import_ratings(path).rules
    assert (rule.scale.worst, rule.scale.best) == (1, 5)


def test_pass_and_fail_say_what_is_good_whatever_the_name(wide: Write) -> None:
    path = wide("response,toxicity\na,pass\nb,fail\n")
    assert import_ratings(path).table["toxicity"].to_pylist() == [1, 0]


def test_na_alone_may_mean_either_and_is_asked(wide: Write) -> None:
    path = wide("response,tone\na,1\nb,NA\nc,5\nd,3\n")
    assert kinds(path) == [("value", ("tone",))]
    told = import_ratings(path, na=["NA"]).table
    assert (told["tone"].to_pylist(), told["tone.applies"].to_pylist()) == (
        [1, None, 5, 3],
        [1, 0, 1, 1],
    )
    assert "tone.applies" not in import_ratings(path, unrated=["NA"]).table.column_names


def test_a_word_that_is_not_known_is_asked_with_its_place(wide: Write) -> None:
    path = wide("response,tone\na,1\nb,soso\nc,5\nd,3\n")
    with pytest.raises(UnsureError, match=r"'soso' \(.*judge.csv, row 2\).*--map=soso=NUMBER"):
        import_ratings(path)
    done = import_ratings(path, map={"all": {"soso": "2"}})
    assert done.table["tone"].to_pylist() == [1, 2, 5, 3]


def test_a_value_off_the_scale_is_refused_with_its_place(wide: Write) -> None:
    path = wide("response,tone\na,1\nb,6\n")
    with pytest.raises(
        encore.RatingsError, match=r"judge.csv, row 2, column 'tone'.*'6' is not on"
    ):
        import_ratings(path, scale="1-5")


def test_answers_on_a_terminal_do_what_options_do(wide: Write) -> None:
    path = wide("response,toxicity\na,0.1\nb,0.9\n")
    replies = {"scale": "0-1", "direction": "reverse"}
    asked: list[Question] = []

    def ask(question: Question) -> str:
        asked.append(question)
        return replies[question.kind]

    done = import_ratings(path, ask=ask)
    assert {question.kind for question in asked} == set(replies)
    assert str(done.rules["toxicity"].scale) == "1 to 0 in 10 bins"
    assert done.rules.digest == import_ratings(path, scale="0-1", reverse=["toxicity"]).rules.digest


def test_a_near_miss_of_a_name_is_suggested(wide: Write, tmp_path: Path) -> None:
    path = wide("response,Privacy,tone\na,1,2\nb,5,4\n")
    rules = encore.Rulebook.from_ids(["privacy"], [1, 2, 3, 4, 5])
    with pytest.raises(encore.RatingsError, match=r"Is column 'Privacy' meant for 'privacy'\?"):
        encore.as_ratings(path, rules)
    assert import_ratings(path, rules=rules).table["privacy"].to_pylist() == [1, 5]
    other = encore.Rulebook.from_ids(["privcy"], [1, 2, 3, 4, 5])
    with pytest.raises(encore.RatingsError, match=r"Is 'Privacy' meant for 'privcy'\?"):
        import_ratings(path, rules=other)


def test_decimal_commas_in_a_file_of_commas_are_pointed_at(wide: Write) -> None:
    path = wide('response,tone\na,"0,5"\nb,"0,75"\n')
    with pytest.raises(encore.RatingsError, match="If 'tone' has decimal commas, say --decimal=,"):
        import_ratings(path)
    done = import_ratings(path, decimal=",", scale="0-1")
    assert done.table["tone"].to_pylist() == [0.5, 0.75]
    with pytest.raises(encore.RatingsError) as caught:
        import_ratings(wide("response,tone\na,well\nb,done\n"))
    assert "--decimal" not in str(caught.value)


def test_a_list_of_ratings_is_found_however_deep_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "judge.jsonl"
    scores = [("a", 1, 5), ("b", 4, 2)]
    rows = [
        {
            "id": name,
            "judge": {"scores": [{"name": "harm", "score": x}, {"name": "tone", "score": y}]},
        }
        for name, x, y in scores
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = import_ratings(path, scale="1-5", as_is=["harm"])
    found = {name: done.table[name].to_pylist() for name in ("response_id", "harm", "tone")}
    assert found == {"response_id": ["a", "b"], "harm": [1, 4], "tone": [5, 2]}


def test_words_of_a_label_are_mapped_and_no_rating_is(wide: Write) -> None:
    path = wide("response,tone,human\na,good,good\nb,poor,poor\nc,good,\n")
    done = import_ratings(
        path, label=["human"], scale="poor,good", map={"human": {"good": "1", "poor": "-1"}}
    )
    assert done.table["human"].to_pylist() == [1, -1, None]
    assert done.table["tone"].to_pylist() == [1, 0, 1]
    with pytest.raises(encore.InputError, match="--map names 'humane'"):
        import_ratings(path, label=["human"], scale="poor,good", map={"humane": {"good": "1"}})


def test_the_repeating_command_reads_names_that_begin_with_a_minus(
    wide: Write, tmp_path: Path
) -> None:
    path = wide("-response,tone\na,1\nb,5\nc,3\n")
    done = import_ratings(path, tmp_path / "a.csv", columns={"response": "-response"})
    assert "--response=-response" in done.command
    again = CliRunner().invoke(main, shlex.split(done.command)[1:])
    assert again.exit_code == 0, again.output


def test_nothing_is_written_over_an_input(wide: Write) -> None:
    path = wide("response,tone\na,1\nb,5\nc,3\n")
    before = path.read_bytes()
    with pytest.raises(encore.InputError, match="is an input"):
        import_ratings(path, path)
    assert path.read_bytes() == before


CELLS = st.sampled_from(["1", "2", "3", "4", "5", "N/A", "not applicable", "", "null", "error"])


@settings(max_examples=60, deadline=None)
@given(cells=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=12), long=st.booleans())
def test_not_applicable_and_unrated_are_never_confused(
    cells: list[tuple[str, str]], long: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("na") / "judge.csv"
    names = ("tone", "privacy")
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        if long:
            rows.writerow(["response_id", "prompt_id", "rule", "score"])
            for number, row in enumerate(cells):
                rows.writerows([number, "p", n, c] for n, c in zip(names, row, strict=True))
        else:
            rows.writerow(["response_id", "prompt_id", *names])
            rows.writerows([number, "p", *row] for number, row in enumerate(cells))
    how: dict[str, Any] = {"shape": "long"} if long else {"rule_columns": names}
    out = path.with_name("out.parquet")
    done = import_ratings(path, out, scale="1-5", **how)
    table = encore.as_ratings(out, done.rules)
    found = [done.rules.ids.index(name) for name in names]
    block = np.array(cells)
    assert (table.not_applicable[:, found] == np.isin(block, ["N/A", "not applicable"])).all()
    assert (table.unrated[:, found] == np.isin(block, ["", "null", "error"])).all()
    assert table.values[:, found][table.rated[:, found]].tolist() == [
        float(cell) for cell in block.ravel() if cell.isdigit()
    ]
