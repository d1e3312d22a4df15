from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from encore import Calibration, Rulebook, Weights, calibrate, examples
from encore.weights import LEARNED, SCHEMES

Run = Callable[..., Result]


def weighed(run: Run, *arguments: str | Path) -> Weights:
    result = run("weigh", "calibration.json", *arguments, "-o", "out.json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[-1] == "out.json"
    return Weights.load("out.json")


def refused(run: Run, *arguments: str | Path) -> str:
    result = run("weigh", *arguments, "-o", "out.json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1
    assert not Path("out.json").exists()
    return result.stderr


# --- schemes --------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_weighs_by_its_name(scheme: str, run: Run, example_calibration: Path) -> None:
    result = run("weigh", example_calibration, "--scheme", scheme, "-o", "out.json")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "out.json")
    assert result.stdout.startswith(f"weights: {scheme}")
    weights = Weights.load("out.json")
    assert (weights.scheme, weights.rules) == (scheme, examples.rules())
    assert weights.calibration_digest == Calibration.load(example_calibration).digest
    np.testing.assert_allclose(weights.shares.sum(), 1)


@pytest.mark.parametrize("scheme", LEARNED)
def test_every_learned_scheme_weighs_by_its_name_and_pairs(
    scheme: str, run: Run, example_calibration: Path
) -> None:
    pairs = examples.ratings_path()
    line = ["weigh", example_calibration, "--scheme", scheme, "--pairs", pairs, "-o", "out.json"]
    result = run(*line)
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "out.json")
    assert Weights.load("out.json").scheme == scheme


def test_the_default_is_linear_and_the_table_shows_weight_and_share(run: Run) -> None:
    weights = weighed(run)
    assert weights.scheme == "linear"
    # harm: two ones and two fives, H = ln 2. privacy: one four and three fives.
    entropy = np.array([np.log(2), -(1 / 4) * np.log(1 / 4) - (3 / 4) * np.log(3 / 4)])
    expected = 1 - entropy / np.log(5)
    np.testing.assert_allclose(weights.values, expected)
    stdout = run("weigh", "calibration.json", "-o", "out.json").stdout
    rows = [line.split() for line in stdout.splitlines()]
    # 0.5693 and 0.6506 of 1.2199
    assert ["harm", "0.5693", "46.7"] in rows and ["privacy", "0.6506", "53.3"] in rows


def test_without_a_file_the_weights_are_printed_and_nothing_is_written(
    run: Run, folder: Path
) -> None:
    before = sorted(folder.iterdir())
    result = run("weigh", "calibration.json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert sorted(folder.iterdir()) == before
    assert result.stdout + "out.json\n" == run("weigh", "calibration.json", "-o", "out.json").stdout
    assert json.loads(run("weigh", "calibration.json", "--json").stdout)["scheme"] == "linear"


def test_softmax_takes_a_temperature(run: Run) -> None:
    weights = weighed(run, "--scheme", "softmax", "--temperature", "0.5")
    # exp(-ln 2 / 0.5) = 1/4
    np.testing.assert_allclose(weights.values[0], 1 / 4)
    assert dict(weights.options) == {"temperature": 0.5, "estimator": "plugin"}


def test_linear_takes_a_strength_and_an_estimator(run: Run) -> None:
    assert weighed(run, "--strength", "0").shares.tolist() == [1 / 2, 1 / 2]
    # Miller and Madow add (2 levels - 1) / (2 · 4 ratings) = 1/8 nats to ln 2.
    weights = weighed(run, "--estimator", "miller_madow")
    np.testing.assert_allclose(weights.values[0], 1 - (np.log(2) + 1 / 8) / np.log(5))


def test_single_takes_a_rule(run: Run) -> None:
    assert weighed(run, "--scheme", "single", "--rule", "privacy").shares.tolist() == [0, 1]


def test_random_weights_are_those_of_their_seed(run: Run, folder: Path) -> None:
    drawn = []
    for seed in ("7", "7", "8"):
        weighed(run, "--scheme", "random", "--seed", seed)
        drawn.append((folder / "out.json").read_bytes())
    assert drawn[0] == drawn[1] != drawn[2]


def test_bradley_terry_takes_a_ridge_and_follows_the_labels(run: Run) -> None:
    learned = []
    for ridge in ("0.1", "10"):
        arguments = ["--scheme", "bradley_terry", "--pairs", "pairs.csv", "--ridge", ridge]
        result = run("weigh", "calibration.json", *arguments, "-o", "out.json")
        assert result.exit_code == 0 and "Note: held at 0" in result.stderr
        learned.append(Weights.load("out.json"))
    weak, strong = learned
    # In pairs.csv privacy is 5 on both sides or 3 on both: it has no margin and gets nothing.
    assert weak.shares.tolist() == strong.shares.tolist() == [1, 0]
    assert weak.values[0] > strong.values[0]


def test_what_a_user_should_know_is_a_note_on_standard_error(run: Run, folder: Path) -> None:
    (folder / "ratings.csv").write_text("prompt_id,harm,privacy\np,5,5\np,1,5\n")
    calibrate("ratings.csv", Rulebook.load("rules.toml")).save("calibration.json")
    line = ["weigh", "calibration.json", "--scheme", "inverse_variance", "-o", "out.json"]
    result = run(*line)
    assert result.stderr == "Note: rule 'privacy' never resolves a pair and gets 0.\n"
    result = run(*line, "--json")
    assert json.loads(result.stdout)["notes"] == ["rule 'privacy' never resolves a pair and gets 0"]


def test_json_is_the_weights_file_less_its_head(run: Run, folder: Path) -> None:
    result = run("weigh", "calibration.json", "-o", "out.json", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    document = json.loads((folder / "out.json").read_text())
    assert (document.pop("kind"), document.pop("schema_version")) == ("encore.weights", 1)
    assert json.loads(result.stdout) == document


# --- refusals -------------------------------------------------------------------------------


def test_a_scheme_that_is_nearly_named_is_suggested(run: Run) -> None:
    assert refused(run, "calibration.json", "--scheme", "liner") == (
        "Error: no weighting scheme is called 'liner'. Did you mean 'linear'? Known: linear, "
        "softmax, inverse_variance, information, agreement, auto, uniform, random, "
        "single, bradley_terry.\n"
    )


@pytest.mark.parametrize(
    ("scheme", "option", "value", "known"),
    [
        ("linear", "temperature", "1", "['strength', 'estimator']"),
        ("softmax", "strength", "1", "['temperature', 'estimator']"),
        ("inverse_variance", "estimator", "plugin", "none"),
        ("information", "temperature", "1", "none"),
        ("agreement", "seed", "1", "none"),
        ("uniform", "rule", "harm", "none"),
        ("random", "rule", "harm", "['seed']"),
        ("single", "seed", "1", "['rule']"),
        ("bradley_terry", "strength", "1", "['ridge']"),
    ],
)
def test_an_option_that_does_not_belong_is_refused_with_those_that_do(
    scheme: str, option: str, value: str, known: str, run: Run
) -> None:
    assert refused(run, "calibration.json", "--scheme", scheme, f"--{option}", value) == (
        f"Error: scheme {scheme!r} has no option [{option!r}]; its options: {known}.\n"
    )


@pytest.mark.parametrize("scheme", [name for name in SCHEMES if name != "auto"])
def test_pairs_do_not_belong_to_a_scheme_without_labels(scheme: str, run: Run) -> None:
    assert refused(run, "calibration.json", "--scheme", scheme, "--pairs", "pairs.csv") == (
        f"Error: pairs go with bradley_terry, auto; {scheme!r} uses no labels.\n"
    )


@pytest.mark.parametrize("scheme", LEARNED)
def test_a_learned_scheme_asks_for_pairs(scheme: str, run: Run) -> None:
    assert refused(run, "calibration.json", "--scheme", scheme) == (
        f"Error: {scheme!r} learns from labelled pairs: give pairs.\n"
    )


def test_pairs_must_be_pairs_under_these_rules(run: Run, folder: Path) -> None:
    learn = ("calibration.json", "--scheme", "bradley_terry", "--pairs")
    assert "Error: ratings.csv: these are not pairs: " in refused(run, *learn, "ratings.csv")
    (folder / "pairs.csv").write_text("chosen.harm,rejected.harm\n5,1\n")
    assert "no column for 2 of 4 ratings" in refused(run, *learn, "pairs.csv")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--strength -1", "strength is -1.0; expected a finite number 0 or more."),
        ("--strength nan", "strength is nan; expected a finite number 0 or more."),
        (
            "--scheme softmax --temperature 0",
            "temperature is 0.0; expected a finite number above 0.",
        ),
        (
            "--scheme softmax --temperature inf",
            "temperature is inf; expected a finite number above 0.",
        ),
        (
            "--scheme bradley_terry --pairs pairs.csv --ridge 0",
            "ridge is 0.0; expected a finite number above 0.",
        ),
        (
            "--scheme single --rule privcy",
            "no rule is called 'privcy'. Did you mean 'privacy'? Known: harm, privacy.",
        ),
    ],
)
def test_an_option_beyond_its_bounds_is_one_line(arguments: str, said: str, run: Run) -> None:
    assert refused(run, "calibration.json", *arguments.split()) == f"Error: {said}\n"


@pytest.mark.parametrize(
    "arguments", ["--strength much", "--estimator exact", "--scheme random --seed -1"]
)
def test_an_option_of_another_kind_is_wrong_usage(arguments: str, run: Run) -> None:
    result = run("weigh", "calibration.json", *arguments.split(), "-o", "out.json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1].startswith("Error: Invalid value for ")


@pytest.mark.parametrize(
    ("scheme", "why"),
    [
        ("information", "the rater gave neither a spread nor repeated ratings for them"),
        (
            "agreement",
            "no prompt has two responses that they rate, so there are no margins within a prompt "
            "(is there a 'prompt_id' column?)",
        ),
        (
            "inverse_variance",
            "no prompt has two responses that they rate, so there are no margins within a prompt "
            "(is there a 'prompt_id' column?)",
        ),
    ],
)
def test_a_scheme_says_what_a_calibration_lacks(
    scheme: str, why: str, run: Run, folder: Path
) -> None:
    (folder / "ratings.csv").write_text("harm,privacy\n5,5\n1,5\n")
    calibrate("ratings.csv", Rulebook.load("rules.toml")).save("calibration.json")
    assert refused(run, "calibration.json", "--scheme", scheme) == (
        f"Error: rules ['harm', 'privacy'] cannot be weighed: {why}. Calibrate on ratings that "
        "have this, leave these rules out, or use a scheme that does not need it.\n"
    )


def test_a_rule_that_was_never_rated_cannot_be_weighed(run: Run, folder: Path) -> None:
    (folder / "ratings.csv").write_text("harm,privacy\n5,\n1,\n")
    calibrate("ratings.csv", Rulebook.load("rules.toml")).save("calibration.json")
    assert refused(run, "calibration.json").startswith(
        "Error: rules ['privacy'] cannot be weighed: they were never rated. "
    )


def test_weights_that_are_all_zero_are_refused_with_the_way_out(run: Run, folder: Path) -> None:
    rows = "".join(f"{level},{level}\n" for level in range(1, 6))
    (folder / "ratings.csv").write_text("harm,privacy\n" + rows)
    calibrate("ratings.csv", Rulebook.load("rules.toml")).save("calibration.json")
    # Every level once: H = ln 5, and 1 - H / ln 5 = 0 for both rules.
    assert refused(run, "calibration.json") == (
        "Error: scheme 'linear' gives every rule of this calibration a weight of 0. See what "
        "`encore diagnose` says, or use another scheme.\n"
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("weights.json", "expected a document of kind 'encore.calibration', got 'encore.weights'."),
        ("ratings.csv", "not a JSON document (Expecting value: line 1 column 1 (char 0)). "),
    ],
)
def test_what_is_no_calibration_is_refused(name: str, said: str, run: Run) -> None:
    assert refused(run, name).startswith(f"Error: {name}: {said}")


# --- by hand --------------------------------------------------------------------------------


def by_hand(folder: Path, contents: object) -> None:
    text = contents if isinstance(contents, str) else json.dumps(contents)
    (folder / "hand.json").write_text(text)


def test_weights_by_hand_are_taken_as_they_are(run: Run, folder: Path) -> None:
    by_hand(folder, {"privacy": 1, "harm": 3.5})
    weights = weighed(run, "--scheme", "hand.json")
    assert (weights.scheme, weights.values.tolist()) == ("by_hand", [3.5, 1])


def test_a_weight_of_zero_leaves_a_rule_out(run: Run, folder: Path) -> None:
    by_hand(folder, {"harm": 0, "privacy": 2})
    assert weighed(run, "--scheme", "hand.json").shares.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("contents", "said"),
    [
        (
            {"harm": -1, "privacy": 1},
            "hand.json: rule 'harm': weight -1 is not a finite number of 0 or more. If the rule "
            "counts against a response, reverse its scale (worst > best).",
        ),
        (
            '{"harm": NaN, "privacy": 1}',
            "hand.json: rule 'harm': weight nan is not a finite number of 0 or more. If the rule "
            "counts against a response, reverse its scale (worst > best).",
        ),
        (
            '{"harm": 1, "privacy": Infinity}',
            "hand.json: rule 'privacy': weight inf is not a finite number of 0 or more. If the "
            "rule counts against a response, reverse its scale (worst > best).",
        ),
        ({"harm": "3", "privacy": 1}, "hand.json: rule 'harm': weight '3' is not a number."),
        ({"harm": True, "privacy": 1}, "hand.json: rule 'harm': weight True is not a number."),
        ({"harm": None, "privacy": 1}, "hand.json: rule 'harm': weight None is not a number."),
        (
            {"harm": 1},
            "hand.json: no weight for rules ['privacy']. Give 0 to leave a rule out.",
        ),
        (
            {"harm": 0, "privacy": 0},
            "hand.json: all weights are zero: nothing would be left of the reward. Give at least "
            "one rule a positive weight.",
        ),
        ([3, 1], 'hand.json: expected {"<rule id>": <weight>, …}, got [3, 1].'),
        ("harm: 3", "hand.json: not JSON (Expecting value: line 1 column 1 (char 0))."),
    ],
)
def test_unusable_weights_by_hand_are_one_line_that_names_file_and_rule(
    contents: object, said: str, run: Run, folder: Path
) -> None:
    by_hand(folder, contents)
    assert refused(run, "calibration.json", "--scheme", "hand.json") == f"Error: {said}\n"


def test_a_rule_by_hand_that_is_nearly_named_is_suggested(run: Run, folder: Path) -> None:
    by_hand(folder, {"harm": 1, "privcy": 1})
    said = refused(run, "calibration.json", "--scheme", "hand.json")
    assert said.endswith(
        "no rule is called 'privcy'. Did you mean 'privacy'? Known: harm, privacy.\n"
    )


def test_an_unknown_rule_by_hand_is_refused_with_the_name_of_the_file(
    run: Run, folder: Path
) -> None:
    by_hand(folder, {"harm": 1, "privcy": 1})
    assert "hand.json" in refused(run, "calibration.json", "--scheme", "hand.json")


def test_a_file_by_hand_that_is_not_there_is_named(run: Run) -> None:
    assert refused(run, "calibration.json", "--scheme", "none.json") == (
        "Error: none.json: No such file or directory.\n"
    )


def test_weights_by_hand_take_no_options_and_no_pairs(run: Run, folder: Path) -> None:
    by_hand(folder, {"harm": 3, "privacy": 1})
    hand = ("calibration.json", "--scheme", "hand.json")
    assert refused(run, *hand, "--strength", "2") == (
        "Error: weights by hand take neither pairs nor options; got ['strength'].\n"
    )
    assert refused(run, *hand, "--pairs", "pairs.csv") == (
        "Error: weights by hand take neither pairs nor options; got ['pairs'].\n"
    )


def test_auto_says_without_labels_why_it_stays_with_uniform(run: Run) -> None:
    result = run("weigh", "calibration.json", "--scheme", "auto", "-o", "auto.json")
    assert result.exit_code == 0
    assert result.stderr == (
        "Note: auto chose uniform: without labels there is no evidence for another (fewer than "
        "three rules resolve any pair of responses to one prompt).\n"
    )
    assert json.loads(Path("auto.json").read_text())["scheme"] == "auto"


def test_auto_says_by_which_labelled_pairs_it_chose(run: Run, example_calibration: Path) -> None:
    pairs = ("--pairs", examples.ratings_path())
    result = run("weigh", example_calibration, "--scheme", "auto", *pairs, "-o", "auto.json")
    assert result.exit_code == 0
    assert result.stderr.startswith(
        "Note: auto chose uniform: the simplest within one standard error of the best on 458 "
        "labelled pairs (accuracy %: uniform 79.0, linear 77.9, "
    )
    shares = [rule["share"] for rule in json.loads(Path("auto.json").read_text())["rules"]]
    assert shares == pytest.approx([1 / 12] * 12)


def test_auto_takes_no_option_of_another_scheme(run: Run) -> None:
    given = ("--scheme", "auto", "--pairs", "pairs.csv", "--ridge", "2")
    assert refused(run, "calibration.json", *given) == (
        "Error: scheme 'auto' has no option ['ridge']; its options: none.\n"
    )
