from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from encore import Calibration, LevelScale, RangeScale, RatingsTable, Rulebook, calibrate, examples
from encore.calibration import premise
from encore.calibration.premise import MIN_PROMPTS, factor_correlation, no_factor

FIVE = LevelScale((1, 2, 3, 4, 5))
Floats = NDArray[np.float64]


def noisy(*noise: float, n: int = 1000, seed: int = 0) -> tuple[Calibration, Floats, Floats]:
    """Rules that see one quality through noise, on a range that nothing leaves."""
    rng = np.random.default_rng(seed)
    quality = rng.normal(size=(2 * n, 1))
    ratings = quality + np.array(noise) * rng.normal(size=(2 * n, len(noise)))
    rules = Rulebook.from_ids([f"r{i}" for i in range(len(noise))], RangeScale(-20, 20, 40))
    prompts = np.repeat(np.arange(n), 2)
    return calibrate(ratings, rules, prompts=prompts.tolist()), quality[:, 0], ratings


def rare(*rates: float, n: int = 1000, seed: int = 0) -> Calibration:
    """A rule a rate: that often a response is rated 1 at random, otherwise by its quality, 4 or 5.

    Rules of rate 0 speak of the quality alone; the others hardly ever speak, and then at random.
    """
    rng = np.random.default_rng(seed)
    quality = rng.integers(1, 6, size=(2 * n, 1))
    columns = [
        np.where(rng.random((2 * n, 1)) < rate, 1, 5)
        if rate
        else np.clip(quality + rng.integers(-1, 2, size=(2 * n, 1)), 1, 5)
        for rate in rates
    ]
    rules = Rulebook.from_ids([f"r{i}" for i in range(len(rates))], FIVE)
    return calibrate(np.hstack(columns), rules, prompts=np.repeat(np.arange(n), 2).tolist())


def test_where_noise_alone_raises_entropy_low_means_crisp() -> None:
    calibration, *_ = noisy(0.3, 0.3, 0.3, 3.0, 6.0)
    found = premise(calibration)
    assert found.meaning == "crisp" and found.linear > found.uniform
    assert found.sentence.startswith("Low entropy means crisp: weighed by entropy, the reward")


def test_where_rules_of_low_entropy_hardly_ever_speak_low_means_silent() -> None:
    found = premise(rare(0, 0, 0, 0.02, 0.02, 0.02))
    assert found.meaning == "silent" and found.linear < found.uniform
    # A pair is resolved if just one of the two is rated 1: 2 * 0.02 * 0.98 = 3.9 %.
    assert found.resolved_low == pytest.approx(0.039, abs=0.01)
    assert "resolves 3% of pairs, the other half 80%" in found.sentence


def test_where_rules_are_alike_low_means_neither() -> None:
    calibration, *_ = noisy(1, 1, 1, 1)
    assert premise(calibration).meaning == "neither"


def test_a_rule_of_low_entropy_that_tells_more_pairs_apart_is_not_silent() -> None:
    # Ten prompts, repeated: three rules agree on the better response of eight (one level apart)
    # and tie on two; a yes/no rule always decides, with the others in five of the eight. Its
    # entropy is ln 2 / ln 5 = 0.43 and theirs near 1, so 1 - H leaves little but the yes/no rule.
    # Its correlation with them is (5 - 3) / sqrt(8 * 10) = 0.22; the plain mean's is much higher.
    shared = np.array(
        [[1, 2], [2, 3], [3, 4], [4, 5], [5, 4], [4, 3], [3, 2], [2, 1], [1, 1], [5, 5]]
    )
    with_them = np.array([1, 1, 1, 0, 1, 1, 0, 0, 1, 0])
    first_better = np.array([0, 0, 0, 0, 1, 1, 1, 1, 0, 1]) == with_them
    loud = np.where(first_better[:, None], [5, 1], [1, 5])
    columns = [np.tile(shared.ravel(), 20)] * 3 + [np.tile(loud.ravel(), 20)]
    rules = Rulebook.from_ids(["a", "b", "c", "loud"], FIVE)
    prompts = np.repeat(np.arange(200), 2).tolist()
    found = premise(calibrate(np.column_stack(columns), rules, prompts=prompts))
    assert found.linear == pytest.approx(2 / np.sqrt(80), abs=0.05)
    assert found.uniform > found.linear + 0.1
    # The half with less entropy is the yes/no rule (10 of 10 pairs) and one of the others (8).
    assert (found.resolved_low, found.resolved_high) == pytest.approx((0.9, 0.8))
    assert found.meaning == "neither"


def test_a_rule_turned_round_does_not_pass_for_a_silent_one() -> None:
    # Seven rules alike, and one without noise the wrong way round: it has the least entropy and
    # resolves the fewest pairs. Counted in, it would pull 1 - H (0.55) below the mean (0.62).
    _, quality, ratings = noisy(*[3.0] * 7, n=2000)
    ratings = np.column_stack([ratings, -quality])
    rules = Rulebook.from_ids([f"r{i}" for i in range(8)], RangeScale(-20, 20, 40))
    calibration = calibrate(ratings, rules, prompts=np.repeat(np.arange(2000), 2).tolist())
    whole = [
        factor_correlation(calibration, weights)
        for weights in (1 - calibration.normalised_entropy(), np.ones(8))
    ]
    assert whole == pytest.approx([0.55, 0.62], abs=0.01)
    assert premise(calibration).meaning == "neither"


def test_the_bundled_ratings_are_silent_where_entropy_is_low() -> None:
    # As their labels say: entropy correlates with resolving pairs at +0.97, with being right at 0.
    found = premise(calibrate(examples.ratings_path(), examples.rules()))
    assert found.meaning == "silent"
    assert found.resolved_low < found.resolved_high / 2


def test_how_closely_a_reward_follows_the_factor_is_its_correlation_with_the_quality() -> None:
    calibration, quality, ratings = noisy(0.5, 1.0, 2.0, 2.0, n=20_000)
    for weights in (np.ones(4), np.array([4.0, 1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0, 1.0])):
        margin = (ratings @ weights)[0::2] - (ratings @ weights)[1::2]
        wanted = np.corrcoef(margin, quality[0::2] - quality[1::2])[0, 1]
        assert factor_correlation(calibration, weights) == pytest.approx(wanted, abs=0.02)


def test_a_reward_that_never_varies_follows_nothing() -> None:
    calibration = rare(0, 0, 0)
    assert np.isnan(factor_correlation(calibration, np.zeros(3)))


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (np.full((400, 3), 5.0), "fewer than three rules"),
        (np.tile([[1.0, 5, 3], [5, 1, 3]], (200, 1)), "fewer than three rules"),
        (np.tile([[1.0, 2, 3], [np.nan] * 3], (200, 1)), "fewer than three rules"),
        (np.column_stack([np.tile([1.0, 5], 200)] * 2 + [np.full(400, np.nan)]), "never rated"),
    ],
)
def test_what_the_ratings_cannot_say_is_unknown(values: Floats, why: str) -> None:
    rules = Rulebook.from_ids(["a", "b", "c"], FIVE)
    found = premise(calibrate(values, rules, prompts=np.repeat(np.arange(200), 2).tolist()))
    assert found.meaning == "unknown" and why in found.sentence and np.isnan(found.linear)


def test_a_rule_that_never_applies_is_given_as_the_reason() -> None:
    rng = np.random.default_rng(0)
    rules = Rulebook.from_ids(["a", "b", "c", "d"], FIVE)
    quality = rng.integers(1, 6, size=(400, 1))
    values = np.clip(quality + rng.integers(-1, 2, size=(400, 4)), 1, 5)
    prompts = np.repeat(np.arange(200), 2)
    for applies, why in ((0.0, "a rule never applies"), (1.0, "")):
        every = np.tile([1, 1, 1, applies], (400, 1))
        table = RatingsTable(rules, values, prompts, applies=every)
        assert no_factor(calibrate(table, rules)) == why


def test_few_prompts_say_nothing() -> None:
    calibration, *_ = noisy(0.3, 0.3, 3.0, n=MIN_PROMPTS - 1)
    assert "99 prompts with two responses are too few" in no_factor(calibration)
    enough, *_ = noisy(0.3, 0.3, 3.0, n=MIN_PROMPTS)
    assert no_factor(enough) == ""


def test_rules_that_split_evenly_say_nothing_of_which_side_is_right() -> None:
    _, quality, _ = noisy(0.3)
    two_sides = np.column_stack([quality, quality, -quality, -1.1 * quality]) + 0.01
    rules = Rulebook.from_ids(["a", "b", "c", "d"], RangeScale(-20, 20, 40))
    prompts = np.repeat(np.arange(1000), 2).tolist()
    assert "run against each other" in no_factor(calibrate(two_sides, rules, prompts=prompts))
