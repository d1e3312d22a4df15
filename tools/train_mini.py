"""Train the heads that ship as `encore:mini`, and write their card.

Usage: python tools/train_mini.py DATA [--out FOLDER] [--pairs FILE]

DATA is the folder with the human labels. Prompts are divided by a digest of their text: three
fifths for training, two fifths for evaluation. With --pairs it only writes the safety pairs of the
latter.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from encore import Comparison, RangeScale, Rule, Rulebook, compare
from encore.heads.files.safetensors import write_tensors
from encore.heads.model.backbone import Backbone
from encore.heads.model.bundled import MINI_FOLDER, MINI_LAYERS, mini_backbone
from encore.heads.model.conversation import Conversation
from encore.heads.training.save import TrainedHeads, card
from encore.heads.training.train import TrainingData, train_ridge

XSTEST, DNA = "XSTest annotations", "Do-Not-Answer annotations"
RBR, MODERATION = "OpenAI RBR gold propositions", "OpenAI moderation categories"
RULES = {
    "harmless": ("Does no harm when asked for something harmful.", DNA),
    "declines_unsafe": ("Does not comply with an unsafe request.", f"{XSTEST}, {DNA}"),
    "answers_safe": ("Complies with a safe request.", f"{XSTEST}, {RBR}"),
    "sexual": ("Contains no sexual content.", MODERATION),
    "hate": ("Contains no hate against a protected group.", MODERATION),
    "harassment": ("Contains no harassment.", MODERATION),
    "violence": ("Does not promote, praise or depict violence.", MODERATION),
    "self_harm": ("Does not promote, praise or depict self-harm.", MODERATION),
    "judgement": ("Does not judge, insult or threaten the user.", RBR),
    "disallowed": ("Contains no disallowed content.", RBR),
}
EVALUATED = 2  # of five parts
_IDS = ("id", "prompt_id", "subset")


def is_evaluated(prompt: str) -> bool:
    """Whether this prompt is held out for evaluation; no head was trained on it."""
    return int(hashlib.sha256(prompt.encode()).hexdigest()[:8], 16) % 5 < EVALUATED


@dataclass(frozen=True)
class Row:
    """One response with what people said of it."""

    talk: Conversation
    prompt: str
    labels: Mapping[str, float]


def rows(data: Path) -> Iterator[Row]:
    """All labelled responses, the best label 1 and the worst 0."""
    yield from _xstest(data)
    yield from _do_not_answer(data)
    yield from _rbr(data)
    yield from _moderation(data)


def _read(data: Path, name: str) -> list[dict[str, Any]]:
    table: list[dict[str, Any]] = pq.read_table(data / f"{name}.parquet").to_pylist()
    return table


def _row(prompt: str, response: str, labels: Mapping[str, float]) -> Row:
    return Row((("user", prompt), ("assistant", response)), prompt, labels)


def _xstest(data: Path) -> Iterator[Row]:
    complied = {"1_full_compliance": 1.0, "3_partial_refusal": 0.5, "2_full_refusal": 0.0}
    for row in _read(data, "xstest_responses"):
        value = complied[row["label"]]
        unsafe = row["should_refuse"]
        labels = {"declines_unsafe": 1 - value} if unsafe else {"answers_safe": value}
        yield _row(row["prompt"], row["response"], labels)


def _do_not_answer(data: Path) -> Iterator[Row]:
    follows = 5
    for row in _read(data, "donotanswer_responses"):
        declines = float(row["action"] != follows)
        labels = {"harmless": 1.0 - row["harmful"], "declines_unsafe": declines}
        yield _row(row["prompt"], row["response"], labels)


def _rbr(data: Path) -> Iterator[Row]:
    rude = ("prop_judgement", "prop_insulting_language", "prop_threatening_language")
    for row in _read(data, "rbr_gold"):
        messages = [(m["role"], m["content"]) for m in json.loads(row["messages"])]
        labels = {
            "judgement": 1.0 - any(row[name] for name in rude),
            "disallowed": 1.0 - row["prop_disallowed_content"],
        }
        if row["response_type"] == "Comply":
            labels["answers_safe"] = float(row["prop_fully_complies"])
        prompt = "\n\n".join(text for _, text in messages)
        yield Row((*messages, ("assistant", row["response"])), prompt, labels)


def _moderation(data: Path) -> Iterator[Row]:
    """A text without a conversation, a response to nothing. Violated if any category is."""
    categories = {
        "sexual": ("S", "S3"),
        "hate": ("H", "H2"),
        "harassment": ("HR",),
        "violence": ("V", "V2"),
        "self_harm": ("SH",),
    }
    for row in _read(data, "moderation"):
        labels = {}
        for rule, names in categories.items():
            found = [row[name] for name in names]
            if 1.0 in found:
                labels[rule] = 0.0
            elif None not in found:
                labels[rule] = 1.0
        yield Row((("assistant", row["text"]),), row["text"], labels)


def labelled(data: Path) -> TrainingData:
    """The responses to train on."""
    kept = [row for row in rows(data) if not is_evaluated(row.prompt)]
    scale = RangeScale(0.0, 1.0, 10)
    rules = Rulebook(tuple(Rule(name, *(text, scale, by)) for name, (text, by) in RULES.items()))
    labels = np.array([[row.labels.get(name, np.nan) for name in RULES] for row in kept])
    sources = {
        XSTEST: "CC BY 4.0; label: full compliance, partial or full refusal",
        DNA: "Apache-2.0; labels: harmful, action",
        RBR: "MIT; propositions about replies",
        MODERATION: "MIT; eight categories of texts",
        "responses": str(len(kept)),
        "prompts": "three fifths of them, by SHA-256 of the text; the others are for evaluation",
    }
    talks = [row.talk for row in kept]
    return TrainingData(talks, labels, [row.prompt for row in kept], rules, sources)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=MINI_FOLDER)
    parser.add_argument("--pairs", type=Path)
    given = parser.parse_args()
    if given.pairs is not None:
        kept = [row for row in _read(given.data, "safety_pairs") if is_evaluated(row["prompt"])]
        pq.write_table(pa.Table.from_pylist(kept), given.pairs)
        return
    given.out.mkdir(exist_ok=True)
    backbone = Backbone(mini_backbone())
    with tempfile.TemporaryDirectory() as folder:
        trained = train_ridge(labelled(given.data), backbone, Path(folder) / "states.npy")
    heads = {
        "classifier.weight": trained.weight.astype(np.float32),
        "classifier.bias": trained.bias.astype(np.float32),
    }
    write_tensors(given.out / "head.safetensors", heads)
    trained.rules.save(given.out / "rules.toml", "The rules of encore:mini; 0 is worst, 1 best.")
    comparison = evaluated(backbone, trained, given.data)
    text = _card(trained, comparison)
    (given.out / "README.md").write_text(text, encoding="utf-8")
    for found in trained.quality:
        print(f"{found.rule:16} {found.n_targets:5} {found.r2:6.3f} {found.auc:.3f}")


def _card(trained: TrainedHeads, comparison: Comparison) -> str:
    backbone = f"the first {MINI_LAYERS} layers of sentence-transformers/all-MiniLM-L6-v2"
    base = "base_model: sentence-transformers/all-MiniLM-L6-v2"
    text = card(trained, trained.rules, backbone).replace(f"base_model: {backbone}", base)
    subsets = list(comparison.row("uniform").subsets)
    head = " | ".join(("scheme", "all", "95 %", "against uniform", *subsets))
    rows = [f"| {head} |", "|" + "---|" * (4 + len(subsets))]
    for row in comparison.rows:
        half, difference = row.accuracy["half"], row.difference
        by_subset = [f"{row.subsets[name]['half'].value:.1%}" for name in subsets]
        cells = [
            f"{half.value:.1%}",
            f"{half.low:.1%} to {half.high:.1%}",
            f"{difference.value:+.1%} ({difference.low:+.1%} to {difference.high:+.1%})",
        ]
        rows.append(f"| {' | '.join((row.scheme, *cells, *by_subset))} |")
    alone = ["| rule | half | resolved |", "|---|---|---|"]
    for rule in comparison.rules:
        cells = [f"{rule.accuracy[kind]:.1%}" for kind in ("half", "resolved")]
        alone.append(f"| {rule.rule} | {' | '.join(cells)} |")
    return _PAIRS.format(
        card=text,
        n_pairs=comparison.n_pairs,
        n_prompts=comparison.n_prompts,
        rows="\n".join(rows),
        alone="\n".join(alone),
        sentence=comparison.sentence,
    )


_PAIRS = """{card}- Its rules are about harm and refusal, in English.
- It knows nothing about helpfulness or facts.
- Rules learned from texts without a conversation (sexual, hate, harassment, violence, self_harm)
  see the topic of prompt and response together: they barely tell a refusal from an answer.
- `answers_safe` does not know whether a request is safe: on unsafe ones it prefers the answer.

## On pairs from prompts it never saw

{n_pairs} pairs from {n_prompts} prompts of XSTest and Do-Not-Answer, a safe and helpful response
against one that is not. Accuracy, a tie counting one half; 95 % intervals resample prompts.

{rows}

{sentence}

Each rule alone:

{alone}
"""


def evaluated(model: Backbone, trained: TrainedHeads, data: Path) -> Comparison:
    """Every scheme on the pairs of prompts that no head was trained on."""
    kept = [row for row in _read(data, "safety_pairs") if is_evaluated(row["prompt"])]
    columns: dict[str, Any] = {name: [row[name] for row in kept] for name in _IDS}
    for side in ("chosen", "rejected"):
        talks = [(("user", row["prompt"]), ("assistant", row[side])) for row in kept]
        states = model.states([model.reader(talk) for talk in talks])
        values = states @ trained.weight.T + trained.bias
        for place, rule in enumerate(trained.rules):
            columns[f"{side}.{rule.id}"] = values[:, place]
    return compare(pa.table(columns), trained.rules)


if __name__ == "__main__":
    main()
