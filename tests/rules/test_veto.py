from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from encore import (
    Calibration,
    DocumentError,
    InputError,
    MismatchError,
    Rule,
    Rulebook,
    calibrate,
    merge,
    weigh,
)
from encore.rules import RangeScale, Veto

FIVE = [1, 2, 3, 4, 5]
TOML = """[[rule]]
id = "crime"
text = "Does not help with crime."
scale = {{ levels = [1, 2, 3, 4, 5] }}
{}
"""


def rule(veto: object, scale: object = FIVE) -> Rule:
    return Rule("crime", "Does not help with crime.", scale, veto=veto)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "veto"),
    [
        ("veto = 2", Veto(2)),
        ("veto = 2.0", Veto(2)),
        ("veto = { at = 2, cap = 0.1 }", Veto(2, 0.1)),
        ("veto = { at = 2 }", Veto(2, 0)),
        ("", None),
    ],
)
def test_a_rules_file_says_which_rating_vetoes(
    line: str, veto: Veto | None, tmp_path: Path
) -> None:
    rules = Rulebook.parse(TOML.format(line).encode(), "rules.toml")
    assert rules["crime"].veto == veto
    assert rules.vetoes == ({} if veto is None else {"crime": veto})
    rules.save(tmp_path / "again.toml")
    assert Rulebook.load(tmp_path / "again.toml") == rules


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("veto = true", "the veto's at is True; expected a finite number"),
        ('veto = "2"', "the veto's at is '2'; expected a finite number"),
        ("veto = nan", "expected a finite number"),
        ("veto = 6", r"a veto at 6 is not a rating on the scale \(1, 2, 3, 4, 5\)"),
        ("veto = 2.5", "a veto at 2.5 is not a rating on the scale"),
        ("veto = 5", "a veto at 5, the best rating of the scale .* would veto every response"),
        ("veto = { at = 2, cap = 1 }", "the veto's cap is 1; expected 0 or more and less than 1"),
        ("veto = { at = 2, cap = -0.1 }", "expected 0 or more"),
        ("veto = { cap = 0.1 }", r"a veto is a rating, as in veto = 2, .* got the keys \['cap'\]"),
        ("veto = { at = 2, limit = 0 }", "got the keys"),
        ("vetoes = 2", r"unknown keys \['vetoes'\]"),
    ],
)
def test_what_is_no_veto_is_refused_with_the_rule(line: str, said: str) -> None:
    with pytest.raises(DocumentError, match=f"rules.toml: rule 'crime': .*{said}"):
        Rulebook.parse(TOML.format(line).encode(), "rules.toml")


def test_on_a_range_any_rating_but_the_best_may_veto() -> None:
    assert rule(0.25, RangeScale(0, 1)).veto == Veto(0.25)
    for at in (1, 1.5, -0.1):
        with pytest.raises(InputError, match="veto at"):
            rule(at, RangeScale(0, 1))
    # Of a cost, 0 is best.
    assert rule(4, RangeScale(4, 0)).veto == Veto(4)
    with pytest.raises(InputError, match="the best rating"):
        rule(0, RangeScale(4, 0))


def test_it_fires_at_the_rating_or_worse_and_never_where_there_is_none() -> None:
    veto = Veto(2)
    assert veto.fires([1, 2, 3, np.nan], rule(2).scale).tolist() == [True, True, False, False]
    assert veto.fires([5, 2, 1], rule(2, FIVE[::-1]).scale).tolist() == [True, True, False]


def test_no_digest_depends_on_a_veto_so_ratings_and_calibrations_go_on(tmp_path: Path) -> None:
    plain, vetoing = Rulebook((rule(None),)), Rulebook((rule(2),))
    assert plain.digest == vetoing.digest
    plain.same_as(vetoing, "one", "other")
    one, other = (calibrate([[5], [1]], rules) for rules in (plain, vetoing))
    assert one.digest == other.digest


def test_a_veto_travels_from_the_rules_to_the_weights_and_may_be_edited_on_the_way(
    tmp_path: Path,
) -> None:
    path = tmp_path / "calibration.json"
    calibrate([[5], [5], [1]], Rulebook((rule(2),))).save(path)
    assert weigh(path).rules.vetoes == {"crime": Veto(2)}
    plain = tmp_path / "plain.json"
    calibrate([[5], [5], [1]], Rulebook((rule(None),))).save(plain)
    document, without = (json.loads(file.read_text()) for file in (path, plain))
    assert document["digest"] == without["digest"]
    document["rules"][0]["veto"] = {"at": 1, "cap": 0.2}
    path.write_text(json.dumps(document))
    weights = weigh(path)
    assert weights.rules.vetoes == {"crime": Veto(1, 0.2)}
    weights.save(tmp_path / "weights.json")
    edited = (tmp_path / "weights.json").read_text().replace('"cap": 0.2', '"cap": 0.3')
    (tmp_path / "weights.json").write_text(edited)
    assert type(weights).load(tmp_path / "weights.json").rules["crime"].veto == Veto(1, 0.3)
    # Everything else is still guarded by the digest.
    document["rules"][0]["why"] = "Because."
    path.write_text(json.dumps(document))
    with pytest.raises(DocumentError, match="changed by hand"):
        Calibration.load(path)


def test_calibrations_with_different_vetoes_do_not_merge_into_one_of_them() -> None:
    one, other = (calibrate([[5], [1]], Rulebook((rule(veto),))) for veto in (2, 1))
    assert merge(one, one).rules.vetoes == {"crime": Veto(2)}
    with pytest.raises(MismatchError, match=r"different vetoes for the rules \[crime\]"):
        merge(one, other)
