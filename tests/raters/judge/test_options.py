from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from encore import InputError
from encore.raters import Judge, JudgeOptions


@pytest.mark.parametrize(("n_samples", "temperature"), [(1, 0.0), (2, 1.0)])
def test_one_sample_is_certain_and_several_are_drawn(n_samples: int, temperature: float) -> None:
    assert JudgeOptions(n_samples=n_samples).temperature == temperature
    assert JudgeOptions(n_samples=n_samples, temperature=0.5).temperature == 0.5


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"reading": "tea leaves"}, "must be 'auto', 'probabilities' or 'text'"),
        ({"n_samples": 0}, "asked at least once; got 0 samples"),
        ({"temperature": -0.1}, r"a temperature must be 0 or more; got -0\.1"),
        ({"temperature": float("nan")}, "a temperature must be 0 or more; got nan"),
        ({"max_answer_tokens": 0}, "max_answer_tokens must be 1 or more, or None; got 0"),
        ({"max_input_tokens": -5}, "max_input_tokens must be 1 or more, or None; got -5"),
        ({"n_samples": 3, "temperature": 0.0}, "several samples at temperature 0 are one answer"),
    ],
)
def test_what_cannot_be_asked_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        JudgeOptions(**wrong)


CHANGED = {
    **{"reading": "text", "temperature": 0.3, "seed": 7, "batch_rules": True, "prefill": True},
    **{"max_input_tokens": 999, "max_answer_tokens": 9, "extra": {"top_k": 1}, "fence_key": b"x"},
}


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(JudgeOptions)])
def test_every_way_of_asking_is_another_rater_but_for_the_number_of_samples(name: str) -> None:
    def identity(**options: Any) -> Any:
        return Judge("m", "http://h/v1", options=JudgeOptions(**options)).identity

    if name == "n_samples":
        # More samples add to those that there are, at the same temperature.
        one, three = identity(temperature=1.0), identity(temperature=1.0, n_samples=3)
        assert one.rater == three.rater and (one.n_samples, three.n_samples) == (1, 3)
    elif name in ("applicability", "applies_at_least"):
        # Which responses are rated under which rules changes no rating; what may be answered does.
        for asked in ("auto", "prompt", "none"):
            assert identity(applicability=asked, applies_at_least=0.3) == identity()
        assert identity(applicability="response").rater != identity().rater
    else:
        assert identity(**{name: CHANGED[name]}).rater != identity().rater


def test_a_whole_temperature_is_the_same_way_of_asking() -> None:
    assert JudgeOptions(temperature=1).to_dict() == JudgeOptions(temperature=1.0).to_dict()
    assert str(JudgeOptions(temperature=1).to_dict()["temperature"]) == "1.0"


def test_the_address_is_not_part_of_who_rates_and_the_model_is() -> None:
    here, there = Judge("m", "http://h/v1"), Judge("m", "http://there:1/v1", api_key="k")
    assert here.identity == there.identity != Judge("n", "http://h/v1").identity


def test_the_secret_of_the_fence_is_told_as_a_digest() -> None:
    told = str(JudgeOptions(fence_key=b"a secret key").to_dict())
    assert "secret" not in told
