from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner

from encore import InputError, LevelScale, RatingsError, Rulebook
from encore.cli.main import main
from encore.raters import ChosenRules, Item, Judge, Limits, choose_rules
from tests.raters.steady import Asked, SteadyEndpoint, chat
from tests.raters.unruly import Act, UnrulyEndpoint, says, status

RULES = Rulebook.from_ids(["kind", "lawful", "modest", "honest", "brief"], LevelScale((1, 2)))
# What the judge names for each conversation, counted from 1.
NAMED = {"zero": [2, 4], "one": [4, 2], "two": [4, 5], "three": [1, 2]}


@pytest.fixture(autouse=True)
def aiohttp(peer: Callable[[str], ModuleType]) -> None:
    peer("aiohttp")


def items(*responses: str) -> list[Item]:
    return [Item((("user", "Hi"),), response, "p", response) for response in responses]


def naming(answers: dict[str, str]) -> Callable[[str], str]:
    """Answer by the response that the prompt shows."""

    def say(prompt: str) -> str:
        return next(told for response, told in answers.items() if f"\n{response}\n" in prompt)

    return say


def judge(endpoint: SteadyEndpoint) -> Judge:
    return Judge("m", endpoint.url, limits=Limits(concurrency=2))


def test_the_rules_that_are_named_most_often_are_chosen() -> None:
    say = naming({name: json.dumps({"rules": numbers}) for name, numbers in NAMED.items()})
    with SteadyEndpoint(0.0, say) as endpoint:
        chosen = choose_rules(items(*NAMED), RULES, judge(endpoint), 2)
    # lawful: zero, one, three. honest: zero, one, two. brief and kind: once.
    votes = {vote.rule: vote.n_votes for vote in chosen.votes}
    assert votes == {"lawful": 3, "honest": 3, "kind": 1, "brief": 1}
    assert chosen.rules.ids == ("lawful", "honest")
    assert (chosen.n_asked, chosen.n_valid) == (4, 4)


def test_each_conversation_has_k_votes_and_one_per_rule() -> None:
    say = naming({"zero": json.dumps({"rules": [3, 3, 99, 0, 1, 2, 5]})})
    with SteadyEndpoint(0.0, say) as endpoint:
        chosen = choose_rules(items("zero"), RULES, judge(endpoint), 2)
    # 3 twice counts once, there is no 99 and no 0; 2 and 5 come after two rules.
    assert {vote.rule: vote.n_votes for vote in chosen.votes} == {"modest": 1, "kind": 1}


def test_the_judge_sees_the_response_fenced_and_all_rules_numbered() -> None:
    with SteadyEndpoint(0.0, naming({"zero": '{"rules": [1]}'})) as endpoint:
        choose_rules(items("zero"), RULES, judge(endpoint), 1)
        (asked,) = endpoint.asked
    for number, rule in enumerate(RULES, start=1):
        assert f"\n{number}. {rule.text}\n" in asked.prompt
    nonce = re.search(r"marks that contain (\w+) ", asked.prompt)
    assert nonce is not None and asked.prompt.count(nonce[1]) == 4


@pytest.mark.parametrize(
    "broken", ["", "I cannot.", '{"rules": 3}', '{"rules": ["1"]}', '{"rules": [true]}', "{" * 5000]
)
def test_an_answer_that_names_no_rule_is_no_vote(broken: str) -> None:
    say = naming({"zero": broken, "one": '```json\n{"rules": [5]}\n```'})
    with SteadyEndpoint(0.0, say) as endpoint:
        chosen = choose_rules(items("zero", "one"), RULES, judge(endpoint), 1)
    assert (chosen.n_asked, chosen.n_valid) == (2, 1)
    assert chosen.rules.ids == ("brief",)


def asked_in_turn(*script: Act) -> tuple[ChosenRules, list[Asked]]:
    """What a judge that says nothing but this chooses from two conversations, one at a time."""
    with UnrulyEndpoint(script=script) as endpoint:
        who = Judge("m", endpoint.url, limits=Limits(concurrency=1))
        return choose_rules(items("zero", "one"), RULES, who, 1), endpoint.asked


FIRST = says(chat('{"rules": [1]}'))


def test_what_the_endpoint_does_not_understand_is_left_out_of_every_question() -> None:
    chosen, asked = asked_in_turn(status(400, "response_format is not supported"), FIRST)
    assert (chosen.rules.ids, chosen.n_valid) == (("kind",), 2)
    assert ["response_format" in one.body for one in asked] == [True, False, False]


def test_a_rejection_that_names_what_was_taken_before_is_no_vote() -> None:
    chosen, asked = asked_in_turn(FIRST, status(400, "a response_format like this is too long"))
    assert (chosen.n_asked, chosen.n_valid, len(asked)) == (2, 1, 2)


def test_a_conversation_that_is_rejected_whatever_is_left_out_is_no_vote() -> None:
    no_seed = status(400, "seed is not supported")
    chosen, asked = asked_in_turn(no_seed, FIRST, status(400, "this is too long"))
    assert (chosen.n_asked, chosen.n_valid, len(asked)) == (2, 1, 3)


def test_too_few_named_rules_are_an_error_that_says_so() -> None:
    with (
        SteadyEndpoint(0.0, naming({"zero": '{"rules": [5]}'})) as endpoint,
        pytest.raises(InputError, match="named 1 different rules for 1 conversations; 2 were want"),
    ):
        choose_rules(items("zero"), RULES, judge(endpoint), 2)


@pytest.mark.parametrize("k", [0, 6])
def test_a_number_of_rules_that_cannot_be_asks_nothing(k: int) -> None:
    with pytest.raises(InputError, match=f"cannot choose {k} of 5 rules; expected 1 to 5"):
        choose_rules(items("zero"), RULES, Judge("m", "http://127.0.0.1:9/v1"), k)


def test_no_conversation_is_an_error() -> None:
    with pytest.raises(RatingsError, match="no conversations to show to the judge"):
        choose_rules([], RULES, Judge("m", "http://127.0.0.1:9/v1"), 1)


def test_the_command_line_lets_a_judge_choose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    RULES.save("all.toml")
    Path("texts.csv").write_text("prompt,chosen,rejected\nHi,zero,one\nHo,two,three\n")
    say = naming({name: json.dumps({"rules": numbers}) for name, numbers in NAMED.items()})
    with SteadyEndpoint(0.0, say) as endpoint:
        line = ["rules", "select", "all.toml", "-k", "2", "--data", "texts.csv", "-o", "two.toml"]
        rater = ["--rater", "openai:m", "--base-url", endpoint.url]
        result = CliRunner().invoke(main, [*line, *rater])
        assert (result.exit_code, result.stderr) == (0, "4 of 4 answers named rules.\n")
        assert Rulebook.load("two.toml").ids == ("lawful", "honest")
        # The first three responses: lawful 2, honest 3, brief 1.
        shown = CliRunner().invoke(main, [*line, *rater, "--limit", "3", "--json"])
    votes = [{"rule": "honest", "n_votes": 3}, {"rule": "lawful", "n_votes": 2}]
    assert json.loads(shown.stdout)["votes"][:2] == votes


def test_a_long_response_is_shown_by_its_ends() -> None:
    words = " ".join(f"w{number:05d}" for number in range(20_000))
    with SteadyEndpoint(0.0, lambda prompt: '{"rules": [1]}') as endpoint:
        choose_rules(items(words), RULES, judge(endpoint), 1)
        (asked,) = endpoint.asked
    assert len(asked.prompt) < 3 * 2048 + 2000 and "tokens left out" in asked.prompt
    assert "\nw00000 " in asked.prompt and " w19999\n" in asked.prompt
