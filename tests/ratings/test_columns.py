from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from encore.errors import RatingsError
from encore.ratings.columns import numbers_from_text, probabilities_of
from encore.ratings.origin import Origin


@pytest.mark.parametrize("absent", ["", "NaN", "nan", "NA", "null", "None"])
def test_what_stands_for_nothing_in_a_text_file_is_unrated(absent: str) -> None:
    column = pa.chunked_array([["5", absent]])
    assert numbers_from_text(column, "harm", Origin("here")).to_pylist() == [5.0, None]


@pytest.mark.parametrize("word", ["five", "5,0", "5%", "0x5", "N/A", "true"])
def test_a_word_among_numbers_is_refused_in_its_row(word: str) -> None:
    with pytest.raises(RatingsError) as caught:
        numbers_from_text(pa.chunked_array([["5", "", "-1e0", word]]), "harm", Origin("here", 11))
    assert str(caught.value) == (
        f"here, row 14, column 'harm': {word!r} is not a number; expected one, or nothing where "
        "unrated. `encore import` reads words, percentages and N/A (--map, --na, --unrated)."
    )


@pytest.mark.parametrize("odd", [" 4", "4 ", "4_0", "٤"])
def test_a_number_in_another_dress_is_read_or_refused_in_its_own_row(odd: str) -> None:
    column = pa.chunked_array([["5", odd]])
    try:
        assert numbers_from_text(column, "harm", Origin("here")).to_pylist() == [5.0, 4.0]
    except RatingsError as error:
        assert (error.row, odd in error.message) == (2, True)


def test_whether_a_rule_applies_may_be_said_in_words_or_numbers() -> None:
    column = pa.chunked_array([["true", "False", " 0.25 ", "1", ""]])
    read = numbers_from_text(column, "harm.applies", Origin("here")).to_pylist()
    assert read == [1.0, 0.0, 0.25, 1.0, None]


@pytest.mark.parametrize("word", ["NA", "N/A", "null", "yes"])
def test_a_word_that_may_mean_not_applicable_is_not_read_as_applying(word: str) -> None:
    with pytest.raises(RatingsError, match=f"row 2, column 'harm.applies': '{word}'"):
        numbers_from_text(pa.chunked_array([["1", word]]), "harm.applies", Origin("here"))


def probabilities(cells: Any, kind: pa.DataType | None = None) -> Any:
    table = pa.table({"harm.p": pa.array(cells, kind)})
    return probabilities_of(table, "harm.p", Origin("here")).to_pylist()


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.large_list(pa.float64())])
def test_level_probabilities_are_read_from_every_kind_of_list(kind: pa.DataType) -> None:
    assert probabilities([[0.25, 0.75], None, []], kind) == [[0.25, 0.75], None, []]
    fixed = pa.list_(pa.float64(), 2)
    assert probabilities([[0.25, 0.75], None], fixed) == [[0.25, 0.75], None]


def test_level_probabilities_are_read_from_json_text() -> None:
    assert probabilities(["[0, 1]", "", None, " "]) == [[0.0, 1.0], None, None, None]


@pytest.mark.parametrize(
    "cell", ["half", '{"1": 0.5}', "0.5", '["0.5"]', "[true]", "[null]", "[0.5"]
)
def test_text_that_is_no_list_of_numbers_is_refused_in_its_row(cell: str) -> None:
    with pytest.raises(RatingsError, match=r"row 2, column 'harm\.p': .*one number for each"):
        probabilities(["[1]", cell])


@pytest.mark.parametrize("cells", [[1.0], [True], [["a"]], [{"a": 1.0}]])
def test_a_column_of_no_lists_of_numbers_is_refused(cells: Any) -> None:
    with pytest.raises(RatingsError, match="expected a list of level probabilities"):
        probabilities(cells)
