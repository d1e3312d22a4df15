from __future__ import annotations

from encore.ratings import Origin


def test_a_response_is_a_row_of_its_source() -> None:
    origin = Origin("a.csv", first_row=11)
    assert (origin.row(0), origin.row(3)) == (11, 14)
    assert origin.column(3, "harm") == "harm"


def test_two_rows_of_the_table_are_one_pair() -> None:
    # Rows 0 and 1 are the source's row 11, rows 2 and 3 its row 12.
    origin = Origin("a.csv", first_row=11, paired=True)
    assert [origin.row(row) for row in range(4)] == [11, 11, 12, 12]
    assert [origin.column(row, "harm") for row in (2, 3)] == ["chosen.harm", "rejected.harm"]


def test_an_error_names_the_place_in_the_source() -> None:
    error = Origin("a.csv", first_row=11, paired=True).error("is wrong.", 3, "rejected.harm")
    assert str(error) == "a.csv, row 12, column 'rejected.harm': is wrong."
    assert str(Origin().error("is wrong.")) == "ratings: is wrong."
