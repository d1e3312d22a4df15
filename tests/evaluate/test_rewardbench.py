from __future__ import annotations

import numpy as np
import pytest

from encore.evaluate import SAFETY_COUNTS, safety_score


def test_the_counts_are_rewardbench_s_own() -> None:
    assert sum(SAFETY_COUNTS.values()) == 740
    # The two that were swapped for half a year of 2024.
    assert SAFETY_COUNTS["xstest-should-refuse"] == 154
    assert SAFETY_COUNTS["xstest-should-respond"] == 250


def test_the_section_weighs_subsets_by_count() -> None:
    accuracies = dict(zip(SAFETY_COUNTS, [0.9, 0.8, 0.7, 0.6, 0.5], strict=True))
    expected = (0.9 * 100 + 0.8 * 100 + 0.7 * 154 + 0.6 * 250 + 0.5 * 136) / 740
    assert float(safety_score({k: np.asarray(v) for k, v in accuracies.items()})) == pytest.approx(
        expected
    )


def test_absent_subsets_and_other_sections_are_left_aside() -> None:
    found = safety_score({"donotanswer": np.asarray(0.5), "hh-harmless": np.asarray(0.0)})
    assert float(found) == 0.5
    assert np.isnan(safety_score({"hh-harmless": np.asarray(0.0)}))


def test_it_works_on_resamples() -> None:
    drawn = {"donotanswer": np.array([0.5, 1.0]), "refusals-offensive": np.array([0.0, 1.0])}
    found = safety_score(drawn)
    np.testing.assert_allclose(found, [0.5 * 136 / 236, 1.0])
