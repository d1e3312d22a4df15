"""Files as people have them are imported by the command line, and read back."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

import encore
from encore.cli.main import main
from tests.ratings.importing.files import FILES, NA, File

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command line in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(main, list(arguments))

    return invoke


def test_there_are_as_many_kinds_as_people_have() -> None:
    assert len({file.name for file in FILES}) == len(FILES) >= 26


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_file_as_people_have_it_is_imported(file: File, run: Run, tmp_path: Path) -> None:
    path = file.write(tmp_path).relative_to(tmp_path)
    done = run("import", str(path), "-o", "out.parquet", *file.options)
    assert done.exit_code == 0, done.output
    rules = encore.Rulebook.load("out.rules.toml")
    assert rules.ids == tuple(file.says)
    assert {name: str(rules[name].scale) for name in file.scale} == dict(file.scale)
    table = encore.as_ratings("out.parquet", rules)
    for place, (rule, cells) in enumerate(file.says.items()):
        values = [math.nan if cell in (None, NA) else cell for cell in cells]
        np.testing.assert_array_equal(table.values[:, place], np.array(values, dtype=float), rule)
        assert table.not_applicable[:, place].tolist() == [cell == NA for cell in cells], rule
        assert table.unrated[:, place].tolist() == [cell is None for cell in cells], rule


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_command_that_is_printed_repeats_the_import(
    file: File, run: Run, tmp_path: Path
) -> None:
    path = file.write(tmp_path).relative_to(tmp_path)
    first = run("import", str(path), "-o", "out.parquet", *file.options, "--json")
    assert first.exit_code == 0, first.output
    command = json.loads(first.stdout)["command"]
    rules = Path("out.rules.toml").read_bytes()
    table = pq.read_table("out.parquet")
    stated = json.loads(table.schema.metadata[b"encore.provenance"])["command"]
    Path("out.parquet").unlink()
    again = run(*shlex.split(command)[1:])
    assert again.exit_code == 0, again.output
    assert pq.read_table("out.parquet").equals(table)
    assert Path("out.rules.toml").read_bytes() == rules
    assert stated == command


@pytest.mark.parametrize(
    "file", [file for file in FILES if file.options], ids=lambda file: file.name
)
def test_what_is_not_certain_is_refused_with_the_option_to_give(
    file: File, run: Run, tmp_path: Path
) -> None:
    path = file.write(tmp_path).relative_to(tmp_path)
    done = run("import", str(path), "-o", "out.parquet")
    assert done.exit_code == 1
    assert not Path("out.parquet").exists() and not Path("out.rules.toml").exists()
    named = {option.partition("=")[0] for option in file.options if option.startswith("--")}
    assert [option for option in named if option not in done.output] == [], done.output
