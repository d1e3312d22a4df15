"""The documentation names everything that there is."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest

from encore._version import __version__
from encore.cli.main import main as cli
from encore.rewards import FORMS
from encore.rules import catalogues
from encore.weights import LEARNED, SCHEMES

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.skipif(
    not (ROOT / "docs").is_dir(), reason="the documentation is not beside the tests"
)


def pages() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").rglob("*.md"))


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def verbs() -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}
    context = click.Context(cli)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        below = command.commands if isinstance(command, click.Group) else {}
        found |= {f"{name} {child}": below[child] for child in below} or {name: command}
    return found


@pytest.mark.parametrize(("verb", "command"), verbs().items())
def test_every_verb_has_an_example_in_its_help(verb: str, command: click.Command) -> None:
    assert f"encore {verb}" in (command.help or "")


def test_the_cli_reference_is_up_to_date() -> None:
    written = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    assert written == tool("cli_reference").reference(), "run `make reference`"


@pytest.mark.parametrize("name", [*SCHEMES, *LEARNED, *FORMS, *catalogues()])
def test_every_scheme_form_and_catalogue_is_documented(name: str) -> None:
    assert f"`{name}`" in pages()


def test_every_page_is_in_a_table_of_contents() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    names = {
        str(p.relative_to(ROOT / "docs").with_suffix("")) for p in (ROOT / "docs").rglob("*.md")
    }
    assert [name for name in sorted(names - {"index"}) if name not in index] == []


def test_every_make_target_of_the_readme_exists() -> None:
    named = set(re.findall(r"^make (\w+)", (ROOT / "README.md").read_text(), flags=re.MULTILINE))
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert {"demo", "test"} <= named <= targets


def test_the_changelog_has_an_open_section_and_the_version_follows_it() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (\S+)", changelog, flags=re.MULTILINE)
    assert headings[:2] == ["Unreleased", __version__]


def test_the_citation_states_the_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.+)$", citation, flags=re.MULTILINE) == [__version__]


def test_every_extra_is_asked_for_in_the_code_and_is_in_all() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    (everything,) = extras.pop("all")
    source = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "src").rglob("*.py"))
    assert set(re.findall(r'extra="(\w+)"', source)) == set(extras)
    assert everything == f"encore-reward[{','.join(extras)}]"


def markdown() -> list[Path]:
    below = ("docs", "design", "benchmarks", "src")
    pages = [page for name in below for page in (ROOT / name).rglob("*.md")]
    # The template's links are those of the page that is made from it, docs/explanation/evidence.md.
    return [*ROOT.glob("*.md"), *(page for page in pages if page.name != "template.md")]


def named_files(page: Path) -> Iterator[tuple[str, bool]]:
    """Every file that a page names, and whether it is there."""
    text = page.read_text(encoding="utf-8")
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)#]+)", prose):
        if "://" not in link:
            yield link, (page.parent / link).exists()
    for name in re.findall(rf"`((?:{'|'.join(TOPS)})/[^`\s]*)`", prose):
        yield name, (ROOT / name).exists()
    for name in re.findall(r"`([\w/]+\.(?:py|ts|css|sh))`", prose):
        yield name, any(path.match(name) for path in SOURCES)


TOPS = ("benchmarks", "design", "docs", "src", "tests", "tools", "web")
SOURCES = [
    path
    for top in TOPS
    for path in (ROOT / top).rglob("*.*")
    if path.suffix in {".py", ".ts", ".css", ".sh"} and "node_modules" not in path.parts
]


@pytest.mark.parametrize("page", markdown(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    assert [name for name, there in named_files(page) if not there] == []


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation as `make docs` builds it."""
    built = tmp_path_factory.mktemp("site")
    command = ["-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-d", f"{built}-doctrees"]
    done = subprocess.run(
        [sys.executable, *command, str(ROOT / "docs"), str(built)], capture_output=True, text=True
    )
    assert done.returncode == 0, f"{done.stderr}\n(MathJax comes with `make web/node_modules`.)"
    return built


def test_formulas_are_drawn_and_no_page_asks_for_anything_outside(site: Path, browser: Any) -> None:
    context = browser.new_context(offline=True)
    tab = context.new_page()
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    formulas = {}
    for path in sorted(site.rglob("*.html")):
        tab.goto(path.as_uri())
        if tab.locator(".math").count():
            tab.wait_for_function("window.MathJax?.startup?.promise", timeout=60_000)
            tab.evaluate("MathJax.startup.promise")
        name = str(path.relative_to(site))
        formulas[name] = tab.locator(".math").count()
        assert tab.locator(".math > mjx-container > svg").count() == formulas[name], name
        assert tab.locator('[data-mjx-error], mjx-container [fill="red"]').count() == 0, name
    context.close()
    assert formulas["explanation/theory.html"] > 30
    assert [url for url in asked if not url.startswith(site.as_uri())] == []
