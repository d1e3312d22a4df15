"""The ablation does what it says, and `auto` does no harm in it."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

if os.environ.get("ENCORE_BARE"):
    pytest.skip("the benchmarks are not beside the bare install", allow_module_level=True)

from benchmarks.evidence import ablation, perturb
from benchmarks.evidence.raters import RATERS, Rated
from encore import LevelScale, PreferencePairs, RatingsTable, Rulebook
from encore.ratings import Ids

LLM, MINI, _ = RATERS
CSV = Path(ablation.__file__).parent / "ablation.csv"
FIVE = LevelScale((1, 2, 3, 4, 5))


@pytest.fixture
def pairs() -> PreferencePairs:
    """Two pairs, of which each response was rated twice."""
    values = [[1, 5], [2, 4], [3, 3], [4, 2], [5, 1], [1, 1], [2, 2], [3, 3]]
    rules = Rulebook.from_ids(["a", "b"], FIVE)
    table = RatingsTable(
        rules,
        values,
        prompts=["p"] * 4 + ["q"] * 4,
        responses=["p1", "p2", "p1", "p2", "q1", "q2", "q1", "q2"],
        repeats=[0, 0, 1, 1, 0, 0, 1, 1],
    )
    return PreferencePairs(table, np.array([0, 4]), np.array([1, 5]), Ids.of(["x", "x"]))


def test_levels_are_joined_evenly(pairs: PreferencePairs) -> None:
    # Unit ratings 0, 1/4, 1/2, 3/4, 1 in two halves: 0, 0, 1, 1, 1.
    made = perturb.with_levels(2)(pairs, np.random.default_rng(0))
    assert made.ratings.values[:5, 0].tolist() == [0, 0, 1, 1, 1]
    assert made.rules.n_levels.tolist() == [2, 2]


def test_added_rules_stand_beside_the_others(pairs: PreferencePairs) -> None:
    rng = np.random.default_rng(0)
    constant = perturb.adding("constant", 3)(pairs, rng)
    assert (constant.ratings.values[:, 2:] == 5).all() and len(constant.rules) == 5
    noise = perturb.adding("noise", 1)(pairs, rng).ratings.values[:, 2]
    assert set(noise) <= {1, 2, 3, 4, 5} and len(set(noise)) > 1


def test_a_rare_event_is_the_response_s_and_noise_the_rating_s(
    pairs: PreferencePairs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(perturb, "RARE", 0.5)
    rare = perturb.adding("rare", 20)(pairs, np.random.default_rng(0)).ratings.values[:, 2:]
    noise = perturb.adding("noise", 20)(pairs, np.random.default_rng(0)).ratings.values[:, 2:]
    first, again = [0, 1, 4, 5], [2, 3, 6, 7]
    assert (rare[first] == rare[again]).all() and (rare[first] < 5).any()
    assert not (noise[first] == noise[again]).all()


def test_rules_are_turned_round(pairs: PreferencePairs) -> None:
    made = perturb.flipping(2)(pairs, np.random.default_rng(0))
    np.testing.assert_array_equal(made.ratings.values, 6 - pairs.ratings.values)


def test_the_second_pass_changes_places_with_the_first(pairs: PreferencePairs) -> None:
    made = perturb.second_pass(1.0)(pairs, np.random.default_rng(0)).ratings.values
    np.testing.assert_array_equal(made, pairs.ratings.values[[2, 3, 0, 1, 6, 7, 4, 5]])


def test_a_smaller_calibration_set_holds_whole_prompts(pairs: PreferencePairs) -> None:
    table = perturb.only_prompts(pairs, 1, np.random.default_rng(0))
    assert table.n_rows == 4 and table.prompts is not None
    assert len(set(table.prompts.codes.tolist())) == 1


def test_cases_have_each_a_name_of_their_own() -> None:
    names = [(case.axis, case.setting) for case in ablation.cases(LLM.pairs)]
    assert len(names) == len(set(names)) > 30


def of_auto() -> Iterator[tuple[str, str, str, str, float, float]]:
    with CSV.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["scheme"] in ("auto", "auto_with_pairs"):
                names = (row["rater"], row["axis"], row["setting"], row["scheme"])
                yield *names, float(row["difference"]), float(row["error"])


def test_auto_is_nowhere_in_the_evidence_more_than_a_standard_error_worse_than_uniform() -> None:
    found = list(of_auto())
    assert len(found) > 80
    assert [row for row in found if row[-2] < -row[-1] - 1e-9] == []
    # It is no other name for uniform: where rules are noise, it gains.
    assert max(row[-2] for row in found if row[3] == "auto") > 0.05


@pytest.mark.parametrize(
    ("axis", "setting"),
    [
        ("rules added: pure noise", "6"),
        ("rules added: rare events", "12"),
        ("five levels merged to", "3"),
        ("rules turned round", "3"),
        ("prompts to calibrate on", "10"),
    ],
)
def test_the_evidence_is_what_a_run_gives(axis: str, setting: str) -> None:
    # Three of the twenty seeds: within three of their standard errors of the recorded difference.
    (case,) = (c for c in ablation.cases(LLM.pairs) if (c.axis, c.setting) == (axis, setting))
    found = ablation.run(case, LLM.pairs, n_seeds=3)
    recorded = {(*row[:4],): row[4:] for row in of_auto()}
    for scheme in ("auto", "auto_with_pairs"):
        difference, error = recorded["llm", axis, setting, scheme]
        assert abs(found[scheme].difference - difference) <= 3 * max(error, 0.002) / 3**0.5


@pytest.mark.long
@pytest.mark.parametrize("rated", [LLM, MINI], ids=lambda rated: rated.key)
def test_auto_does_no_harm_with_other_seeds_either(rated: Rated) -> None:
    for case in ablation.cases(rated.pairs):
        if case.schemes:
            continue
        found = ablation.run(case, rated.pairs, n_seeds=10, first_seed=1000)
        for scheme in ("auto", "auto_with_pairs"):
            by = found[scheme]
            assert by.difference >= -by.error - 1e-9, (case.axis, case.setting, scheme)
