"""What a user may import."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil

import pytest

import encore

PACKAGES = [
    "encore",
    *(f"encore.{module.name}" for module in pkgutil.iter_modules(encore.__path__) if module.ispkg),
]


@pytest.mark.parametrize("name", PACKAGES)
def test_all_is_sorted_and_there(name: str) -> None:
    package = importlib.import_module(name)
    names = getattr(package, "__all__", [])
    assert list(names) == sorted(names, key=lambda n: (not n.isupper(), not n[0].isupper(), n))
    assert [n for n in names if not hasattr(package, n)] == []


def test_the_library_is_as_short_as_the_mathematics() -> None:
    # The design's own line, on plain arrays with no file in sight. Rule a is constant (H = 0,
    # weight 1), rule b splits evenly (H = ln 2, weight 0): the reward is rule a alone.
    rules = encore.Rulebook.from_ids(["a", "b"], encore.LevelScale((0, 1)))
    ratings = [[1, 1], [1, 0]]
    cal = encore.calibrate(ratings, rules)
    w = encore.weights.Linear()(cal)
    assert encore.compose(ratings, w).tolist() == [1.0, 1.0]


VERBS = (
    *("calibrate", "compare", "compose", "diagnose", "evaluate", "fold", "merge"),
    *("pairs", "rate", "report", "score", "train", "weigh"),
)


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_is_a_function_with_options_by_keyword(name: str) -> None:
    verb = getattr(encore, name)
    assert inspect.isfunction(verb) and name in encore.__all__
    kinds = [parameter.kind for parameter in inspect.signature(verb).parameters.values()]
    assert sum(kind is inspect.Parameter.POSITIONAL_OR_KEYWORD for kind in kinds) <= 3
    # What is looked up as a package of that name is not there: no name is both.
    assert importlib.util.find_spec(f"encore.{name}") is None


def test_a_package_is_what_its_name_imports() -> None:
    import encore.calibration as calibration
    import encore.evaluation as evaluation

    assert inspect.ismodule(calibration) and inspect.ismodule(evaluation)
    for name in ("evaluation", "heads", "raters", "reporting", "theory"):
        assert inspect.ismodule(getattr(encore, name))
    with pytest.raises(AttributeError, match="no attribute 'calibrates'"):
        _ = encore.calibrates


def test_an_option_that_does_not_exist_is_never_swallowed() -> None:
    taking_any = [
        name
        for name in VERBS
        if inspect.Parameter.VAR_KEYWORD
        in {p.kind for p in inspect.signature(getattr(encore, name)).parameters.values()}
    ]
    assert taking_any == ["weigh"]  # whose options are those of the scheme
    with pytest.raises(encore.InputError, match=r"has no option \['devise'\]"):
        encore.weigh(encore.calibrate([[1], [0]], ["a"], scale=[0, 1]), devise="cuda")
