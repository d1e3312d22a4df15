"""The shape of the house."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import encore

SRC = Path(encore.__file__).parent
# A folder imports only from lines above its own; folders on one line do not know each other.
RANKS = (
    {"errors", "_version"},
    {"parsing", "temporary"},
    {"arrays", "extras", "files", "formatting"},
    {"rules"},
    {"ratings"},
    {"examples"},
    {"calibration"},
    {"weights"},
    {"rewards"},
    {"heads"},
    {"raters"},
    {"evaluation", "theory"},
    {"labelling", "reporting", "trainers", "distributed"},
    {"serving"},
    {"cli"},
)
RANK = {name: rank for rank, names in enumerate(RANKS) for name in names}
HEAVY = ("pyarrow", "pandas", "polars", "scipy", "sklearn", "torch", "rich", "click", "matplotlib")
MAX_MODULE_LINES, MEDIAN_MODULE_LINES = 400, 150
MAX_FUNCTION_LINES, MAX_POSITIONAL = 50, 5


def modules() -> dict[str, ast.Module]:
    """Every module by its dotted name, a package by that of its folder."""
    found = {}
    for path in sorted(SRC.rglob("*.py")):
        parts = ("encore", *path.relative_to(SRC).with_suffix("").parts)
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


MODULES = modules()


def imported(tree: ast.Module, known: Mapping[str, object]) -> Iterator[tuple[int, str]]:
    """Line and module of every import from this package, type-only and in-function ones too.

    ``from a import b`` is of ``a.b`` where that is a module, and of ``a`` otherwise.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "encore":
            for alias in node.names:
                below = f"{node.module}.{alias.name}"
                yield node.lineno, below if below in known else str(node.module)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "encore":
                    yield node.lineno, alias.name


def rings(imports: Mapping[str, set[str]]) -> list[list[str]]:
    """Groups of modules each of which reaches every other one of its group."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        left = [start]
        while left:
            for there in imports.get(left.pop(), set()) - seen:
                seen.add(there)
                left.append(there)
        return seen

    reach = {name: reached(name) for name in imports}
    groups = {
        tuple(sorted(other for other in reach[name] if name in reach.get(other, ())))
        for name in imports
        if name in reach[name]
    }
    return sorted(map(list, groups))


def folder(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


def test_imports_point_to_earlier_stages() -> None:
    wrong = []
    for name, tree in MODULES.items():
        here = folder(name)
        for line, there in imported(tree, MODULES):
            earlier = RANK.get(folder(there), len(RANKS)) < RANK.get(here, len(RANKS))
            if here and folder(there) != here and not earlier:
                wrong.append(f"{name}:{line} imports {there}")
    assert not wrong, "\n".join(wrong)


def test_every_folder_has_a_rank() -> None:
    assert {folder(name) for name in MODULES} - {""} <= set(RANK)


def test_no_modules_import_each_other_in_a_ring() -> None:
    imports = {name: {there for _, there in imported(t, MODULES)} for name, t in MODULES.items()}
    assert rings(imports) == []


@pytest.mark.parametrize(
    ("code", "there"),
    [
        ("def f():\n    from encore.weights import Weights", "encore.weights"),
        ("if TYPE_CHECKING:\n    from encore.weights.weights import W", "encore.weights.weights"),
        ("\nfrom encore import weights", "encore.weights"),
        ("\nfrom encore import __version__", "encore"),
        ("\nimport encore.weights", "encore.weights"),
        ("\nimport encore", "encore"),
    ],
)
def test_the_import_rule_sees_every_kind_of_import(code: str, there: str) -> None:
    known = {"encore", "encore.weights", "encore.weights.weights"}
    assert list(imported(ast.parse(code), dict.fromkeys(known))) == [(2, there)]


def test_rings_are_found() -> None:
    imports = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": {"d"}, "f": {"a"}}
    assert rings(imports) == [["a", "b", "c"], ["d", "e"]]


def test_modules_are_small() -> None:
    lines = {p.relative_to(SRC): len(p.read_text().splitlines()) for p in SRC.rglob("*.py")}
    assert {p: n for p, n in lines.items() if n > MAX_MODULE_LINES} == {}
    assert sorted(lines.values())[len(lines) // 2] <= MEDIAN_MODULE_LINES


Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def body_lines(node: Function) -> int:
    """Lines of a function without its signature and docstring."""
    first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
    return int(node.end_lineno or 0) - first.lineno + 1


def positional(node: Function) -> list[str]:
    """Parameters that can be given by position: those have to be remembered in their order."""
    arguments = [*node.args.posonlyargs, *node.args.args]
    return [argument.arg for argument in arguments if argument.arg not in ("self", "cls")]


def handed_over_by_name(node: Function) -> bool:
    """Whether click calls it, which names every argument."""
    return any(
        "click" in ast.unparse(d) or "command" in ast.unparse(d) for d in node.decorator_list
    )


def test_functions_are_small() -> None:
    wrong = [
        f"{name}:{node.lineno} {node.name}"
        for name, tree in MODULES.items()
        for node in functions(tree)
        if body_lines(node) > MAX_FUNCTION_LINES
    ]
    assert not wrong, "\n".join(wrong)


def test_no_function_has_many_positional_parameters() -> None:
    wrong = [
        f"{name}:{node.lineno} {node.name}({', '.join(positional(node))})"
        for name, tree in MODULES.items()
        for node in functions(tree)
        if len(positional(node)) > MAX_POSITIONAL and not handed_over_by_name(node)
    ]
    assert not wrong, "\n".join(wrong)


def test_async_functions_and_keyword_only_options_are_told_apart() -> None:
    (node,) = functions(ast.parse("async def f(a, b, *, c):\n    'd'\n    e\n    g"))
    assert (positional(node), body_lines(node)) == (["a", "b"], 2)


# Each kind of file states its own.
OF_EVERY_FILE = {"KIND", "VERSION"}


def public_names(tree: ast.Module) -> Iterator[str]:
    """Classes and constants at the top of a module."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                for name in ast.walk(target):
                    if isinstance(name, ast.Name) and name.id.isupper():
                        yield name.id


def test_no_two_classes_or_constants_share_a_name() -> None:
    places: dict[str, list[str]] = {}
    for module, tree in MODULES.items():
        for name in public_names(tree):
            if not name.startswith("_") and name not in OF_EVERY_FILE:
                places.setdefault(name, []).append(module)
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_importing_encore_imports_nothing_heavy() -> None:
    code = f"import sys, encore; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_arrays_alone_never_import_pyarrow() -> None:
    code = (
        "import sys, encore\n"
        "rules = encore.Rulebook.from_ids(['a', 'b'], encore.LevelScale((0, 1)))\n"
        "calibration = encore.calibrate([[1, 0], [0, 0]], rules, prompts=[1, 1])\n"
        "encore.compose([[1, 1]], encore.weights.Linear()(calibration))\n"
        "print('pyarrow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
