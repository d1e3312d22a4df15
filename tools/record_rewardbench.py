"""Record what the package rewardbench computes from synthetic scores: numbers only, no text.

It pins an old transformers and vllm, so it runs in its own environment, and only the modules that
hold the arithmetic are loaded, from their files. Modules that they import but never call are
stubbed; the functions themselves run unchanged. The result is deterministic::

    python -m venv rewardbench-env
    rewardbench-env/bin/pip install --no-deps rewardbench==0.1.4
    rewardbench-env/bin/pip install numpy pandas datasets
    rewardbench-env/bin/python tools/record_rewardbench.py tests/golden/rewardbench.json
"""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import importlib.util
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

LEVELS = np.arange(5) / 4  # exact in binary, and few enough that many scores are tied
STUBS: dict[str, tuple[str, ...]] = {
    "torch": (),
    "fastchat": (),
    "fastchat.conversation": ("Conversation",),
    "transformers": ("PreTrainedTokenizer",),
    "rewardbench": (),
    "rewardbench.models": ("REWARD_MODEL_CONFIG",),
}


def load(folder: Path, name: str) -> ModuleType:
    """A module of the package, loaded from its file without the package's own imports."""
    spec = importlib.util.spec_from_file_location(f"recorded_{name}", folder / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def stubs() -> Iterator[None]:
    """Empty modules for packages that are not installed; temporary, since others check for them."""
    for name, attributes in STUBS.items():
        module = ModuleType(name)
        for attribute in attributes:
            setattr(module, attribute, type(attribute, (), {}))
        sys.modules[name] = module
    try:
        yield
    finally:
        for name in STUBS:
            del sys.modules[name]


def strict_rule(folder: Path) -> Any:
    """The package's verdict on a batch of pairs, which is buried in its command."""
    tree = ast.parse((folder / "rewardbench.py").read_text(encoding="utf-8"))
    (found,) = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.ListComp) and "results.append" in ast.unparse(node)
    )
    return compile(ast.Expression(found), "rewardbench.py", "eval")


def sections(folder: Path, utils: ModuleType, constants: ModuleType) -> Iterator[dict[str, Any]]:
    rule, rng = strict_rule(folder), np.random.default_rng(0)
    safety = constants.SUBSET_MAPPING["Safety"]
    others = [name for name in constants.EXAMPLE_COUNTS if name not in safety]
    present = [[*safety, *others], safety, safety[:3], safety[2:], [safety[4]], others[:4]]
    for names in present:
        chosen, rejected, accuracy = {}, {}, {}
        for name in names:
            n_pairs = int(rng.integers(1, 9))
            chosen[name] = rng.choice(LEVELS, n_pairs).tolist()
            rejected[name] = rng.choice(LEVELS, n_pairs).tolist()
            results: list[int] = []
            batch = {
                "results": results,
                "score_chosen_batch": chosen[name],
                "score_rejected_batch": rejected[name],
            }
            eval(rule, batch)
            accuracy[name] = sum(results) / len(results)
        scores = utils.calculate_scores_per_section(
            constants.EXAMPLE_COUNTS, constants.SUBSET_MAPPING, accuracy
        )
        yield {"chosen": chosen, "rejected": rejected, "accuracy": accuracy, "sections": scores}


def best_of(utils: ModuleType, dataset: Any, sizes: list[int]) -> dict[str, Any]:
    """The results of prompts with that many responses each, the chosen one first."""
    rng = np.random.default_rng(1)
    scores = [rng.choice(LEVELS, size).tolist() for size in sizes]
    # Every number of ties for first place, with the chosen response among them and below them.
    for n_top in range(1, sizes[0] + 1):
        top = [1.0] * n_top + [0.5] * (sizes[0] - n_top)
        scores += [top, top[::-1]]
    rows = [(number, score) for number, group in enumerate(scores) for score in group]
    unrolled = {
        "id": [str(number) for number, _ in rows],
        "text": [""] * len(rows),
        "scores": [score for _, score in rows],
    }
    made = utils.reroll_and_score_dataset(
        dataset.from_dict(unrolled), [len(group) for group in scores]
    )
    results = list(made["results"])
    return {"scores": scores, "results": results, "mean": sum(results) / len(results)}


def lines(part: Any) -> str:
    """JSON with one case per line."""
    if not isinstance(part, list):
        return json.dumps(part)
    return "[\n" + ",\n".join(map(json.dumps, part)) + "\n]"


def main(out: Path) -> None:
    found = importlib.util.find_spec("rewardbench")
    assert found is not None and found.origin is not None
    folder = Path(found.origin).parent
    dataset = importlib.import_module("datasets").Dataset
    with stubs():
        constants, utils = load(folder, "constants"), load(folder, "utils")
    record = {
        "package": f"rewardbench {importlib.metadata.version('rewardbench')}",
        "example_counts": constants.EXAMPLE_COUNTS,
        "subset_mapping": constants.SUBSET_MAPPING,
        "sections": list(sections(folder, utils, constants)),
        "best_of": [best_of(utils, dataset, [4] * 60), best_of(utils, dataset, [2, 3, 4, 5] * 5)],
    }
    parts = [f"{json.dumps(name)}: {lines(part)}" for name, part in record.items()]
    out.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
