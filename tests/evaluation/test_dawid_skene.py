from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest

from encore import InputError, LevelScale, PreferencePairs, Rulebook, compare
from encore.evaluation import accuracy, outcomes
from encore.evaluation.dawid_skene import fit_dawid_skene

FIVE = LevelScale((1, 2, 3, 4, 5))
Peer = Callable[[str], ModuleType]


def made(*accuracies: float, n: int = 600) -> PreferencePairs:
    """Independent rules that resolve every pair, right with these probabilities."""
    rng = np.random.default_rng(0)
    right = rng.random((n, len(accuracies))) < np.array(accuracies)
    rules = Rulebook.from_ids([f"r{i}" for i in range(len(accuracies))], FIVE)
    return PreferencePairs.from_arrays(np.where(right, 5, 1), np.where(right, 1, 5), rules)


def test_it_finds_good_rules_among_bad_ones_as_a_loop_of_em_does(peer: Peer) -> None:
    peer("crowdkit.aggregation")
    pairs = made(0.95, 0.8, 0.6, 0.5, 0.5)
    chosen, rejected = fit_dawid_skene(pairs, np.random.default_rng(0))
    np.testing.assert_allclose(chosen + rejected, 1)
    # Second road: EM of the two-class model with one accuracy a rule, in a few lines.
    votes = np.sign(pairs.margins)
    share = np.full(5, 0.7)
    for _ in range(200):
        log_odds = votes @ np.log(share / (1 - share))
        p = 1 / (1 + np.exp(-log_odds))
        share = (p[:, None] * (votes > 0) + (1 - p[:, None]) * (votes < 0)).mean(axis=0)
    # crowd-kit has an error rate a side, so the two agree closely and not exactly.
    assert np.abs(chosen - p).mean() < 0.02
    uniform = votes.mean(axis=1)
    verdicts = outcomes(chosen, rejected)
    assert accuracy(verdicts) > accuracy(outcomes(uniform, -uniform))


def test_it_looks_at_no_label(peer: Peer) -> None:
    # Chosen and rejected change places: every probability changes sides, but for shuffling.
    peer("crowdkit.aggregation")
    pairs = made(0.9, 0.8, 0.7)
    swapped = PreferencePairs(pairs.ratings, pairs.rejected, pairs.chosen, pairs.subsets)
    there, _ = fit_dawid_skene(pairs, np.random.default_rng(0))
    _, back = fit_dawid_skene(swapped, np.random.default_rng(0))
    np.testing.assert_allclose(there, back, atol=0.05)


def test_pairs_that_no_rule_tells_apart_are_tied(peer: Peer) -> None:
    peer("crowdkit.aggregation")
    rules = Rulebook.from_ids(["a", "b", "c"], FIVE)
    pairs = PreferencePairs.from_arrays([[5] * 3] * 9 + [[3] * 3], [[1] * 3] * 9 + [[3] * 3], rules)
    chosen, rejected = fit_dawid_skene(pairs, np.random.default_rng(0))
    assert (chosen[9], rejected[9]) == (0.5, 0.5)


def test_no_vote_at_all_is_refused(peer: Peer) -> None:
    peer("crowdkit.aggregation")
    rules = Rulebook.from_ids(["a"], FIVE)
    with pytest.raises(InputError, match="no rule resolves any pair"):
        fit_dawid_skene(PreferencePairs.from_arrays([[5]], [[5]], rules), np.random.default_rng(0))


def test_it_is_a_row_where_it_is_asked_for(peer: Peer) -> None:
    peer("crowdkit.aggregation")
    pairs = made(0.9, 0.8, 0.7, n=60)
    asked = compare(pairs, pairs.rules, dawid_skene=True)
    assert asked.row("dawid_skene").how == "rules as a crowd, on these pairs"
    names = [row.scheme for row in compare(pairs, pairs.rules).rows]
    assert "dawid_skene" not in names
