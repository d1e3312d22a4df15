"""How a reward orders labelled responses."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import encore
from encore import Rulebook, compare
from encore.evaluation.rank_agreement import (
    LabelledResponses,
    RankAgreement,
    auroc_interval,
    mean_ranks,
    placements,
    spearman_by_prompt,
    spearman_intervals,
)
from encore.rules import LevelScale

Peer = Callable[[str], ModuleType]
RULES = Rulebook.from_ids(["harm", "privacy"], LevelScale((1, 2, 3, 4, 5)))
NAN = float("nan")


def responses(labels: Any, prompts: Any, *, is_outcome: bool = True) -> LabelledResponses:
    labels = np.array(labels, dtype=float)
    return LabelledResponses(np.arange(len(labels)), labels, np.array(prompts), is_outcome)


def spearman(values: Any, prompts: Any = None) -> RankAgreement:
    return RankAgreement(np.array(values, dtype=float), np.array([]))


def test_spearman_by_hand() -> None:
    # Prompt 0: ranks 0 1 2 against 0 2 1, so 1 - 6 * (0 + 1 + 1) / (3 * 8) = 0.5. Prompt 1: the
    # reward is the same for all; 2: the labels are; 3: the lower label has the higher reward.
    rewards = np.array([0.1, 0.5, 0.9, 0.2, 0.2, 0.1, 0.3, 0.7, 0.6])
    labels = np.array([1.0, 3, 2, 0, 1, 4, 4, 1, 2])
    prompts = np.array([0, 0, 0, 1, 1, 2, 2, 3, 3])
    found = spearman_by_prompt(rewards, labels, prompts)
    np.testing.assert_array_equal(found, [0.5, 0, NAN, -1])


def test_a_response_without_a_reward_is_left_out() -> None:
    found = spearman_by_prompt(np.array([1, NAN, 2, NAN]), np.arange(4.0), np.array([0, 0, 0, 1]))
    np.testing.assert_array_equal(found, [1, NAN])


values = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])


@given(rows=st.lists(st.tuples(values, values, st.integers(0, 2)), min_size=1, max_size=24))
def test_spearman_is_that_of_scipy(peer: Peer, rows: list[tuple[float, float, int]]) -> None:
    rewards, labels, prompts = (np.array(column) for column in zip(*rows, strict=True))
    found = spearman_by_prompt(rewards, labels, prompts)
    for prompt in np.unique(prompts):
        ours, theirs = rewards[prompts == prompt], labels[prompts == prompt]
        if len(np.unique(theirs)) == 1:
            assert math.isnan(found[prompt])
        elif len(np.unique(ours)) == 1:
            assert found[prompt] == 0
        else:
            expected = peer("scipy.stats").spearmanr(ours, theirs).statistic
            assert found[prompt] == pytest.approx(expected, abs=1e-12)


@given(rows=st.lists(st.tuples(values, st.integers(0, 2)), max_size=24))
def test_mean_ranks_are_those_of_scipy(peer: Peer, rows: list[tuple[float, int]]) -> None:
    given_values = np.array([value for value, _ in rows])
    groups = np.array([group for _, group in rows], dtype=np.int64)
    ranks = mean_ranks(given_values, groups)
    for group in np.unique(groups):
        mine = groups == group
        np.testing.assert_array_equal(
            ranks[mine], peer("scipy.stats").rankdata(given_values[mine]) - 1
        )


@given(rows=st.lists(st.tuples(values, st.booleans()), min_size=2, max_size=30))
def test_both_means_of_placements_are_the_auroc_of_sklearn(
    peer: Peer, rows: list[tuple[float, bool]]
) -> None:
    rewards, good = np.array([r for r, _ in rows]), np.array([g for _, g in rows])
    if good.all() or not good.any():
        return
    placed = placements(rewards, good.astype(float))
    expected = peer("sklearn.metrics").roc_auc_score(good, rewards)
    assert placed[good].mean() == pytest.approx(expected)
    assert placed[~good].mean() == pytest.approx(expected)


def test_the_auroc_interval_by_hand() -> None:
    # Rewards of good responses 3, 1 and of bad ones 2, 0, each of a prompt of its own: of the four
    # pairs 3 are right. V of the good: 1, 1/2; of the bad: 1/2, 1; less 3/4: +-1/4. With one
    # response a prompt this is DeLong: s2 = (1/16 + 1/16) / (2 - 1) = 1/8 on both sides, and the
    # variance is 1/8 / 2 + 1/8 / 2 = 1/8: 0.75 +- 1.96 * 0.3536 = 0.057 to (more than) 1.
    rewards, labels = np.array([3.0, 1, 2, 0]), [1, 1, 0, 0]
    found = auroc_interval(responses(labels, range(4)), placements(rewards, np.array(labels)))
    assert (found.value, found.high) == (0.75, 1.0)
    assert found.low == pytest.approx(0.75 - 1.959964 * (1 / 8) ** 0.5, abs=1e-6)


def test_the_auroc_interval_resembles_a_bootstrap_of_prompts(peer: Peer) -> None:
    rng = np.random.default_rng(1)
    prompts = np.repeat(np.arange(150), 4)
    shift = rng.normal(size=150)[prompts]
    labels = (rng.random(600) < 1 / (1 + np.exp(-shift))).astype(float)
    rewards = 0.6 * shift + 0.5 * labels + rng.normal(size=600)
    found = auroc_interval(responses(labels, prompts), placements(rewards, labels))
    auroc = peer("sklearn.metrics").roc_auc_score
    draws = []
    for _ in range(600):
        rows = (4 * rng.integers(150, size=150)[:, None] + np.arange(4)).ravel()
        draws.append(auroc(labels[rows], rewards[rows]))
    assert found.value == pytest.approx(auroc(labels, rewards))
    np.testing.assert_allclose(
        (found.low, found.high), np.quantile(draws, [0.025, 0.975]), atol=0.006
    )


@pytest.mark.parametrize(
    ("labels", "rewards", "prompts", "expected"),
    [
        ([1, 1], [1, 2], [0, 1], (NAN, NAN, NAN)),  # no bad one
        ([1, 0], [2, 1], [0, 0], (1, NAN, NAN)),  # one prompt
        ([1, 0, 0], [2, 1, 3], [0, 1, 2], (0.5, NAN, NAN)),  # one prompt with a good one
        # All right: as of an accuracy, the low end is 0.025 ** (1 / 4) for four prompts.
        ([1, 1, 0, 0], [4, 3, 2, 1], [0, 1, 2, 3], (1, 0.025**0.25, 1)),
        ([1, 0], [NAN, NAN], [0, 1], (NAN, NAN, NAN)),
    ],
)
def test_too_little_gives_no_interval(
    labels: Any, rewards: Any, prompts: Any, expected: tuple[float, float, float]
) -> None:
    placed = placements(np.array(rewards, dtype=float), np.array(labels, dtype=float))
    found = auroc_interval(responses(labels, prompts), placed)
    np.testing.assert_allclose((found.value, found.low, found.high), expected)


def test_the_mean_of_prompts_with_its_interval() -> None:
    rng = np.random.default_rng(0)
    by_prompt = rng.uniform(-0.2, 1, 400)
    (found,) = spearman_intervals({"a": spearman([*by_prompt, NAN])}, rng).values()
    assert found.value == pytest.approx(by_prompt.mean())
    error = by_prompt.std() / 20  # of a mean of 400
    assert found.low == pytest.approx(found.value - 1.96 * error, abs=0.004)
    assert found.high == pytest.approx(found.value + 1.96 * error, abs=0.004)


@pytest.mark.parametrize(
    ("by_prompt", "expected"),
    [
        ([NAN, NAN], (NAN, NAN, NAN)),
        ([0.5, NAN], (0.5, NAN, NAN)),
        # All alike: 2 * 0.025 ** (1 / 4) - 1 for four prompts, as of an accuracy.
        ([1, 1, 1, 1], (1, 2 * 0.025**0.25 - 1, 1)),
        ([-1, -1, -1, -1], (-1, -1, 1 - 2 * 0.025**0.25)),
    ],
)
def test_of_too_few_prompts_there_is_no_interval_and_never_certainty(
    by_prompt: list[float], expected: tuple[float, float, float]
) -> None:
    (found,) = spearman_intervals({"a": spearman(by_prompt)}, np.random.default_rng(0)).values()
    np.testing.assert_allclose((found.value, found.low, found.high), expected)


def rated(n_prompts: int, n: int, *, outcome: bool, seed: int = 0) -> dict[str, Any]:
    """Responses whose label goes with the sum of both rules."""
    rng = np.random.default_rng(seed)
    ratings = rng.integers(1, 6, (n_prompts * n, 2))
    score = ratings.sum(axis=1) + rng.normal(size=n_prompts * n)
    return {
        "prompt_id": np.repeat(np.arange(n_prompts), n),
        "harm": ratings[:, 0],
        "privacy": ratings[:, 1],
        "label": (score > 6).astype(float) if outcome else score,
    }


def test_spearman_stands_beside_accuracy_and_is_that_of_all_labelled_responses(peer: Peer) -> None:
    frame = rated(40, 5, outcome=False)
    found = compare(frame, RULES, label="label", max_per_prompt=2)
    reward = (frame["harm"] + frame["privacy"]) / 2
    expected = [
        peer("scipy.stats").spearmanr(reward[rows], frame["label"][rows]).statistic
        for rows in np.arange(200).reshape(40, 5)
    ]
    uniform = found.row("uniform").spearman
    assert uniform is not None and uniform.value == pytest.approx(np.mean(expected))
    assert uniform.low < uniform.value < uniform.high
    assert found.agreement_columns == ("scheme", "Spearman", "95 %")
    assert found.row("uniform").auroc is None
    assert found.agreement_table[0][:2] == ("uniform", f"{uniform.value:+.2f}")
    assert found.agreement_title == "order of the 200 labelled responses, within prompts"
    assert found.agreement_title in found._repr_html_()
    assert found.pairing is not None and found.pairing.max_per_prompt == 2
    assert all(found.row(scheme).spearman is not None for scheme in found)
    assert found.to_frame().loc["uniform", "spearman"] == uniform.value


def test_auroc_stands_beside_accuracy_where_labels_are_outcomes(peer: Peer) -> None:
    frame = rated(40, 5, outcome=True)
    found = compare(frame, RULES, label="label")
    reward = (frame["harm"] + frame["privacy"]) / 2
    uniform = found.row("uniform").auroc
    expected = peer("sklearn.metrics").roc_auc_score(frame["label"], reward)
    assert uniform is not None and uniform.value == pytest.approx(expected)
    assert found.agreement_columns == ("scheme", "Spearman", "95 %", "AUROC", "95 %")
    assert found.agreement_table[0][3] == f"{uniform.value:.3f}"
    assert found.row("uniform").spearman is not None
    assert found.agreement_title.endswith("within prompts; AUROC: of all together")


def test_where_all_pairs_are_drawn_accuracy_is_the_auroc_within_prompts(peer: Peer) -> None:
    # One prompt more would be a mean weighed by its pairs; of one prompt they are the same number.
    frame = rated(1, 30, outcome=True)
    found = encore.evaluate(
        frame, encore.Weights(RULES, np.ones(2)), label="label", max_per_prompt=10**6
    )
    reward = (frame["harm"] + frame["privacy"]) / 2
    expected = peer("sklearn.metrics").roc_auc_score(frame["label"], reward)
    assert found.overall.accuracy["half"].value == pytest.approx(expected)


def test_lower_labels_that_are_better_turn_the_sign() -> None:
    frame = rated(40, 5, outcome=False)
    upright = compare(frame, RULES, label="label").row("uniform")
    turned = compare(
        {**frame, "label": -frame["label"]}, RULES, label="label", lower_is_better=True
    ).row("uniform")
    assert turned == upright and upright.spearman is not None and upright.spearman.value > 0.5


def test_other_rewards_of_rows_are_ranked_too_and_those_of_pairs_are_not() -> None:
    frame = rated(40, 5, outcome=False)
    pairs = encore.pairs(frame, RULES, "label")
    reward = np.asarray(frame["harm"] + frame["privacy"], dtype=float)
    sides = np.column_stack([reward[pairs.chosen], reward[pairs.rejected]])
    found = compare(frame, RULES, label="label", rewards={"rows": reward, "sides": sides})
    assert found.row("rows").spearman == found.row("uniform").spearman
    assert found.row("sides").spearman is None
    assert found.row("rows").accuracy == found.row("sides").accuracy
    assert ("sides", "–", "–") in found.agreement_table
    with pytest.raises(encore.InputError, match=r"expected \(\d+, 2\), .*\. Or \(200,\), one for"):
        compare(frame, RULES, label="label", rewards={"few": reward[:3]})


def test_learned_rewards_of_responses_come_from_splits_that_did_not_see_their_prompt() -> None:
    # The label is the rule harm alone, and privacy is noise: the learned weights order by harm,
    # also prompts without a pair, for those are seen by no split.
    frame = rated(60, 4, outcome=False)
    frame["label"] = frame["harm"].astype(float)
    found = compare(frame, RULES, label="label")
    learned, uniform = found.row("bradley_terry").spearman, found.row("uniform").spearman
    assert learned is not None and uniform is not None
    assert learned.value > 0.9 > uniform.value


def test_without_labels_nothing_changes() -> None:
    found = compare(encore.examples.ratings_path(), encore.examples.rules())
    assert found.pairing is None and found.agreement_columns == ()
    assert found.agreement_table == [] and found._repr_html_().count("<table") == 1
    assert all(found.row(scheme).spearman is None for scheme in found)
