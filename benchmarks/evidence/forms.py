"""How each form ranks pairs against the weighted mean, all rules alike, on many raters' ratings.

    python -m benchmarks.evidence.forms FOLDER

Each folder in FOLDER is a case: ``pairs.parquet`` and ``rules.toml``. The bundled ratings are two
more. The figures go to ``forms.csv``, which docs/explanation/forms.md shows.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encore import PreferencePairs, Rulebook, Weights, as_pairs, compose, examples
from encore.evaluation import outcomes

CSV = Path(__file__).parent / "forms.csv"
BUNDLED = {"bundled": examples.ratings_path, "bundled_applies": examples.ratings_with_applies}
FORMS = (
    *("geometric", "geometric:epsilon=0.01", "geometric:epsilon=0.2"),
    *("power:exponent=0.5", "power:exponent=-1000"),
    *("pessimistic", "pessimistic:beta=1"),
)


def halves(pairs: PreferencePairs, form: str) -> NDArray[np.float64]:
    """Half-credit verdicts; NaN where a reward is unknown."""
    weights = Weights(pairs.rules, np.ones(len(pairs.rules)))
    rewards = compose(pairs.ratings, weights, form=form)
    return outcomes(rewards[pairs.chosen], rewards[pairs.rejected]).half


def difference(pairs: PreferencePairs, form: str, mean: NDArray[np.float64]) -> tuple[float, float]:
    """Points of accuracy over the mean, and their standard error with prompts as the units."""
    apart = halves(pairs, form) - mean
    known = ~np.isnan(apart)
    value = float(apart[known].mean())
    by_prompt = np.bincount(pairs.prompts.codes[known], apart[known] - value)
    error = float(np.sqrt((by_prompt**2).sum())) / int(known.sum())
    return 100 * value, 100 * error


def row_of(name: str, pairs: PreferencePairs) -> dict[str, Any]:
    """A case's figures."""
    mean = halves(pairs, "mean")
    row: dict[str, Any] = {
        "case": name,
        "pairs": pairs.n_pairs,
        "prompts": len(np.unique(pairs.prompts.codes)),
        "rules": len(pairs.rules),
        "mean": f"{100 * np.nanmean(mean):.1f}",
    }
    for form in FORMS:
        value, error = difference(pairs, form, mean)
        row[form] = f"{value + 0:+.1f}"
        row[f"{form} se"] = f"{error:.1f}"
    return row


def cases(folder: Path) -> Iterator[tuple[str, PreferencePairs]]:
    """The bundled ratings, and every case of a folder."""
    for name, ratings in BUNDLED.items():
        yield name, as_pairs(ratings(), examples.rules())
    for path in sorted(folder.glob("*/pairs.parquet")):
        yield path.parent.name, as_pairs(path, Rulebook.load(path.parent / "rules.toml"))


SHOWN = ("geometric", "power:exponent=0.5", "pessimistic", "power:exponent=-1000")
_CASES = {
    "bundled": "safety, LLM judge (bundled)",
    "bundled_applies": "the same, by how far rules apply",
    "frank_fact5": "FRANK: five factuality metrics of summaries",
    "frank_metrics15": "FRANK: 15 metrics of summaries",
    "hanna_chatgpt": "HANNA: stories, ChatGPT",
    "hanna_human1": "HANNA: stories, one person",
    "hanna_llama13": "HANNA: stories, Llama 13B",
    "hanna_metrics72": "HANNA: stories, 72 metrics",
    "hanna_mistral": "HANNA: stories, Mistral",
    "llmrubric_real": "LLM-Rubric: dialogues, expected levels",
    "topical_unieval": "UniEval: dialogues, five heads",
    "ttcw_claude3_opus": "TTCW: stories, Claude 3 Opus",
    "ttcw_gpt4": "TTCW: stories, GPT-4",
}


def markdown(rows: Sequence[Mapping[str, str]]) -> str:
    """The table of docs/explanation/forms.md."""
    heads = (
        "ratings",
        "pairs",
        "rules",
        "mean, %",
        "geometric",
        "power 0.5",
        "pessimistic",
        "least",
    )
    lines = [f"| {' | '.join(heads)} |", f"|---|{'---:|' * (len(heads) - 1)}"]
    for row in rows:
        figures = [f"{row[form]} ± {row[f'{form} se']}" for form in SHOWN]
        cells = [_CASES[row["case"]], row["pairs"], row["rules"], row["mean"], *figures]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def read() -> list[dict[str, str]]:
    """What ``forms.csv`` holds."""
    with CSV.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def main(folder: str) -> None:
    rows = [row_of(name, pairs) for name, pairs in cases(Path(folder))]
    with CSV.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(markdown(read()))


if __name__ == "__main__":
    main(*sys.argv[1:])
