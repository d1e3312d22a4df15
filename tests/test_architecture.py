"""The shape of the house."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import encore

SRC = Path(encore.__file__).parent
# A folder imports only from lines above its own; folders on one line do not know each other.
RANKS = (
    {"errors"},
    {"extras", "files", "notebook"},
    {"rules"},
    {"ratings", "examples"},
    {"calibrate", "heads"},
    {"rate", "weights"},
    {"compose"},
    {"evaluate", "theory"},
    {"report", "serve", "trainers", "scale"},
    {"cli"},
)
RANK = {name: rank for rank, names in enumerate(RANKS) for name in names}
HEAVY = ("pyarrow", "pandas", "polars", "scipy", "sklearn", "torch", "rich", "click", "matplotlib")
MAX_MODULE_LINES, MEDIAN_MODULE_LINES = 400, 150
MAX_FUNCTION_LINES, MAX_PARAMETERS = 50, 5


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(SRC.rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and folder of every import from this package, type-only and in-function ones too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "encore":
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("encore."):
            yield node.lineno, str(node.module).split(".")[1]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("encore."):
                    yield node.lineno, alias.name.split(".")[1]


def test_imports_point_to_earlier_stages() -> None:
    wrong = []
    for path, tree in modules():
        here = path.relative_to(SRC).parts[0].removesuffix(".py")
        if here == "__init__":
            continue
        for line, there in imported(tree):
            known = there in RANK or (here in ("cli", "report") and there == "__version__")
            if there != here and not (known and RANK.get(there, -1) < RANK[here]):
                wrong.append(f"{path.relative_to(SRC)}:{line} {here} imports {there}")
    assert not wrong, "\n".join(wrong)


def test_the_import_rule_sees_an_import_that_breaks_it() -> None:
    tree = ast.parse("def f():\n    from encore.compose import compose\n    import encore.cli.main")
    assert list(imported(tree)) == [(2, "compose"), (3, "cli")]


def test_modules_are_small() -> None:
    lines = {p.relative_to(SRC): len(p.read_text().splitlines()) for p, _ in modules()}
    assert {p: n for p, n in lines.items() if n > MAX_MODULE_LINES} == {}
    assert sorted(lines.values())[len(lines) // 2] <= MEDIAN_MODULE_LINES


def _body_lines(node: ast.FunctionDef) -> int:
    """Lines of a function without its signature and docstring."""
    first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
    return int(node.end_lineno or 0) - first.lineno + 1


def test_functions_are_small() -> None:
    wrong = []
    for path, tree in modules():
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef):
                continue
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            named = [a for a in arguments if a.arg not in ("self", "cls")]
            # A verb's parameters are its options; there is no fewer way to say them.
            # A record's are its fields.
            free = path.parent.name == "cli" or node.name == "__init__"
            many = len(named) > MAX_PARAMETERS and not free
            if _body_lines(node) > MAX_FUNCTION_LINES or many:
                wrong.append(f"{path.relative_to(SRC)}:{node.lineno} {node.name}")
    assert not wrong, "\n".join(wrong)


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
