from __future__ import annotations

from html import unescape
from pathlib import Path

import pytest

from encore import InputError
from encore.reporting import Report, report
from encore.reporting.figures import FILES
from tests.reporting.made import pairs

pytestmark = pytest.mark.usefixtures("extra")


def test_a_page_is_written_whole_or_not_at_all(made: Report, tmp_path: Path) -> None:
    made.save(tmp_path / "r.html")
    assert (tmp_path / "r.html").read_text(encoding="utf-8") == made.to_html()
    with pytest.raises(InputError):
        made.save(tmp_path / "other.html", include_text=True)
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]


def test_what_a_report_is_made_from_is_never_written_over(tmp_path: Path) -> None:
    source, rules = tmp_path / "shares.csv", tmp_path / "rules.toml"
    rated = pairs(5)
    rated.rules.save(rules)
    ids = rated.rules.ids
    source.write_text(f"response_id,{','.join(ids)}\n" + f"r,{','.join('1' for _ in ids)}\n")
    before = source.read_bytes(), rules.read_bytes()
    made = report(source, rules)
    for out in (source, rules):
        with pytest.raises(InputError, match="is an input"):
            made.save(out)
    with pytest.raises(InputError, match="is an input"):
        made.save_figures(tmp_path)
    assert (source.read_bytes(), rules.read_bytes()) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rules.toml", "shares.csv"]


def test_in_a_notebook_the_page_stands_in_a_frame_of_its_own(made: Report) -> None:
    shown = made._repr_html_()
    inner, _, rest = shown.removeprefix('<iframe srcdoc="').partition('"')
    assert unescape(inner) == made.to_html()
    assert rest.startswith(' sandbox="allow-scripts allow-downloads" title="ENCORE report"')
    assert rest.endswith("></iframe>")


def test_the_same_ratings_give_the_same_bytes(made: Report) -> None:
    rated = pairs(120)
    assert report(rated, rated.rules).to_html() == made.to_html()


def test_figures_are_written_as_png_svg_and_csv(tmp_path: Path) -> None:
    rated = pairs(30)
    written = report(rated.ratings, rated.rules).save_figures(tmp_path / "new" / "figures")
    names = {
        f"{name}.{form}" for name in ("before-after", "shares") for form in ("png", "svg", "csv")
    }
    assert {path.name for path in (tmp_path / "new" / "figures").iterdir()} == names
    assert {path.name for path in written} == names < set(FILES)
