"""Drawing pairs of labelled responses."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encore.ratings.draw import DrawnPairs, draw_pairs


def drawn(
    keys: list[int], labels: list[float], gap: float, most: int = 10**6, seed: int = 0
) -> DrawnPairs:
    rng = np.random.default_rng(seed)
    return draw_pairs(np.array(keys), np.array(labels, dtype=float), gap, most, rng)


def pairs_in(found: DrawnPairs) -> list[tuple[int, int]]:
    return list(zip(found.higher.tolist(), found.lower.tolist(), strict=True))


def test_by_hand() -> None:
    # Of prompt 0: 5-1 and 3-1 are 2 or more apart, 5-5 is tied and 5-3 is twice near a gap of 3.
    labels = [5.0, 1.0, 3.0, 5.0, 9.0]
    assert pairs_in(drawn([0, 0, 0, 0, 1], labels, 3)) == [(0, 1), (3, 1)]
    found = drawn([0, 0, 0, 0, 1], labels, 2)
    assert pairs_in(found) == [(0, 1), (0, 2), (2, 1), (3, 1), (3, 2)]
    assert (found.n_possible, found.n_tied, found.n_far) == (6, 1, 5)


@given(
    rows=st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from([0, 1, 2, 3.5, np.nan])), max_size=25
    ),
    gap=st.sampled_from([0, 0.5, 1, 1.5, 2.5]),
    most=st.integers(1, 9),
)
def test_it_draws_from_the_pairs_that_a_loop_finds(
    rows: list[tuple[int, float]], gap: float, most: int
) -> None:
    keys, labels = [key for key, _ in rows], [label for _, label in rows]
    both = [(i, j) for i, j in combinations(range(len(rows)), 2) if keys[i] == keys[j]]
    differences = {(i, j): labels[i] - labels[j] for i, j in both}
    known = {pair: d for pair, d in differences.items() if d == d}
    far = {(i, j) if d > 0 else (j, i) for (i, j), d in known.items() if abs(d) >= max(gap, 1e-9)}
    whole, some = drawn(keys, labels, gap), drawn(keys, labels, gap, most)
    assert set(pairs_in(whole)) == far and len(whole.higher) == len(far)
    counts = (len(known), sum(d == 0 for d in known.values()), len(far))
    assert counts == (whole.n_possible, whole.n_tied, whole.n_far)
    assert counts == (some.n_possible, some.n_tied, some.n_far)
    assert set(pairs_in(some)) <= far and len(set(pairs_in(some))) == len(some.higher)
    for key in set(keys):
        n_far = sum(keys[i] == key for i, _ in far)
        assert sum(keys[i] == key for i in some.higher.tolist()) == min(most, n_far)


def test_every_far_pair_has_the_same_chance() -> None:
    # Labels 0 to 5: 15 pairs, of which 5 are drawn; in 3,000 draws each comes 1,000 times, with a
    # standard deviation of sqrt(3000 * 1/3 * 2/3) = 25.8. Five of these are a chance of 1e-5.
    times = np.zeros((6, 6))
    for seed in range(3000):
        found = drawn([0] * 6, [0, 1, 2, 3, 4, 5], 0, 5, seed)
        times[found.higher, found.lower] += 1
    among = times[np.tril_indices(6, -1)]
    assert among.sum() == 15_000 and abs(among - 1000).max() < 5 * 25.8


@pytest.mark.parametrize(
    ("labels", "gap"),
    [([0.3, 0.2], 0.1), ([1e9 + 0.3, 1e9 + 0.2], 0.1), ([0.1 + 0.2, 0.2], 0.1), ([1.1, 1.0], 0.1)],
)
def test_a_gap_that_rounding_makes_smaller_is_a_gap(labels: list[float], gap: float) -> None:
    assert pairs_in(drawn([0, 0], labels, gap)) == [(0, 1)]


@pytest.mark.parametrize("labels", [[0.1 + 0.2, 0.3], [0.0, -0.0], [1e300, 1e300]])
def test_a_difference_of_rounding_alone_is_no_gap(labels: list[float]) -> None:
    assert pairs_in(drawn([0, 0], labels, 0)) == []


def test_ten_thousand_responses_to_one_prompt_never_form_their_pairs() -> None:
    # 10^4 distinct labels a step apart: n (n - 1) / 2 pairs, of which all but n - 1 differ by 2.
    n = 10_000
    found = drawn([0] * n, list(range(n)), 2, 20)
    assert len(found.higher) == 20 and found.n_possible == n * (n - 1) // 2
    assert found.n_far == found.n_possible - (n - 1)
    assert ((found.higher - found.lower) >= 2).all()


def test_no_rows_and_no_labels_make_no_pairs() -> None:
    for keys, labels in ([], []), ([0, 0], [np.nan, np.nan]), ([0, 0], [1.0, np.nan]):
        found = drawn(keys, labels, 0)
        assert (pairs_in(found), found.n_possible, found.n_far) == ([], 0, 0)
