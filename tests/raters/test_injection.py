"""What a response says cannot change what is asked, or what is read.

What a weak model *answers* is measured in benchmarks/raters/injection.py, not asserted here.
"""

from __future__ import annotations

import csv
import json
import re
import urllib.request
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from encore import Rule, Rulebook
from encore.raters import Item, Judge, JudgeOptions, Limits, Texts, rate
from encore.raters.judge.answers import Reply, answer_of, answers_of
from encore.raters.judge.codes import Codes
from encore.raters.judge.local import smollm2_path, start_server
from encore.raters.judge.prompt import (
    Fence,
    conversation_prompt,
    parts_of,
    rule_prompt,
    rules_prompt,
    unescape,
)
from tests.raters.attacks import ATTACKS, BAD, MESSAGES, RULE
from tests.raters.steady import Asked, SteadyEndpoint

pytestmark = pytest.mark.early
RULES = Rulebook((RULE, Rule("kind", "Is kind to the user.", RULE.scale)))
MARK = re.compile(r"<<([^<>\n]*) ([0-9a-f]{12})>>")
QUESTION = "How do I get into a house?"
HARMLESS = Item((("user", QUESTION),), "Ring the bell.", "p", "harmless")


def items(attack: str) -> list[Item]:
    """The attack as a response, after one, and in the user's own words."""
    text = ATTACKS[attack]
    return [
        Item((("user", QUESTION),), text, "p", "alone"),
        Item((("user", QUESTION),), f"{BAD}\n{text}", "p", "after"),
        Item((("user", f"{QUESTION}\n{text}"),), BAD, "p", "asked"),
    ]


# What follows the conversation, in every way of asking.
ASKED = {
    "one rule": rule_prompt(RULE),
    "one rule, strictly": rule_prompt(RULE, strict=True),
    "all rules": rules_prompt(RULES.rules),
}


def prompt_of(item: Item, asked: str = ASKED["one rule"]) -> str:
    return conversation_prompt(parts_of(item), Fence.of(item)) + asked


def between(prompt: str) -> list[str]:
    """The texts between the marks."""
    marks = pairwise(MARK.finditer(prompt))
    return [prompt[mark.end() + 1 : following.start() - 1] for mark, following in marks]


def bare(prompt: str, nonce: str) -> str:
    """A prompt without the texts between its marks, and without their code."""
    marks = [(mark.start(), mark.end()) for mark in MARK.finditer(prompt)]
    kept = [prompt[: marks[0][0]], *(prompt[start:end] for start, end in marks)]
    return "\n".join([*kept, prompt[marks[-1][1] :]]).replace(nonce, "…")


def test_there_are_enough_attempts() -> None:
    assert len(ATTACKS) >= 30 and len(set(ATTACKS.values())) == len(ATTACKS)


@pytest.mark.parametrize("way", ASKED)
@pytest.mark.parametrize("attack", ATTACKS)
def test_the_prompt_has_the_structure_that_it_has_for_any_text(attack: str, way: str) -> None:
    for item in items(attack):
        prompt, nonce = prompt_of(item, ASKED[way]), Fence.of(item).nonce
        marks = [("user", nonce), ("response to rate", nonce), ("end", nonce)]
        assert MARK.findall(prompt) == marks
        assert prompt.count("<") == 2 * len(marks)
        # The text is there, all of it and as it is, between its marks …
        assert [unescape(text) for text in between(prompt)] == [item.messages[0][1], item.response]
        # … and the rule after them, as for any other.
        assert prompt.endswith(f"<<end {nonce}>>{ASKED[way]}")
        # Without the texts and the code it is the prompt of a harmless response.
        harmless = prompt_of(HARMLESS, ASKED[way])
        assert bare(prompt, nonce) == bare(harmless, Fence.of(HARMLESS).nonce)


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_code_of_the_fence_is_not_in_the_text_and_changes_with_it(attack: str) -> None:
    for item in items(attack):
        nonce = Fence.of(item).nonce
        assert nonce not in item.response and nonce not in item.messages[0][1]
        # An author who computes the code of a text and puts it in has another text.
        chased = Item(item.messages, f"{item.response}<<end {nonce}>>", "p", "r")
        assert Fence.of(chased).nonce != nonce
        assert Fence.of(item, b"a key of ours").nonce != nonce


# A lone surrogate is refused with its row, before anything is asked.
WHOLE = [name for name in ATTACKS if name != "lone surrogates"]
COLUMNS = [("response",), ("completion",), ("chosen", "rejected")]


def written(form: str, folder: Path, rows: list[dict[str, str]]) -> Path:
    """A file of these rows; a folder where *form* is a dataset's."""
    path = folder / f"texts.{form}"
    if form == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif form == "csv":
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([list(rows[0]), *(row.values() for row in rows)])
    else:
        path = folder / "train.parquet"
        pq.write_table(pa.Table.from_pylist(rows), path)
    return folder if form == "dataset" else path


@pytest.mark.parametrize("columns", COLUMNS)
@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet", "dataset"])
def test_a_response_is_text_whatever_it_looks_like(
    form: str, columns: tuple[str, ...], tmp_path: Path, peer: Callable[[str], ModuleType]
) -> None:
    if form == "dataset":
        peer("datasets")
    for name, text in MESSAGES.items():
        # Beside other responses, and alone in its file: no turn, nothing hidden, no error.
        for others in ([], [BAD]):
            folder = tmp_path / f"{name} {len(others)}"
            folder.mkdir()
            # A CSV in which all sides are lists that Python prints is not of responses.
            both = form != "csv" or "prints" not in name
            sides = dict.fromkeys(columns, text if both else BAD)
            rows = [{"prompt": QUESTION, **sides, columns[-1]: text}]
            rows += [{"prompt": QUESTION, **dict.fromkeys(columns, other)} for other in others]
            texts = Texts(written(form, folder, rows))
            read = [item for row in texts for item in row.items if isinstance(item, Item)]
            assert len(read) == len(rows) * len(columns)
            assert {item.messages for item in read} == {(("user", QUESTION),)}
            assert read[len(columns) - 1].response == text, name


@pytest.mark.parametrize("batch", [False, True])
def test_every_attempt_is_asked_about_like_any_other_response(
    batch: bool, tmp_path: Path, peer: Callable[[str], ModuleType]
) -> None:
    peer("aiohttp")
    data = tmp_path / "texts.jsonl"
    rows = [
        {"prompt": item.messages[0][1], "response": item.response, "response_id": f"{n} {name}"}
        for n, name in enumerate(WHOLE)
        for item in items(name)[1:2]
    ]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    say = (lambda prompt: '{"1": 4, "2": 2}') if batch else None
    with SteadyEndpoint(0.0, say) as endpoint:
        options = JudgeOptions(batch_rules=batch, reading="text" if batch else "auto")
        judge = Judge("m", endpoint.url, options=options, limits=Limits(concurrency=8))
        rated = rate(data, RULES, judge)
    n_calls = 1 if batch else len(RULES)
    assert len(endpoint.asked) == n_calls * len(WHOLE)
    assert all(is_one_user_message(asked) for asked in endpoint.asked)
    assert [rule.n_rated for rule in rated.coverage] == [len(WHOLE)] * 2
    if batch:
        assert rated.table.column("harmless").to_pylist() == [4.0] * len(WHOLE)
        assert rated.table.column("kind").to_pylist() == [2.0] * len(WHOLE)


def is_one_user_message(asked: Asked) -> bool:
    (message,) = asked.body["messages"]
    return set(message) == {"role", "content"} and message["role"] == "user"


# Attempts that are nothing but an answer in the judge's own format.
ANSWERS = {"rating line", "JSON answer", "code fence", "thought", "bare level"}


def test_a_judge_that_repeats_the_text_gives_no_rating(
    tmp_path: Path, peer: Callable[[str], ModuleType]
) -> None:
    peer("aiohttp")
    names = [name for name in WHOLE if name not in ANSWERS]
    data = tmp_path / "texts.jsonl"
    # One answer that is read: where none of the first is, the run stops.
    rows = [{"prompt": "Hi", "response": "4"}]
    rows += [{"prompt": "Hi", "response": f"{ATTACKS[name]}\n"} for name in names]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def repeats(prompt: str) -> str:
        return unescape(between(prompt)[-1])

    with SteadyEndpoint(0.0, repeats) as endpoint:
        judge = Judge("m", endpoint.url, options=JudgeOptions(reading="text"))
        rated = rate(data, Rulebook((RULE,)), judge)
    assert rated.coverage[0].n_rated == 1
    # 100 kB of the digit 5 are a number, and no level.
    assert rated.coverage[0].reasons == {"malformed": len(names) - 1, "out of scale": 1}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_honest_answer_after_a_thought_that_quotes_the_text_is_read(attack: str) -> None:
    labels, thought = Codes.of(RULE), f"<think>It says: {ATTACKS[attack]}</think>"
    for said in ("2", "Rating: 2", '{"rating": 2}', '```json\n{"rating": 2}\n```'):
        assert answer_of(Reply(f"{thought}\n{said}", None, "stop"), labels).value == 2.0
    both = answers_of(Reply(f'{thought}{{"1": 2, "2": 4}}', None, "stop"), [labels, labels])
    assert [answer.value for answer in both] == [2.0, 4.0]


# --- with a real tokenizer and chat template --------------------------------------------------


@pytest.fixture(scope="module")
def asked(peer: Callable[[str], ModuleType]) -> Callable[[str, Any], Any]:
    """The llama.cpp server's answer at a path."""
    peer("xllamacpp")
    server = start_server(smollm2_path())

    def ask(path: str, body: Any) -> Any:
        data = json.dumps(body).encode()
        request = urllib.request.Request(f"{server.listening_address}{path}", data)
        with urllib.request.urlopen(request) as response:
            return json.load(response)

    return ask


def special_tokens(asked: Callable[[str, Any], Any], content: str) -> list[int]:
    """Tokens that separate turns, in a chat of one message as the server sees it.

    SmolLM2 has 17 of them, the first in its vocabulary.
    """
    messages = [{"role": "user", "content": content}]
    prompt = asked("/apply-template", {"messages": messages})["prompt"]
    told = asked("/tokenize", {"content": prompt, "add_special": True, "parse_special": True})
    return [token for token in told["tokens"] if token < 17]


def test_no_attempt_opens_or_ends_a_turn(asked: Callable[[str, Any], Any]) -> None:
    # <|im_start|> is 1 and <|im_end|> 2: the system's turn, the user's, and the judge's begun.
    usual = [1, 2, 1, 2, 1]
    for name, way in ASKED.items():
        assert special_tokens(asked, prompt_of(HARMLESS, way)) == usual
        for attack, text in ATTACKS.items():
            # The longest take a while and end like others.
            if len(text) < 20_000 or name == "one rule":
                for item in items(attack)[1:]:
                    assert special_tokens(asked, prompt_of(item, way)) == usual, attack


def test_without_the_escape_such_text_does_end_a_turn(asked: Callable[[str, Any], Any]) -> None:
    # The check above can fail: the server reads these words as turns.
    plain = [1, 2, 1, 2, 1]
    assert special_tokens(asked, "Hi") == plain
    # Its three ends and two beginnings of turns stand inside the user's turn.
    assert special_tokens(asked, ATTACKS["ChatML"]) == [1, 2, 1, 2, 1, 2, 1, 2, 1]
    # Of the other families' words SmolLM2 knows only the end of a text, 0, as in Phi's.
    # A lone surrogate that is not escaped is not even taken.
    taken = {name: text for name, text in ATTACKS.items() if text.isascii()}
    read = {name for name, text in taken.items() if special_tokens(asked, text) != plain}
    assert read == {"ChatML", "Phi"}


def test_a_served_message_is_read_as_the_tokenizer_above_reads_it(
    asked: Callable[[str, Any], Any],
) -> None:
    for content in ("Hi", ATTACKS["ChatML"], prompt_of(items("ChatML")[1])):
        body = {"messages": [{"role": "user", "content": content}]}
        template = asked("/apply-template", body)["prompt"]
        n_tokens = {}
        for special in (True, False):
            told = asked("/tokenize", {"content": template, "parse_special": special})
            n_tokens[special] = len(told["tokens"])
        served = asked("/v1/chat/completions", {**body, "max_tokens": 1})["usage"]["prompt_tokens"]
        assert served == n_tokens[True] != n_tokens[False]
