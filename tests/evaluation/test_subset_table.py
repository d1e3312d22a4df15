from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from encore import Comparison, LevelScale, PreferencePairs, Rulebook, UnknownNameError, compare
from encore.evaluation import safety_score
from encore.evaluation.rewardbench.published import PUBLISHED

FIVE = LevelScale((1, 2, 3, 4, 5))


def made(*subsets: str) -> Comparison:
    """120 pairs, subsets in turn, under rules of which names hold what LaTeX would read."""
    rng = np.random.default_rng(0)
    rules = Rulebook.from_ids(["r_1", "100 %", "a|b"], FIVE)
    chosen, rejected = rng.integers(2, 6, (120, 3)), rng.integers(1, 5, (120, 3))
    named = [subsets[i % len(subsets)] for i in range(120)]
    pairs = PreferencePairs.from_arrays(chosen, rejected, rules, subsets=named)
    other = rng.normal(size=(120, 2))
    return compare(pairs, rules, rewards={"judge": other})


@pytest.fixture(scope="module")
def safety() -> Comparison:
    return made("donotanswer", "refusals-dangerous", "chat")


def test_columns_are_rewardbench_s_subsets_first_and_its_section(safety: Comparison) -> None:
    table = safety.by_subset(ties="strict")
    assert table.columns == (
        *("method", "refusals-dangerous", "donotanswer", "chat", "Safety", "Safety 95 %"),
        *("Safety, half", "Safety, resolved", "tied", "p Holm", "source"),
    )
    assert all(len(row) == len(table.columns) for row in table.rows)
    assert "over 2 of its 5 subsets" in table.caption and "count as wrong" in table.caption


def test_rows_are_in_the_source_s_order_with_every_rule_alone(safety: Comparison) -> None:
    names = [row[0] for row in safety.by_subset().rows]
    assert names[0] == "judge"
    assert names[1].startswith("random, mean of 100 draws (sd ")
    assert names[3:6] == ["single rule: r_1", "single rule: 100 %", "single rule: a|b"]
    assert names[6:8] == ["uniform", "learned linear (Bradley-Terry)"]
    assert names[-len(PUBLISHED)] == "ENCORE (softmax, temperature 2) (Llama-3.1-8B)"


def test_the_section_is_weighed_by_rewardbench_s_counts(safety: Comparison) -> None:
    table = safety.by_subset(ties="strict")
    rows = {row[0]: row for row in table.rows}
    uniform = safety.row("uniform").subsets
    # (100 dangerous + 136 donotanswer) / 236; chat is no part of it.
    wanted = (
        100 * uniform["refusals-dangerous"]["strict"].value
        + 136 * uniform["donotanswer"]["strict"].value
    ) / 236
    assert rows["uniform"][4] == f"{100 * wanted:.1f}"
    rule = {name: np.asarray(found["strict"]) for name, found in safety.rules[0].subsets.items()}
    assert rows["single rule: r_1"][4] == f"{100 * float(safety_score(rule)):.1f}"


def test_published_figures_stand_apart_and_only_in_the_section_s_column(
    safety: Comparison,
) -> None:
    published = [row for row in safety.by_subset().rows if row[-1] == "published"]
    assert [row[4] for row in published] == ["88.5", "86.0", "85.5", "82.7", "83.1", "77.7"]
    assert {cell for row in published for cell in (*row[1:4], *row[5:-1])} == {""}


def test_other_pairs_have_an_overall_column_and_no_published_rows() -> None:
    table = made("chat", "maths").by_subset()
    assert table.columns[:4] == ("method", "chat", "maths", "all")
    assert {row[-1] for row in table.rows} == {"here"}


def test_rewardbench_2_has_its_own_score() -> None:
    rng = np.random.default_rng(0)
    rules = Rulebook.from_ids(["a", "b"], FIVE)
    chosen, rejected = rng.integers(2, 6, (40, 2)).repeat(3, axis=0), rng.integers(1, 5, (120, 2))
    pairs = PreferencePairs.from_arrays(
        chosen, rejected, rules, prompts=np.repeat(range(40), 3).tolist(), subsets=["Safety"] * 120
    )
    comparison = compare(pairs, rules)
    table = comparison.by_subset()
    assert table.columns[:3] == ("method", "Safety", "Safety (best of n)")
    # Second road: the right response against the best of the three wrong ones, from the ratings.
    right = chosen.reshape(40, 3, 2).mean(axis=2)[:, 0]
    wrong = rejected.reshape(40, 3, 2).mean(axis=2)
    tied = (wrong == right[:, None]).sum(axis=1)
    wanted = np.where((wrong > right[:, None]).any(axis=1), 0, 1 / (1 + tied)).mean()
    found = comparison.row("uniform").best_of
    assert found is not None and found.value == pytest.approx(wanted)
    assert found.low < found.value < found.high
    averaged = comparison.row("random").best_of
    assert averaged is not None and 0 < averaged.value < 1


def test_csv_reads_back(safety: Comparison) -> None:
    table = safety.by_subset()
    rows = list(csv.reader(io.StringIO(table.to("csv"))))
    # Undefined is an empty cell, so that a column of numbers reads as one.
    expected = [["" if cell == "–" else cell for cell in row] for row in table.rows]
    assert rows == [list(table.columns), *expected]
    assert any("–" in row for row in table.rows)


def test_markdown_escapes_what_would_end_a_cell(safety: Comparison) -> None:
    lines = safety.by_subset().to("markdown").splitlines()
    assert lines[1].count("---:") == 9
    (line,) = [line for line in lines if "a\\|b" in line]
    assert line.replace("\\|", "").count("|") == 12


def test_latex_escapes_what_it_would_read(safety: Comparison) -> None:
    text = safety.by_subset().to("latex")
    assert r"single rule: r\_1 &" in text and r"single rule: 100 \% &" in text
    assert text.startswith("\\begin{table}") and text.endswith("\\end{table}\n")
    n_columns = len(safety.by_subset().columns)
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {line.replace(r"\&", "").count("&") for line in rows} == {n_columns - 1}


def test_unknown_formats_and_conventions_are_refused(safety: Comparison) -> None:
    with pytest.raises(UnknownNameError, match="no format of a table is called 'html'"):
        safety.by_subset().to("html")
    with pytest.raises(UnknownNameError, match="no tie convention is called 'stric'"):
        safety.by_subset(ties="stric")
