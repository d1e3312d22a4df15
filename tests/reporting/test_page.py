from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from encore import PreferencePairs, RatingsTable, Rulebook, calibrate
from encore.reporting import Report, report
from tests.reporting.made import FIVE, HOSTILE, pairs

LIMIT = 6_000_000
pytestmark = [pytest.mark.early, pytest.mark.usefixtures("extra")]


class Page(HTMLParser):
    """The elements of a page, and the text in each kind."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, list[str]] = {}
        self._open = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = tag

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        self.text.setdefault(self._open, []).append(data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def data_of(html: str) -> Any:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html, re.S)
    return json.loads(text)


def test_the_page_asks_for_nothing_outside_itself(made: Report) -> None:
    page = Page(made.to_html())
    asked = [v for _, a in page.tags for n, v in a.items() if n in ("src", "href", "srcset") and v]
    assert asked
    assert all(value.startswith(("data:", "#")) for value in asked)
    assert not [tag for tag, _ in page.tags if tag in ("iframe", "object", "embed", "base", "form")]


def test_its_policy_lets_only_its_own_script_run(made: Report) -> None:
    page = Page(made.to_html())
    (policy,) = (m["content"] for m in page.of("meta") if m.get("http-equiv"))
    scripts = "".join(page.text["script"])
    own = scripts[scripts.index("// Built from web/") :]
    digest = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
    assert policy is not None
    assert f"script-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe-eval" not in policy


def test_the_script_that_ships_cannot_end_its_element(made: Report) -> None:
    html = made.to_html()
    assert html.count("</script>") == 2


def test_hostile_ids_and_texts_are_inert(tmp_path: Path) -> None:
    rated = pairs(60, ids=HOSTILE)
    columns: dict[str, Any] = {"id": [f"{HOSTILE[i % 8]}{i}" for i in range(60)]}
    columns["subset"] = [HOSTILE[i % 3] for i in range(60)]
    for name in ("prompt", "chosen", "rejected"):
        columns[name] = [f"\u202e{HOSTILE[i % 8]}\u202c" for i in range(60)]
    for side, rows in (("chosen", rated.chosen), ("rejected", rated.rejected)):
        for k, rule_id in enumerate(HOSTILE):
            columns[f"{side}.{rule_id}"] = rated.ratings.values[rows, k]
    path = tmp_path / "<b onclick=alert(1)>.parquet"
    pq.write_table(pa.table(columns), path)
    html = report(path, rated.rules).to_html(include_text=True, command="<script>1</script>")
    page = Page(html)
    assert len(page.of("script")) == 2
    assert all("onerror" not in image for image in page.of("img"))
    assert not [a for _, a in page.tags for name in a if name.startswith("on")]
    shown = "".join(text for name, texts in page.text.items() if name != "script" for text in texts)
    for text in HOSTILE:
        assert text in shown
    assert "{{ 7 * 7 }}" in shown  # a template in an id stays an id
    assert data_of(html)["datasets"][0]["rules"] == list(HOSTILE)


def test_pairs_that_cannot_be_compared_are_still_pairs() -> None:
    values = np.array([[5, np.nan], [1, np.nan], [3, np.nan]])
    rules = Rulebook.from_ids(["a", "never"], FIVE)
    html = report(PreferencePairs.from_arrays(values, values[::-1], rules), rules).to_html()
    assert "3 labelled pairs" in html
    assert "Bring labelled pairs" not in html
    assert "Schemes are not compared" in html


def test_what_comes_from_a_calibration_set_is_said(made: Report) -> None:
    rated, others = pairs(120), calibrate(pairs(40, seed=1), made.content.calibration.rules)
    of_pairs = report(rated, rated.rules, calibration_set=others).to_html()
    of_responses = report(rated.ratings, rated.rules, calibration_set=others).to_html()
    assert "Everything but accuracy comes from the calibration set" in of_pairs
    assert "All of it comes from the calibration set." in of_responses
    assert "of the calibration set" not in made.to_html()


def test_a_page_says_what_it_was_made_from(made: Report) -> None:
    html = made.to_html(command="encore report pairs.parquet")
    told = data_of(html)["provenance"]
    calibration = made.content.calibration
    assert told["command"] == "encore report pairs.parquet"
    assert told["seed"] == 0
    assert told["rules_digest"] == calibration.rules.digest
    assert told["calibration_digest"] == calibration.digest
    assert (told["pairs"], told["responses_embedded"]) == (120, 240)
    assert calibration.digest in html.split("</main>")[0]


def test_every_figure_can_be_saved_in_three_forms(made: Report) -> None:
    links = {a["download"]: a["href"] or "" for a in Page(made.to_html()).of("a")}
    assert {name.partition(".")[2] for name in links if name} == {"svg", "png", "csv"}
    text = base64.b64decode(links["shares.csv"].partition("base64,")[2]).decode()
    assert text.startswith("rule,normalised entropy,weight,share\n")


@pytest.mark.parametrize("n_rules", [1, 100])
def test_pages_of_one_rule_and_of_a_hundred_are_bounded(n_rules: int) -> None:
    rated = pairs(6_000, ids=tuple(f"rule-{k}" for k in range(n_rules)))
    html = report(rated, rated.rules).to_html()
    assert len(html.encode()) < LIMIT
    assert len(data_of(html)["datasets"][0]["rules"]) == n_rules


def test_ratings_with_gaps_and_rules_never_rated_make_a_page() -> None:
    values = np.array([[5, np.nan], [1, np.nan], [np.nan, np.nan]] * 4)
    rules = Rulebook.from_ids(["a", "never"], FIVE)
    html = report(RatingsTable(rules, values), rules).to_html()
    assert "NaN" not in html.split('id="data">')[1].split("</script>")[0]
    assert "uniform" in data_of(html)["datasets"][0]["schemes"]
    assert ">nan<" not in html


def test_how_often_a_rule_applies_has_a_column_where_it_does_not_always() -> None:
    made = pairs(60)
    applies = np.ones(made.ratings.values.shape)
    assert "applies %" not in Page(report(made, made.rules).to_html()).text["th"]
    applies[:30, 0] = 0.0  # 30 of 120 responses
    part = RatingsTable(made.rules, made.ratings.values, made.ratings.prompts, applies=applies)
    page = Page(report(part, made.rules).to_html())
    assert "applies %" in page.text["th"]
    assert page.text["td"].count("75.0") == 1


def test_a_calibration_alone_has_weights_and_no_rewards() -> None:
    html = report(
        calibrate([[1, 2], [3, 5], [4, 4]], Rulebook.from_ids(["a", "b"], FIVE))
    ).to_html()
    assert "A calibration holds no responses" in html
    assert 'id="figure-before-after"' not in html
    assert data_of(html)["datasets"][0]["nRows"] == 0
