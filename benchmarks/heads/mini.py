"""Responses a second: encore:mini, and heads on all of MiniLM, against sentence-transformers.

The peer gets the same texts in batches of 32, once in a loop that encodes one batch after another,
once in a single call, which sorts them by length itself. encore:mini uses three of MiniLM's six
layers and one that takes the mean; the second comparison has all six, plus one for the mean. Texts
are the safety pairs of 100 to 200 tokens, about 150 on average.

Run as ``python benchmarks/heads/mini.py DATA``; a minute on two cores.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq

from encore.heads import Backbone, HeadModel
from encore.heads.model.bundled import minilm
from encore.heads.model.classifier import as_classifier
from encore.heads.model.conversation import Conversation
from encore.heads.model.surgery import mean_over_tokens

os.environ["TQDM_DISABLE"] = "1"
ROUNDS = 3


def talks(data: Path, model: HeadModel) -> list[Conversation]:
    rows = pq.read_table(data / "safety_pairs.parquet").to_pylist()
    sides = [
        (("user", row["prompt"]), ("assistant", row[side]))
        for row in rows
        for side in ("chosen", "rejected")
    ]
    read = model.backbone.reader
    return [talk for talk in sides if 100 <= len(read(talk)) <= 200]


def main() -> None:
    from sentence_transformers import SentenceTransformer

    mini = HeadModel("encore:mini")
    whole = Backbone(mean_over_tokens(as_classifier(minilm())))
    peer = SentenceTransformer(str(minilm().folder))
    given = talks(Path(sys.argv[1]), mini)
    texts = [f"{talk[0][1]}\n\n{talk[1][1]}" for talk in given]
    n_tokens = sum(len(mini.backbone.reader(talk)) for talk in given)
    print(f"{len(given)} responses of {n_tokens / len(given):.0f} tokens, prompt included")
    ways: dict[str, Callable[[], object]] = {
        "encore:mini": lambda: mini.score_heads(given),
        "six layers": lambda: whole.states([whole.reader(talk) for talk in given]),
        "peer, one call": lambda: peer.encode(texts, batch_size=32),
        "peer, a loop": lambda: [peer.encode(texts[i : i + 32]) for i in range(0, len(texts), 32)],
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):  # in turn, so that a busy moment affects all
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - began)
    middle = {name: statistics.median(times) for name, times in seconds.items()}
    for name, time_taken in middle.items():
        ratios = [f"{middle[p] / time_taken:.2f} x {p}" for p in ("peer, a loop", "peer, one call")]
        print(f"{name:15} {len(given) / time_taken:6.1f} a second   {', '.join(ratios)}")


if __name__ == "__main__":
    main()
