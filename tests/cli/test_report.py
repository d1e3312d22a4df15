from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from encore import LevelScale, Rulebook, calibrate, compare, examples
from encore.weights import Linear

Run = Callable[..., Result]
pytestmark = [
    pytest.mark.early,
    pytest.mark.skipif("ENCORE_BARE" in os.environ, reason="bare install without matplotlib"),
]
BUNDLED = (examples.ratings_path(), "--rules", examples.rules_path())


def provenance(path: Path) -> dict[str, object]:
    text = path.read_text(encoding="utf-8").split('id="data">')[1].split("</script>")[0]
    found: dict[str, object] = json.loads(text)["provenance"]
    return found


def test_it_says_what_compare_says_and_where_the_page_is(run: Run) -> None:
    result = run("report", *BUNDLED, "-o", "r.html")
    assert (result.exit_code, result.stderr) == (0, "")
    said = compare(examples.ratings_path(), examples.rules()).sentence
    assert result.stdout == f"{said}\nr.html\n"


def test_the_page_holds_the_command_that_makes_it_again(run: Run) -> None:
    Linear(strength=2.0)(calibrate(examples.ratings_path(), examples.rules())).save("w 2.json")
    run("report", *BUNDLED, "--weights", "w 2.json", "--seed", 3, "-o", "r.html")
    told = provenance(Path("r.html"))
    assert told["command"] == (
        f"encore report {examples.ratings_path()} --rules {examples.rules_path()} "
        f"--weights 'w 2.json' --seed 3 -o r.html"
    )
    assert (told["seed"], told["scheme_options"]) == (3, "strength=2.0, estimator=plugin")


def test_figures_are_written_beside_it_when_asked_for(run: Run) -> None:
    result = run("report", *BUNDLED, "--figures", "figures", "-o", "r.html", "--json")
    found = json.loads(result.stdout)
    assert found["out"] == "r.html"
    assert found["recommended"] == "uniform"
    assert sorted(found["figures"]) == sorted(str(p) for p in Path("figures").iterdir())
    assert len(found["figures"]) == 18


def test_a_calibration_set_may_be_ratings_or_a_calibration(run: Run) -> None:
    run("calibrate", *BUNDLED, "-o", "c.json")
    for given in ("c.json", examples.ratings_path()):
        result = run("report", *BUNDLED, "--calibration-set", given, "-o", "r.html")
        assert result.exit_code == 0
        assert provenance(Path("r.html"))["responses_calibrated"] == 916


def test_a_calibration_needs_no_rules(run: Run) -> None:
    run("calibrate", *BUNDLED, "-o", "c.json")
    assert run("report", "c.json", "-o", "r.html").exit_code == 0
    refused = run("report", "c.json", "--rules", examples.rules_path(), "-o", "r2.html")
    assert refused.stderr.startswith("Error: a calibration holds its own rules")
    assert not Path("r2.html").exists()


def test_it_never_writes_over_what_it_reads_nor_into_no_folder(run: Run) -> None:
    run("calibrate", *BUNDLED, "-o", "c.json")
    before = Path("c.json").read_bytes()
    said = "Error: --out would write over c.json, which SOURCE reads; write to another file.\n"
    assert run("report", "c.json", "-o", "c.json").stderr == said
    assert Path("c.json").read_bytes() == before
    assert "there is no folder" in run("report", "c.json", "-o", "no/r.html").stderr


def test_neither_rules_nor_figures_overwrite_what_is_read(run: Run) -> None:
    Path("rules.toml").write_bytes(examples.rules_path().read_bytes())
    rules = Path("rules.toml").read_bytes()
    refused = run("report", BUNDLED[0], "--rules", "rules.toml", "-o", "rules.toml")
    assert "--out would write over rules.toml, which --rules reads" in refused.stderr
    assert Path("rules.toml").read_bytes() == rules
    table = "response_id," + ",".join(examples.rules().ids) + "\n" + "r," + ",".join(["5"] * 12)
    Path("shares.csv").write_text(table)
    given = ("shares.csv", "--rules", "rules.toml", "--figures", ".", "-o", "r.html")
    assert (
        "--figures would write over shares.csv, which SOURCE reads" in run("report", *given).stderr
    )
    assert Path("shares.csv").read_text() == table
    assert not Path("r.html").exists()


def test_the_page_is_none_of_the_figures(run: Run) -> None:
    Path("f").mkdir()
    result = run("report", *BUNDLED, "--figures", "f", "-o", "f/../f/shares.svg")
    assert (result.exit_code, list(Path("f").iterdir())) == (1, [])
    assert "--figures and --out would both write" in result.stderr


def test_figures_that_cannot_be_written_leave_no_page(run: Run) -> None:
    Path("file").write_text("")
    result = run("report", *BUNDLED, "--figures", "file/sub", "-o", "r.html")
    assert (result.exit_code, Path("r.html").exists()) == (1, False)


def test_what_the_page_notes_is_noted(run: Run) -> None:
    header = "chosen.a,rejected.a,chosen.b,rejected.b\n"
    Path("p.csv").write_text(header + "5,1,4,\n1,2,5,3\n3,1,2,2\n" * 20)
    Rulebook.from_ids(["a", "b"], LevelScale((1, 2, 3, 4, 5))).save("ab.toml")
    result = run("report", "p.csv", "--rules", "ab.toml", "-o", "r.html")
    assert "Note: Pairs left out because a reward is unknown: uniform 20," in result.stderr
    assert "Note: The two sides of 20 pairs are rated under different rules" in result.stderr


def test_ratings_without_rules_are_refused(run: Run) -> None:
    result = run("report", examples.ratings_path(), "-o", "r.html")
    assert (result.exit_code, Path("r.html").exists()) == (1, False)
    assert "give their rules" in result.stderr
