"""What a user may import."""

from __future__ import annotations

import importlib
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


def test_functions_and_folders_of_one_name_are_both_reachable() -> None:
    from encore.calibration.entropy import rating_entropy

    assert callable(encore.calibrate)
    assert rating_entropy is encore.rating_entropy
