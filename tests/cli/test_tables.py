"""Tables of what the library found."""

from __future__ import annotations

import pyarrow as pa
from rich.console import Console

from encore.cli.tables import raters_table
from encore.ratings.importing.combine import combine_raters
from encore.rules import Rulebook


def test_raters_agreement_is_shown_by_rule_and_what_is_unknown_as_a_dash() -> None:
    rules = Rulebook.from_ids(["harm", "tone"], [0, 1])
    ids = {"prompt_id": ["p"] * 3, "response_id": ["a", "b", "c"]}
    nothing = pa.nulls(3, pa.float64())
    one = pa.table({**ids, "harm": [0, 1, 1], "tone": [0, 0, 0]})
    other = pa.table({**ids, "harm": [0, 1, 0], "tone": nothing}).slice(0, 2)
    third = pa.table({"prompt_id": ["p"], "response_id": ["d"], "harm": [1], "tone": [1]})
    tables = {"[red]one": one, "other": other, "third": third}
    console = Console(width=100, record=True, markup=False)
    console.print(raters_table(combine_raters(tables, rules, how="mean")))
    lines = [" ".join(line.split()) for line in console.export_text().splitlines()]
    assert (
        "agreement of [red]one, other, third on 4 responses, 2 of them rated by one only" in lines
    )
    assert "harm 2 100.0 1.000" in lines
    assert "tone 0 – –" in lines
