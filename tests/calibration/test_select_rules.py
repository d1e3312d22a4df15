from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encore import InputError, LevelScale, Rulebook, calibrate
from encore.calibration import Calibration, select_rules

BINARY = LevelScale((0, 1))


def calibration(ratings: object, ids: str) -> Calibration:
    """Of ratings of pairs of responses: rows 1 and 2 to the first prompt, and so on."""
    rules = Rulebook.from_ids(list(ids), BINARY)
    table = np.asarray(ratings, dtype=float)
    prompts = [row // 2 for row in range(len(table))]
    return calibrate(table, rules, prompts=prompts)


def test_a_repeated_rule_and_a_silent_one_are_passed_over() -> None:
    # Margins: a = b = (1, 0), c = (0, 1), d = (0, 0) over two prompts.
    chosen = select_rules(
        calibration([[1, 1, 0, 1], [0] * 3 + [1], [0, 0, 1, 1], [0] * 3 + [1]], "abcd"), 4
    )
    assert [pick.rule for pick in chosen.picks] == ["a", "c"]
    # The covariance has a trace of 3 / 2; a explains itself and b, 2 / 2 of it.
    np.testing.assert_allclose([pick.explained for pick in chosen.picks], [2 / 3, 1])
    assert [pick.resolved_share for pick in chosen.picks] == [0.5, 0.5]
    assert chosen.rules.ids == ("a", "c")


def test_the_first_pick_is_the_rule_that_stands_for_most() -> None:
    # b and c share half their pairs each with a: a explains part of both, and stands for most.
    ratings = [[1, 1, 0], [0, 0, 0], [1, 0, 1], [0, 0, 0]]
    chosen = select_rules(calibration(ratings, "abc"), 2)
    # Covariance, times 2: [[2, 1, 1], [1, 1, 0], [1, 0, 1]]. Gains: a (4 + 1 + 1) / 2 = 3,
    # b and c (1 + 1) / 1 = 2. Of the trace of 4, a explains 3.
    assert chosen.picks[0].rule == "a"
    assert chosen.picks[0].explained == pytest.approx(3 / 4)
    # What is left is [[1, -1], [-1, 1]] / 2 of b and c: one rule, either; the earlier.
    assert chosen.picks[1].rule == "b"
    assert chosen.picks[1].explained == pytest.approx(1)
    # Of b's margins (1, 0) and a's (1, 1): 1 / sqrt(1 * 2).
    assert chosen.picks[1].nearest == "a"
    assert chosen.picks[1].correlation == pytest.approx(1 / np.sqrt(2))


def test_a_rule_that_the_rater_is_unsure_of_counts_for_less() -> None:
    # Each rule has the entropy of (3/4, 1/4), 0.5623; a's spread is half of it, b's is none.
    columns = {"prompt_id": list("ppqq"), "a": [1, 0, 0, 0], "b": [0, 0, 1, 0]}
    spread = {"a.spread": [0.5623 / 2] * 4, "b.spread": [0.0] * 4}
    made = calibrate({**columns, **spread}, Rulebook.from_ids(["a", "b"], BINARY))
    chosen = select_rules(made, 2)
    assert [pick.rule for pick in chosen.picks] == ["b", "a"]
    # b tells 1, a half of its 1.
    assert chosen.picks[0].explained == pytest.approx(1 / 1.5, abs=1e-3)


def test_what_each_pick_explains_is_what_least_squares_explains() -> None:
    ratings = np.random.default_rng(7).integers(0, 2, (80, 6)).astype(float)
    chosen = select_rules(calibration(ratings, "abcdef"), 6)
    margins = ratings[::2] - ratings[1::2]
    whole = (margins**2).sum()
    order = ["abcdef".index(pick.rule) for pick in chosen.picks]
    for n_picks in range(1, 7):
        basis = margins[:, order[:n_picks]]
        fitted = basis @ np.linalg.lstsq(basis, margins, rcond=None)[0]
        explained = 1 - ((margins - fitted) ** 2).sum() / whole
        assert chosen.picks[n_picks - 1].explained == pytest.approx(explained, abs=1e-9)


@given(st.integers(2, 5), st.integers(2, 12), st.randoms(use_true_random=False))
def test_shares_rise_and_rules_are_distinct(n_rules: int, n_prompts: int, random: object) -> None:
    choose = random.random  # type: ignore[attr-defined]
    ratings = [[float(choose() < 0.5) for _ in range(n_rules)] for _ in range(2 * n_prompts)]
    # A missing rating here and there leaves covariances over different prompts.
    ratings[0][0] = float("nan")
    made = calibration(ratings, "abcde"[:n_rules])
    if not made.resolved_share[~np.isnan(made.resolved_share)].any():
        return
    picks = select_rules(made, n_rules).picks
    assert len({pick.rule for pick in picks}) == len(picks) >= 1
    assert all(pick.resolved_share > 0 for pick in picks)


@pytest.mark.parametrize("k", [0, 3, -1])
def test_a_number_of_rules_that_cannot_be_is_refused(k: int) -> None:
    with pytest.raises(InputError, match=f"cannot choose {k} of 2 rules; choose 1 to 2"):
        select_rules(calibration([[1, 0], [0, 0]], "ab"), k)


def test_ratings_without_two_responses_to_a_prompt_cannot_choose() -> None:
    rules = Rulebook.from_ids(["a", "b"], BINARY)
    with pytest.raises(InputError, match="no prompt has two rated responses"):
        select_rules(calibrate([[1, 0], [0, 1]], rules), 1)


def test_rules_that_tell_nothing_apart_cannot_be_chosen_from() -> None:
    with pytest.raises(InputError, match="no rule resolves any two responses to a prompt"):
        select_rules(calibration([[1, 0], [1, 0]], "ab"), 1)
