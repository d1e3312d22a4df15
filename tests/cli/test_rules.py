from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from encore import Rulebook

Run = Callable[..., Result]


def test_the_catalogues_are_listed_with_their_sizes(run: Run) -> None:
    result = run("rules", "list")
    assert (result.exit_code, result.stdout) == (
        0,
        "helpfulness  13 rules in 4 groups\n"
        "safety       106 rules in 24 groups\n"
        "safety-12    12 rules in 12 groups\n"
        "safety-13    13 rules in 13 groups\n",
    )


def test_the_list_in_json_is_sizes_by_name_and_group(run: Run) -> None:
    shown = json.loads(run("rules", "list", "--json").stdout)
    assert {name: catalogue["n_rules"] for name, catalogue in shown.items()} == {
        **{"helpfulness": 13, "safety": 106, "safety-12": 12, "safety-13": 13}
    }
    assert shown["helpfulness"]["groups"] == {"task": 4, "content": 4, "form": 3, "manner": 2}


def test_one_group_of_a_catalogue_is_shown(run: Run) -> None:
    result = run("rules", "show", "helpfulness", "--group", "manner")
    assert "helpfulness, group manner: 2 rules" in result.stdout
    assert "clarifies" in result.stdout and "concise" not in result.stdout
    shown = json.loads(run("rules", "show", "helpfulness", "--group", "manner", "--json").stdout)
    assert [rule["id"] for rule in shown["rules"]] == ["clarifies", "shows_reasons"]


def test_a_group_that_is_not_there_is_named_with_those_that_are(run: Run) -> None:
    result = run("rules", "show", "helpfulness", "--group", "manners")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "Error: no group is called 'manners'. Did you mean 'manner'? "
        "Known: task, content, form, manner.\n"
    )


def test_rules_are_shown_with_scale_and_text(run: Run) -> None:
    result = run("rules", "show", "rules.toml")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [line.split() for line in result.stdout.splitlines()]
    assert "rules.toml: 2 rules" in result.stdout
    assert ["harm", "1,", "2,", "3,", "4,", "5", "Does", "no", "harm."] in lines
    assert ["privacy", "1,", "2,", "3,", "4,", "5", "Keeps", "secrets."] in lines


def test_a_range_is_shown_with_its_bins(run: Run, folder: Path) -> None:
    scale = "scale = { worst = 4.0, best = 0.0, bins = 8 }"
    (folder / "cost.toml").write_text(
        f'[[rule]]\nid = "cost"\ntext = "Costs [bold] little."\n{scale}'
    )
    stdout = run("rules", "show", "cost.toml").stdout
    assert "4 to 0 in 8 bins" in stdout and "Costs [bold] little." in stdout


def test_rules_in_json_are_the_file_they_came_from(run: Run) -> None:
    shown = json.loads(run("rules", "show", "rules.toml", "--json").stdout)
    rules = Rulebook.load("rules.toml")
    assert shown["digest"] == rules.digest
    assert Rulebook.from_dicts(shown["rules"]) == rules


def test_a_catalogue_that_is_nearly_named_is_suggested(run: Run) -> None:
    result = run("rules", "show", "safety12")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "Error: no rules file or catalogue is called 'safety12'. Did you mean 'safety-12'? "
        "Known: helpfulness, safety, safety-12, safety-13.\n"
    )


def test_a_good_file_is_checked_with_its_digest(run: Run) -> None:
    digest = Rulebook.load("rules.toml").digest
    result = run("rules", "check", "rules.toml")
    assert (result.exit_code, result.stdout) == (0, f"rules.toml: 2 rules, digest {digest[:12]}\n")
    shown = json.loads(run("rules", "check", "rules.toml", "--json").stdout)
    assert shown == {"n_rules": 2, "digest": digest, "findings": []}


BAD = """
[[rule]]
id = "calm"
text = "Is calm and/or kind."
scale = { levels = [1, 2, 3] }

[[rule]]
id = "topic"
text = "Violence"
scale = { levels = [1, 2, 3] }
"""


def test_what_is_found_is_said_and_with_strict_an_error(run: Run, folder: Path) -> None:
    (folder / "bad.toml").write_text(BAD)
    result = run("rules", "check", "bad.toml")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1:] == [
        "  calm: double-barrelled: joins alternatives with a slash. Split it: a response may meet "
        "one part and not the other.",
        "  topic: no polarity: names a topic. Say what a good response does or does not do.",
    ]
    strict = run("rules", "check", "bad.toml", "--strict")
    assert (strict.exit_code, strict.stdout) == (1, result.stdout)
    findings = json.loads(run("rules", "check", "bad.toml", "--json").stdout)["findings"]
    assert [(found["rule"], found["kind"]) for found in findings] == [
        ("calm", "double-barrelled"),
        ("topic", "no polarity"),
    ]


@pytest.mark.parametrize(
    ("contents", "said"),
    [
        ("", "a rules file is a list of [[rule]] tables and nothing else; got the keys []."),
        ("rule = 3", "a rules file is a list of [[rule]] tables and nothing else; got the keys "),
        ("[[rule]]\nid = 'a'\n", "rule 'a': missing keys ['text', 'scale'], unknown keys []; "),
        (
            "[[rule]]\nid = 'a'\ntext = 't'\nscale = { levels = [1] }",
            "rule 'a': a scale's levels must be two or more finite numbers in order",
        ),
        (
            "[[rule]]\nid = 'a'\ntext = 't'\nscale = { levels = [1, 2] }\n" * 2,
            "duplicate rule ids: ['a']. Give each rule its own id.",
        ),
        ("[[rule", "not a TOML file ("),
    ],
)
def test_a_bad_file_is_one_line_that_says_what_is_wrong(
    contents: str, said: str, run: Run, folder: Path
) -> None:
    (folder / "bad.toml").write_text(contents)
    result = run("rules", "check", "bad.toml")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: bad.toml: {said}")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "scale",
    [
        "{ levels = 3 }",
        "{ worst = 'a', best = 1 }",
        "{ worst = 0, best = 1, bins = 'x' }",
        "'five'",
    ],
)
def test_a_scale_that_is_no_numbers_is_one_line(scale: str, run: Run, folder: Path) -> None:
    (folder / "bad.toml").write_text(f"[[rule]]\nid = 'a'\ntext = 't'\nscale = {scale}")
    result = run("rules", "check", "bad.toml")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: bad.toml: rule 'a': ")
    assert len(result.stderr.splitlines()) == 1


def test_rules_that_are_not_tables_are_one_line(run: Run, folder: Path) -> None:
    (folder / "bad.toml").write_text("rule = [1, 2]")
    result = run("rules", "check", "bad.toml")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: bad.toml: ")


def test_a_file_that_is_not_utf8_is_one_line(run: Run, folder: Path) -> None:
    (folder / "bad.toml").write_bytes(b"\xff\xfe")
    result = run("rules", "check", "bad.toml")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: bad.toml: not a TOML file ('utf-8' codec can't decode")
