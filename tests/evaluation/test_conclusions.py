from __future__ import annotations

import numpy as np
import pytest

from encore import LevelScale, PreferencePairs, Rulebook, compare, examples
from encore.evaluation import EntropyCorrelation, EntropyCorrelations, Interval
from encore.evaluation.conclusions import against_uniform, low_entropy_means
from encore.evaluation.row import Row

FIVE = LevelScale((1, 2, 3, 4, 5))


def correlations(
    right: tuple[float, float, float], speaks: tuple[float, float, float]
) -> EntropyCorrelations:
    found = EntropyCorrelation(Interval(*right), Interval(*right), 8)
    return EntropyCorrelations(
        {"resolved": found}, EntropyCorrelation(Interval(*speaks), Interval(*speaks), 8)
    )


@pytest.mark.parametrize(
    ("right", "speaks", "said"),
    [
        ((-0.8, -0.9, -0.6), (0.9, 0.8, 0.95), "Low entropy means crisp here"),
        ((-0.1, -0.4, 0.2), (0.9, 0.8, 0.95), "Low entropy means silent here"),
        ((0.6, 0.3, 0.8), (0.9, 0.8, 0.95), "Low entropy means silent here"),
        ((0.6, 0.3, 0.8), (0.1, -0.2, 0.4), "Low entropy means wrong more often here"),
        ((-0.1, -0.4, 0.2), (0.1, -0.2, 0.4), "Low entropy means neither crisp nor silent here"),
        ((np.nan,) * 3, (np.nan,) * 3, "What low entropy means cannot be said"),
    ],
)
def test_what_low_entropy_means_goes_by_the_intervals(
    right: tuple[float, float, float], speaks: tuple[float, float, float], said: str
) -> None:
    assert low_entropy_means(correlations(right, speaks)).startswith(said)


def test_what_does_not_differ_has_no_correlation() -> None:
    said = low_entropy_means(correlations((-0.1, -0.4, 0.2), (np.nan,) * 3))
    assert said.endswith("and with the share resolved at no value (it does not vary).")


def row(scheme: str, p_holm: float = np.nan, *, tie_rate: float = 0.0) -> Row:
    """A row of a comparison that is better than uniform by 3 points."""
    nothing = Interval(0.9, 0.8, 1.0)
    return Row(
        scheme=scheme,
        how="",
        accuracy={"half": nothing},
        tie_rate=tie_rate,
        safety=None,
        subsets={},
        separation=1.0,
        difference=Interval(0.03, 0.01, 0.05),
        p_value=p_holm,
        p_holm=p_holm,
        n_unknown=0,
        best_of=None,
        deviation=0.0,
    )


def test_other_schemes_are_mentioned_only_where_there_are_some() -> None:
    rows = [row("uniform"), row("linear", 0.01), row("softmax", 0.2)]
    better = "On these 90 pairs, linear is better than uniform by 3.0 points (p = 0.01)"
    other = "; no other scheme is distinguishable from it"
    assert against_uniform(rows, 90, 90) == [f"{better}{other}; ties count one half."]
    assert against_uniform(rows[:2], 90, 90) == [f"{better}; ties count one half."]


def test_ties_of_a_single_rule_say_nothing_of_the_schemes() -> None:
    rows = [row("uniform"), row("linear", 0.2), row("single", 0.2, tie_rate=0.5)]
    assert len(against_uniform(rows, 90, 90)) == 1
    rows[1] = row("linear", 0.2, tie_rate=0.02)
    assert "rewards tie on 0.0 % to 2.0 % of pairs" in against_uniform(rows, 90, 90)[1]


@pytest.mark.parametrize(("n_prompts", "said"), [(29, True), (30, False)])
def test_below_thirty_prompts_it_is_said_that_they_are_too_few(n_prompts: int, said: bool) -> None:
    sentences = against_uniform([row("uniform"), row("linear", 0.2)], 90, n_prompts)
    assert any(f"{n_prompts} prompts are too few" in sentence for sentence in sentences) is said


def pairs_of(scatter: list[float], silence: list[float], n: int = 1500) -> PreferencePairs:
    """Rules that see which response is better through scatter, and speak that seldom."""
    rng = np.random.default_rng(0)
    speaks = rng.random((n, 2, len(scatter))) >= np.array(silence)
    quality = np.stack([np.full((n, 1), 3.6), np.full((n, 1), 2.4)], axis=1)
    seen = quality + np.array(scatter) * rng.normal(size=(n, 2, len(scatter)))
    ratings = np.where(speaks, np.clip(np.round(seen), 1, 5), 5)
    rules = Rulebook.from_ids([f"r{i}" for i in range(len(scatter))], FIVE)
    return PreferencePairs.from_arrays(ratings[:, 0], ratings[:, 1], rules)


def test_rules_that_differ_in_noise_are_crisp_where_entropy_is_low() -> None:
    pairs = pairs_of([0.3, 0.5, 0.7, 0.9, 1.1], [0.0] * 5)
    comparison = compare(pairs, pairs.rules)
    assert "Low entropy means crisp here: over 5 rules" in comparison.sentence


def test_rules_that_differ_in_how_often_they_speak_are_silent_where_entropy_is_low() -> None:
    pairs = pairs_of([0.8] * 5, [0.2, 0.5, 0.8, 0.95, 0.98])
    comparison = compare(pairs, pairs.rules)
    assert "Low entropy means silent here: over 5 rules" in comparison.sentence


def test_the_supported_scheme_is_named_with_its_rule() -> None:
    comparison = compare(examples.ratings_path(), examples.rules())
    assert comparison.supported == "uniform"
    assert comparison.sentence.endswith(
        "The evidence supports uniform: the simplest scheme within one standard error of the best."
    )


def test_labels_that_speak_clearly_support_what_learns_from_them() -> None:
    # One good rule among five coin tosses.
    pairs = pairs_of([0.3, 40, 40, 40, 40, 40], [0.0] * 6, n=600)
    assert compare(pairs, pairs.rules).supported != "uniform"
