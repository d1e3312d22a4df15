from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from encore import InputError
from encore.reporting import Report, report
from encore.reporting.texts import texts_of
from tests.reporting.made import pairs

pytestmark = pytest.mark.usefixtures("extra")


def test_text_is_shown_only_when_asked_for(tmp_path: Path) -> None:
    rated = pairs(120)
    columns: dict[str, Any] = {"chosen": [f"SECRET {i}" for i in range(120)]}
    columns |= {"prompt": [f"ASKED {i}" for i in range(120)], "rejected": ["x" * 9_000] * 120}
    for side, rows in (("chosen", rated.chosen), ("rejected", rated.rejected)):
        for k, rule_id in enumerate(rated.rules.ids):
            columns[f"{side}.{rule_id}"] = rated.ratings.values[rows, k]
    pq.write_table(pa.table(columns), tmp_path / "p.parquet")
    found = report(tmp_path / "p.parquet", rated.rules)
    assert found.content.contrasts
    assert "SECRET" not in found.to_html()
    html = found.to_html(include_text=True)
    for contrast in found.content.contrasts:  # pairs without an id go by their row, from 1
        assert f"SECRET {int(contrast.pair) - 1}<" in html
        assert f"ASKED {int(contrast.pair) - 1}<" in html
    assert "x" * 4_000 + " …" in html
    assert "x" * 4_001 not in html


def test_text_that_is_not_there_is_said_to_be_missing(made: Report, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="only for a file of pairs"):
        made.to_html(include_text=True)
    rated = pairs(120)
    columns = {
        f"{side}.{rule_id}": rated.ratings.values[rows, k]
        for side, rows in (("chosen", rated.chosen), ("rejected", rated.rejected))
        for k, rule_id in enumerate(rated.rules.ids)
    }
    pq.write_table(pa.table(columns), tmp_path / "p.parquet")
    with pytest.raises(InputError, match="holds no texts"):
        report(tmp_path / "p.parquet", rated.rules).to_html(include_text=True)


def test_texts_of_pairs_with_one_id_are_told_apart_by_subset_or_not_at_all(tmp_path: Path) -> None:
    rated = pairs(120)
    columns: dict[str, Any] = {
        "id": [str(i % 60) for i in range(120)],
        "subset": ["first"] * 60 + ["second"] * 60,
        "prompt": [f"ASKED {i}." for i in range(120)],
        "chosen": [f"SAID {i}." for i in range(120)],
    }
    for side, rows in (("chosen", rated.chosen), ("rejected", rated.rejected)):
        for k, rule_id in enumerate(rated.rules.ids):
            columns[f"{side}.{rule_id}"] = rated.ratings.values[rows, k]
    pq.write_table(pa.table(columns), tmp_path / "p.parquet")
    found = report(tmp_path / "p.parquet", rated.rules)
    shown = texts_of(found.content)
    assert {contrast.subset for contrast in found.content.contrasts} == {"first", "second"}
    for contrast in found.content.contrasts:
        assert shown[contrast.position]["chosen"] == f"SAID {contrast.position}."
    pq.write_table(pa.table({**columns, "subset": ["one"] * 120}), tmp_path / "p.parquet")
    with pytest.raises(InputError, match=r"two rows have the id '\d+' in the subset 'one'"):
        texts_of(report(tmp_path / "p.parquet", rated.rules).content)


def test_texts_of_repeated_ratings_are_those_of_the_pair(tmp_path: Path) -> None:
    rated = pairs(120)
    columns: dict[str, Any] = {
        "id": [str(i % 120) for i in range(240)],
        "repeat": [i // 120 for i in range(240)],
        "chosen": [f"SAID {i}." for i in range(240)],
    }
    for side, rows in (("chosen", rated.chosen), ("rejected", rated.rejected)):
        for k, rule_id in enumerate(rated.rules.ids):
            columns[f"{side}.{rule_id}"] = np.tile(rated.ratings.values[rows, k], 2)
    pq.write_table(pa.table(columns), tmp_path / "p.parquet")
    found = report(tmp_path / "p.parquet", rated.rules).content
    assert found.contrasts
    for contrast in found.contrasts:
        assert texts_of(found)[contrast.position]["chosen"] == f"SAID {contrast.pair}."


def test_texts_are_found_by_ids_of_any_kind_and_may_be_lists(tmp_path: Path) -> None:
    rated = pairs(120)
    columns: dict[str, Any] = {
        "id": np.arange(120.0),
        "chosen": [[f"SAID {i}"] for i in range(120)],
    }
    columns["rejected"] = [[{"role": "assistant", "content": f"TOLD {i}"}] for i in range(120)]
    for side, rows in (("chosen", rated.chosen), ("rejected", rated.rejected)):
        for k, rule_id in enumerate(rated.rules.ids):
            columns[f"{side}.{rule_id}"] = rated.ratings.values[rows, k]
    pq.write_table(pa.table(columns), tmp_path / "p.parquet")
    found = report(tmp_path / "p.parquet", rated.rules)
    html = found.to_html(include_text=True)
    assert found.content.contrasts
    for contrast in found.content.contrasts:
        assert f"SAID {contrast.pair}&" in html
        assert f"assistant: TOLD {contrast.pair}<" in html
