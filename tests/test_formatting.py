from __future__ import annotations

import math
from html.parser import HTMLParser

import numpy as np
import pytest

from encore import LevelScale, PreferencePairs, Rulebook, Weights, calibrate, compare, examples
from encore.evaluation import Interval
from encore.formatting import (
    MOST_ROWS,
    UNDEFINED,
    correlation,
    html_table,
    interval,
    number,
    percent,
    percent_interval,
    points,
    points_interval,
)

HOSTILE = "<img src=x onerror=alert(1)>"


class Cells(HTMLParser):
    """The rows of a table, and every tag."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self.said = ""
        self._in = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._in = tag
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self._in in ("td", "th"):
            self.rows[-1][-1] += data
        else:
            self.said += data


def test_a_calibration_shows_every_rule() -> None:
    rules = Rulebook.from_ids(["polite", HOSTILE], LevelScale((0, 1)))
    found = Cells(calibrate([[1, 1], [0, 1]], rules, prompts=["p", "p"])._repr_html_())
    assert found.rows[1] == ["polite", "██", "0.693", "1.000", "100.0", "100.0"]
    assert found.rows[2] == [HOSTILE, "·█", "0.000", "0.000", "100.0", "0.0"]
    assert "2 responses, 2 rules" in found.said
    assert "img" not in found.tags


def test_what_is_undefined_is_a_dash() -> None:
    rules = Rulebook.from_ids(["rated", "never"], LevelScale((0, 1)))
    found = Cells(calibrate([[1, np.nan], [0, np.nan]], rules)._repr_html_())
    assert found.rows[2][:5] == ["never", "··", "–", "–", "0.0"]


def test_a_comparison_of_rewards_that_share_no_pair_shows_no_difference() -> None:
    # Rule a is rated on the second half only and weighs most under linear; b and c on the first.
    rng = np.random.default_rng(0)
    values = rng.integers(1, 6, (2, 120, 6)).astype(float)
    values[:, :, 0] = np.where(rng.random((2, 120)) < 0.85, 5, 4)
    values[:, :60, 0] = np.nan
    values[:, 60:, 1:3] = np.nan
    rules = Rulebook.from_ids(list("abcdef"), LevelScale((1, 2, 3, 4, 5)))
    apart = PreferencePairs.from_arrays(values[0], values[1], rules)
    rows = {row[0]: row for row in Cells(compare(apart, rules)._repr_html_()).rows}
    assert rows["linear"][6:] == ["–", "–", "–"]
    assert rows["agreement"][6] == "-2.5"


def test_weights_show_shares_and_notes() -> None:
    rules = Rulebook.from_ids(["a", "b"], LevelScale((0, 1)))
    found = Cells(Weights(rules, np.array([3.0, 1.0]), notes=(f"mind {HOSTILE}",))._repr_html_())
    assert found.rows[1:] == [["a", "3", "75.0", "█" * 20], ["b", "1", "25.0", "█" * 7]]
    assert f"mind {HOSTILE}" in found.said


def test_a_comparison_shows_every_scheme_and_says_what_it_supports() -> None:
    comparison = compare(examples.ratings_path(), examples.rules())
    found = Cells(comparison._repr_html_())
    assert [row[0] for row in found.rows[1:]] == [row.scheme for row in comparison.rows]
    assert found.rows[1][6:] == ["", "", ""]  # uniform is not compared with itself
    linear = comparison.row("linear")
    shown = next(row for row in found.rows if row[0] == "linear")
    assert shown[2] == f"{100 * linear.accuracy['half'].value:.1f}"
    assert shown[6] == f"{100 * linear.difference.value:+.1f}"
    assert comparison.sentence in found.said


def test_of_very_many_rows_the_rest_is_told() -> None:
    found = Cells(html_table("t", ["rule", "n"], [[f"r{i}", "1"] for i in range(MOST_ROWS + 5)]))
    assert len(found.rows) == 1 + MOST_ROWS + 1
    assert found.rows[-1] == ["… and 5 more"]


def test_the_terminal_and_a_notebook_show_the_same_cells() -> None:
    from encore.cli.tables import comparison_table

    comparison = compare(examples.ratings_path(), examples.rules())
    shown = [list(column.cells) for column in comparison_table(comparison).columns]
    rows = Cells(comparison._repr_html_()).rows
    assert [list(row) for row in zip(*shown, strict=True)] == rows[1:]
    assert rows[0] == list(comparison.columns)


def test_bars_grow_to_the_right() -> None:
    rules = Rulebook.from_ids(["a", "b"], LevelScale((0, 1)))
    html = Weights(rules, np.array([3.0, 1.0]))._repr_html_()
    assert 'text-align: left">█' in html and 'text-align: right">█' not in html


@pytest.mark.parametrize(
    ("ends", "form", "shown"),
    [
        ((75.21, 82.39), ".1f", "75.2–82.4"),
        ((-1.24, 0.31), "+.1f", "-1.2 to +0.3"),
        ((0.1, 0.31), "+.1f", "+0.1 to +0.3"),
        ((-1.0, 0.5), ".1f", "-1.0 to 0.5"),  # a dash between would read as a second minus
        ((math.nan, 1.0), ".1f", "–"),
        ((1.0, math.nan), ".1f", "–"),
    ],
)
def test_an_interval_is_joined_so_that_signs_can_be_read(
    ends: tuple[float, float], form: str, shown: str
) -> None:
    assert interval(*ends, form) == shown


def test_what_is_undefined_is_the_same_everywhere() -> None:
    nothing = Interval(math.nan, math.nan, math.nan)
    shown = {number(math.nan), percent(math.nan), points(math.nan)}
    assert shown | {percent_interval(nothing), points_interval(nothing)} == {UNDEFINED}
    assert number(math.nan, undefined="undefined") == correlation(nothing) == "undefined"
    assert correlation(Interval(0.5, -0.25, 0.75)) == "+0.50 (-0.25 to +0.75)"
