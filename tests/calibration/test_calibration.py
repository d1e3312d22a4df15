from __future__ import annotations

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encore import Calibration, LevelScale, RatingsTable, Rulebook, calibrate, examples, merge
from encore.errors import DocumentError, InputError, MismatchError

RULES = Rulebook.from_ids(["a", "b"], LevelScale((1, 2, 3, 4)))
NAN = float("nan")


def bundled() -> Calibration:
    return calibrate(examples.ratings_path(), examples.rules())


def test_what_a_calibration_says_by_hand() -> None:
    # Rule a: 1, 1, 4, unrated: p = 2/3, 1/3. Rule b: 2 four times. Prompts p (rows 0, 1) and
    # q (rows 2, 3): a resolves none of its one pair, b none of its two.
    ratings = [[1, 2], [1, 2], [4, 2], [NAN, 2]]
    found = calibrate(ratings, RULES, prompts=["p", "p", "q", "q"])
    entropy = -(2 / 3 * np.log(2 / 3) + 1 / 3 * np.log(1 / 3))
    np.testing.assert_allclose(found.entropy(), [entropy, 0], atol=1e-15)
    np.testing.assert_allclose(found.normalised_entropy(), [entropy / np.log(4), 0], atol=1e-15)
    assert found.coverage.tolist() == [0.75, 1.0]
    assert found.n_ratings.tolist() == [3, 4]
    assert found.resolved_share.tolist() == [0.0, 0.0]
    assert found.margin_variance.tolist() == [0.0, 0.0]
    assert np.isnan(found.spread).all() and np.isnan(found.information).all()
    assert (found.n_responses, found.n_prompts, found.n_split_prompts) == (4, 2, 0)


def test_a_rule_that_was_never_rated_is_unknown_not_zero() -> None:
    found = calibrate([[1, NAN], [2, NAN]], RULES, prompts=["p", "p"])
    assert np.isnan([found.entropy()[1], found.resolved_share[1], found.margin_variance[1]]).all()
    assert found.coverage.tolist() == [1.0, 0.0]


def test_shares_are_of_the_responses_that_a_rule_applies_to() -> None:
    # Rule a applies to three responses and rates two of them, b never applies.
    table = RatingsTable(
        *(RULES, np.array([[1, 2], [4, NAN], [NAN, NAN], [2, NAN]]), ["p", "p", "q", "q"]),
        applies=np.array([[1, 0.4], [1, 0], [0.5, 0], [0, 0]]),
    )
    found = calibrate(table, RULES)
    assert found.applies_share.tolist() == [0.75, 0.0] and not found.always_apply
    assert found.n_ratings.tolist() == [2, 0]
    assert found.coverage[0] == 2 / 3 and np.isnan(found.coverage[1])
    assert found.entropy()[0] == pytest.approx(np.log(2)) and np.isnan(found.entropy()[1])
    assert found.resolved_share[0] == 1.0 and np.isnan(found.resolved_share[1])
    assert found.margin_variance[0] == pytest.approx(1) and np.isnan(found.margin_variance[1])
    assert calibrate([[1, 1], [NAN, 1]], RULES).always_apply


def test_how_often_a_rule_applies_is_shown_where_it_does_not_always() -> None:
    values = [[1, 2], [4, 3]]
    part = calibrate(RatingsTable(RULES, values, applies=[[1, 0], [1, 1]]), RULES)._repr_html_()
    assert "applies %" in part and ">50.0<" in part
    assert "applies" not in calibrate(values, RULES)._repr_html_()


def test_information_with_level_probabilities_is_mutual_information() -> None:
    # Two responses, (0.9, 0.1) and (0.1, 0.9): I = ln 2 - H(0.9, 0.1), of an entropy of ln 2.
    rules = Rulebook.from_ids(["a"], LevelScale((0, 1)))
    p = np.array([[[0.9, 0.1]], [[0.1, 0.9]]])
    found = calibrate(RatingsTable(rules, [[NAN]] * 2, probabilities=p), rules)
    noise = -(0.9 * np.log(0.9) + 0.1 * np.log(0.1))
    np.testing.assert_allclose(found.information, [(np.log(2) - noise) / np.log(2)], atol=1e-11)
    # (0.9, 0.1) and (0.8, 0.2) are both nearest to level 0: their ratings have no entropy at all,
    # and the probabilities tell them apart all the same.
    p = np.array([[[0.9, 0.1]], [[0.8, 0.2]]])
    found = calibrate(RatingsTable(rules, [[NAN]] * 2, probabilities=p), rules)
    entropy = -(0.85 * np.log(0.85) + 0.15 * np.log(0.15))
    noise = (noise - (0.8 * np.log(0.8) + 0.2 * np.log(0.2))) / 2
    assert found.entropy().tolist() == [0.0]
    np.testing.assert_allclose(found.information, [1 - noise / entropy], atol=1e-11)


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 20))
def test_information_with_level_probabilities_is_never_below_nothing(seed: int, n: int) -> None:
    # Jensen: the entropy of a mean is at least the mean entropy, so nothing is cut off at 0.
    rng = np.random.default_rng(seed)
    p = rng.dirichlet([0.3] * 4, (n, 2))
    found = calibrate(RatingsTable(RULES, np.full((n, 2), NAN), probabilities=p), RULES)
    mean = p.mean(axis=0)
    whole = -(mean * np.log(mean)).sum(axis=1)
    noise = -(p * np.log(p)).sum(axis=2).mean(axis=0)
    assert (noise <= whole + 1e-12).all()
    np.testing.assert_allclose(found.information, 1 - noise / whole, atol=1e-9)


def test_information_is_what_is_left_of_the_entropy_without_the_spread() -> None:
    # Rule a: levels 1 and 3 evenly, H = ln 2, mean spread ln 2 / 4. Rule b is constant.
    spread = np.array([[np.log(2) / 4, 0.3], [np.log(2) / 4, 0.3]])
    found = calibrate(RatingsTable(RULES, [[1, 2], [3, 2]], spread=spread), RULES)
    np.testing.assert_allclose(found.information, [0.75, 0.0])


def test_miller_madow_never_exceeds_what_the_levels_allow() -> None:
    found = calibrate([[1, 1], [2, 1], [3, 1], [4, 1]], RULES)
    # Plug-in is already ln 4; (4 - 1) / 8 more would be above it.
    assert found.entropy("miller_madow")[0] == np.log(4)


def test_calibrations_of_different_rules_do_not_add() -> None:
    other = Rulebook.from_ids(["a", "c"], LevelScale((1, 2, 3, 4)))
    with pytest.raises(
        MismatchError, match=r"rules \[a, b\]; calibration of ratings: rules \[a, c\]"
    ):
        calibrate([[1, 1]], RULES) + calibrate([[1, 1]], other)


@given(
    values=st.lists(
        st.tuples(*[st.sampled_from([1.0, 2.0, 3.0, 4.0, NAN])] * 2), min_size=1, max_size=12
    ),
    per_prompt=st.integers(1, 4),
)
def test_a_file_brings_back_the_same_calibration_to_the_last_bit(
    values: list[tuple[float, float]],
    per_prompt: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("calibration") / "calibration.json"
    prompts = [row // per_prompt for row in range(len(values))]
    calibration = calibrate(values, RULES, prompts=prompts)
    calibration.save(path)
    again = Calibration.load(path)
    assert again.statistics.to_dict() == calibration.statistics.to_dict()
    assert (again.rules, again.sources) == (calibration.rules, calibration.sources)
    assert again.digest == calibration.digest


def test_a_calibration_of_any_size_is_tens_of_kilobytes(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    bundled().save(path)
    assert path.stat().st_size < 64_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rules": []}, "a broken calibration .*at least one rule"),
        ({"statistics": {}}, "a broken calibration .*Calibrate again"),
        ({"sources": [{}]}, "a broken calibration"),
        ({"sources": [{"name": "a", "sha256": "", "n_responses": "3"}]}, "a broken calibration"),
        ({"sources": [{"name": 1, "sha256": "", "n_responses": 3}]}, "a broken calibration"),
        ({"sources": 3}, "a broken calibration"),
        ({"rules": "abc"}, "a broken calibration"),
        ({"rules_digest": "0"}, "the rules were changed by hand"),
        ({"digest": "0"}, "damaged, or changed by hand.* Calibrate again"),
        ({"digest": None}, "damaged, or changed by hand"),
        ({"sources": []}, "damaged, or changed by hand"),
        ({"schema_version": 1}, "schema version 1 of .* is too old. Calibrate again"),
        ({"schema_version": 2}, "schema version 2 of .* is too old. Calibrate again"),
        ({"schema_version": True}, "schema version True of"),
        ({"kind": "encore.weights"}, "expected a document of kind 'encore.calibration'"),
    ],
)
def test_a_broken_calibration_is_refused(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    path = tmp_path / "calibration.json"
    calibrate([[1, 1]], RULES).save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DocumentError, match=message):
        Calibration.load(path)


def test_calibrations_sum() -> None:
    parts = [calibrate([[1, 1], [2, 2]], RULES, prompts=[name] * 2) for name in "pqr"]
    assert sum(parts[1:], parts[0]).n_responses == sum(parts).n_responses == 6  # type: ignore[union-attr]


def test_merging_takes_calibrations_files_and_lists_of_them(tmp_path: Path) -> None:
    parts = [calibrate([[1, 1]], RULES), calibrate([[2, 1], [1, 1]], RULES)]
    for number, part in enumerate(parts):
        part.save(tmp_path / f"{number}.json")
    whole = parts[0] + parts[1]
    files = sorted(tmp_path.glob("*.json"))
    for ways in (parts, files, [parts], [files], [parts[0], files[1]]):
        assert merge(*ways) == whole
    assert merge(parts[0]) == parts[0]
    with pytest.raises(InputError, match="no calibration to merge"):
        merge()


def test_every_flipped_bit_of_a_calibration_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    calibrate([[1, 1], [2, 1]], RULES, prompts=["a", "a"]).save(path)
    data = path.read_bytes()
    sound = Calibration.load(path)
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        with contextlib.suppress(DocumentError):
            assert Calibration.load(path) == sound, place  # blanks between values say nothing
