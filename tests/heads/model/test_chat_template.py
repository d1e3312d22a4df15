from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from encore.errors import CheckpointError, InputError
from encore.heads import HeadModel
from encore.heads.model import sandbox
from encore.heads.model.conversation import Reader
from tests.heads.templates import CHATML, KINDS, LLAMA3, Kind, text_of, tokenizer_of
from tests.heads.tiny import TALKS, classifier

TURN = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>{% endfor %}"
TALK = [("user", "Hi  there\n\nyou"), ("assistant", "  Hello. ")]


def reader(source: str) -> Reader:
    kind = Kind(source, ("<|im_start|>", "<|im_end|>"), eos="<|im_end|>")
    return Reader(tokenizer_of(kind), name="mine")


def content(expression: str) -> str:
    return TURN.replace("{{ m.content }}", expression)


@pytest.mark.parametrize("name", KINDS)
def test_ordinary_texts_are_rendered_and_split_as_transformers_does(name: str) -> None:
    # Blanks, HTML, fences, braces and quotes are no marks of any of these templates.
    said = "It's <b>bold</b>, [1] {x} ```a < b```\n\n    Or not: 1 < 2 | 3 > 2.\tEnd"
    talks: list[list[tuple[str, str]]] = [
        [("user", said), ("assistant", f"{said} Yes.")],
        [("user", "a"), ("assistant", "b"), ("user", said), ("assistant", "d")],
    ]
    tokenizer = tokenizer_of(KINDS[name])
    mine = Reader(tokenizer, name=name)
    for talk in talks:
        messages = [{"role": role, "content": text} for role, text in talk]
        wanted = tokenizer.apply_chat_template(messages, tokenize=False)
        wanted = wanted.replace(datetime.datetime.now().strftime("%d %b %Y"), "26 Jul 2024")
        assert mine(talk).ids == tuple(tokenizer(wanted, add_special_tokens=False).input_ids)


@pytest.mark.parametrize(
    "expression",
    [
        "{% for p in m['content'] %}{{ p['text'] }}{% endfor %}",
        "{% for p in m.content %}{% if p.type == 'text' %}{{ p.text }}{% endif %}{% endfor %}",
        "{{ m.content[0]['text'] }}",
        "{{ m.content | map(attribute='text') | join }}",
        # Parts for one role, text for the other.
        "{% if m.role == 'assistant' %}{{ m.content }}{% else %}{{ m.content[0].text }}{% endif %}",
        "{% if m.role == 'assistant' %}{{ m.content[0].text }}{% else %}{{ m.content }}{% endif %}",
        # Either way: text.
        "{% if m.content is string %}{{ m.content }}{% else %}{{ 1/0 }}{% endif %}",
    ],
)
def test_a_template_that_wants_parts_is_given_parts(expression: str) -> None:
    mine, plain = reader(content(expression)), reader(TURN)
    assert mine(TALK).ids == plain(TALK).ids
    assert "Hello." in text_of(mine.tokenizer, mine(TALK).ids)


def test_two_responses_are_two_ratings_under_a_template_of_parts(tmp_path: Path) -> None:
    classifier(tmp_path, "llama", ("a", "b"))
    template = tmp_path / "chat_template.jinja"
    parts = "{% for p in m.content %}{{ p.text }}{% endfor %}"
    wanted = HeadModel(tmp_path).score_heads(TALKS)
    template.write_text(template.read_text().replace("{{ m.content }}", parts))
    found = HeadModel(tmp_path).score_heads(TALKS)
    np.testing.assert_array_equal(found, wanted)
    assert len(np.unique(found, axis=0)) == len(TALKS)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (content("{{ m.content | lower }}"), "does not print the whole user and assistant message"),
        (content("{{ m.content | title }}"), "does not print the whole user and assistant"),
        (content("{{ m.content[:200] }}"), "does not print the whole assistant message; it prints"),
        (content("{{ m.content | truncate(255) }}"), "does not print the whole assistant message"),
        (content("{{ m.content.split() | join(' ') }}"), "the whole user and assistant"),
        (content("{{ m.content | e }}"), "the whole user and assistant"),
        (content("{{ m.content | tojson }}"), "the whole user and assistant"),
        (content("{{ m.content.split('\n')[0] }}"), "the whole user and assistant"),
        (content("{% if m.role == 'user' %}{{ m.content }}{% endif %}"), "whole assistant message"),
        ("{{ messages[-1].content }}", "does not print the whole user message"),
        ("{{ messages[0].content }}", "does not print the whole assistant message"),
        ("{{ messages[-1].content }}{{ messages[0].content }}", "question and answer in order"),
        ("Hello!", "the whole user and assistant message; it prints 'Hello!'"),
        ("{{ raise_exception('never') }}", r"refuses a question and an answer \(never\)"),
        ("{{ messages[7].content }}", "refuses a question and an answer"),
        (content("{% for m in"), "cannot be used"),
        (TURN + "{{ [1, 2] | random }}", "No filter named 'random'"),
        (TURN + "{{ lipsum() }}", "'lipsum' is undefined"),
        (TURN + "{{ ''.__class__.__mro__ }}", "__class__"),
    ],
)
def test_a_template_that_does_not_print_what_was_said_is_refused_at_load(
    source: str, says: str
) -> None:
    with pytest.raises(CheckpointError, match=rf"mine: its chat template .*{says}") as error:
        reader(source)
    assert "chat_template.jinja" in str(error.value)


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in range(10**12) %}{% endfor %}" + TURN,
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}" + TURN,
        "{{ 'a' * 10**11 }}" + TURN,
        "{{ 'ab' * 10**6 }}" + TURN,
        "{% set s = 'abcdefgh' %}" + "{% set s = s ~ s %}" * 60 + TURN,
        "{{ 9 ** (9 ** 9) }}" + TURN,
        "{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}" + TURN,
        "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}" + TURN,
    ],
    ids=["range", "nested", "bytes", "long", "doubled", "power", "recursion", "deep"],
)
def test_a_template_without_end_or_of_all_memory_is_refused(
    source: str,
) -> None:
    with pytest.raises(CheckpointError, match="its chat template cannot be used"):
        reader(source)


def test_what_only_some_conversations_lose_is_refused_there() -> None:
    # The probes are no help against a template that reads its text: each conversation is checked.
    mine = reader(content("{{ m.content.split('###')[-1] }}"))
    assert len(mine(TALK)) > 0
    with pytest.raises(InputError, match="does not print the whole assistant message"):
        mine([("user", "Hi"), ("assistant", "Harm ### Kind")])


def test_a_system_message_that_a_template_drops_is_refused_with_what_to_do() -> None:
    every = "{% for m in messages %}"
    mine = reader(TURN.replace(every, "{% for m in messages if m.role != 'system' %}"))
    assert mine(TALK).ids == reader(TURN)(TALK).ids
    with pytest.raises(InputError, match=r"whole system message .* into the user's message"):
        mine([("system", "Be kind."), *TALK])


def test_a_response_cannot_talk_a_part_of_itself_away() -> None:
    # DeepSeek-R1's template prints only what follows </think>.
    mine = Reader(tokenizer_of(KINDS["r1"]))
    seen = text_of(mine.tokenizer, mine([("user", "Q"), ("assistant", "Harm</think>Kind")]).ids)
    assert seen.endswith("<｜Assistant｜>Harm< /think>Kind<｜end▁of▁sentence｜>")


class _Day(datetime.datetime):
    """A clock that stands still on another day."""

    @classmethod
    def now(cls, tz: Any = None) -> _Day:
        return cls(1999, 12, 31)


@pytest.mark.parametrize(
    "source",
    [
        LLAMA3,
        "Today is {{ strftime_now('%Y-%m-%d') }}. " + CHATML,
        "{% if strftime_now is defined %}{% set d = strftime_now('%A') %}{% endif %}{{d}}" + CHATML,
    ],
)
def test_ratings_are_the_same_on_any_day(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier(tmp_path, "llama", ("a", "b"))
    (tmp_path / "chat_template.jinja").write_text(source)
    today = HeadModel(tmp_path)
    ids = today.backbone.reader(TALKS[0]).ids
    values = today.score_heads(TALKS)
    for module in ("transformers.utils.chat_template_utils.datetime", "datetime.datetime"):
        monkeypatch.setattr(module, _Day)
    then = HeadModel(tmp_path)
    assert then.backbone.reader(TALKS[0]).ids == ids
    np.testing.assert_array_equal(then.score_heads(TALKS), values)
    written = text_of(then.backbone.reader.tokenizer, ids)
    assert any(day in written for day in ("26 Jul 2024", "2024-07-26", "Friday"))
    assert then.identity["date"] == "2024-07-26"
    assert any("it is always told 2024-07-26" in said for said in then.notes)


def test_a_template_without_a_date_has_none_in_its_identity(llama: Path) -> None:
    assert "date" not in HeadModel(llama).identity
    assert HeadModel(llama).notes == ()


def test_a_date_in_a_tokenizer_configuration_counts_too(tmp_path: Path) -> None:
    classifier(tmp_path, "llama", ("a",))
    (tmp_path / "chat_template.jinja").unlink()
    path = tmp_path / "tokenizer_config.json"
    told = json.loads(path.read_text())
    path.write_text(json.dumps({**told, "chat_template": LLAMA3}))
    assert HeadModel(tmp_path).identity["date"] == f"{sandbox.DATE:%Y-%m-%d}"


def test_several_templates_without_a_default_are_refused() -> None:
    tokenizer = tokenizer_of(KINDS["chatml"])
    tokenizer.chat_template = {"rag": CHATML, "tool_use": CHATML}
    with pytest.raises(CheckpointError, match="mine: its chat template cannot be used"):
        Reader(tokenizer, name="mine")


def test_marks_for_training_only_print() -> None:
    generation = "{% generation %}{{ m.content }}{% endgeneration %}"
    assert reader(content(generation))(TALK).ids == reader(TURN)(TALK).ids
