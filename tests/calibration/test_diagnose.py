from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from encore import LevelScale, RangeScale, RatingsTable, Rulebook, calibrate, diagnose
from encore.calibration.diagnose import KINDS

N = 600
FIVE = LevelScale((1, 2, 3, 4, 5))
PROMPTS = (np.arange(N) // 2).tolist()
GOOD = np.tile([2.0, 4.0], N // 2)


def mixed(seed: int) -> NDArray[np.float64]:
    """Ratings of all five levels, right about the better response four times in five."""
    rng = np.random.default_rng(seed)
    right = np.repeat(rng.random(N // 2) < 0.8, 2)
    low, high = rng.integers(1, 4, N), rng.integers(3, 6, N)
    return np.where((GOOD > 3) == right, high, low).astype(float)


def flags(*columns: NDArray[np.float64], scale: object = FIVE) -> list[set[str]]:
    rules = Rulebook.from_ids([f"r{i}" for i in range(len(columns))], scale)  # type: ignore[arg-type]
    found = diagnose(calibrate(np.column_stack(columns), rules, prompts=PROMPTS))
    return [set(found.flags(rule_id)) for rule_id in rules.ids]


def test_a_calibration_may_be_a_file(tmp_path: Path) -> None:
    calibration = calibrate([[1]] * 100, ["stuck"], scale=[0, 1])
    calibration.save(tmp_path / "calibration.json")
    assert diagnose(tmp_path / "calibration.json") == diagnose(calibration)


def test_rules_that_do_their_work_are_not_flagged() -> None:
    assert flags(mixed(1), mixed(2), mixed(3), mixed(4)) == [set()] * 4


def test_a_constant_rule_is_flagged_at_any_level() -> None:
    # A detector of means near 0 or 1 misses a rule stuck in the middle.
    assert flags(np.full(N, 3.0), mixed(1), mixed(2), mixed(3))[0] == {"constant"}


def test_a_rule_that_resolves_one_pair_in_twenty_is_silent_and_not_constant() -> None:
    silent = np.full(N, 5.0)
    silent[::40] = 1.0
    assert flags(silent, mixed(1), mixed(2), mixed(3))[0] == {"silent"}


def test_a_rule_at_both_ends_is_saturated_and_a_yes_no_rule_is_not() -> None:
    ends = np.where(mixed(5) > 3, 5.0, 1.0)
    assert "saturated" in flags(ends, mixed(1), mixed(2), mixed(3))[0]
    assert (
        flags(
            np.where(mixed(5) > 3, 1.0, 0.0),
            *[np.where(mixed(s) > 3, 1.0, 0.0) for s in (1, 2)],
            scale=LevelScale((0, 1)),
        )[0]
        == set()
    )


@pytest.mark.parametrize(("each", "said"), [(44, False), (46, True)])
def test_ends_are_saturated_above_nine_tenths(each: int, said: bool) -> None:
    # Of 100 ratings so many are at either end and the rest in the middle: 88 % and 92 % on ends.
    one = np.repeat([1.0, 3.0, 5.0], [each, 100 - 2 * each, each])
    assert ("saturated" in flags(np.tile(one, N // 100), mixed(1), mixed(2))[0]) is said


def test_values_beyond_the_scale_are_flagged_above_one_percent() -> None:
    columns = [mixed(s) / 5 for s in (1, 2, 3)]
    wild = columns[0].copy()
    wild[:7] = 1.5  # 7 of 600 is 1.2 %
    few = columns[1].copy()
    few[:5] = 1.5  # 5 of 600 is 0.8 %
    found = flags(wild, few, columns[2], scale=RangeScale(0, 1, 5))
    assert "outside" in found[0] and "outside" not in found[1]


def test_a_rule_that_rates_little_is_flagged() -> None:
    gappy = mixed(1)
    gappy[: N // 4] = np.nan
    assert flags(gappy, mixed(2), mixed(3), mixed(4))[0] == {"coverage"}


def test_a_copy_is_redundant_and_so_is_a_mirror_image() -> None:
    found = flags(mixed(1), mixed(1), mixed(2), 6 - mixed(2), mixed(3))
    assert "redundant" not in found[0] and "redundant" in found[1]
    assert "redundant" in found[3] and "redundant" not in found[4]


def test_a_rule_against_the_rest_is_inverted() -> None:
    found = flags(mixed(1), mixed(2), mixed(3), 6 - mixed(4))
    assert [("inverted" in kinds) for kinds in found] == [False, False, False, True]


@pytest.mark.parametrize(("n_prompts", "said"), [(100, False), (250, True)])
def test_a_rule_that_strays_no_further_than_chance_is_not_inverted(
    n_prompts: int, said: bool
) -> None:
    # Three rules prefer the first response; the fourth does in 4 prompts of 10: a correlation of
    # 0.4 - 0.6 = -0.2. Chance strays by 3 / sqrt(n): 0.3 with 100 prompts, 0.19 with 250.
    right = np.tile([5.0, 1.0], n_prompts)
    wrong = np.tile([5.0, 1.0] * 4 + [1.0, 5.0] * 6, n_prompts // 10)
    rules = Rulebook.from_ids(["a", "b", "c", "d"], FIVE)
    prompts = np.repeat(np.arange(n_prompts), 2).tolist()
    values = np.column_stack([right, right, right, wrong])
    found = diagnose(calibrate(values, rules, prompts=prompts))
    assert ("inverted" in found.flags("d")) is said
    assert not any("inverted" in found.flags(rule_id) for rule_id in "abc")


def test_few_ratings_are_flagged() -> None:
    rules = Rulebook.from_ids(["r0"], LevelScale((0, 1)))
    # 59 / 2 levels is below 30 a level, 60 / 2 is not.
    assert diagnose(calibrate([[i % 2] for i in range(59)], rules)).flags("r0") == ("small",)
    assert diagnose(calibrate([[i % 2] for i in range(60)], rules)).flags("r0") == ()


def test_an_empty_rater_is_found_by_its_spread() -> None:
    # Every rating is a toss-up of the rater's own: spread ln 2 of an entropy of ln 2.
    rules = Rulebook.from_ids(["r0"], LevelScale((0, 1)))
    values = np.arange(400.0)[:, None] % 2
    spread = np.full((400, 1), 0.97 * np.log(2))
    found = diagnose(calibrate(RatingsTable(rules, values, spread=spread), rules))
    assert [f.kind for f in found.findings if f.rule is None] == ["empty"]
    assert (
        "hardly tell responses apart: on average 3% of a rule's entropy"
        in found.findings[0].message
    )


def test_ratings_that_are_all_constant_or_silent_are_empty() -> None:
    rules = Rulebook.from_ids(["r0", "r1"], FIVE)
    values = np.column_stack([np.full(N, 5.0), np.full(N, 4.0)])
    found = diagnose(calibrate(values, rules, prompts=PROMPTS))
    assert found.findings[0].kind == "empty"
    assert "every rule is constant or silent" in found.findings[0].message


def test_very_many_rules_are_diagnosed_without_their_covariance() -> None:
    n_rules = 1100
    rules = Rulebook.from_ids([f"r{i}" for i in range(n_rules)], LevelScale((0, 1)))
    values = np.random.default_rng(0).integers(0, 2, (80, n_rules)).astype(float)
    values[:, 7] = 1.0
    found = diagnose(calibrate(values, rules, prompts=PROMPTS[:80]))
    assert found.flags("r7") == ("constant",)


@pytest.mark.parametrize("kind", KINDS)
def test_a_finding_is_plain_data_with_a_sentence(kind: str) -> None:
    assert not KINDS[kind].endswith(".")
    rules = Rulebook.from_ids(["r0"], LevelScale((0, 1)))
    found = diagnose(calibrate([[1]], rules))
    assert set(found.to_dict()["findings"][0]) == {"kind", "rule", "value", "message"}
    assert len(found) == len(found.findings) > 0


def test_a_head_that_stays_in_one_bin_is_coarse_and_not_constant() -> None:
    rng = np.random.default_rng(0)
    heads = [rng.uniform(0.91, 0.99, N), rng.uniform(0, 1, N), rng.uniform(0, 1, N)]
    found = flags(*heads, scale=RangeScale(0, 1))
    assert "coarse" in found[0] and "constant" not in found[0]
    assert not any("inverted" in kinds for kinds in found)  # three heads of noise share nothing


def test_rules_that_split_two_against_two_are_not_called_inverted() -> None:
    found = flags(mixed(1), mixed(2), 6 - mixed(3), 6 - mixed(4))
    assert not any("inverted" in kinds for kinds in found)


def test_of_two_rules_that_disagree_neither_is_called_inverted() -> None:
    # One moves by all four levels and the other by one, always the other way: there is no third
    # to say which is the wrong way round.
    loud, quiet = np.tile([1.0, 5.0], N // 2), np.tile([4.0, 3.0], N // 2)
    found = flags(loud, quiet, np.full(N, 3.0))
    assert not any("inverted" in kinds for kinds in found)


def test_rules_that_share_few_prompts_are_not_called_redundant() -> None:
    # b is rated only where a varies widely; over their own prompts the ratio would exceed 1.
    a, b = np.full(N, 3.0), np.full(N, np.nan)
    a[: N // 10 : 2], a[1 : N // 10 : 2] = 1.0, 5.0
    b[: N // 10] = a[: N // 10]
    found = flags(a, b, mixed(1), mixed(2))
    assert "redundant" not in found[1]


def flags_where(applies: NDArray[np.float64], values: NDArray[np.float64]) -> set[str]:
    """The flags of a rule that applies so far, beside three that always do."""
    others = [mixed(2), mixed(3), mixed(4)]
    rules = Rulebook.from_ids(["a", "b", "c", "d"], FIVE)
    every = np.column_stack([applies, *np.ones((3, N))])
    table = RatingsTable(rules, np.column_stack([values, *others]), PROMPTS, applies=every)
    return set(diagnose(calibrate(table, rules)).flags("a"))


@pytest.mark.parametrize(("n_applying", "said"), [(28, True), (30, False)])
def test_a_rule_that_hardly_ever_applies_is_rare(n_applying: int, said: bool) -> None:
    # 28 of 600 is 4.7 %, 30 is 5 %.
    applies = (np.arange(N) < n_applying).astype(float)
    found = flags_where(applies, mixed(1))
    assert ("rare" in found) is said
    assert "coverage" not in found and "silent" not in found


def test_a_rule_that_applies_and_says_the_same_is_silent_and_not_rare() -> None:
    # One rating of 1 in 40 responses: 5 % of the pairs are resolved.
    silent = np.full(N, 5.0)
    silent[::40] = 1.0
    assert flags_where(np.ones(N), silent) == {"silent"}
    half = (np.arange(N) < N // 2).astype(float)
    assert flags_where(half, silent) == {"silent"}
    few = (np.arange(N) < 28).astype(float)
    assert flags_where(few, np.where(np.arange(N) == 3, 4.0, 5.0)) == {"rare", "small"}


def test_a_rule_that_speaks_where_it_applies_is_not_silent() -> None:
    # It applies to one prompt in ten and resolves all pairs there, which is a tenth of all pairs.
    applies = (np.arange(N) % 20 < 2).astype(float)
    values = np.where(applies == 1, GOOD, 5.0)
    assert flags_where(np.ones(N), np.where(np.arange(N) % 40 < 2, GOOD, 5.0)) == {"silent"}
    assert flags_where(applies, values) == {"small"}  # 60 ratings on five levels


def test_a_rule_that_never_applies_is_rare_and_nothing_else_is_said_of_its_ratings() -> None:
    assert flags_where(np.zeros(N), mixed(1)) == {"rare", "small"}


def test_a_rule_that_is_rated_wherever_it_applies_has_no_gaps() -> None:
    gappy, applies = mixed(1), np.ones(N)
    gappy[: N // 4], applies[: N // 4] = np.nan, 0.0
    assert flags_where(applies, gappy) == set()
    assert flags_where(np.ones(N), gappy) == {"coverage"}
