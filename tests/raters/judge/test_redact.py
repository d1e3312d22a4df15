from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from encore import InputError
from encore.raters.judge.redact import RUN, Redactor, check_key

KEY = "sk-proj-Ab3+xYz/9Qw=secret"


@pytest.mark.parametrize(
    ("echo", "left"),
    [
        (KEY, "…"),
        (KEY.upper(), "…"),
        (KEY.lower(), "…"),
        # Seven characters in a row may stay, eight may not.
        (KEY[:7], KEY[:7]),
        (KEY[:8], "…"),
        (KEY[5:13], "…"),
        (f"{KEY[:10]}****{KEY[-9:]}", "…****…"),
        (quote(KEY, safe=""), "…"),
        (KEY.encode().hex(), "…"),
        (f"{KEY} {KEY}", "… …"),
    ],
)
def test_a_key_is_taken_out_in_all_its_forms(echo: str, left: str) -> None:
    assert Redactor(KEY)(f"key: <{echo}>!") == f"key: <{left}>!"


@pytest.mark.parametrize("before", ["", "u", "me", ":me:"])
def test_base64_gives_no_key_away_wherever_it_starts(before: str) -> None:
    encoded = base64.b64encode(f"{before}{KEY}".encode()).decode()
    left = Redactor(KEY)(encoded)
    # 26 bytes are 35 characters or so, of which one or two at either end depend on what is around.
    assert left.count("…") == 1 and len(left) < len(encoded) - 24


@given(st.text(max_size=40), st.text(max_size=40), st.integers(0, 18), st.integers(8, 26))
def test_no_run_of_the_key_is_left(before: str, after: str, start: int, size: int) -> None:
    redacted = Redactor(KEY)(before + KEY[start : start + size] + after).lower()
    assert not any(KEY[at : at + RUN].lower() in redacted for at in range(len(KEY) - RUN + 1))


@given(st.text())
def test_other_text_stays_as_it_is(text: str) -> None:
    for key in (None, KEY, "sk-1"):
        runs = [KEY[at : at + RUN].lower() for at in range(len(KEY) - RUN + 1)]
        if not any(run in text.lower() for run in [*runs, "sk-1"]):
            assert Redactor(key)(text) == text


@pytest.mark.parametrize(
    ("key", "text", "left"),
    [
        ("x", "max_tokens of x: 4", "max_tokens of …: 4"),
        ("EMPTY", "the key empty is Empty, not emptyish", "the key … is …, not emptyish"),
        ("sk-123", "key sk-123.", "key …."),
        ("1", "the maximum is 10", "the maximum is 10"),
    ],
)
def test_a_short_key_is_taken_out_as_a_word(key: str, text: str, left: str) -> None:
    assert Redactor(key)(text) == left


def test_letters_that_change_length_in_lower_case_do_not_move_it() -> None:
    assert Redactor(KEY)(f"İİİ{KEY}İ") == "İİİ…İ"


@pytest.mark.parametrize(("key", "used"), [(None, None), ("", None), (" \n", None), ("k\n", "k")])
def test_space_around_a_key_is_no_part_of_it(key: str | None, used: str | None) -> None:
    assert check_key(key) == used


@pytest.mark.parametrize("key", ["sk-a\nb-secret", "sk-secret\0", "sk-sécret", "sk-\ud800secret"])
def test_a_key_that_no_request_can_carry_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(InputError, match="the API key contains") as error:
        check_key(key)
    assert "secret" not in str(error.value)
