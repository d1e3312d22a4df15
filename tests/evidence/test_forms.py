"""The figures of docs/explanation/forms.md, and what its text says of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

if os.environ.get("ENCORE_BARE"):
    pytest.skip("the benchmarks are not beside the bare install", allow_module_level=True)

from benchmarks.evidence import forms
from encore import as_pairs, compare, examples

PAGE = Path(forms.__file__).parents[2] / "docs" / "explanation" / "forms.md"


def test_the_page_shows_the_figures_that_were_measured() -> None:
    assert forms.markdown(forms.read()) in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", forms.BUNDLED)
def test_the_figures_of_the_bundled_ratings_are_those_of_this_code(name: str) -> None:
    pairs = as_pairs(forms.BUNDLED[name](), examples.rules())
    found = {key: str(value) for key, value in forms.row_of(name, pairs).items()}
    assert found in forms.read()


def test_a_difference_is_that_of_compare() -> None:
    pairs = as_pairs(examples.ratings_path(), examples.rules())
    compared = compare(pairs, pairs.rules, forms=["geometric"]).forms[1].difference
    value, error = forms.difference(pairs, "geometric", forms.halves(pairs, "mean"))
    assert value == pytest.approx(100 * compared.value, abs=1e-9)
    assert 100 * (compared.high - compared.low) / 2 == pytest.approx(1.96 * error, rel=0.1)


def test_what_the_text_says_of_them_holds() -> None:
    rows = {row["case"]: row for row in forms.read()}
    clear = {
        name: float(row["geometric"])
        for name, row in rows.items()
        if abs(float(row["geometric"])) > 2 * float(row["geometric se"])
    }
    assert {name for name, value in clear.items() if value > 0} == {"hanna_human1"}
    assert {name for name, value in clear.items() if value < 0} == {
        "frank_metrics15", "hanna_llama13",
    }  # fmt: skip
    assert len(rows) == 13 and all(float(r["power:exponent=-1000"]) < 0 for r in rows.values())
