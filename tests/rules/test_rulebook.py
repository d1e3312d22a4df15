from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encore import PreferencePairs, RatingsTable, Weights, as_pairs, as_ratings, calibrate
from encore.errors import DocumentError, InputError, MismatchError, UnknownNameError
from encore.rules import LevelScale, RangeScale, Rule, Rulebook, as_rulebook, catalogues, scale_of

TOML = """
[[rule]]
id = "privacy"
text = "Keeps secrets."
scale = { levels = [1, 2, 3] }

[[rule]]
id = "cost"
text = "Costs little."
scale = { worst = 4.0, best = 0.0, bins = 4 }
source = "us"
"""


def two() -> Rulebook:
    return Rulebook.parse(TOML.encode(), "rules.toml")


def test_a_rules_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(TOML)
    expected = (
        Rule("privacy", "Keeps secrets.", LevelScale((1, 2, 3))),
        Rule("cost", "Costs little.", RangeScale(4, 0, 4), "us"),
    )
    assert Rulebook.load(path).rules == expected


def test_plain_data_makes_the_same_rulebook() -> None:
    assert Rulebook.from_dicts(two().to_dicts()) == two()


def test_each_column_goes_by_its_own_scale() -> None:
    values = np.array([[2.0, 1.0], [np.nan, 5.0]])
    # (2 - 1) / 2 and (1 - 4) / (0 - 4); 5 lies beyond the worst end, 4.
    np.testing.assert_array_equal(two().unit(values), [[0.5, 0.75], [np.nan, 0.0]])
    assert two().level_of(values).tolist() == [[1, 3], [-1, 0]]
    assert two().outside(values).tolist() == [[False, False], [False, True]]


def test_the_digest_is_of_what_a_rating_depends_on() -> None:
    base = Rule("a", "text", LevelScale((0, 1)))
    same = Rulebook((Rule("a", "text", LevelScale((0.0, 1.0)), "another source"),))
    others = [
        Rule("b", "text", LevelScale((0, 1))),
        Rule("a", "other", LevelScale((0, 1))),
        Rule("a", "text", LevelScale((1, 0))),
    ]
    assert Rulebook((base,)).digest == same.digest
    digests = {Rulebook((rule,)).digest for rule in [base, *others]}
    assert len(digests) == 4


def test_rules_that_differ_do_not_pass_as_the_same() -> None:
    mine = Rulebook.from_ids(["a", "b"], LevelScale((0, 1)))
    mine.same_as(Rulebook.from_ids(["a", "b"], LevelScale((0, 1))), "x", "y")
    with pytest.raises(MismatchError, match=r"x: rules \[a, b\]; y: rules \[b, a\]"):
        mine.same_as(Rulebook.from_ids(["b", "a"], LevelScale((0, 1))), "x", "y")
    with pytest.raises(MismatchError, match=r"x and y hold rules \[a, b\] with different texts"):
        mine.same_as(Rulebook.from_ids(["a", "b"], LevelScale((0, 2))), "x", "y")


def test_an_id_that_stands_twice_is_refused() -> None:
    with pytest.raises(InputError, match=r"duplicate rule ids: \['a'\]"):
        Rulebook.from_ids(["a", "b", "a"], LevelScale((0, 1)))


def test_no_rule_is_refused() -> None:
    with pytest.raises(InputError, match="at least one rule"):
        Rulebook(())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"[[rule]", "not a TOML file"),
        (b"\xff", "not a TOML file"),
        (b"", r"got the keys \[\]"),
        (b"rules = 1", r"a list of \[\[rule\]\] tables and nothing else; got the keys \['rules'\]"),
        (b"rule = []", "at least one rule"),
        (b"[[rule]]\nid = 'a'", r"f.toml: rule 'a': missing keys \['text', 'scale'\]"),
    ],
)
def test_a_broken_rules_file_is_refused_by_name(text: bytes, message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        Rulebook.parse(text, "f.toml")


def test_a_name_that_is_neither_file_nor_catalogue_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'safety-12'"):
        Rulebook.load("safety12")


def test_an_unknown_rule_is_refused() -> None:
    assert two().position("cost") == 1
    with pytest.raises(
        UnknownNameError, match=r"no rule is called 'privcy'. Did you mean 'privacy'"
    ):
        two().position("privcy")


def test_the_shipped_catalogues_are_whole() -> None:
    shipped = catalogues()
    assert set(shipped) >= {"safety-12"}
    for name, rulebook in shipped.items():
        assert all(rule.source for rule in rulebook), name


def test_a_saved_rulebook_is_the_file_that_people_write(tmp_path: Path) -> None:
    two().save(tmp_path / "rules.toml", "Two rules.\nOurs.")
    assert (tmp_path / "rules.toml").read_text() == (
        "# Two rules.\n# Ours.\n" + TOML.replace(".0", "")
    )


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)
NUMBER = st.floats(-1e6, 1e6)


@given(
    TEXT,
    st.none() | TEXT,
    st.none() | TEXT,
    st.one_of(
        st.lists(NUMBER, min_size=2, max_size=5, unique=True).map(
            lambda levels: LevelScale(tuple(sorted(levels)))
        ),
        st.tuples(NUMBER, NUMBER, st.integers(2, 50))
        .filter(lambda range_: abs(range_[0] - range_[1]) > 1e-3)
        .map(lambda range_: RangeScale(*range_)),
    ),
)
def test_any_rulebook_is_read_back_as_it_was(
    text: str, group: str | None, why: str | None, scale: LevelScale | RangeScale
) -> None:
    rules = Rulebook((Rule("a", text, scale, group=group, why=why),))
    with tempfile.TemporaryDirectory() as folder:
        rules.save(Path(folder) / "rules.toml")
        back = Rulebook.load(Path(folder) / "rules.toml")
    assert back == rules and back.digest == rules.digest


def test_a_text_that_no_file_can_hold_is_refused_and_leaves_none(tmp_path: Path) -> None:
    rules = Rulebook((Rule("a", "half \ud83d of a character", LevelScale((0, 1))),))
    with pytest.raises(InputError, match="a rule's text is not valid Unicode"):
        rules.save(tmp_path / "rules.toml")
    assert list(tmp_path.iterdir()) == []


def test_groups_and_reasons_are_for_people_and_change_no_digest() -> None:
    plain, told = (
        Rulebook((Rule("a", "text", LevelScale((0, 1)), source, group, why),))
        for source, group, why in ((None, None, None), ("us", "privacy", "Because."))
    )
    assert plain.digest == told.digest
    assert told.groups == {"privacy": 1} and plain.groups == {}
    plain.same_as(told, "one", "other")


def test_a_note_that_is_no_text_is_refused() -> None:
    text = b"[[rule]]\nid = 'a'\ntext = 't'\nscale = { levels = [0, 1] }\nwhy = 3\n"
    with pytest.raises(DocumentError, match="rule 'a': why must be text; got 3"):
        Rulebook.parse(text, "r.toml")


FIVE = LevelScale((1, 2, 3, 4, 5))


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        ([1, 2, 3, 4, 5], FIVE),
        ((1, 2, 3, 4, 5), FIVE),
        (range(1, 6), FIVE),
        (np.arange(1, 6), FIVE),
        (FIVE, FIVE),
        ({"levels": [1, 2, 3, 4, 5]}, FIVE),
        ([5, 1], LevelScale((5, 1))),
        ({"worst": 0, "best": 1}, RangeScale(0, 1)),
        (RangeScale(0, 1, 4), RangeScale(0, 1, 4)),
    ],
)
def test_a_scale_comes_in_every_form_that_people_write(scale: Any, expected: Any) -> None:
    assert scale_of(scale) == expected
    assert Rulebook.from_ids(["a"], scale).rules[0].scale == expected
    assert Rule("a", "Is a.", scale).scale == expected
    assert as_rulebook(["a"], scale)["a"].scale == expected


@pytest.mark.parametrize(
    "scale", ["1-5", 5, None, [1], ["a", "b"], [1, 1], {"levels": 3}, [[1], 2]]
)
def test_what_is_no_scale_is_refused_at_once(scale: Any) -> None:
    with pytest.raises(InputError, match="scale"):
        Rulebook.from_ids(["a"], scale)


def test_rules_come_in_every_form_that_people_have(tmp_path: Path) -> None:
    rules = Rulebook.from_ids(["a", "b"], FIVE)
    rules.save(tmp_path / "rules.toml")
    forms: list[tuple[Any, Any]] = [
        (rules, None),
        (tmp_path / "rules.toml", None),
        (str(tmp_path / "rules.toml"), None),
        (["a", "b"], [1, 2, 3, 4, 5]),
        (("a", "b"), FIVE),
        (np.array(["a", "b"]), FIVE),
        ({"a": [1, 2, 3, 4, 5], "b": FIVE}, None),
        (list(rules), None),
    ]
    for form, scale in forms:
        assert as_rulebook(form, scale) == rules
    assert as_rulebook("safety-12") == Rulebook.load("safety-12")


@pytest.mark.parametrize(
    ("rules", "scale", "message"),
    [
        (["a", "b"], None, r"the rules \[a, b\] have no scale: give one"),
        ("safety-12", [1, 2], "a scale goes with a list of ids; these rules have their own"),
        ({"a": [0, 1]}, [1, 2], "these rules have their own"),
        (3, None, "rules must be a Rulebook, a rules.toml, .* got 3"),
        (["a", "a"], [0, 1], "duplicate rule ids: \\['a'\\]"),
        ([], [0, 1], "at least one rule"),
        (["a", 3], [0, 1], "a rule id must be printable text"),
    ],
)
def test_what_names_no_rules_is_refused(rules: Any, scale: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        as_rulebook(rules, scale)


def test_one_text_is_not_a_list_of_ids() -> None:
    with pytest.raises(InputError, match=r"such as \['privacy'\]; got 'privacy'"):
        Rulebook.from_ids("privacy", [0, 1])


def test_a_rule_is_found_by_its_id() -> None:
    assert two()["cost"].text == "Costs little."
    with pytest.raises(UnknownNameError, match="called 'costs'"):
        two()["costs"]


def test_a_rules_file_that_is_not_there_is_said_not_to_be(tmp_path: Path) -> None:
    names = "helpfulness, safety, safety-12, safety-13"
    rest = f"nor is there a catalogue of that name. Catalogues: {names}."
    for path, said in ((tmp_path / "rules.toml", "no such file"), (tmp_path, "a folder")):
        with pytest.raises(InputError) as caught:
            Rulebook.load(path)
        assert str(caught.value) == f"{path}: {said}; {rest}"


def test_wherever_rules_are_taken_a_list_of_ids_does() -> None:
    ids, scale = ["a", "b"], [0, 1]
    rules = Rulebook.from_ids(ids, scale)
    columns = {f"{side}.{rule}": [1] for side in ("chosen", "rejected") for rule in ids}
    taken = [
        RatingsTable(ids, [[1, 0]], scale=scale).rules,
        as_ratings([[1, 0]], ids, scale=scale).rules,
        as_pairs({"id": ["x"], **columns}, ids, scale=scale).rules,
        PreferencePairs.from_arrays([[1, 0]], [[0, 0]], ids, scale=scale).rules,
        calibrate([[1, 0]], ids, scale=scale).rules,
        calibrate([[1, 0]], dict.fromkeys(ids, scale)).rules,
        Weights(dict.fromkeys(ids, scale), [1, 2]).rules,  # type: ignore[arg-type]
    ]
    assert taken == [rules] * len(taken)
    assert Weights("safety-12", np.ones(12)).rules == Rulebook.load("safety-12")  # type: ignore[arg-type]
