from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

from encore.reporting.figure import Figure, short


def draw(figure: Any) -> None:
    figure.subplots().plot([0, 1], [1, 0], label="$x$ <b>")


FIGURE = Figure(
    "one", "Title", "A line.", ("rule", "value"), (("a, b", 0.5), ("=1+1", math.nan)), draw
)


def test_the_numbers_are_csv_with_nothing_for_what_is_undefined() -> None:
    assert FIGURE.csv() == b'rule,value\n"a, b",0.5\n\'=1+1,\n'


def test_a_spreadsheet_takes_no_text_for_a_formula() -> None:
    cells = ("=1+1", "+a", "-a", "-1", "@x", "\tx", "plain", "a=b")
    found = Figure("one", "t", "s", ("x",), tuple((c,) for c in cells), draw).csv().decode()
    inert = ["'=1+1", "'+a", "'-a", "-1", "'@x", "'\tx", "plain", "a=b"]
    assert found.splitlines()[1:] == inert
    negative = Figure("one", "t", "s", ("=x",), ((-1.5,),), draw).csv()
    assert negative == b"'=x\n-1.5\n"  # a number stays one, and a header is no formula either


def test_files_are_the_same_bytes_every_time(peer: Callable[[str], ModuleType]) -> None:
    peer("matplotlib")
    first, again = FIGURE.drawn(), FIGURE.drawn()
    assert first == again
    assert (first.name, first.title, first.says) == ("one", "Title", "A line.")
    assert set(first.files) == {"png", "svg", "csv"}
    assert first.files["png"].startswith(b"\x89PNG")
    assert ElementTree.fromstring(first.files["svg"]).tag.endswith("svg")
    assert first.files["csv"] == FIGURE.csv()


def test_a_long_id_keeps_both_ends_and_control_characters_are_none() -> None:
    assert short("a" * 32) == "a" * 32
    assert short("b" * 30 + "-ending") == "b" * 24 + "…-ending"
    assert short("do\x07not") == "do\ufffdnot"
