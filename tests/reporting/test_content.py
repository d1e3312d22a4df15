from __future__ import annotations

import numpy as np
import pytest

import encore
from encore import InputError, PreferencePairs, Rulebook, Weights, calibrate, compare, examples
from encore.evaluation import accuracy, outcomes
from encore.files import without_nan
from encore.reporting import gather as gathering
from encore.reporting import report
from encore.reporting.content import Content
from encore.reporting.embed import MAX_SUBSETS
from encore.reporting.figures import before_and_after
from encore.weights import BradleyTerry, Linear
from tests.reporting.made import FIVE, pairs


@pytest.fixture(scope="module")
def bundled() -> Content:
    return report(examples.ratings_path(), examples.rules()).content


def test_the_words_and_numbers_are_those_of_compare(bundled: Content) -> None:
    expected = compare(examples.ratings_path(), examples.rules())
    assert bundled.comparison is not None
    assert without_nan(bundled.comparison.to_dict()) == without_nan(expected.to_dict())
    assert bundled.evidence == expected.sentence
    assert bundled.recommended == expected.supported
    assert [row.accuracy for row in bundled.rules] == [rule.accuracy for rule in expected.rules]


def test_a_rule_s_row_is_what_calibrate_and_diagnose_say(bundled: Content) -> None:
    calibration = calibrate(examples.ratings_path(), examples.rules())
    rows = {row.rule: row for row in bundled.rules}
    k = calibration.rules.position("sexual")
    row = rows["sexual"]
    assert row.entropy.value == calibration.normalised_entropy()[k]
    assert row.entropy.low < row.entropy.value < row.entropy.high
    assert row.weight == pytest.approx(1 - row.entropy.value)
    assert row.share == pytest.approx(row.weight / sum(r.weight for r in bundled.rules))
    assert sum(row.counts) == calibration.n_ratings[k]
    ((kind, said),) = row.flags
    assert kind == "silent"
    assert said.startswith("rule 'sexual' resolves fewer than 10% of within-prompt pairs")


def test_separations_are_evaluate_s(bundled: Content) -> None:
    expected = [
        encore.evaluate(examples.ratings_path(), weights).separation
        for weights in (bundled.uniform, bundled.weights)
    ]
    assert [before.separation for before in before_and_after(bundled)] == pytest.approx(expected)


def test_separations_are_of_the_pairs_that_both_rewards_know() -> None:
    made = pairs(150, gaps=0.15)
    content = report(made, made.rules).content
    both = [encore.compose(made.ratings, w) for w in (content.uniform, content.weights)]
    known = [~np.isnan(r[made.chosen] + r[made.rejected]) for r in both]
    shared = known[0] & known[1]
    assert 20 < shared.sum() < known[1].sum()
    chosen, rejected = made.chosen[shared], made.rejected[shared]
    expected = [encore.evaluation.separation(r[chosen], r[rejected]) for r in both]
    assert [before.separation for before in before_and_after(content)] == pytest.approx(expected)


def test_weights_that_are_given_are_looked_at_and_can_be_chosen() -> None:
    made = pairs(80)
    weights = BradleyTerry()(made)
    content = report(made, made.rules, weights=weights).content
    assert content.weights is weights
    assert content.embedded.schemes["given (bradley_terry)"] is weights
    assert content.notes[0].startswith(
        "The weights were learned from labelled pairs. If from these"
    )
    assert content.reward == "given (bradley_terry)"
    # What may have seen these pairs has no row beside what is cross-validated.
    assert content.comparison is not None
    assert "given (bradley_terry)" not in {row.scheme for row in content.comparison.rows}


def test_weights_that_are_given_are_compared_under_a_name_of_their_own(bundled: Content) -> None:
    weights = Linear(strength=2.0)(bundled.calibration)
    content = report(examples.ratings_path(), examples.rules(), weights=weights).content
    assert content.reward == "given (linear)"
    assert content.comparison is not None
    assert bundled.comparison is not None
    row = content.comparison.row("given (linear)")
    expected = encore.evaluate(examples.ratings_path(), weights)
    assert row.accuracy["half"].value == expected.overall.accuracy["half"].value
    assert row.separation == pytest.approx(expected.separation)
    before = content.comparison.row("linear").accuracy, bundled.comparison.row("linear").accuracy
    assert before[0] == before[1]
    assert before_and_after(content)[1].name == "weighted by given (linear)"


def test_of_many_subsets_the_small_ones_are_compared_together() -> None:
    made = pairs(240)
    subsets = [f"s{min(i // 8, i % 26)}" for i in range(240)]
    many = PreferencePairs.from_arrays(
        made.ratings.values[made.chosen],
        made.ratings.values[made.rejected],
        made.rules,
        subsets=subsets,
    )
    sizes = {name: subsets.count(name) for name in subsets}
    assert len(sizes) == 26
    content = report(many, many.rules).content
    assert len(content.subsets) == MAX_SUBSETS + 1
    joined = content.subsets[-1]
    assert joined == "6 smaller subsets"
    small = set(sizes) - set(content.subsets)
    assert max(sizes[name] for name in small) <= min(sizes[n] for n in content.subsets[:-1])
    rows = [i for i, name in enumerate(subsets) if name in small]
    rewards = encore.compose(many.ratings, content.uniform)
    verdicts = outcomes(rewards[many.chosen[rows]], rewards[many.rejected[rows]])
    assert content.comparison is not None
    found = content.comparison.row("uniform").subsets[joined]["half"].value
    assert found == pytest.approx(accuracy(verdicts))


def test_a_calibration_set_is_said_to_be_where_entropies_come_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gathering, "MAX_PAIRS", 50)
    made = pairs(120)
    content = report(made, made.rules, calibration_set=pairs(40, seed=1)).content
    assert "entropies and weights come from all of the calibration set" in content.notes[0]


def test_pairs_sampled_in_memory_keep_their_own_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "MAX_PAIRS", 300)
    made = pairs(900)
    whole = made.ratings.values[made.chosen]
    found = report(made, made.rules).content.contrasts
    assert found
    for contrast in found:
        ratings = {part.rule: part.chosen for part in contrast.by_rule}
        assert [ratings[rule] for rule in made.rules.ids] == whole[int(contrast.pair) - 1].tolist()


def test_weights_of_another_calibration_are_said_to_be_so() -> None:
    made = pairs(40)
    weights = Linear()(calibrate(pairs(40, seed=1), made.rules))
    notes = report(made, made.rules, weights=weights).content.notes
    assert "The weights were made from a different calibration than the one shown." in notes


def test_without_labels_the_evidence_is_the_ratings_own() -> None:
    made = pairs(40)
    content = report(made.ratings, made.rules).content
    assert content.comparison is None
    assert content.recommended == "uniform"
    assert "auto chose uniform" in content.evidence.lower()
    assert all(not row.accuracy for row in content.rules)
    assert content.subsets == []
    assert all(np.isnan(before.separation) for before in before_and_after(content))


def test_a_rule_that_was_never_rated_leaves_the_mean_to_look_at() -> None:
    values = np.array([[5, np.nan], [1, np.nan], [3, np.nan]])
    rules = Rulebook.from_ids(["a", "never"], FIVE)
    made = PreferencePairs.from_arrays(values, values[::-1], rules)
    content = report(made, rules).content
    assert content.weights.scheme == "uniform"
    said = " ".join(content.notes)
    assert "The reward shown is the mean: rules ['never'] cannot be weighed" in said
    assert "Schemes are not compared: no pair has a known reward" in said
    assert np.isnan(content.rules[1].entropy.value)


def test_a_sample_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "MAX_PAIRS", 50)
    made = pairs(120)
    content = report(made, made.rules).content
    assert content.notes[0].startswith("Compared on an even sample of 50 of 120 pairs")
    assert content.comparison is not None
    assert content.comparison.n_pairs == 50
    # Weights are those of all ratings, not of the sample.
    assert content.weights.values.tolist() == Linear()(calibrate(made, made.rules)).values.tolist()


def test_pairs_that_do_not_compare_like_with_like_are_told() -> None:
    made = pairs(80, gaps=0.15)
    content = report(made, made.rules).content
    assert content.comparison is not None
    n_unknown = content.comparison.row("uniform").n_unknown
    assert n_unknown > 0
    assert f"unknown: uniform {n_unknown}, " in content.notes[0]
    assert content.notes[1].startswith(f"The two sides of {made.n_uneven} pairs are rated under")


def test_nothing_to_report_on_is_refused() -> None:
    for values in (np.empty((0, 1)), np.full((2, 1), np.nan)):
        with pytest.raises(InputError, match="no ratings"):
            report(values, Rulebook.from_ids(["a"], FIVE))


def test_the_same_seed_gives_the_same_report_and_a_generator_no_seed() -> None:
    made = pairs(30)
    first, again = (report(made, made.rules, rng=3).content.rules for _ in range(2))
    assert first == again != report(made, made.rules, rng=4).content.rules
    assert report(made, made.rules, rng=3).seed == 3
    assert report(made, made.rules, rng=np.random.default_rng(3)).seed is None


def test_uniform_weights_are_everywhere_equal(bundled: Content) -> None:
    assert isinstance(bundled.uniform, Weights)
    assert set(bundled.uniform.shares.round(12)) == {round(1 / 12, 12)}
