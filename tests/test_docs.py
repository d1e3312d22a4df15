"""The documentation names everything that there is."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import click
import pytest

from encore.cli.main import main as cli
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


def verbs() -> list[str]:
    found = []
    for name, command in cli.commands.items():
        below = command.commands if isinstance(command, click.Group) else {}
        found += [f"{name} {child}" for child in below] or [name]
    return found


@pytest.mark.parametrize("verb", verbs())
def test_every_verb_has_an_example_in_its_help(verb: str) -> None:
    command: click.Command = cli
    for part in verb.split():
        assert isinstance(command, click.Group)
        command = command.commands[part]
    assert f"encore {verb}" in (command.help or "")


def test_the_cli_reference_is_up_to_date() -> None:
    written = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    assert written == tool("cli_reference").reference(), "run `make reference`"


@pytest.mark.parametrize("name", [*SCHEMES, *LEARNED, *catalogues()])
def test_every_scheme_and_catalogue_is_documented(name: str) -> None:
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


def test_the_changelog_has_an_open_section() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## Unreleased$", changelog, flags=re.MULTILINE)
