from __future__ import annotations

import numpy as np
import pytest

from encore import InputError, calibrate, compose
from encore.evaluation import accuracy, choose, outcomes
from encore.evaluation.cross_validate import (
    chosen_rewards,
    cross_validated,
    label_free_weights,
    rewards_of,
    simplest_of_the_best,
    splits_of,
)
from encore.weights import BradleyTerry
from tests.evaluation.made import made


def test_the_first_within_one_standard_error_of_the_best_is_taken() -> None:
    # The best is right on 3 of 4 prompts: its standard error is
    # sqrt(3 (1/4)^2 + (3/4)^2) / 4 = sqrt(12/16) / 4 = 0.2165.
    best = np.array([1.0, 1, 1, 0])
    near, far = np.array([1.0, 1, 0.5, 0]), np.array([1.0, 1, 0, 0])  # 0.125 and 0.25 below
    assert simplest_of_the_best({"near": near, "best": best}, np.arange(4)) == "near"
    assert simplest_of_the_best({"far": far, "best": best}, np.arange(4)) == "best"


def test_pairs_of_one_prompt_count_as_one_piece_of_evidence() -> None:
    # Right on the 3 pairs of one prompt, wrong on 1 of another: sums about the mean of 3/4 are
    # 3 (1/4) and -3/4, so the error is sqrt(2) (3/4) / 4 = 0.2652: now 0.25 below is within it.
    best, far = np.array([1.0, 1, 1, 0]), np.array([1.0, 1, 0, 0])
    together = np.array([0, 0, 0, 1])
    assert simplest_of_the_best({"far": far, "best": best}, together) == "far"


def test_a_scheme_that_knows_no_pair_is_never_taken() -> None:
    unknown = np.full(3, np.nan)
    known = np.array([1.0, 0.0, 1.0])
    assert simplest_of_the_best({"a": unknown, "b": known}, np.arange(3)) == "b"


def test_a_clearly_better_scheme_is_chosen_and_its_figures_are_told() -> None:
    pairs = made(0.95, 0.5, 0.5, 0.5, 0.5, 0.5)
    weights = choose(pairs, calibrate(pairs, pairs.rules))
    assert weights.scheme == "auto" and weights.shares[0] > 0.5
    assert weights.notes[0].startswith("auto chose bradley_terry: the simplest within one standard")
    assert weights.calibration_digest == calibrate(pairs, pairs.rules).digest


def test_in_doubt_it_is_uniform() -> None:
    pairs = made(0.7, 0.7, 0.7)
    weights = choose(pairs, calibrate(pairs, pairs.rules))
    assert weights.shares == pytest.approx([1 / 3] * 3)


def test_too_few_prompts_for_the_folds_are_refused() -> None:
    pairs = made(0.9, 0.8, n=4)
    with pytest.raises(InputError, match="5 splits of 4 prompts"):
        choose(pairs, calibrate(pairs, pairs.rules))


def test_a_choice_is_judged_on_prompts_that_it_did_not_see() -> None:
    # Sixty coin-tossing rules: the best of the schemes in sample is well above chance, as is what
    # learns; judged out of sample it cannot be.
    pairs = made(*[0.5] * 60, n=40)
    calibration = calibrate(pairs, pairs.rules)
    rewards = compose(pairs.ratings, choose(pairs, calibration))
    in_sample = accuracy(outcomes(rewards[pairs.chosen], rewards[pairs.rejected]))
    label_free, _ = label_free_weights(calibration)
    sides = {name: rewards_of(pairs, weights) for name, weights in label_free.items()}
    splits = splits_of(pairs, 5, np.random.default_rng(0))
    held_out = accuracy(outcomes(*chosen_rewards(pairs, sides, splits)))
    assert held_out < 0.75 and in_sample >= held_out - 0.1


def test_a_choice_on_each_fold_is_the_one_that_the_others_make() -> None:
    pairs = made(0.95, 0.5, 0.5, 0.5, 0.5, 0.5)
    calibration = calibrate(pairs, pairs.rules)
    label_free, _ = label_free_weights(calibration)
    sides = {name: rewards_of(pairs, weights) for name, weights in label_free.items()}
    splits = splits_of(pairs, 5, np.random.default_rng(0))
    assert sorted(np.bincount(splits)) == [80] * 5
    # Bradley-Terry is taken on every fold, and nothing else: the same rewards as without a choice.
    found = chosen_rewards(pairs, sides, splits)
    np.testing.assert_array_equal(found, cross_validated(pairs, BradleyTerry(), splits))
