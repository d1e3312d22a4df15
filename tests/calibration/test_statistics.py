from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encore.calibration.accumulate import accumulate
from encore.calibration.fixed_point import ONE
from encore.calibration.prompts import PromptSample, prompt_hashes
from encore.calibration.statistics import Statistics
from encore.errors import DocumentError
from encore.ratings import RatingsTable
from encore.rules import LevelScale, RangeScale, Rule, Rulebook

RULES = Rulebook.from_ids(["a", "b"], LevelScale((1, 2, 3)))
HASHES = st.lists(st.integers(0, 2**64 - 1), max_size=30)


def sample(hashes: list[int]) -> PromptSample:
    return PromptSample.of(np.array(hashes, dtype=np.uint64))


def test_a_prompt_met_in_two_parts_is_split() -> None:
    # Prompts 1, 2 in one part and 2, 3 in the other: three prompts, of which 2 is split.
    merged = sample([1, 2]) + sample([2, 3])
    assert (merged.n_prompts, merged.n_split, merged.n_runs) == (3, 1, 4)
    assert merged.is_complete


def test_above_its_size_the_sample_estimates() -> None:
    # 20,000 prompts, half of them split: 512 sampled, standard error of the share 2.2 points.
    hashes = np.random.default_rng(0).integers(2**64, size=20_000, dtype=np.uint64)
    merged = PromptSample.of(hashes) + PromptSample.of(hashes[:10_000])
    assert not merged.is_complete and len(merged.hashes) == 512
    assert merged.n_prompts == pytest.approx(20_000, rel=0.05)
    assert merged.n_split == pytest.approx(10_000, rel=0.15)


@given(first=HASHES, second=HASHES)
def test_samples_merge_into_the_sample_of_all(first: list[int], second: list[int]) -> None:
    merged, whole = sample(first) + sample(second), sample(first + second)
    np.testing.assert_array_equal(merged.hashes, whole.hashes)
    np.testing.assert_array_equal(merged.runs, whole.runs)
    assert merged.n_runs == whole.n_runs


def test_nothing_is_no_prompt() -> None:
    empty = sample([])
    assert (empty.n_prompts, empty.n_split) == (0, 0)


def statistics() -> Statistics:
    values = np.array([[1, 2], [3, np.nan], [2, 2]])
    return accumulate(RatingsTable(RULES, values, prompts=["p", "p", "q"]))


def test_plain_data_makes_the_same_statistics() -> None:
    data = json.loads(json.dumps(statistics().to_dict()))
    again = Statistics.from_dict(data, RULES.n_levels)
    assert again == statistics()
    assert (again.margin_sum == again.margin_sum.transpose(0, 2, 1)).all()


def in_one_bucket(rows: list[list[object]]) -> list[list[list[object]]]:
    """Triangles of two rules, one for each of the 16 buckets: these rows where prompt p is."""
    (bucket,) = (prompt_hashes(["p"]) % np.uint64(16)).tolist()
    return [rows if at == bucket else [[0], [0, 0]] for at in range(16)]


SHAPE, WHOLE, NEGATIVE = "has the shape", "expected whole numbers", "holds a negative number"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("counts", [[1, 2, 3]], SHAPE),
        ("counts", [[1, 2], [3]], WHOLE),
        ("counts", [[1, 1], [0, 2]], SHAPE),  # the rules have three levels
        ("counts", [[1, 1, 1, 0], [0, 2, 0, 0]], SHAPE),
        ("counts", [[1.5, 1, 1], [0, 2, 0]], WHOLE),
        ("counts", [["1", "1", "1"], ["0", "2", "0"]], WHOLE),
        ("counts", [[True, True, True], [False, True, False]], WHOLE),
        (
            "counts",
            [[1, 1, 2], [0, 2, 0]],
            "more ratings of a rule than responses",
        ),  # four of three
        ("counts", [[-1, 1, 3], [0, 2, 0]], NEGATIVE),
        ("counts", "x", WHOLE),
        ("counts", [], SHAPE),
        ("counts", [[10**30, 1, 1], [0, 2, 0]], "too large"),
        ("applies_count", [4, 3], "applies_count is larger than the 3 responses"),
        ("applies_count", [2, 3], "more ratings of a rule than responses that it applies to"),
        ("soft_counts", [[ONE, ONE, ONE - 1], [0, 2 * ONE, 0]], "does not sum to the number"),
        ("soft_counts", [[ONE, 3 * ONE, -ONE], [0, 2 * ONE, 0]], NEGATIVE),
        ("n_outside", [1, 2, 3], SHAPE),
        ("n_outside", [-1, 2], NEGATIVE),
        ("n_outside", [4, 0], "n_outside is larger"),
        ("spread_count", [4, 0], "spread_count is larger than the 3 responses"),
        ("spread_sum", [0.5, 0.0], WHOLE),
        ("spread_sum", [-1, 0], NEGATIVE),
        ("spread_sum", [1, 0], "spread_sum is larger"),  # of no spreads
        ("resolved_pairs", [2, 0], "resolved_pairs is larger than rated_pairs"),  # of one pair
        ("rated_pairs", [4, 0], "rated_pairs is larger"),  # three ratings make three pairs
        ("rated_pairs", [1, 2], "rated_pairs is larger"),  # two ratings make one
        ("resolved_pairs", [1, 1], "than rated_pairs"),  # the second rule rates no pair
        ("margin_sum", [], SHAPE),
        ("margin_sum", 3, "triangles"),
        ("margin_sum", [1, 2], "triangles"),
        ("margin_sum", [[[1], [2]]], "triangles"),
        ("margin_sum", [[[1], [2, 3]]], SHAPE),  # one bucket
        ("margin_sum", in_one_bucket([[1.0], [0, 0]]), WHOLE),
        ("margin_sum", in_one_bucket([[1], [0, -1]]), "between 0 and margin_prompts"),
        # One prompt has a margin of 1 at most.
        ("margin_sum", in_one_bucket([[ONE + 1], [0, 0]]), "between 0 and margin_prompts"),
        ("margin_sum", in_one_bucket([[10**400], [0, 0]]), "between 0 and margin_prompts"),
        ("margin_prompts", in_one_bucket([[9], [0, 0]]), "larger than the 2 runs"),
        ("margin_prompts", in_one_bucket([[2], [0, 0]]), "larger than the pairs"),  # one pair
        # The second rule has no prompt to share.
        ("margin_prompts", in_one_bucket([[1], [1, 0]]), "prompts of one of two rules"),
        ("prompts", {"hashes": ["zz"], "runs": [1], "n_runs": 1}, "invalid literal"),
        ("prompts", {"hashes": ["2", "1"], "runs": [1, 1], "n_runs": 2}, "ascending"),
        ("prompts", {"hashes": ["1", "2"], "runs": [1], "n_runs": 2}, "ascending"),
        ("prompts", {"hashes": ["1", "2"], "runs": [1, 0], "n_runs": 2}, "1 or more per prompt"),
        ("prompts", {"hashes": ["1", "2"], "runs": [1, 2], "n_runs": 2}, "2 at most"),
        ("prompts", {"hashes": ["1", "2"], "runs": [1, 1], "n_runs": 9}, "more runs of prompts"),
        ("prompts", [], "indices"),
        ("n_responses", None, "0 or more"),
        ("n_responses", -1, "0 or more"),
        ("n_responses", True, "0 or more"),
    ],
)
def test_broken_statistics_are_refused(name: str, value: object, message: str) -> None:
    with pytest.raises(DocumentError, match=f"the statistics are broken.*{message}"):
        Statistics.from_dict({**statistics().to_dict(), name: value}, RULES.n_levels)


def test_levels_that_a_rule_does_not_have_are_empty() -> None:
    rules = Rulebook((Rule("a", "A?", LevelScale((1, 2))), Rule("b", "B?", LevelScale((1, 2, 3)))))
    data = accumulate(RatingsTable(rules, [[1, 1]])).to_dict()
    for name, one in (("counts", 1), ("soft_counts", ONE)):
        broken = {**data, name: [[0, 0, one], [one, 0, 0]]}
        with pytest.raises(DocumentError, match=f"{name} has ratings on levels"):
            Statistics.from_dict(broken, rules.n_levels)


def test_a_rule_that_rates_the_same_level_resolves_nothing() -> None:
    data = accumulate(RatingsTable(RULES, [[1, 1], [1, 1]], prompts=["p", "p"])).to_dict()
    with pytest.raises(DocumentError, match="pairs of ratings on different levels"):
        Statistics.from_dict({**data, "resolved_pairs": [1, 0]}, RULES.n_levels)


def test_a_hundred_billion_prompts_overflow_nothing() -> None:
    # 3,000 prompts, added to themselves 25 times: 2^25 times as many, more than 10^11 responses.
    rng = np.random.default_rng(0)
    prompts = np.arange(6000) // 2
    spread = rng.random((6000, 2))
    one = accumulate(RatingsTable(RULES, rng.integers(1, 4, (6000, 2)), prompts, spread=spread))
    many = one
    for _ in range(25):
        many = many + many
    assert many.n_responses == 6000 * 2**25 > 10**11
    for name in ("counts", "soft_counts", "spread_sum", "margin_sum", "margin_prompts"):
        assert (
            getattr(many, name).astype(object) == getattr(one, name).astype(object) * 2**25
        ).all()
    assert many.margin_sum.max() > 2**63 and min(many.spread_sum) > 2**63
    assert (many.margin_moment == one.margin_moment * 2.0**25).all()
    data = json.loads(json.dumps(many.to_dict()))
    assert Statistics.from_dict(data, RULES.n_levels) == many


@given(seed=st.integers(0, 2**32 - 1), n_rows=st.integers(1, 12))
def test_what_any_ratings_give_can_be_read_back(seed: int, n_rows: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.choice([1, 2, 3, np.nan], (n_rows, 2))
    again = rng.choice([1, 2, 3, np.nan], (n_rows, 2))
    prompts = np.sort(rng.integers(4, size=n_rows))
    table = RatingsTable(
        RULES,
        np.stack([values, again], axis=1).reshape(-1, 2),
        prompts=prompts.repeat(2),
        responses=np.arange(n_rows).repeat(2),
        repeats=[0, 1] * n_rows,
    )
    found = accumulate(table)
    merged = found + statistics()
    for each in (found, merged):
        data = json.loads(json.dumps(each.to_dict()))
        assert Statistics.from_dict(data, RULES.n_levels) == each


def test_missing_statistics_are_refused() -> None:
    data = statistics().to_dict()
    del data["rated_pairs"]
    with pytest.raises(DocumentError, match="rated_pairs"):
        Statistics.from_dict(data, RULES.n_levels)


def test_moments_that_no_margins_have_are_refused() -> None:
    # Two margins, each of 1 or -1: the sums of their squares are 1, of their product 1 at most.
    both = accumulate(RatingsTable(RULES, [[1, 1], [3, 3]], prompts=["p", "p"]))
    assert both.margin_moment.tolist() == [[1.0, 1.0], [1.0, 1.0]]
    data = both.to_dict()
    # The matrix has the eigenvalue 0.25 - 1.
    data["margin_sum"] = in_one_bucket([[ONE // 4], [ONE, ONE // 4]])
    with pytest.raises(DocumentError, match="not the moments of any margins"):
        Statistics.from_dict(data, RULES.n_levels)


def test_moments_that_rounding_takes_below_zero_are_read_back() -> None:
    # Margins of 1 and of 6e-7, the square of which rounds to 0: an eigenvalue of about -4e-13.
    rules = Rulebook.from_ids(["a", "b"], RangeScale(0, 1))
    found = accumulate(RatingsTable(rules, [[0.0, 0.0], [1.0, 6e-7]], prompts=["p", "p"]))
    assert found.margin_moment[1].tolist() == pytest.approx([6e-7, 0], abs=1e-12)
    assert found.margin_moment[1, 1] == 0
    assert Statistics.from_dict(found.to_dict(), rules.n_levels) == found


@pytest.mark.parametrize(("n_rules", "shape"), [(32, (16, 32, 32)), (33, (1, 33, 33))])
def test_moments_are_kept_in_buckets_by_the_prompt_s_hash_up_to_32_rules(
    n_rules: int, shape: tuple[int, ...]
) -> None:
    rules = Rulebook.from_ids([f"r{k}" for k in range(n_rules)], LevelScale((0, 1)))
    names = [f"prompt {k}" for k in range(100)]
    rng = np.random.default_rng(0)
    values = rng.integers(0, 2, (200, n_rules))
    found = accumulate(RatingsTable(rules, values, prompts=np.repeat(names, 2)))
    assert found.margin_sum.shape == found.margin_prompts.shape == shape
    margins = (values[::2] - values[1::2]).astype(object)
    for bucket in range(shape[0]):
        own = margins[prompt_hashes(names) % np.uint64(shape[0]) == bucket]
        assert (found.margin_sum[bucket] == own.T.dot(own) * ONE).all()
        assert (found.margin_prompts[bucket] == len(own)).all()
    assert (found.margin_moment == margins.T.dot(margins)).all()
    assert Statistics.from_dict(found.to_dict(), rules.n_levels) == found
