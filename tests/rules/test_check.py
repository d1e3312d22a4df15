from __future__ import annotations

import pytest

from encore.rules import LevelScale, Rule, Rulebook, check_rules

SCALE = LevelScale((1, 2, 3, 4, 5))


def found(*texts: str) -> list[tuple[str, str]]:
    """What is found in rules of these texts, which are called a, b, …"""
    rules = Rulebook(tuple(Rule(chr(97 + i), text, SCALE) for i, text in enumerate(texts)))
    return [(finding.rule, str(finding.kind)) for finding in check_rules(rules)]


@pytest.mark.parametrize("name", ["safety", "helpfulness"])
def test_the_catalogues_to_choose_from_are_worded_well(name: str) -> None:
    assert check_rules(Rulebook.load(name)) == ()


def test_the_rules_of_the_bundled_ratings_are_broad_and_it_is_said_which() -> None:
    # They ask for several things each; three of them ask for one.
    findings = check_rules(Rulebook.load("safety-12"))
    assert {str(finding.kind) for finding in findings} == {"double-barrelled"}
    broad = {finding.rule for finding in findings}
    assert set(Rulebook.load("safety-12").ids) - broad == {"misinformation", "honesty", "wellbeing"}


@pytest.mark.parametrize(
    "text",
    [
        "Is polite and/or helpful.",
        "Is polite/helpful.",
        "Is polite; does not insult.",
        "Is polite. It does not insult.",
        "Is polite and gives an answer.",
        "Is polite but also is brief.",
        "Insults no one, nor threatens them.",
        "Is correct as well as complete.",
        "Avoids slurs, threats and insults.",
        "Does not reveal, or help obtain, secrets.",
    ],
)
def test_a_rule_that_asks_for_two_things_is_double_barrelled(text: str) -> None:
    assert found(text) == [("a", "double-barrelled")]


@pytest.mark.parametrize(
    "text",
    [
        "Gives no instructions for making or altering a firearm.",
        "Does not insult or threaten the user.",
        "Is clear, even to a layman.",
        "The response respects the user's privacy.",
        "Never lies.",
        "Avoid slurs.",
        "Choose the response that is least harmful.",
    ],
)
def test_one_idea_with_a_good_end_is_left_alone(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "Privacy",
        "Violence and weapons",
        "Is the response safe?",
        "Mentions weapons.",
        "The response discusses crime.",
        "Level of toxicity.",
        "How toxic the response is.",
        "No",
    ],
)
def test_a_rule_that_does_not_say_what_is_good_has_no_polarity(text: str) -> None:
    assert found(text) == [("a", "no polarity")]


def test_rules_that_say_the_same_are_duplicates_of_the_earlier_one() -> None:
    texts = ("Does not reveal private facts.", "Reveals no private fact.", "Is honest.")
    # The words that count are reveal, private, fact: the same three.
    assert found(*texts) == [("b", "duplicate")]


def test_a_rule_and_its_opposite_are_one_rule_told_twice() -> None:
    assert found("Insults the user.", "Does not insult the user.") == [("b", "duplicate")]


def test_three_words_of_four_are_the_same_rule_and_two_of_four_are_not() -> None:
    base = "Reveals no private fact."
    # {reveal, private, fact} of {reveal, private, fact, people}: 3 / 4. Of {…, name}: 2 / 4.
    assert found(base, "Reveals no private fact about people.") == [("b", "duplicate")]
    assert found(base, "Reveals no private name.") == []


def test_findings_stand_in_the_order_of_the_rules() -> None:
    texts = ("Is kind and/or calm.", "Violence", "Is calm and/or kind.")
    assert [rule for rule, _ in found(*texts)] == ["a", "b", "c", "c"]
