from __future__ import annotations

from typing import Any

import pytest

from encore.errors import InputError
from encore.rules import LevelScale, Rule
from encore.rules.rule import rule_from_dict

SCALE = LevelScale((0, 1))
DATA = {"id": "privacy", "text": "Keeps secrets.", "scale": {"levels": [0, 1]}}


@pytest.mark.parametrize(
    "name", ["privacy", "hate/threatening", "beavertails-is_safe", "规则", "R 1"]
)
def test_any_printable_name_is_an_id(name: str) -> None:
    assert Rule(name, "text", SCALE).id == name


@pytest.mark.parametrize("name", ["", " a", "a\n", "\x00", 7])
def test_an_id_that_cannot_be_printed_is_refused(name: Any) -> None:
    with pytest.raises(InputError, match=r"rule id"):
        Rule(name, "text", SCALE)


@pytest.mark.parametrize("name", ["prompt_id", "reward", "chosen.a", "rejected.a", "a.spread"])
def test_an_id_that_reads_as_another_column_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="would read as another column"):
        Rule(name, "text", SCALE)


def test_an_empty_text_is_refused() -> None:
    with pytest.raises(InputError, match="'a': the text is empty"):
        Rule("a", "  ", SCALE)


def test_plain_data_makes_the_same_rule() -> None:
    for rule in (Rule("a", "t", SCALE), Rule("a", "t", SCALE, "us")):
        assert rule_from_dict(rule.to_dict()) == rule


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"txt": "x"}, r"unknown keys \['txt'\]"),
        ({"scale": [1, 2]}, "the scale must be a table"),
        ({"scale": {"levels": [2, 2]}}, "rule 'privacy': a scale's levels"),
    ],
)
def test_a_wrong_key_is_refused_by_name(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        rule_from_dict({**DATA, **change})


def test_a_missing_key_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"rule 'a': missing keys \['text', 'scale'\]"):
        rule_from_dict({"id": "a"})
