"""Standard input and output, pipes and devices, as a shell gives them."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from encore.cli.main import main

Run = Callable[..., Result]
SCORE = ["--weights", "weights.json"]
EXPECTED = [1.0, 3 / 16, 1.0, 1 / 4]  # as tests/cli/test_score.py has it


def encore(*words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """A process of its own, with real descriptors."""
    program = "from encore.cli.main import main; main()"
    command = [sys.executable, "-c", program, *words]
    return subprocess.run(command, input=stdin, capture_output=True, timeout=60, check=False)


def ratings_as(form: str) -> bytes:
    table = pyarrow.csv.read_csv("ratings.csv")
    out = io.BytesIO()
    if form == "parquet":
        pq.write_table(table, out)
    elif form == "jsonl":
        out.write("\n".join(map(json.dumps, table.to_pylist())).encode())
    else:
        out.write(Path("ratings.csv").read_bytes())
    return out.getvalue()


def rewards_in(data: bytes, form: str) -> list[float]:
    if form == "parquet":
        return [float(r) for r in pq.read_table(io.BytesIO(data))["reward"].to_pylist()]
    if form == "csv":
        return [float(line.split(",")[-1]) for line in data.decode().splitlines()[1:]]
    return [json.loads(line)["reward"] for line in data.splitlines()]


@pytest.mark.parametrize("said", [True, False])
@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl"])
def test_ratings_come_through_a_pipe(form: str, said: bool, folder: Path) -> None:
    words = ["score", "-", *SCORE, *(["--format", form] if said else []), "-o", "out.jsonl"]
    done = encore(*words, stdin=ratings_as(form))
    assert (done.returncode, done.stdout) == (0, b"out.jsonl: 4 rewards in 4 rows\n")
    assert rewards_in(Path("out.jsonl").read_bytes(), "jsonl") == EXPECTED


def test_a_format_that_is_said_is_believed(folder: Path) -> None:
    done = encore("score", "-", *SCORE, "--format", "jsonl", "-o", "o.csv", stdin=ratings_as("csv"))
    assert done.returncode == 1 and not Path("o.csv").exists()
    assert done.stderr.startswith(b"Error: standard input, row 1: not a JSON object")


def test_an_empty_pipe_has_no_rows(folder: Path) -> None:
    done = encore("score", "-", *SCORE, "-o", "out.csv")
    assert done.stderr == b"Error: standard input: no rows; expected at least one response.\n"


@pytest.mark.parametrize("form", [None, "parquet", "csv", "jsonl"])
@pytest.mark.parametrize("out", ["-", "/dev/stdout"])
def test_a_table_goes_to_standard_output_and_messages_beside_it(
    out: str, form: str | None, folder: Path
) -> None:
    said = [] if form is None else ["--format", form]
    done = encore("score", "ratings.csv", *SCORE, *said, "-o", out)
    assert (done.returncode, done.stderr.decode()) == (0, f"{out}: 4 rewards in 4 rows\n")
    assert rewards_in(done.stdout, form or "jsonl") == EXPECTED


def test_a_table_goes_through_from_pipe_to_pipe(folder: Path) -> None:
    # What is read is recognised; what is said is of what is written.
    words = ["score", "-", *SCORE, "--format", "csv", "-o", "-", "--json"]
    done = encore(*words, stdin=ratings_as("parquet"))
    assert rewards_in(done.stdout, "csv") == EXPECTED
    assert json.loads(done.stderr)["n_rows"] == 4


def test_a_document_goes_to_standard_output_too(folder: Path) -> None:
    done = encore("weigh", "calibration.json", "-o", "-")
    assert json.loads(done.stdout)["kind"] == "encore.weights"
    assert done.stderr.startswith(b"weights: linear")


def test_a_fifo_is_read_by_the_ending_of_its_name(folder: Path) -> None:
    os.mkfifo("texts.jsonl")
    with subprocess.Popen(["sh", "-c", "cat > texts.jsonl"], stdin=subprocess.PIPE) as writer:
        assert writer.stdin is not None
        writer.stdin.write(ratings_as("jsonl"))
        writer.stdin.close()
        done = encore("score", "texts.jsonl", *SCORE, "-o", "out.jsonl")
    assert done.returncode == 0
    assert rewards_in(Path("out.jsonl").read_bytes(), "jsonl") == EXPECTED


def test_a_device_is_written_to_whatever_its_name(folder: Path) -> None:
    assert encore("score", "ratings.csv", *SCORE, "-o", "/dev/null").returncode == 0
    assert not Path("/dev/null").is_file()


@pytest.mark.parametrize(
    "words",
    [
        ["calibrate", "-", "--rules", "rules.toml", "-o", "out.json"],
        ["diagnose", "-", "--rules", "rules.toml"],
        ["evaluate", "-", "--weights", "weights.json"],
        ["compare", "-", "--rules", "rules.toml"],
        ["weigh", "calibration.json", "--scheme", "bradley_terry", "--pairs", "-"],
        ["benchmark", "rewardbench-safety", "-", "--rules", "rules.toml"],
        [
            *("rate", "-", "--rules", "rules.toml", "--rater", "recorded:pairs.csv"),
            *("-o", "out.jsonl"),
        ],
    ],
    ids=lambda words: str(words[0]),
)
def test_verbs_read_ratings_pairs_and_texts_from_a_pipe(words: list[str], folder: Path) -> None:
    name = {"calibrate": "ratings.csv", "diagnose": "ratings.csv", "rate": "texts.csv"}
    data = Path(name.get(words[0], "pairs.csv"))
    piped = CliRunner().invoke(main, words, input=data.read_bytes())
    named = CliRunner().invoke(main, [str(data) if word == "-" else word for word in words])
    assert (piped.exit_code, piped.stdout) == (0, named.stdout)


def test_one_pipe_is_read_once(run: Run) -> None:
    result = run("compare", "-", "--rules", "rules.toml", "--calibration-set", "-")
    assert result.exit_code == 1
    assert "standard input can be read once only" in result.stderr


def test_a_path_that_is_no_pipe_is_not_copied(run: Run, folder: Path) -> None:
    (folder / "out.json").write_text("")
    assert run("calibrate", "ratings.csv", "--rules", "rules.toml", "-o", "out.json").exit_code == 0
    assert "ratings.csv" in (folder / "out.json").read_text()
