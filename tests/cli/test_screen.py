"""Text from outside is text: no markup is interpreted, no control character is sent."""

from __future__ import annotations

import contextlib
import http.server
import io
import json
import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from encore import Calibration, Rulebook, Weights, calibrate
from encore.cli import screen
from encore.cli.main import VERBS, main
from encore.cli.screen import Screen, new_table
from encore.formatting import visible

Run = Callable[..., Result]

# Closing markup that was never opened, a screen wiped, a title set, bells, a line of another's.
HOSTILE = "[/bold][red]x\x1b[2J\x1b]0;title\x07\r\x9b1m\u202eevil\nError: none"
# What Rich itself sends: colours and weights, the cursor for its bars and spinners.
OURS = re.compile(r"\x1b\[(\d+(;\d+)*m|\?25[lh]|1A|2K)|\r\n?")
SENT = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")


def check(shown: str, *parts: str) -> None:
    """Nothing is sent but what is ours, and *parts* are there to be read."""
    assert SENT.search(OURS.sub("", shown)) is None, repr(shown)
    assert "\nError: none" not in shown.replace("\r", "")
    for part in parts:
        assert part in OURS.sub("", shown), repr(shown)


def on_a_terminal(*words: str, folder: Path) -> str:
    """All that a verb sends to a terminal, on standard output and standard error."""
    main_end, its_end = pty.openpty()
    program = "from encore.cli.main import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", program, *words],
        stdin=subprocess.DEVNULL,
        stdout=its_end,
        stderr=its_end,
        cwd=folder,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "200"},
    ) as process:
        os.close(its_end)
        shown = b""
        with contextlib.suppress(OSError):  # the end of a terminal is an error on Linux
            while part := os.read(main_end, 65_536):
                shown += part
        process.wait(timeout=60)
    os.close(main_end)
    text = shown.decode()
    assert "Traceback" not in text, text
    return text


# --- the helper -----------------------------------------------------------------------------


@given(text=st.text())
def test_visible_text_holds_nothing_that_a_terminal_obeys_and_every_encoding_has_it(
    text: str,
) -> None:
    shown = visible(text, lines=False)
    assert SENT.search(shown) is None and "\n" not in shown
    shown.encode()
    if text.isprintable():
        assert shown == text


def test_escapes_are_shown_as_python_writes_them() -> None:
    assert visible("a\x1b[1mb\tc\r\x9b\u202e\ud800\n") == "a\\x1b[1mb\\tc\\r\\x9b\\u202e\\ud800\n"
    assert visible("Žluťoučký 😀 [bold]:smile:") == "Žluťoučký 😀 [bold]:smile:"


@pytest.mark.parametrize("width", [40, 200])
def test_titles_heads_cells_and_sentences_are_text_on_a_terminal(width: int) -> None:
    out = io.StringIO()
    console = Screen(file=out, force_terminal=True, width=width, highlight=False)
    table = new_table(HOSTILE, HOSTILE, "n")
    table.add_row(HOSTILE, "[/bold]")
    table.add_row(":smile:", "[1]")
    console.print(table)
    console.print(HOSTILE, style="bold", soft_wrap=True)
    shown = out.getvalue().replace(HOSTILE.split("\n")[0], "")
    check(shown.replace("\nError: none", ""), ":smile:", "[1]")
    assert "[/bold]" in OURS.sub("", shown)


def test_lines_are_ours_alone(capsys: pytest.CaptureFixture[str]) -> None:
    screen.say("first", HOSTILE)
    screen.note(HOSTILE)
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == 2 and len(shown.err.splitlines()) == 1
    check(shown.out + shown.err, "\\nError: none")


def test_json_stays_the_same_json(capsys: pytest.CaptureFixture[str]) -> None:
    screen.print_json({HOSTILE: [HOSTILE, float("nan")]})
    shown = capsys.readouterr().out
    assert json.loads(shown) == {HOSTILE: [HOSTILE, None]}
    check(shown)


@pytest.mark.parametrize("terminal", [True, False])
def test_a_bar_says_text_above_itself(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stderr", out)
    monkeypatch.setattr(out, "isatty", lambda: terminal)
    monkeypatch.setenv("TERM", "xterm")
    with screen.progress(HOSTILE) as (update, note_above):
        update(1, HOSTILE, total=2)
        note_above("[/bold]\x1b[2J")
    assert "[/bold]\\x1b[2J" in OURS.sub("", out.getvalue())
    check(out.getvalue())


# --- every place that text comes from -------------------------------------------------------

NAME = "[/bold][red]\x1b[2J\x07"
SEEN = "[/bold][red]\\x1b[2J\\x07"


@pytest.fixture
def hostile(folder: Path) -> Path:
    """Pairs whose subsets and ids are hostile, and rewards and rules named so."""
    head, *rows = (folder / "pairs.csv").read_text().splitlines()
    rows = [row.replace("donotanswer", NAME).replace("chat", f"=1{NAME}") for row in rows]
    (folder / "pairs.csv").write_text("\n".join([head, *rows]))
    rules = (folder / "rules.toml").read_text().replace('"harm"', '"[/bold][red]"')
    (folder / "bold.toml").write_text(rules.replace("Does no harm.", "Is [/bold]\\u001b[2J good."))
    for name in ("ratings.csv", "pairs.csv"):
        text = (folder / name).read_text()
        (folder / f"bold-{name}").write_text(re.sub(r"harm", "[/bold][red]", text, count=2))
    bold = Rulebook.load("bold.toml")
    calibrate("bold-ratings.csv", bold).save("bold.json")
    Weights.by_hand(bold, dict.fromkeys(bold.ids, 1)).save("bold-weights.json")
    (folder / "r.csv").write_text("id,chosen.reward,rejected.reward\na,9,1\nb,9,1\nc,1,9\nd,9,1\n")
    return folder


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["rules", "show", "bold.toml"], ["[/bold][red]", "Is [/bold]\\x1b[2J good."]),
        (["rules", "check", "bold.toml"], ["bold.toml"]),
        (["diagnose", "bold.json"], ["[/bold][red]"]),
        (["weigh", "bold.json"], ["[/bold][red]"]),
        (["evaluate", "pairs.csv", "--weights", "weights.json"], [SEEN]),
        (["evaluate", "bold-pairs.csv", "--weights", "bold-weights.json"], [SEEN]),
        (
            ["compare", "bold-pairs.csv", "--rules", "bold.toml", "--n-folds", "2"],
            ["[/bold][red]"],
        ),
        (
            ["compare", "pairs.csv", "--rules", "rules.toml", "--rewards", f"{NAME}=r.csv"],
            [SEEN],
        ),
        (["compare", "pairs.csv", "--rules", "rules.toml", "--format", "markdown"], [SEEN]),
        (["compare", "pairs.csv", "--rules", "rules.toml", "--json"], ["\\u001b[2J"]),
        (
            ["benchmark", "rewardbench-safety", "pairs.csv", "--rules", "rules.toml"],
            ["no pair is of the subsets"],
        ),
        (["weigh", "calibration.json", "--scheme", NAME], [repr(NAME).strip("'")]),
        (["rules", "show", f"{NAME}.toml"], [f"{SEEN}.toml: no such file"]),
        (["diagnose", NAME], [SEEN]),
        ([NAME], ["No such command"]),
        ([f"--{NAME}"], ["No such option"]),
        (["weigh", "calibration.json", "-o", f"{NAME}/x"], [f"{SEEN}/x: there is no folder"]),
        (["score", "ratings.csv", "--weights", "weights.json", "--keep", NAME, "-o", "o.csv"], []),
    ],
    ids=lambda value: value[0][:12] if value else "",
)
def test_hostile_names_are_text_on_a_terminal(
    words: list[str], parts: list[str], hostile: Path
) -> None:
    shown = on_a_terminal(*words, folder=hostile)
    check(shown, *parts)


def test_a_file_s_name_is_text(folder: Path) -> None:
    name, seen = "[red]\x1b[2J\x07\n", "[red]\\x1b[2J\\x07\\n"
    (folder / "ratings.csv").rename(folder / f"{name}.csv")
    given = ("--rules", "rules.toml", "-o", f"{name}.json")
    shown = on_a_terminal("calibrate", f"{name}.csv", *given, folder=folder)
    check(shown, f"{seen}.json: 4 responses")
    assert Calibration.load(folder / f"{name}.json").n_responses == 4


@contextlib.contextmanager
def endpoint(status: int, text: str) -> Iterator[str]:
    """A server that answers everything with one status and text."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("status", [400, 401, 503])
def test_what_an_endpoint_says_is_text(
    status: int, folder: Path, peer: Callable[[str], object]
) -> None:
    peer("aiohttp")
    with endpoint(status, HOSTILE) as url:
        given = ("--rules", "rules.toml", "--rater", "openai:m", "--base-url", url)
        words = ("rate", "texts.csv", *given, "--attempts", "1", "-o", "out.csv")
        shown = on_a_terminal(*words, folder=folder)
    check(shown, "[/bold][red]x\\x1b[2J")


# --- verbs are loaded when they are asked for -----------------------------------------------


def test_what_the_help_says_of_a_verb_is_what_the_verb_says() -> None:
    context = click.Context(main)
    for name, said in VERBS.items():
        command = main.get_command(context, name)
        assert command is not None and command.name == name
        assert (command.help or "").split("\n")[0] == said, name


def test_help_imports_no_verb_and_nothing_that_verbs_need() -> None:
    code = (
        "import sys\n"
        "from encore.cli.main import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "heavy = ('rich', 'pyarrow', 'encore.evaluation', 'encore.raters', 'encore.cli.rate')\n"
        "print([name for name in heavy if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert all(f"  {name} " in done.stdout for name in VERBS)


def test_a_verb_that_is_nearly_named_is_wrong_usage() -> None:
    assert CliRunner().invoke(main, ["calibrates"]).exit_code == 2
