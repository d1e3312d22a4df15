"""Optional dependencies."""

from __future__ import annotations

from pathlib import Path

import pytest

from encore.errors import MissingExtraError
from encore.extras import require


def test_a_missing_module_names_the_line_that_installs_it() -> None:
    with pytest.raises(MissingExtraError) as caught:
        require("no_such_module.part", extra="heads", feature="The multi-head rater")
    assert str(caught.value) == (
        "The multi-head rater needs no_such_module.part, which is not installed. "
        "In a clone of the repository, run: pip install '.[heads]'"
    )


def test_a_module_that_is_there_is_returned() -> None:
    assert require("os.path", extra="heads", feature="It").join("a", "b") in ("a/b", "a\\b")


def test_a_broken_module_is_not_reported_as_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_module.py").write_text("import no_such_dependency\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError) as caught:
        require("broken_module", extra="heads", feature="It")
    assert caught.value.name == "no_such_dependency"
    assert not isinstance(caught.value, MissingExtraError)


def test_a_part_that_an_installed_package_lacks_is_not_reported_as_missing() -> None:
    with pytest.raises(ModuleNotFoundError) as caught:
        require("json.no_such_part", extra="heads", feature="It")
    assert not isinstance(caught.value, MissingExtraError)
