"""Every verb and every pair of its paths: what is read is never written over."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import Result

from encore.cli.main import main
from encore.cli.paths import PathType, ReadsRater, ReadsReward, Updates, Writes, WritesFolder, told
from encore.cli.verb import Verb
from tests.cli.test_main import commands

Run = Callable[..., Result]

# What a verb wants beside its paths.
MORE: dict[str, list[str]] = {
    "rules select": ["-k", "1"],
    "benchmark": ["rewardbench-safety"],
    "store gc": ["--unrated"],
    "pairs": ["--label", "score"],
}
COMMANDS = dict(commands(main))
PATHS = {
    verb: [param for param in command.params if isinstance(param.type, PathType)]
    for verb, command in COMMANDS.items()
}


def names_of(param: click.Parameter) -> list[str]:
    """How a parameter may name a file: as it is, or after a prefix."""
    if isinstance(param.type, ReadsRater):
        return ["recorded:{}", "local:{}", "heads:{}", "heads:other,{}"]
    return ["name={}"] if isinstance(param.type, ReadsReward) else ["{}"]


def is_read(param: click.Parameter) -> bool:
    return isinstance(param.type, Updates) or not isinstance(param.type, Writes | WritesFolder)


def is_written(param: click.Parameter) -> bool:
    return isinstance(param.type, Writes | WritesFolder)


def folder_of(param: click.Parameter) -> list[str]:
    """The files that a folder's verb writes into it; a file's parameter names the file itself."""
    return list(param.type.names) if isinstance(param.type, WritesFolder) else []


def pairs(wanted: Callable[[click.Parameter], bool]) -> list[tuple[str, Any, Any, str]]:
    """Verb, a parameter that is written, another that is *wanted*, and how that names a file."""
    return [
        (verb, out, other, form)
        for verb, params in PATHS.items()
        for out, other in itertools.product(filter(is_written, params), filter(wanted, params))
        for form in names_of(other)
        if out is not other
    ]


def line(verb: str, given: dict[str, str]) -> list[str]:
    """A command line with these values, and a file of its own for every other path it must have."""
    words = [*verb.split(), *MORE.get(verb, [])]
    for param in PATHS[verb]:
        value = given.get(str(param.name))
        if value is None and param.required:
            value = f"other-{param.name}.csv"
            if is_read(param):
                Path(value).write_text("other")
            value = names_of(param)[0].format(value)
        if value is not None:
            words += [param.opts[-1], value] if isinstance(param, click.Option) else [value]
    return words


def check_refused(run: Run, words: list[str], *params: click.Parameter) -> None:
    """One line that names every parameter; whatever was there is there, byte for byte."""
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    result = run(*words)
    assert (result.exit_code, result.stdout) == (1, ""), (words, result.output)
    assert len(result.stderr.splitlines()) == 1
    assert all(told(param) in result.stderr for param in params), result.stderr
    assert {p: p.read_bytes() for p in Path().rglob("*") if p.is_file()} == before


def test_every_verb_is_guarded_and_has_no_path_that_the_guard_does_not_know() -> None:
    assert all(isinstance(command, Verb) for command in COMMANDS.values())
    others = [
        f"{verb} {param.name}"
        for verb, command in COMMANDS.items()
        for param in command.params
        if isinstance(param.type, click.Path | click.File)
    ]
    assert others == []


def test_a_parameter_of_plain_text_names_no_file() -> None:
    texts = {
        f"{verb} {param.name}"
        for verb, command in COMMANDS.items()
        for param in command.params
        if isinstance(param.type, click.types.StringParamType)
    }
    named = {text.split()[-1] for text in texts}
    # Each of these is a name, an address, a device or JSON; a new one has to be looked at.
    assert named <= {
        *(
            "base_url",
            "key_env",
            "extra",
            "device",
            "group",
            "head",
            "keep",
            "label",
            "split",
            "rule",
            # Columns, words and scales of a table to import.
            *("applies", "as_is", "decimal", "delimiter", "encoding", "mapped", "model", "na"),
            "form",  # a key, with numbers
            *("not_applicable", "prefix", "prompt", "prompt_id", "rater", "reason", "repeat"),
            *("response", "response_id", "reverse", "rule_columns", "scale", "score", "sheet"),
            *("spread", "subset", "unrated"),
        ),
    }


@pytest.mark.parametrize("way", ["itself", "link", "hard link"])
@pytest.mark.parametrize(("verb", "out", "read", "form"), pairs(is_read))
def test_what_is_read_is_never_written_over(
    verb: str, out: click.Parameter, read: click.Parameter, form: str, way: str, run: Run
) -> None:
    Path("folder").mkdir()
    place = Path("folder", *folder_of(out)[-1:]) if folder_of(out) else Path("read.npy")
    name = place if way == "itself" else Path("another")
    name.write_text("what is read")
    if way == "link":
        place.symlink_to(name.absolute())
    elif way == "hard link":
        place.hardlink_to(name)
    written = "folder" if folder_of(out) else str(place)
    words = line(verb, {str(out.name): written, str(read.name): form.format(name)})
    check_refused(run, words, out, read)


@pytest.mark.parametrize(
    ("verb", "out", "other", "form"),
    [found for found in pairs(is_written) if str(found[1].name) < str(found[2].name)],
)
def test_two_things_are_never_written_to_one_file(
    verb: str, out: click.Parameter, other: click.Parameter, form: str, run: Run
) -> None:
    folders = folder_of(out) or folder_of(other)
    same = Path("folder", folders[0]) if folders else Path("same.csv")
    Path("folder").mkdir()
    if any(getattr(param.type, "exists", False) for param in (out, other)):
        same.write_text("a store")
    given = {str(p.name): "folder" if folder_of(p) else str(same) for p in (out, other)}
    check_refused(run, line(verb, given), out, other)


@pytest.mark.parametrize(
    ("verb", "out", "read", "form"),
    [found for found in pairs(is_read) if getattr(found[2].type, "folders", False)],
)
def test_nothing_is_written_into_a_folder_that_is_read(
    verb: str, out: click.Parameter, read: click.Parameter, form: str, run: Run
) -> None:
    Path("model").mkdir()
    Path("model", "config.json").write_text("{}")
    words = line(verb, {str(out.name): "model/new.csv", str(read.name): form.format("model")})
    check_refused(run, words, out, read)


def test_every_kind_of_pair_is_tried() -> None:
    tried = {(verb, told(out), told(read)) for verb, out, read, _ in pairs(is_read)}
    assert {
        ("rate", "--out", "--store"),
        ("rate", "--out", "--rater"),
        ("rate", "--out", "--rules"),
        ("rate", "--store", "DATA"),
        ("weigh", "--out", "--pairs"),
        ("weigh", "--out", "--scheme"),
        ("merge", "--out", "CALIBRATIONS"),
        ("train", "--held-out", "RATINGS"),
        ("train", "--held-out", "--texts"),
        ("train", "--states", "--backbone"),
        ("report", "--figures", "--weights"),
        ("benchmark", "--write-texts", "RATED"),
        ("store export", "--out", "FILE"),
    } <= tried


# --- cases that need more than two names ----------------------------------------------------


def test_the_default_store_is_guarded_too(run: Run, folder: Path) -> None:
    (folder / "store.sqlite").rename("encore-store.sqlite")
    before = Path("encore-store.sqlite").read_bytes()
    given = ("rate", "texts.csv", "--rules", "rules.toml", "--rater", "recorded:pairs.csv")
    result = run(*given, "-o", "encore-store.sqlite")
    assert result.exit_code == 1 and "which --store reads" in result.stderr
    assert Path("encore-store.sqlite").read_bytes() == before


@pytest.mark.parametrize("ending", ["-wal", "-shm"])
def test_what_sqlite_keeps_beside_a_store_is_of_the_store(ending: str, run: Run) -> None:
    Path(f"store.sqlite{ending}").write_text("paid answers")
    result = run("store", "export", "store.sqlite", "-o", f"store.sqlite{ending}")
    assert result.exit_code == 1 and "which FILE reads" in result.stderr
    assert Path(f"store.sqlite{ending}").read_text() == "paid answers"


def test_what_is_written_beside_a_file_is_guarded_too(run: Run) -> None:
    Path("s.npy.json").write_text("ratings")
    ratings, states = (
        next(param for param in PATHS["train"] if told(param) == name)
        for name in ("RATINGS", "--states")
    )
    given = {str(ratings.name): "s.npy.json", str(states.name): "s.npy"}
    check_refused(run, line("train", given), ratings, states)


def test_a_store_that_is_not_there_yet_is_no_output_either(run: Run) -> None:
    given = ("rate", "texts.csv", "--rules", "rules.toml", "--rater", "recorded:pairs.csv")
    result = run(*given, "--store", "new.parquet", "-o", "./new.parquet")
    assert result.exit_code == 1 and not Path("new.parquet").exists()


def test_the_last_of_several_inputs_is_guarded(run: Run, folder: Path) -> None:
    before = (folder / "b.json").write_bytes((folder / "calibration.json").read_bytes())
    result = run("merge", "calibration.json", "b.json", "-o", "b.json")
    assert result.exit_code == 1 and "--out would write over b.json" in result.stderr
    assert (folder / "b.json").stat().st_size == before


def test_what_the_shell_gives_as_standard_input_is_guarded(folder: Path) -> None:
    before = (folder / "ratings.csv").read_bytes()
    program = "from encore.cli.main import main; main()"
    words = ["calibrate", "-", "--rules", "rules.toml", "-o", "ratings.csv"]
    with (folder / "ratings.csv").open("rb") as ratings:
        done = subprocess.run(
            [sys.executable, "-c", program, *words],
            stdin=ratings,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=folder,
            env=dict(os.environ),
        )
    assert done.returncode == 1 and "--out would write over /dev/stdin" in done.stderr
    assert (folder / "ratings.csv").read_bytes() == before


def test_other_files_are_written(run: Run) -> None:
    assert run("merge", "calibration.json", "-o", "new.json").exit_code == 0
    assert run("merge", "calibration.json", "-o", "/dev/null").exit_code == 0


# --- paths that lead nowhere ------------------------------------------------------------------

EVERY = [
    (verb, param, form)
    for verb, params in PATHS.items()
    for param in params
    for form in names_of(param)
]


@pytest.mark.parametrize("name", ["", "a\0b.csv", f"{'a' * 300}.csv", "loop.csv"], ids=ascii)
@pytest.mark.parametrize(("verb", "param", "form"), EVERY)
def test_a_path_that_leads_nowhere_is_a_line(
    verb: str, param: click.Parameter, form: str, name: str, run: Run
) -> None:
    Path("loop.csv").symlink_to("loop.csv")
    words = line(verb, {str(param.name): form.format(name)})
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    result = run(*words)
    assert result.exit_code in (1, 2), (words, result.output, result.exception)
    assert isinstance(result.exception, SystemExit), result.exception
    assert "Error: " in result.stderr
    assert {p: p.read_bytes() for p in Path().rglob("*") if p.is_file()} == before


def test_an_empty_output_is_not_the_folder_that_one_is_in(run: Run, folder: Path) -> None:
    result = run("calibrate", "ratings.csv", "--rules", "rules.toml", "-o", "")
    assert result.exit_code == 2
    assert "'' is no path; give the name of a file." in result.stderr


def test_a_device_is_no_table(run: Run) -> None:
    result = run("calibrate", "/dev/zero", "--rules", "rules.toml", "-o", "out.json")
    assert result.exit_code == 1
    assert result.stderr == "Error: RATINGS: /dev/zero is a device; give a file or a pipe.\n"
