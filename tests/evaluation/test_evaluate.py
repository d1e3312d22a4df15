from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from encore import InputError, LevelScale, PreferencePairs, Reward, Rulebook, Weights, examples
from encore.evaluation import evaluate, outcomes
from encore.ratings import as_pairs
from encore.rewards import load_rewards, save_rewards

RULES = Rulebook.from_ids(["a"], LevelScale((1, 2, 3)))
REWARD = Weights(RULES, np.array([1.0]))
NAN = float("nan")


def pairs() -> PreferencePairs:
    """Subset donotanswer: two wins, a tie. Subset other: a loss, an unknown."""
    return PreferencePairs.from_arrays(
        np.array([[3], [2], [2], [1], [NAN]]),
        [[1], [1], [2], [3], [1]],
        RULES,
        subsets=["donotanswer"] * 3 + ["other"] * 2,
    )


def test_accuracy_is_counted_overall_and_by_subset() -> None:
    found = evaluate(pairs(), REWARD)
    assert {k: v.value for k, v in found.overall.accuracy.items()} == {
        "strict": 2 / 4, "half": 2.5 / 4, "resolved": 2 / 3, "right": 3 / 4,
    }  # fmt: skip
    assert found.subsets["donotanswer"].accuracy["half"].value == pytest.approx(2.5 / 3)
    assert found.subsets["other"].accuracy["half"].value == 0.0
    assert (found.overall.n_pairs, found.n_unknown, found.n_prompts) == (4, 1, 5)
    assert found.overall.tie_rate == 1 / 4


def test_the_safety_section_holds_its_own_subsets_alone() -> None:
    found = evaluate(pairs(), REWARD)
    assert found.safety is not None
    assert found.safety["half"].value == pytest.approx(2.5 / 3)
    assert found.safety_subsets == ("donotanswer",)


def test_without_its_subsets_there_is_no_safety_section() -> None:
    one = PreferencePairs.from_arrays([[3]], [[1]], RULES)
    assert evaluate(one, REWARD).safety is None


def test_intervals_hold_the_estimate_and_the_same_seed_the_same_bits() -> None:
    first, second = (evaluate(pairs(), Reward(REWARD), rng=3) for _ in range(2))
    half = first.overall.accuracy["half"]
    assert half.low <= half.value <= half.high
    assert json.dumps(first.to_dict()) == json.dumps(second.to_dict())


def test_no_known_reward_is_refused() -> None:
    unknown = PreferencePairs.from_arrays([[NAN]], [[1]], RULES)
    with pytest.raises(InputError, match="no pair has a known reward"):
        evaluate(unknown, REWARD)


def test_pairs_that_do_not_compare_like_with_like_are_counted() -> None:
    # Without its harsh rule b, the rejected response of the first pair overtakes the chosen one.
    rules = Rulebook.from_ids(["a", "b"], LevelScale((1, 2, 3)))
    found = evaluate(
        PreferencePairs.from_arrays([[3, 1], [3, 1]], np.array([[3, NAN], [1, 1]]), rules),
        Reward(Weights(rules, np.array([1.0, 1.0])), max_missing=0.5),
    )
    assert (found.n_uneven, found.n_unknown) == (1, 0)
    assert found.overall.accuracy["strict"].value == 1 / 2


def test_a_reward_may_be_a_file(tmp_path: Path) -> None:
    REWARD.save(tmp_path / "weights.json")
    Reward(REWARD, max_missing=0.5).save(tmp_path / "reward.json")
    for name in ("weights.json", "reward.json"):
        assert evaluate(pairs(), tmp_path / name) == evaluate(pairs(), REWARD)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("factor", [1e-300, 1e-9, 0.1, 2.0**-60, 1e9, 1e300])
def test_rewards_of_any_scale_are_judged_alike(factor: float, ending: str, tmp_path: Path) -> None:
    rules = examples.rules()
    bundled = as_pairs(examples.ratings_path(), rules)
    reward = Reward(Weights(rules, np.arange(1.0, len(rules) + 1)))
    rewards = reward(bundled.ratings)
    sides = np.column_stack([rewards[bundled.chosen], rewards[bundled.rejected]])
    save_rewards(bundled.ids, factor * sides, tmp_path / f"r.{ending}")
    found = load_rewards(tmp_path / f"r.{ending}", bundled)
    ours, theirs = outcomes(*sides.T), outcomes(*found.T)
    assert ours == theirs
    # Rewards of five levels under whole weights are multiples of 1 / (4 * 78): ties by hand.
    units = np.rint(sides * 4 * np.arange(1, len(rules) + 1).sum())
    complete = bundled.ratings.rated[[bundled.chosen, bundled.rejected]].all(axis=(0, 2))
    assert complete.sum() > 400
    exact = np.sign(units[:, 0] - units[:, 1])[complete]
    assert ((theirs.win - (1 - theirs.win - theirs.tie))[complete] == exact).all()
