from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import Result

import encore
from encore import RangeScale, Rulebook, Weights
from encore.cli.main import main

Run = Callable[..., Result]
pytestmark = pytest.mark.early

# Every verb, on the files of the folder.
VERBS: dict[str, list[str]] = {
    "demo": ["demo", "--out", "demo"],
    "rules list": ["rules", "list"],
    "rules guess": [
        *("rules", "guess", "labelled.csv", "--label", "score", "--as-is", "harm"),
        *("--scale", "1-5", "-o", "out"),
    ],
    "rules show": ["rules", "show", "rules.toml"],
    "rules check": ["rules", "check", "rules.toml"],
    "rules select": [
        *("rules", "select", "rules.toml", "-k", "1", "--ratings", "calibration.json"),
        *("-o", "out"),
    ],
    "calibrate": ["calibrate", "ratings.csv", "--rules", "rules.toml", "-o", "out"],
    "import": [
        *("import", "labelled.csv", "--label", "score", "--as-is", "harm", "--scale", "1-5"),
        *("-o", "out.csv"),
    ],
    "merge": ["merge", "calibration.json", "-o", "out"],
    "diagnose": ["diagnose", "calibration.json"],
    "weigh": ["weigh", "calibration.json", "-o", "out"],
    "score": ["score", "ratings.csv", "--weights", "weights.json", "-o", "out.csv"],
    "pairs": [
        "pairs",
        "labelled.csv",
        "--rules",
        "rules.toml",
        "--label",
        "score",
        "-o",
        "out.csv",
    ],
    "evaluate": ["evaluate", "pairs.csv", "--weights", "weights.json"],
    "compare": ["compare", "pairs.csv", "--rules", "rules.toml"],
    "report": ["report", "pairs.csv", "--rules", "rules.toml", "-o", "out"],
    "rate": [
        *("rate", "texts.csv", "--rules", "rules.toml", "--rater", "recorded:pairs.csv"),
        *("--store", "store.sqlite", "-o", "out.csv"),
    ],
    "benchmark": ["benchmark", "rewardbench-safety", "pairs.csv", "--rules", "rules.toml"],
    "train": ["train", "rated.csv", "--rules", "rules.toml", "--backbone", "model", "-o", "out"],
    "fold": ["fold", "model", "--weights", "ranged.json", "-o", "out"],
    "theory": ["theory"],
    "rules heads": ["rules", "heads", "model", "-o", "out"],
    "store info": ["store", "info", "store.sqlite"],
    "store gc": ["store", "gc", "store.sqlite", "--unrated"],
    "store export": ["store", "export", "store.sqlite", "-o", "out.csv"],
}
WRITERS = ["calibrate", "merge", "weigh", "score", "rate", "rules select"]
MODEL_VERBS = ["train", "fold", "rules heads"]  # these want a model, or write a folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama with a head for each of the folder's rules."""
    from tests.heads.tiny import classifier

    folder = tmp_path_factory.mktemp("models") / "model"
    classifier(folder, "llama", ("harm", "privacy"))
    Rulebook.from_ids(["harm", "privacy"], RangeScale(-2, 2)).save(folder / "rules.toml")
    return folder


@pytest.fixture(autouse=True)
def _with_model(request: pytest.FixtureRequest) -> None:
    """What verbs about models need, beside the files that all verbs share."""
    callspec = getattr(request.node, "callspec", None)
    verb = None if callspec is None else callspec.params.get("verb")
    if os.environ.get("ENCORE_BARE") and verb in (*MODEL_VERBS, "report"):
        pytest.skip("bare install without torch and matplotlib")
    if verb not in MODEL_VERBS:
        return
    folder, model = (request.getfixturevalue(name) for name in ("folder", "tiny_model"))
    shutil.copytree(model, folder / "model")
    rules = Rulebook.load(model / "rules.toml")
    Weights.by_hand(rules, {"harm": 3, "privacy": 1}).save(folder / "ranged.json")
    rows = ["prompt_id,response_id,prompt,response,harm,privacy"]
    rows += [f"p{n},r{n},Hi {n},Hello {n * n},{1 + n % 5},{1 + n % 3}" for n in range(40)]
    (folder / "rated.csv").write_text("\n".join(rows))


def commands(group: click.Group, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


def broken(verb: str) -> list[str]:
    """The verb's command line on an input that it refuses."""
    bad = {
        **{"calibrate": "ratings.csv", "merge": "calibration.json", "weigh": "calibration.json"},
        **{"rate": "texts.csv", "rules select": "calibration.json"},
    }
    Path(bad.get(verb, "ratings.csv")).write_text("this is not what it should be")
    return VERBS[verb]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def one_line(result: Result) -> str:
    """The only line on standard error of a command that failed with nothing printed."""
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.endswith("\n") and len(result.stderr.splitlines()) == 1
    return result.stderr


def test_every_verb_is_tried_here() -> None:
    assert set(VERBS) == {name for name, _ in commands(main)}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_every_verb_explains_itself_with_an_example(verb: str, option: str, run: Run) -> None:
    result = run(*verb.split(), option)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "Example" in result.stdout and f"  encore {verb}" in result.stdout


def test_the_command_line_shows_the_road_and_all_verbs(run: Run) -> None:
    result = run("--help")
    assert result.exit_code == 0
    for word in ("encore demo", "encore calibrate", "encore weigh", "encore score", "compare"):
        assert word in result.stdout


def test_the_version_is_the_librarys(run: Run) -> None:
    result = run("--version")
    assert (result.exit_code, result.stdout) == (0, f"encore, version {encore.__version__}\n")


# --- what is printed where ------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_prints_json_and_nothing_else_on_standard_output(verb: str, run: Run) -> None:
    result = run(*VERBS[verb], "--json")
    assert result.exit_code == 0
    assert isinstance(json.loads(result.stdout), dict)
    assert all(line.startswith("Note: ") for line in result.stderr.splitlines())


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_prints_its_result_on_standard_output_and_notes_beside_it(
    verb: str, run: Run
) -> None:
    result = run(*VERBS[verb])
    assert result.exit_code == 0
    assert result.stdout.strip() and "Note: " not in result.stdout
    assert all(line.startswith("Note: ") for line in result.stderr.splitlines())


def test_what_is_undefined_is_null_in_json(run: Run) -> None:
    # Four pairs, one of them lost by privacy: no NaN may stand in JSON.
    result = run("compare", "pairs.csv", "--rules", "rules.toml", "--json")
    assert "NaN" not in result.stdout and "Infinity" not in result.stdout
    uniform = json.loads(result.stdout)["rows"][0]
    assert (uniform["scheme"], uniform["p_holm"]) == ("uniform", None)


# --- wrong usage ----------------------------------------------------------------------------


def test_an_unknown_verb_is_wrong_usage(run: Run) -> None:
    result = run("calibrat")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1].startswith("Error: No such command 'calibrat'.")


@pytest.mark.parametrize("verb", VERBS)
def test_an_unknown_option_is_wrong_usage(verb: str, run: Run) -> None:
    result = run(*VERBS[verb], "--nonsense")
    assert (result.exit_code, result.stdout) == (2, "")
    last = result.stderr.splitlines()[-1]  # in click's words, which change
    assert last.startswith("Error: No such option") and "--nonsense" in last


@pytest.mark.parametrize(
    "line",
    [
        "calibrate ratings.csv none.csv --rules rules.toml -o out",
        "merge calibration.json none.csv -o out",
        "diagnose none.csv",
        "weigh none.csv -o out",
        "weigh calibration.json --scheme bradley_terry --pairs none.csv -o out",
        "score none.csv --weights weights.json -o out",
        "score ratings.csv --weights none.csv -o out",
        "evaluate none.csv --weights weights.json",
        "evaluate pairs.csv --weights none.csv",
        "compare none.csv --rules rules.toml",
        "compare pairs.csv --rules rules.toml --calibration-set none.csv",
    ],
)
def test_an_input_that_is_not_there_is_wrong_usage(line: str, run: Run) -> None:
    result = run(*line.split())
    assert (result.exit_code, result.stdout) == (2, "")
    last = result.stderr.splitlines()[-1]
    assert last.startswith("Error: Invalid value for ") and last.endswith(
        "File 'none.csv' does not exist."
    )


@pytest.mark.parametrize("verb", ["calibrate", "compare"])
def test_rules_that_are_not_there_are_named_with_those_that_are(verb: str, run: Run) -> None:
    line = [argument.replace("rules.toml", "safety-21") for argument in VERBS[verb]]
    assert one_line(run(*line)) == (
        "Error: no rules file or catalogue is called 'safety-21'. Did you mean 'safety-13'? "
        "Known: helpfulness, safety, safety-12, safety-13.\n"
    )


@pytest.mark.parametrize("verb", [v for v in WRITERS if v not in ("rate", "weigh")])
def test_an_output_must_be_named(verb: str, run: Run) -> None:
    result = run(*VERBS[verb][:-2])
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == "Error: Missing option '-o' / '--out'."


@pytest.mark.parametrize("verb", WRITERS)
def test_a_folder_is_no_output(verb: str, run: Run, folder: Path) -> None:
    out = VERBS[verb][-1]
    (folder / out).mkdir()
    result = run(*VERBS[verb])
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].endswith(f"File '{out}' is a directory.")


# --- failures -------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", WRITERS)
def test_an_output_in_no_folder_is_one_line_that_names_it(
    verb: str, run: Run, folder: Path
) -> None:
    before = files(folder)
    line = one_line(run(*VERBS[verb][:-1], "nowhere/out"))
    assert line.startswith("Error: ") and "nowhere" in line
    assert files(folder) == before and not (folder / "nowhere").exists()


@pytest.mark.parametrize("verb", WRITERS)
def test_an_output_in_no_folder_is_named_as_the_user_wrote_it(verb: str, run: Run) -> None:
    line = one_line(run(*VERBS[verb][:-1], "nowhere/out.csv"))
    assert line == "Error: nowhere/out.csv: there is no folder nowhere; make it first.\n"


@pytest.mark.parametrize("verb", WRITERS)
def test_a_command_that_fails_leaves_the_old_output_and_nothing_else(
    verb: str, run: Run, folder: Path
) -> None:
    (folder / VERBS[verb][-1]).write_text("old")
    line = broken(verb)
    before = files(folder)
    assert one_line(run(*line)).startswith("Error: ")
    assert files(folder) == before


@pytest.mark.parametrize("verb", WRITERS)
def test_a_command_that_ends_well_leaves_its_output_and_nothing_else(
    verb: str, run: Run, folder: Path
) -> None:
    out = VERBS[verb][-1]
    (folder / out).write_text("old")
    before = files(folder)
    assert run(*VERBS[verb]).exit_code == 0
    after = files(folder)
    assert set(after) == set(before) and after[out] != b"old"


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
@pytest.mark.parametrize("contents", [b"", b"\n", b"\x00\xff\x00\xff", b"[" * 300_000, b"{" * 99])
def test_rubbish_in_a_ratings_file_is_one_line(
    name: str, contents: bytes, run: Run, folder: Path
) -> None:
    (folder / name).write_bytes(contents)
    line = one_line(run("calibrate", name, "--rules", "rules.toml", "-o", "out"))
    assert line.startswith(f"Error: {name}")


def test_a_broken_page_of_a_parquet_file_is_one_line(run: Run, folder: Path) -> None:
    from encore import examples

    whole = examples.ratings_path().read_bytes()
    (folder / "a.parquet").write_bytes(whole[:4] + b"\xff" * 40 + whole[44:])
    line = one_line(run("calibrate", "a.parquet", "--rules", "safety-12", "-o", "out"))
    assert line.startswith("Error: a.parquet: cannot be read: ")


def test_a_reader_that_leaves_early_is_no_traceback() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    program = "from encore.cli.main import main; main()"
    command = [sys.executable, "-c", program, "rules", "show", "safety-12"]
    done = subprocess.run(
        command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


# --- Ctrl-C ---------------------------------------------------------------------------------


def test_an_interrupted_verb_exits_130_and_leaves_the_old_output(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    (folder / "out").write_text("old")
    before = files(folder)
    monkeypatch.setattr("encore.cli.calibrate.calibrate_ratings", interrupted)
    result = run(*VERBS["calibrate"])
    assert (result.exit_code, result.stdout) == (130, "")
    assert result.stderr.strip() == "Interrupted. No file was left half written."
    assert files(folder) == before


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes")
def test_ctrl_c_while_a_file_is_read_exits_130(folder: Path) -> None:
    pipe = folder / "endless.csv"
    os.mkfifo(pipe)
    # A shell may have started the tests with SIGINT ignored, which a child would inherit.
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from encore.cli.main import main; main()"
    )
    arguments = ["calibrate", "endless.csv", "--rules", "rules.toml", "-o", "out"]
    command = [sys.executable, "-c", program, *arguments]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        writer = _opened_for_writing(pipe)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=20)
        os.close(writer)
    assert (process.returncode, stdout) == (130, "")
    assert stderr.strip() == "Interrupted. No file was left half written."
    assert not (folder / "out").exists() and not list(folder.glob("*.part"))


def _opened_for_writing(pipe: Path) -> int:
    """Wait until the command has opened the pipe to read from it."""
    for _ in range(2000):
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            time.sleep(0.01)
    raise TimeoutError("the command never opened its input")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_there_for_every_shell(shell: str) -> None:
    script = subprocess.run(
        [sys.executable, "-c", "from encore.cli.main import main; main(prog_name='encore')"],
        env={**os.environ, "_ENCORE_COMPLETE": f"{shell}_source"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "_ENCORE_COMPLETE" in script.stdout and "encore" in script.stdout
