from __future__ import annotations

import json
from collections.abc import Callable

from click.testing import Result

from encore.theory import saturation_grid, study_stand_ins

Run = Callable[..., Result]


def rows(result: Result) -> list[list[str]]:
    return [line.split() for line in result.stdout.splitlines()]


def test_the_tables_and_the_sentence_are_those_of_the_library(run: Run) -> None:
    result = run("theory")
    study = study_stand_ins(saturation_grid(), rng=0)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[-1] == study.sentence
    for found in study.settings:
        scale = [f"{found.mixture.scale.worst:g}", "to", f"{found.mixture.scale.best:g}"]
        ends = f"{100 * found.ends:.1f}"
        correlations = [
            f"{value:+.2f}"
            for name in found.pearson
            for value in (found.pearson[name], found.spearman[name])
        ]
        assert [*scale, ends, *correlations] in rows(result)
        assert [*scale, ends, *(f"{100 * v:.1f}" for v in found.accuracy.values())] in rows(result)
    assert "noise" not in result.stdout


def test_it_fits_eighty_columns(run: Run) -> None:
    lines = run("theory", "--detail").stdout.splitlines()
    assert max(len(line.rstrip()) for line in lines[:-1]) <= 80


def test_detail_has_a_row_for_every_rule_of_every_setting(run: Run) -> None:
    result = run("theory", "--detail")
    assert (result.exit_code, result.stderr) == (0, "")
    found = [row for row in rows(result) if row[:1] == ["rule"] and row[1:2] != ["noise"]]
    assert len(found) == 6 * 7
    # The crispest rule on -6 to 6, whose noise of 0.5 is never clipped: the mean margin is the gap
    # over the span, 1/12, its variance 2 * 0.5^2 / 12^2 = 0.0035, and it is right with probability
    # Phi(1 / (0.5 sqrt 2)) = 92.1 %.
    assert found[0][1:3] == ["1", "0.50"]
    assert found[0][5:9] == ["0.0", "0.083", "0.003", "92.1"]


def test_json_is_plain_data_and_the_same_for_the_same_seed(run: Run) -> None:
    first, again, other = (
        run("theory", "--json", "--seed", seed).stdout for seed in ("3", "3", "4")
    )
    assert first == again
    assert first != other
    assert json.loads(first) == study_stand_ins(saturation_grid(), rng=3).to_dict()


def test_a_seed_below_zero_is_refused(run: Run) -> None:
    result = run("theory", "--seed", "-1")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "-1 is not in the range x>=0" in result.stderr
