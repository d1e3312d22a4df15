from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encore.calibration.accumulate import accumulate
from encore.calibration.statistics import PromptSample, Statistics
from encore.errors import DocumentError
from encore.ratings import RatingsTable
from encore.rules import LevelScale, Rulebook

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
    np.testing.assert_array_equal(again.margin_sum, again.margin_sum.T)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("counts", [[1, 2, 3]]),
        ("counts", [[1, 2], [3]]),
        ("counts", [[1, 1], [0, 2]]),  # the rules have three levels: every entropy would be wrong
        ("counts", [[1, 1, 1, 0], [0, 2, 0, 0]]),
        ("counts", [[1.5, 1, 1], [0, 2, 0]]),
        ("counts", [["1", "1", "1"], ["0", "2", "0"]]),
        ("counts", [[True, True, True], [False, True, False]]),
        ("counts", [[1, 1, 2], [0, 2, 0]]),  # four ratings of three responses
        ("counts", [[-1, 1, 3], [0, 2, 0]]),
        ("counts", "x"),
        ("counts", []),
        ("n_outside", [1, 2, 3]),
        ("n_outside", [-1, 2]),
        ("n_outside", [4, 0]),
        ("spread_sum", [0.5, float("nan")]),
        ("spread_sum", [0.5, float("inf")]),
        ("spread_count", [4, 0]),
        ("spread_sum", [-0.5, 0.0]),
        ("spread_sum", [0.5, 0.0]),  # of no spreads
        ("resolved_pairs", [2, 0]),  # of one pair
        ("rated_pairs", [4, 0]),  # three ratings make three pairs
        ("rated_pairs", [1, 2]),  # two ratings make one
        ("resolved_pairs", [1, 1]),  # both ratings of the second rule are on one level
        ("margin_sum", []),
        ("margin_sum", 3),
        ("margin_sum", [1.0, 2.0]),
        ("margin_sum", [[1.0], [2.0]]),
        ("margin_sum", [[1.0], [0.0, -0.5]]),
        ("margin_sum", [[1.5], [0.0, 0.0]]),  # one prompt with a margin of 1 at most
        ("margin_prompts", [[9], [0, 0]]),
        ("margin_prompts", [[2], [0, 0]]),  # two prompts from one pair
        ("margin_prompts", [[1], [1, 0]]),  # the second rule has no prompt to share
        ("prompts", {"hashes": ["zz"], "runs": [1], "n_runs": 1}),
        ("prompts", {"hashes": ["2", "1"], "runs": [1, 1], "n_runs": 2}),
        ("prompts", {"hashes": ["1", "2"], "runs": [1], "n_runs": 2}),
        ("prompts", {"hashes": ["1", "2"], "runs": [1, 0], "n_runs": 2}),
        ("prompts", {"hashes": ["1", "2"], "runs": [1, 2], "n_runs": 2}),
        ("prompts", []),
        ("n_responses", None),
        ("n_responses", -1),
        ("n_responses", True),
    ],
)
def test_broken_statistics_are_refused(name: str, value: object) -> None:
    with pytest.raises(DocumentError, match="the statistics are broken"):
        Statistics.from_dict({**statistics().to_dict(), name: value}, RULES.n_levels)


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
    assert both.margin_sum.tolist() == [[1.0, 1.0], [1.0, 1.0]]
    data = both.to_dict()
    data["margin_sum"] = [[0.25], [1.0, 0.25]]  # the matrix has the eigenvalue 0.25 - 1
    with pytest.raises(DocumentError, match="not the moments of any margins"):
        Statistics.from_dict(data, RULES.n_levels)
